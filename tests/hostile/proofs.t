#!/usr/bin/env bash
# SPDX-License-Identifier: AGPL-3.0-or-later
# The two gravest lies, against real daemons: one history for a box and another for the next, and an entry in the name of
# a person who did not sign it. p and s have approved the box that lies; h is connected with s alone, and hears of it there.
. "$(dirname "$0")/../e2e/lib.sh"
EVIL=$BUILD/tests/hostile/hostile_tool
number=$((RANDOM % 1000 + 6000))
evil=$("$EVIL" key $number)

ok "a box p" eval 'make_box p && start_box p'
ok "a box s that follows it" eval 'make_box s --join "$(sync_addr p)" "$(key_of p)" && start_box s &&
	"$LLIURE" peer add "$(sync_addr s)" "$(key_of s)" --data "$T/p"'
swap() { "$LLIURE" sync "$(key_of "$2")" --data "$T/$1"; }
ok "they swap" until_ok 20 swap s p
ok "and a box h that follows s, and knows p from there only" eval 'make_box h --join "$(sync_addr s)" "$(key_of s)" && start_box h &&
	"$LLIURE" peer add "$(sync_addr h)" "$(key_of h)" --data "$T/s"'
ok "they swap, too" until_ok 20 swap h s
approve() { "$LLIURE" peer add 127.0.0.1:9 "$evil" --name Ombra --data "$T/$1"; }
ok "p and s approve one that lies" eval 'approve p && approve s'
space=$("$LLIURE" status --json --data "$T/p" | json spaces.0.id)
for b in p s h; do token_of $b >"$T/token.$b"; done
admitted() { get_as "$1" "/admin/spaces/$space.json" | grep -q "$evil"; }
ok "it is admitted everywhere" until_ok 30 eval 'admitted p && { admitted s || { swap s p; false; }; } && { admitted h || { swap h s; false; }; }'

record() { get_as "$1" "/admin/peers/${2-$evil}/conduct.json"; }
times() { # times BOX WHAT: how often that stands on its record
	record "$1" | python3 -c 'import json,sys
print(sum(m["count"] for m in json.load(sys.stdin)["misdeeds"] if m["name"] == sys.argv[1]))' "$2"
}
on_record() { [ "$(times "$1" "$2")" = 1 ]; }
spotless() { [ "$(record "$1" "$(key_of "$2")" | json misdeeds)" = "[]" ]; }
in_words() { get_as "$1" "$2" | tr -s '\n ' ' ' | grep -q "$3"; }
button() { get_as "$1" "/admin/peers/$evil/conduct" | grep -q "action=\"/admin/peers/$evil/pause\".*<button"; }
lie() { "$EVIL" "$1" $number "$(sync_addr "$2")" "$space" 2 >"$T/evil.out" && grep -q ': 1 answered' "$T/evil.out"; }
of_box() { # of_box BOX MEMBER: what the page of the space says of the box that lies
	get_as "$1" "/admin/spaces/$space.json" | python3 -c 'import json,sys
print([b[sys.argv[2]] for b in json.load(sys.stdin)["boxes"] if b["key"] == sys.argv[1]][0])' "$evil" "$2"
}
is "nothing stands on its record" "$(record p | json misdeeds)$(record s | json misdeeds)" "[][]"

# --- two histories ---
ok "it gives one history to p" lie one-history p
ok "and another to s" lie other-history s
ok "p and s swap" until_ok 20 swap s p
# Whoever reads the record has seen it, so the first page is looked at before.
points() { get_as p /admin.json | grep -q "two histories under the key of a connected house" && get_as p /admin.json | grep -q "/admin/peers/$evil/conduct"; }
ok "the first page of p's volunteers points to its record" until_ok 30 eval 'points || { swap s p; false; }'
ok "where it stands" until_ok 30 eval 'on_record p two-histories || { swap s p; false; }'
ok "and then no more" not points
ok "and on that of s" until_ok 30 eval 'on_record s two-histories || { swap p s; false; }'
for b in p s; do
	ok "$b says in words what it can be" in_words $b "/admin/peers/$evil/conduct" "two boxes use one key, because a card was copied, or the box is dishonest"
	ok "$b says what people can do" in_words $b "/admin/peers/$evil/conduct" "was a memory card copied"
	ok "$b has the button" button $b
done
ok "nobody honest is waited with, or blamed" eval 'spotless p s && spotless s p'
ok "h hears of it from s" until_ok 30 eval '[ "$(of_box h two_histories)" = True ] || { swap h s; false; }'
ok "and says so on the page of the space" in_words h "/admin/spaces/$space" "There are two histories under its key"
ok "with no word against who told" spotless h s

# --- an author who did not sign ---
ok "p is told a thing that nobody signed" lie false-author p
ok "its record says so once the signatures were checked" until_ok 30 on_record p false-author
ok "and that of s, which has it from p" until_ok 30 eval 'on_record s false-author || { swap s p; false; }'
for b in p s; do
	ok "$b says it in words" in_words $b "/admin/peers/$evil/conduct" "as written by a person who did not sign it"
	ok "$b has the button" button $b
done
ok "h hears of it from s" until_ok 30 eval '[ "$(of_box h false_author)" = True ] || { swap h s; false; }'
ok "and says so on the page of the space" in_words h "/admin/spaces/$space" "as written by a person who did not sign it"
points_h() { get_as h /admin.json | grep -q "a box that is not connected with it" && get_as h /admin.json | grep -q "/admin/spaces/$space"; }
ok "its first page is quiet while nobody of h has to do with that space" not points_h
ok "a volunteer of h wants it" post_json h /admin/strangers "$(cat "$T/token.h")" "{\"act\": \"keep\", \"space-$space\": \"1\"}"
ok "now its first page points there" points_h
ok "the volunteer has seen it" post_json h "/admin/spaces/$space/seen" "$(cat "$T/token.h")" '{}'
ok "and the first page is quiet again" not points_h
ok "that of the space says it still" in_words h "/admin/spaces/$space" "as written by a person who did not sign it"
ok "nobody honest is blamed" eval 'spotless p s && spotless s p && spotless h s && spotless s h'

# --- once ---
for _ in 1 2 3; do swap s p; swap p s; done >/dev/null 2>&1
stop_box s
start_box s --sync "$(sync_addr s)"
swap p s >/dev/null 2>&1
swap s p >/dev/null 2>&1
is "exchanges and a restart add nothing" "$(times p two-histories) $(times p false-author) $(times s two-histories) $(times s false-author)" "1 1 1 1"
ok "a volunteer has it forgotten" post_json s "/admin/peers/$evil/forgive" "$(cat "$T/token.s")" '{}'
ok "h approves that box" approve h
ok "and has a record of what was proved before" until_ok 30 eval 'on_record h two-histories && on_record h false-author'
swap p s >/dev/null 2>&1
is "on s it stays forgotten" "$(record s | json misdeeds)" "[]"
ok "one button stops it" post_json p "/admin/peers/$evil/pause" "$(cat "$T/token.p")" '{}'
ok "then nothing is answered" eval '"$EVIL" flood $number "$(sync_addr p)" "$space" 1 | grep -q "^flood: 0 answered"'
same() { [ "$(digest_of p)" = "$(digest_of s)" ] && [ "$(digest_of h)" = "$(digest_of s)" ]; }
ok "the honest hold the same" until_ok 30 eval 'same || { swap s p; swap h s; false; }'
finish
