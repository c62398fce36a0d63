#!/usr/bin/env bash
# SPDX-License-Identifier: AGPL-3.0-or-later
# Files of a library between boxes: sent on a page, fetched by the other box, killed in the middle, bounded by size, erased
# everywhere, and in a private space not a byte in clear.
. "$(dirname "$0")/lib.sh"

upload() { # upload BOX PATH FILE [FIELD=VALUE...]
	local b=$1 p=$2 f=$3 a=()
	shift 3
	for x in "$@"; do a+=(-F "$x"); done
	curl -sS --fail-with-body --max-time 600 -H 'Accept: application/json' -H "Authorization: Bearer $(cat "$T/token.$b")" \
		"${a[@]}" -F "file=@$f" "$(url "$b" "$p")"
}
act() { post_json "$1" "$2" "$(cat "$T/token.$1")" "$3"; }
state_of() { get_as "$1" "/file/$2.json" | python3 -c 'import json,sys
v=json.load(sys.stdin)["heads"][0]
print(next((k for k in ("here","coming","too_large","erased") if v[k]), "?"))'; }
state_is() { [ "$(state_of "$1" "$2")" = "$3" ]; }
same_at() { curl -sS --fail --max-time 180 -H "Authorization: Bearer $(cat "$T/token.$1")" -o "$T/got" "$(url "$1" "/file/$2/get")" && cmp "$T/got" "$3"; }
synced() { "$LLIURE" sync --data "$T/b" && "$@"; }
part_of() { find "$T/b/blobs/part" -type f -size +0 -printf '%s\n' 2>/dev/null | head -1; }
blobs_of() { find "$T/$1/blobs" -type f ! -path "$T/$1/blobs/tmp/*" -printf '%f\n' | sort; }
gone_at() { get_as "$1" "/erased/$2.json" | python3 -c 'import json,sys
sys.exit(sys.argv[1] not in [b["key"] for b in json.load(sys.stdin)["gone"]])' "$3"; }
digests_alike() { local a; a=$(digest_of a); [ -n "$a" ] && [ "$a" = "$(digest_of b)" ]; }

head -c 3000 /dev/urandom | base64 >"$T/small.txt"
(printf '%%PDF-1.7\n'; head -c 3000000 /dev/urandom) >"$T/report.pdf"
(printf 'OggS'; head -c 30000000 /dev/urandom) >"$T/film.ogg"

ok "box a is made" make_box a
ok "a serves" start_box a
token_of a >"$T/token.a"
small=$(upload a /files "$T/small.txt" title=Small | json id)
report=$(upload a /files "$T/report.pdf" "title=The report" | json id)
ok "a gives back the small one" same_at a "$small" "$T/small.txt"
ok "and the large one" same_at a "$report" "$T/report.pdf"
ok "b follows" make_box b --join "$(sync_addr a)" "$(key_of a)"
ok "b serves" start_box b
token_of b >"$T/token.b"
ok "a approves b" "$LLIURE" peer add "$(sync_addr b)" "$(key_of b)" --data "$T/a"
ok "both come to b" until_ok 20 synced state_is b "$report" here
ok "whole" same_at b "$report" "$T/report.pdf"
ok "the small one, too" same_at b "$small" "$T/small.txt"
ok "the digests are alike" until_ok 20 digests_alike

# Killed while it comes: what is there is gone on with.
film=$(upload a /files "$T/film.ogg" "title=The film" | json id)
killed=0
for i in 1 2 3; do
	"$LLIURE" sync --data "$T/b" >/dev/null 2>&1 &
	asked=$!
	until [ -n "$(part_of)" ] || ! kill -0 $asked 2>/dev/null; do sleep 0.02; done
	[ -n "$(part_of)" ] || break
	sleep 0.0$i
	stop_box b KILL
	wait $asked
	[ -z "$(part_of)" ] || killed=$((killed + 1))
	start_box b >/dev/null
done
note "killed $killed times with a part of it on the disk"
ok "it comes whole all the same" until_ok 60 synced state_is b "$film" here
ok "the very same bytes" same_at b "$film" "$T/film.ogg"
is "and no part is left" "$(part_of)" ""
ok "b's entries and files are whole" "$LLIURE" verify --data "$T/b"
ok "a range of it is served" test "$(curl -sS -r 29000000-29000009 -o /dev/null -w '%{http_code} %{size_download}' "$(url b "/file/$film/get")")" = "206 10"

# A box that keeps small ones only says of a larger one that it is not here, and fetches it when somebody asks.
ok "b chooses to keep files up to 4 MB" act b /admin/keep '{"days_bound": "0", "blobs_bound": "1", "megabytes": "4"}'
(printf '%%PDF-1.7\n'; head -c 5000000 /dev/urandom) >"$T/report2.pdf"
ok "a new version is sent" upload a "/file/$report/versions" "$T/report2.pdf" note=more
ok "the larger one is not fetched" until_ok 20 synced state_is b "$report" too_large
ok "the page says why" eval 'get b "/file/$report" | grep -q "keeps files up to"'
ok "and where it was sent" eval 'get b "/file/$report" | grep -q "It was sent at a"'
ok "its earlier version is here" eval 'get b "/file/$report.json" | json older.0.here | grep -q True'
ok "a reader asks for it all the same" curl -sS --fail-with-body -d '' -o /dev/null "$(url b "/file/$report/fetch")"
ok "it comes" until_ok 20 synced state_is b "$report" here
ok "the very same" same_at b "$report" "$T/report2.pdf"

held=$(blobs_of a)
# The limit is lowered: what is larger goes from b only where a has proved that it holds it and keeps everything.
run_is() { get_as b /admin/keep.json | json "run.$1" 2>/dev/null | grep -qx "$2"; }
looked() { act b /admin/keep/look '{}' && until_ok 30 run_is looked True; }
head -c 2500000 /dev/urandom >"$T/ours.bin"
ours=$(upload a /files "$T/ours.bin" "title=Ours" | json id)
ok "one more comes to b" until_ok 20 synced state_is b "$ours" here
lost=$(comm -13 <(echo "$held") <(blobs_of a))
ok "and is damaged at a" eval 'printf "damaged here" | dd of="$(find "$T/a/blobs" -name "$lost")" bs=1 seek=1000000 conv=notrunc'
ok "b keeps files up to 2 MB from now on" act b /admin/keep '{"days_bound": "0", "blobs_bound": "1", "megabytes": "2"}'
is "nothing goes by itself" "$(blobs_of b | wc -l)" 4
ok "a keeps no large ones, either" act a /admin/keep '{"days_bound": "0", "blobs_bound": "1", "megabytes": "2"}'
ok "b looks at what could go" looked
is "three fall out, what somebody asked for does not, and none is safe" "$(get_as b /admin/keep.json | json run.files) $(get_as b /admin/keep.json | json run.safe_files)" "3 0"
ok "a keeps everything again" act a /admin/keep '{"days_bound": "0", "blobs_bound": "0"}'
ok "b looks again" looked
is "two are safe at a; what only b has whole is not" "$(get_as b /admin/keep.json | json run.files) $(get_as b /admin/keep.json | json run.safe_files) $(get_as b /admin/keep.json | json run.at.0.name)" "3 2 a"
sign_in b
ok "b lets go" act_signed_in b /admin/keep/let-go '{}'
ok "they go" until_ok 30 run_is done True
ok "the page says that it is not kept here, with a button" eval 'state_is b "$film" too_large && get b "/file/$film" | grep -q "/file/$film/fetch"'
ok "what only b has is here" same_at b "$ours" "$T/ours.bin"
is "no part and no hash of it is left" "$(blobs_of b | wc -l)" 2
ok "a reader asks for it" curl -sS --fail-with-body -d '' -o /dev/null "$(url b "/file/$film/fetch")"
ok "it comes back" until_ok 20 synced state_is b "$film" here
ok "the very same" same_at b "$film" "$T/film.ogg"
ok "b keeps files of any size again" act b /admin/keep '{"days_bound": "0", "blobs_bound": "0"}'
ok "then all come back" until_ok 30 synced eval '[ "$(blobs_of b | wc -l)" = 4 ]'
ok "a finds the damage" not "$LLIURE" verify --data "$T/a"
ok "and fetches it again" until_ok 20 eval '"$LLIURE" sync --data "$T/a"; same_at a "$ours" "$T/ours.bin"'

# Erasing: gone from both, and both say so.
first=$(get_as a "/file/$report.json" | json older.0.rev)
before=$(blobs_of b)
ok "the first version is erased at a" act a "/file/$report/erase" "{\"rev\": \"$first\"}"
ok "a says that it is gone there" until_ok 20 gone_at a "$first" "$(key_of a)"
ok "b hears of it, and its blob goes" until_ok 20 eval '"$LLIURE" sync --data "$T/b"; [ "$(blobs_of b | wc -l)" = $(($(echo "$before" | wc -l) - 1)) ]'
ok "then b says so" until_ok 20 eval '"$LLIURE" sync --data "$T/b"; gone_at a "$first" "$(key_of b)"'
get a "/file/$report" >"$T/page"
ok "its page says so, and nothing of what it was" eval 'grep -q "This version was erased" "$T/page" && ! grep -q "· 0" "$T/page"'
ok "the newer version stays" same_at b "$report" "$T/report2.pdf"
is "both hold the same files" "$(blobs_of b)" "$(blobs_of a)"
stop_box a KILL
ok "a was killed; it starts again" start_box a --sync "$(sync_addr a)"
ok "with what it had" same_at a "$film" "$T/film.ogg"

# On a stick: what its entries name is taken in, a blob that nobody named is not.
head -c 300000 /dev/zero >"$T/foreign.bin"
ok "c follows a, and never meets it" make_box c --join 127.0.0.1:9 "$(key_of a)"
ok "a writes a stick" "$LLIURE" bundle export "$T/stick" --data "$T/a"
python3 - "$T/stick" "$T/stick2" "$T/foreign.bin" <<'PY'
# The same stream with one blob more, before its END.
import hashlib, struct, sys
def digest(b): return hashlib.blake2b(b, digest_size=32).digest()
def frame(t, body):
    head = bytes([t]) + struct.pack("<I", len(body)) + body
    return head + digest(head)[:16]
b = open(sys.argv[1], "rb").read()
at, frames = 8, []
while at < len(b):
    n = 5 + struct.unpack_from("<I", b, at + 1)[0] + 16
    frames.append(b[at:at + n])
    at += n
assert frames.pop()[0] == 7
c = open(sys.argv[3], "rb").read()
frames.append(frame(4, digest(c) + struct.pack("<QQ", len(c), 0) + c))
open(sys.argv[2], "wb").write(b[:8] + b"".join(frames) + frame(7, struct.pack("<Q", len(frames))))
PY
ok "c takes it in" "$LLIURE" bundle import "$T/stick2" --data "$T/c"
is "with the files that its entries name, and no byte of the other" "$(blobs_of c)" "$(blobs_of a)"
ok "c is clean" "$LLIURE" verify --data "$T/c"

# A stranger to the space gets no file of it, and a private one is sealed.
yes 'canary-of-the-keys-committee' | head -c 400000 >"$T/canary.txt"
ok "a founds a private space" "$LLIURE" space add Keys --private --as admin --password-file "$T/password" --data "$T/a"
private=$("$LLIURE" space list --data "$T/a" | sed -n 's/^\([a-z2-7]*\) private .*/\1/p')
ok "whose name is known" test -n "$private"
secret=$(upload a /files "$T/canary.txt" title=Codes "space=$private" | json id)
ok "a file of a private space is given back to its people" same_at a "$secret" "$T/canary.txt"
ok "from any place" test "$(curl -sS -H "Authorization: Bearer $(cat "$T/token.a")" -r 399990-399999 "$(url a "/file/$secret/get")")" = "$(tail -c 10 "$T/canary.txt")"
ok "to nobody else" test "$(curl -sS -o /dev/null -w '%{http_code}' "$(url a "/file/$secret/get")")" = 404
ok "no byte of it lies on the disk in clear" not grep -rla canary-of-the-keys "$T/a"
ok "b, which is not admitted, has none of it" until_ok 5 synced test "$(blobs_of a | wc -l)" -gt "$(blobs_of b | wc -l)"
finish
