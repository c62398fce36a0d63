#!/usr/bin/env bash
# SPDX-License-Identifier: AGPL-3.0-or-later
# The library as a git repository: git itself clones it over HTTP, and finds nothing wrong with it.
. "$(dirname "$0")/lib.sh"
command -v git >/dev/null || skip_all "no git here"
export GIT_CONFIG_NOSYSTEM=1 HOME=$T GIT_TERMINAL_PROMPT=0

ok "a box is made" make_box a
ok "it serves" start_box a
token=$(token_of a)
ok "a page is written" post_json a /library "$token" '{"path":"normes/sala","title":"Ús de la sala","text":"Qui obre, tanca.\n"}'
ok "another" post_json a /library "$token" '{"path":"horaris","title":"Horaris","text":"Dilluns.\n"}'
rev=$(get a '/library/horaris.json?history=1' | json revisions.0.rev)
ok "and it is changed" post_json a /library/horaris "$token" "{\"title\":\"Horaris\",\"text\":\"Dimarts.\\n\",\"parents\":\"$rev\",\"note\":\"Canvi de dia\"}"
space=$(get a /index.json | json spaces.0.id 2>/dev/null || "$LLIURE" status --json --data "$T/a" | json spaces.0.id)
cloned() { rm -rf "$T/clone" && git clone -q "$(url a "/git/$space.git")" "$T/clone" && grep -q Dimarts "$T/clone/horaris.md"; }
ok "git clones the library over HTTP" until_ok 20 cloned
is "the pages are files" "$(cd "$T/clone" && git ls-files | tr '\n' ' ')" "horaris.md normes/sala.md "
is "one commit a version" "$(git -C "$T/clone" rev-list --count HEAD)" 3
is "by the member who wrote it, with the note" "$(git -C "$T/clone" log -1 --format='%an: %s' -- horaris.md)" "admin: Canvi de dia"
ok "git finds nothing wrong with it" git -C "$T/clone" fsck --strict
ok "a page more" post_json a /library "$token" '{"path":"nova","title":"Nova","text":"x\n"}'
pulled() { git -C "$T/clone" pull -q --ff-only && [ -e "$T/clone/nova.md" ]; }
ok "git pulls what came since" until_ok 20 pulled

# --- files: what is small as it is, what is large as a pointer of Git LFS ---
upload() { curl -sS --fail-with-body --max-time 180 -H 'Accept: application/json' -H "Authorization: Bearer $token" -F "file=@$1" "${@:2}" "$(url a /files)"; }
printf 'Acta curta.\n' >"$T/acta.txt"
(printf '%%PDF-1.7\n'; head -c 300000 /dev/urandom) >"$T/plan.pdf"
small=$(upload "$T/acta.txt" -F title=Acta | json id)
large=$(upload "$T/plan.pdf" -F "title=The plan" | json id)
sha=$(sha256sum <"$T/plan.pdf" | cut -d' ' -f1)
export GIT_LFS_SKIP_SMUDGE=1
has() { git -C "$T/clone" pull -q --ff-only && git -C "$T/clone" ls-files | grep -qx "$1"; }
ok "the small one comes along" until_ok 20 has acta.txt
ok "as it is" cmp "$T/clone/acta.txt" "$T/acta.txt"
ok "the large one" until_ok 20 has the-plan.pdf
is "as a pointer" "$(git -C "$T/clone" cat-file blob HEAD:the-plan.pdf | tr '\n' ' ')" \
	"version https://git-lfs.github.com/spec/v1 oid sha256:$sha size $(stat -c %s "$T/plan.pdf") "
is "that git knows for one" "$(git -C "$T/clone" check-attr filter the-plan.pdf acta.txt | sed 's/.*: //' | tr '\n' ' ')" "lfs unspecified "
is "by who sent it" "$(git -C "$T/clone" log -1 --format='%an: %s' -- the-plan.pdf)" "admin: The plan"
lfs() { # lfs OPERATION OID SIZE: what the box says to git lfs
	curl -sS -H 'Accept: application/vnd.git-lfs+json' -H 'Content-Type: application/vnd.git-lfs+json' -d \
		"{\"operation\":\"$1\",\"transfers\":[\"basic\"],\"objects\":[{\"oid\":\"$2\",\"size\":$3}]}" "$(url a "/git/$space.git/info/lfs/objects/batch")"
}
href=$(lfs download "$sha" 300009 | json objects.0.actions.download.href)
curl -sS -o "$T/got" "$href"
ok "it can be fetched from where the box says" cmp "$T/got" "$T/plan.pdf"
is "not under another size" "$(lfs download "$sha" 7 | json objects.0.error.code)" 404
is "nor what nobody sent" "$(lfs download "$(printf '%064d' 0)" 7 | json objects.0.error.code)" 404
is "nor what is no hash" "$(lfs download ../../key 7 | json objects.0.error.code)" 404
ok "nothing is sent in this way" eval 'lfs upload "$sha" 300009 | grep -q "on the pages"'
ok "git finds nothing wrong with it" git -C "$T/clone" fsck --strict
if git lfs version >/dev/null 2>&1; then
	unset GIT_LFS_SKIP_SMUDGE
	git lfs install --skip-repo >/dev/null
	ok "git lfs clones it with its files" eval 'git clone -q "$(url a "/git/$space.git")" "$T/full" && cmp "$T/full/the-plan.pdf" "$T/plan.pdf"'
fi
rev=$(get a "/file/$small.json" | json heads.0.rev)
ok "the small one is erased" post_json a "/file/$small/erase" "$token" "{\"rev\":\"$rev\"}"
anew() { rm -rf "$T/anew" && GIT_LFS_SKIP_SMUDGE=1 git clone -q "$(url a "/git/$space.git")" "$T/anew" && [ -e "$T/anew/the-plan.pdf" ] && [ ! -e "$T/anew/acta.txt" ]; }
ok "and goes out of the repository, and nothing else does" until_ok 20 anew
is "also out of its history" "$(git -C "$T/anew" log --all --format=%H -- acta.txt | wc -l)" 0
ok "nothing else of the box is served" not curl -sf --path-as-is "$(url a "/git/$space.git/../../key")"
ok "nor the repository's settings" not curl -sf "$(url a "/git/$space.git/config")"
finish
