#!/usr/bin/env bash
# SPDX-License-Identifier: AGPL-3.0-or-later
# A copied card: two boxes run from one data folder, both write, and meet through a third. Nothing is
# lost, both are told, one gets a key of its own, and all goes on.
. "$(dirname "$0")/lib.sh"

write() { # write BOX TITLE: a topic
	post_json "$1" /forum/general/topics "$(cat "$T/token.$1")" "{\"title\": \"$2\", \"text\": \"$2, in full\"}"
}
reads() { get "$1" /forum/general.json | grep -q "$2"; }
reads_all() { local t; for t in first second of-a of-b; do reads "$1" "$t" || return 1; done; }
sync_box() { "$LLIURE" sync --data "$T/$1"; }
warned() { get_as "$1" /admin.json | grep -q 'Another box has the key of this one'; }
act() { # act BOX PATH JSON
	post_json "$1" "$2" "$(cat "$T/token.$1")" "$3"
}
same_digest() { [ -n "$(digest_of "$1")" ] && [ "$(digest_of "$1")" = "$(digest_of "$2")" ]; }

ok "box a is made" make_box a
ok "and serves" start_box a
token_of a >"$T/token.a"
ok "it has a topic" write a first
ok "box c follows it" make_box c --join "$(sync_addr a)" "$(key_of a)"
ok "c serves" start_box c
token_of c >"$T/token.c"
ok "a approves c" "$LLIURE" peer add "$(sync_addr c)" "$(key_of c)" --data "$T/a"
ok "c syncs" until_ok 10 sync_box c
ok "and reads" until_ok 10 reads c first

stop_box a
cp -r "$T/a" "$T/b"
key=$(key_of a)
is "the copy has the same key" "$(key_of b)" "$key"
ok "a serves again" start_box a
ok "the copy serves, too" start_box b
cp "$T/token.a" "$T/token.b"
ok "a writes" write a of-a
ok "b writes" write b of-b
ok "a syncs with c" until_ok 10 sync_box a
ok "b syncs with c" until_ok 10 sync_box b
ok "b says so on the page of its volunteers" until_ok 5 warned b
ok "a syncs with c" until_ok 10 sync_box a
ok "a says so, too" until_ok 5 warned a
ok "a writes on" write a second
sync_all() { sync_box a; sync_box b; sync_box a; sync_box b; sync_box c; true; }
for b in a b c; do ok "all is on $b" until_ok 20 eval 'reads_all $b || { sync_all; false; }'; done

ok "a decides that it keeps the key" act a /admin/copy/handled '{}'
ok "and is not asked any more" not warned a
ok "a program's token does not change a key" not act b /admin/copy/new-key '{"sure": "1", "people": "1", "hands": "good"}'
sign_in b
ok "without a tick nobody gets a new key" not act_signed_in b /admin/copy/new-key '{}'
ok "nor who says not in whose hands the other is" not act_signed_in b /admin/copy/new-key '{"sure": "1", "people": "1"}'
ok "b gets a key of its own" act_signed_in b /admin/copy/new-key '{"sure": "1", "people": "1", "hands": "good"}'
until_ok 15 sh -c "[ \$(grep -c 'Ctrl-C' '$T/b.out') = 2 ]"
sed -n 's|.*http://localhost:\([0-9]*\)$|\1|p' "$T/b.out" | tail -1 >"$T/b.http"
sed -n 's|.*other boxes *port \([0-9]*\)$|\1|p' "$T/b.out" | tail -1 >"$T/b.sync"
new=$(key_of b)
ok "it is another key" [ "$new" != "$key" ]
is "a's stayed" "$(key_of a)" "$key"
ok "b is open under it, with its people" until_ok 10 reads_all b
ok "and its own space on the first page" sh -c "curl -sS '$(url b /forums.json)' | python3 -c 'import json,sys; assert json.load(sys.stdin)[\"spaces\"][0][\"own\"]'"
ok "b is not warned any more" not warned b
homes() { # homes BOX KEY: of the people of the community, those at home at that box
	python3 - "$T/$1/view.db" "$2" <<'END'
import base64, sqlite3, sys
key = base64.b32decode(sys.argv[2].upper() + "====")
print(sqlite3.connect("file:" + sys.argv[1] + "?mode=ro", uri=True).execute(
    "SELECT count(*) FROM member WHERE home = ?", (key,)).fetchone()[0])
END
}
is "its people are at home here by the rules, too" "$(homes b "$new") $(homes b "$key")" "1 0"
is "and are listed once" "$(get_as b /admin/people.json | grep -o '"name": *"admin"' | wc -l)" 1
ok "b writes under the new key" write b of-new
sync_box b >/dev/null 2>&1
offered() { get_as c /admin.json | grep -q 'has a new key'; }
ok "c is told that the house has a new key, signed by the old" until_ok 10 offered
is "it names both" "$(get_as c /admin/copy.json | json successors.0.old) $(get_as c /admin/copy.json | json successors.0.key)" "$key $new"
ok "c takes its trust in the old key back" "$LLIURE" peer remove "$key" --data "$T/c"
ok "and that key has no say any more in who comes after it" not offered
sign_in c
ok "nor could its successor be approved by that page" not act_signed_in c "/admin/copy/$new/approve" '{}'
ok "c approves the old key again" "$LLIURE" peer add "$(sync_addr a)" "$key" --data "$T/c"
ok "until a day, and with so many bytes" "$LLIURE" peer terms "$key" --until 2099-12-31 --take-bytes 77M --data "$T/c"
ok "then it has" until_ok 10 offered
ok "which c does not approve by a click alone" not act_signed_in c "/admin/copy/$new/approve" '{}'
jar() { curl -sS --max-time 180 -b "$T/jar.$1" "$(url "$1" "$2")"; }
number() { jar c "/admin/copy/$new.json" | json pairing.number 2>/dev/null; }
sign_in b
both() { local n there; there=$(jar b "/admin/peers/$(key_of c)/number.json" | json pairing.number 2>/dev/null); n=$(number) && [ ${#n} = 7 ] && [ "$n" = "$there" ]; }
ok "nor with a tick" not act_signed_in c "/admin/copy/$new/approve" '{"same": "1"}'
ok "the page of its number begins nothing" eval '[ "$(jar c "/admin/copy/$new.json" | json pairing.none)" = True ]'
ok "both volunteers want a number" eval 'act_signed_in c "/admin/peers/$new/number" "{\"begin\": \"1\"}" &&
	act_signed_in b "/admin/peers/$(key_of c)/number" "{\"begin\": \"1\"}"'
ok "and see one" until_ok 20 both
ok "c approves" act_signed_in c "/admin/copy/$new/approve" "{\"same\": \"1\", \"number\": \"$(number)\"}"
ok "and is not asked again" not offered
ok "on the same terms as the old key" sh -c "'$LLIURE' peer terms '$new' --data '$T/c' | grep -q 2099-12-31"
ok "b syncs with c" until_ok 10 "$LLIURE" sync "$(key_of c)" --data "$T/b"
ok "c reads what b wrote under its new key" until_ok 10 reads c of-new
ok "a syncs" until_ok 10 sync_box a
ok "a reads it, too" until_ok 10 reads a of-new
is "its own people are listed once there, wherever their home is now" "$(get_as a /admin/people.json | grep -o '"name": *"admin"' | wc -l)" 1
ok "a writes" write a last
ok "b reads it" until_ok 10 eval 'reads b last || { sync_all; false; }'
ok "a and b are equal" until_ok 20 eval 'same_digest a b || { sync_all; false; }'
ok "and c" until_ok 20 eval 'same_digest a c || { sync_all; false; }'
finish
