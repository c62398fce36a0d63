#!/usr/bin/env bash
# SPDX-License-Identifier: AGPL-3.0-or-later
# Strangers who would like to choose the number that people compare, against a real daemon; and boxes that know nothing
# of such numbers, or say anything.
. "$(dirname "$0")/../e2e/lib.sh"
TOOL=$BUILD/tests/hostile/number_tool
EVIL=$BUILD/tests/hostile/hostile_tool
number=$((RANDOM % 1000 + 4000))
evil=$("$TOOL" key $number)
ok "a box" eval 'make_box a && start_box a'
key=$(key_of a)
tool() { timeout 60 "$TOOL" "$1" $number "$(sync_addr a)" "$key"; }
page() { curl -sS --max-time 180 -b "$T/jar.a" "$(url a "/admin/peers/$evil/approve.json")" | json "pairing.$1" 2>/dev/null; }
nothing='{}'
again() { act_signed_in a "/admin/peers/$evil/number" "${1-$nothing}" >/dev/null; }

is "a stranger is told that no volunteer looks" "$(tool ask)" "200 closed"
sign_in a
ok "and stands in the list of who knocked" until_ok 20 eval '[ "$(curl -sS -b "$T/jar.a" "$(url a /admin/peers.json)" | json knocks.0.name)" = Ombra ]'
is "the volunteer opens its page, which begins nothing" "$(page none)" True
is "so the stranger hears nothing" "$(tool ask)" "200 closed"
again '{"begin": "1"}'
is "until the volunteer wants a number" "$(page waits)" True
is "without a commitment it is told no nonce" "$(tool beg | tr '\n' ',')" "200 commits,400 without one,200 commits for its own,"
is "nor is there a number" "$(page waits)" True
again
is "it learns the nonce once it has committed, and finds one of its own that it likes" "$(tool grind | tr '\n' ',')" \
	"200 first,200 reveals,200 the number would be 123,"
is "which comes too late" "$(page waits)" True
is "the page says that something was begun anew" "$(page anew)" True
is "said for what it had committed to" "$(tool swap)" "200 closed"
is "it ends the attempt" "$(page broken)" True
ok "with no number" not page number
is "and nothing more is said" "$(tool ask)" "200 closed"
ok "the page in words" eval 'curl -sS -b "$T/jar.a" "$(url a "/admin/peers/$evil/approve")" | grep -q "does not fit what it had promised"'
ok "nobody can be approved by that" not act_signed_in a "/admin/peers/$evil/approve" '{"same": "1", "number": ""}'
again
said=$(tool pair)
is "who keeps to it has the number that the page shows" "$(page number)" "$said"
again
other=$(tool pair)
ok "and another one in the next attempt, with the same key and nonce" [ "$other" != "$said" ]
is "which is on the page" "$(page number)" "$other"
# It may be closed to for a while: it is a stranger, and comes too fast.
ok "a flood of them" tool flood
ok "leaves the box alive" kill -0 "${daemon[a]}"
ok "and its pages" until_ok 20 get a /forums.json
is "and began no attempt" "$(page number)" "$other"

# --- a box that is called ---
called() { # KIND: who answers at the address that the volunteer gave
	: >"$T/evil.port"
	"$EVIL" "$1" $number "$key" >"$T/evil.port" &
	server=$!
	until_ok 10 [ -s "$T/evil.port" ]
	again && again "{\"addr\": \"127.0.0.1:$(cat "$T/evil.port")\"}"
}
gone() { kill $server; wait $server 2>/dev/null; }
called serve-older
ok "one that knew of numbers is not taken for an older one" until_ok 20 eval 'page error | grep -q "spoken of numbers before"'
is "so nobody is led to compare its key" "$(page older)" False
gone
called serve-rubbish
ok "one that says anything is none, either" until_ok 20 eval 'page error | grep -q .'
is "and nothing is shown" "$(page waits)" True
gone
called serve-endless
ok "nor one that never ends" until_ok 20 eval 'page error | grep -q "without an end"'
gone
ok "the box is alive" kill -0 "${daemon[a]}"
finish
