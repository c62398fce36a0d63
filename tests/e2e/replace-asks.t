#!/usr/bin/env bash
# SPDX-License-Identifier: AGPL-3.0-or-later
# A box is lost, and another house holds more of it than this one does: it is asked before the lost key is signed
# out, for what is here then is all that counts. A house that is not reached is named, and the volunteer goes on.
. "$(dirname "$0")/lib.sh"

send() { # send PATH FIELDS...
	local p=$1
	shift
	jar -o "$T/body" -w '%{http_code}' --data-urlencode "csrf=$(jar "$(url a /admin/recovery/replace)" | csrf_in)" "$@" "$(url a "$p")"
}
asking() { jar "$(url a /admin/recovery/replace.json)" | json "asking.$1"; }
house() { # house NAME FIELD
	jar "$(url a /admin/recovery/replace.json)" | python3 -c 'import json, sys
print([h[sys.argv[2]] for h in json.load(sys.stdin)["asking"]["houses"] if h["name"] == sys.argv[1]][0])' "$@"
}

make_box a
start_box a
A=$(key_of a)
join_box b a
B=$(key_of b)
ok "two boxes of one community" until_ok 30 agree a b
join_box d a --name Tercera
D=$(key_of d)
"$LLIURE" peer add "$(sync_addr b)" "$B" --data "$T/d" >/dev/null
"$LLIURE" peer add "$(sync_addr d)" "$D" --data "$T/b" >/dev/null
ok "and a third house" until_ok 30 agree a d
until_ok 20 eval '"$LLIURE" user add joan --password-file "$T/password" --data "$T/b"'
JOAN=$("$LLIURE" user token joan --password-file "$T/password" --data "$T/b" | tail -1)
post_json b /forum/general/topics "$JOAN" '{"title":"el que tothom te","text":"hola"}' >/dev/null
ok "what is written there comes to both" until_ok 20 eval 'get a /forum/general.json | grep -q "tothom te" && get d /forum/general.json | grep -q "tothom te"'

# The line of this house is closed for the day: only a person who asks exchanges over it.
H=$(date +%k)
"$LLIURE" reach --metered yes --tunnel yes --from $(((H + 12) % 24)) --to $(((H + 13) % 24)) --data "$T/a" >/dev/null
post_json b /forum/general/topics "$JOAN" '{"title":"el que nomes te la tercera","text":"hola"}' >/dev/null
ok "what is written later comes to the third house" until_ok 20 eval 'get d /forum/general.json | grep -q "la tercera"'
ok "and not here" eval '! get a /forum/general.json | grep -q "la tercera"'
stop_box b KILL
make_box c --join "$(sync_addr a)" "$A"
C=$(key_of c)
start_box c
"$LLIURE" sync --data "$T/c" >/dev/null 2>&1
make_box e # which is not switched on
"$LLIURE" peer add 127.0.0.1:9 "$(key_of e)" --name Quarta --data "$T/a" >/dev/null

jar -o /dev/null --data-urlencode name=admin --data-urlencode "password=$(cat "$T/password")" "$(url a /sign-in)"
ok "the new box has knocked" until_ok 20 eval 'jar "$(url a /admin/recovery/replace)" | grep -q "value=\"$C\""'
is "before anything is signed the houses are asked" "$(send /admin/recovery/replace -d "lost=$B" -d "successor=$C" -d same=1)" 303
is "the lost box is still one of the community" "$("$LLIURE" peer list --data "$T/a" | grep -c "${B:0:8}")" 1
ok "the page says when it is over" until_ok 130 eval '[ "$(asking over)" = True ]'
is "who was reached has given what it has" "$(house Tercera gave)" True
ok "who was not is named, and why" eval '[ "$(house Quarta missed)" = True ] && [ -n "$(house Quarta why)" ]'
jar "$(url a /admin/recovery/replace)" >"$T/body"
ok "on the page, too" eval 'grep -q "<b>Quarta</b>" "$T/body" && grep -q "was not reached: " "$T/body"'
is "one house is missed" "$(asking missed)" 1
ok "what came is counted" [ "$(asking came)" -ge 1 ]
ok "and is here" eval 'get a /forum/general.json | grep -q "la tercera"'
is "the volunteer goes on all the same" "$(send /admin/recovery/replace -d "lost=$B" -d "successor=$C" -d same=1 -d go=1)" 200
ok "the new one is signed in" grep -q "signed in" "$T/body"
"$LLIURE" reach --metered no --data "$T/a" >/dev/null
ok "all houses agree" until_ok 30 eval 'agree a c && agree a d'
ok "and what only the third house had counts everywhere" eval 'get c /forum/general.json | grep -q "la tercera" && get d /forum/general.json | grep -q "la tercera"'
ok "another round begins with the form" eval '! jar "$(url a /admin/recovery/replace.json)" | grep -q asking'
finish
