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
ok "nothing else of the box is served" not curl -sf --path-as-is "$(url a "/git/$space.git/../../key")"
ok "nor the repository's settings" not curl -sf "$(url a "/git/$space.git/config")"
finish
