#!/usr/bin/env bash
# SPDX-License-Identifier: AGPL-3.0-or-later
# Erasure that is acknowledged: the page names the boxes that confirmed, and a box confirms only when no
# byte is left in its folder, also after a kill in between.
. "$(dirname "$0")/lib.sh"

act() { post_json "$1" "$2" "$(cat "$T/token.$1")" "$3"; }
reads() { get "$1" "/topic/$topic.json" | grep -q "$2"; }
post_with() { get a "/topic/$topic.json" | python3 -c '
import json, sys
print(next(p["id"] for p in json.load(sys.stdin)["posts"] if sys.argv[1] in (p["html"] or "")))' "$1"; }
gone_at() { # gone_at BOX POST: short keys of those that confirmed, as BOX sees it
	get_as "$1" "/erased/$2.json" | python3 -c 'import json,sys; print(" ".join(sorted(b["key"] for b in json.load(sys.stdin)["gone"])))'
}
confirmed() { gone_at "$1" "$2" | grep -q "$3"; }
no_byte() { ! grep -rlaE "$2" "$T/$1"; }

ok "box a is made" make_box a
ok "and serves" start_box a
token_of a >"$T/token.a"
topic=$(act a /forum/general/topics '{"title": "Tea", "text": "first"}' | python3 -c 'import json,sys; print(json.load(sys.stdin)["id"])')
for w in zebrafish1 zebrafish2 zebrafish3; do ok "a reply, $w" act a "/topic/$topic/posts" "{\"text\": \"the secret $w is here\"}"; done
ok "box b follows" make_box b --join "$(sync_addr a)" "$(key_of a)"
ok "b serves" start_box b
token_of b >"$T/token.b"
ok "a approves b" "$LLIURE" peer add "$(sync_addr b)" "$(key_of b)" --data "$T/a"
ok "b syncs" until_ok 10 "$LLIURE" sync --data "$T/b"
ok "and reads" until_ok 10 reads b zebrafish3
a=$(key_of a) b=$(key_of b)
one=$(post_with zebrafish1) two=$(post_with zebrafish2) three=$(post_with zebrafish3)

stop_box b
ok "a erases the first" act a "/post/$one/erase" '{}'
ok "a says that it is gone from there" until_ok 20 confirmed a "$one" "$a"
ok "and no byte of it is in its folder" no_byte a zebrafish1
ok "b has not been heard from" not confirmed a "$one" "$b"
ok "a visitor is not told" not curl -sS --fail --max-time 180 "$(url a "/erased/$one.json")"
ok "b is back" start_box b
"$LLIURE" peer add "$(sync_addr b)" "$b" --data "$T/a" >/dev/null 2>&1
ok "b syncs" until_ok 10 "$LLIURE" sync --data "$T/b"
until_ok 5 no_byte b zebrafish1
ok "no byte of it is in b's folder" no_byte b zebrafish1
ok "b syncs" until_ok 10 "$LLIURE" sync --data "$T/b"
ok "and a knows" until_ok 20 confirmed a "$one" "$b"

ok "a erases the second" act a "/post/$two/erase" '{}'
stop_box a KILL
ok "and was killed at once; it starts again" start_box a
ok "then it says so" until_ok 20 confirmed a "$two" "$a"
ok "and no byte is there" no_byte a zebrafish2

# Whenever the confirmation is in the log the bytes are gone, at whatever moment the power goes.
ok "a erases the third" act a "/post/$three/erase" '{}'
for i in 1 2 3 4 5; do
	sleep 0.4
	stop_box a KILL
	start_box a >/dev/null
	if confirmed a "$three" "$a"; then break; fi
done
until_ok 20 confirmed a "$three" "$a"
ok "no byte is there after all the kills" no_byte a zebrafish3
ok "the page names a" sh -c "curl -sS -H 'Authorization: Bearer $(cat "$T/token.a")' '$(url a "/erased/$three")' | grep -q 'this box'"

# Who comes later never held what was erased, and does not wait for it.
ok "box c follows" make_box c --join "$(sync_addr a)" "$(key_of a)"
ok "c serves" start_box c
"$LLIURE" peer add "$(sync_addr c)" "$(key_of c)" --read-only --data "$T/a" >/dev/null 2>&1
ok "c has all that can be had" until_ok 10 sh -c "'$LLIURE' sync --data '$T/c' && curl -sS '$(url c "/topic/$topic.json")' | grep -q first"
missing() { "$LLIURE" status --json --data "$T/$1" | python3 -c 'import json,sys; print([s["missing"] for s in json.load(sys.stdin)["spaces"]])'; }
ok "and waits for nothing" until_ok 10 eval '[ "$(missing c)" = "[0]" ]'
finish
