#!/usr/bin/env bash
# SPDX-License-Identifier: AGPL-3.0-or-later
# Pairing and trust between whole boxes: by a link, by a file, on terms, and the end of it.
. "$(dirname "$0")/lib.sh"

spaces_of() { "$LLIURE" status --json --data "$T/$1" | python3 -c 'import json,sys; print(" ".join(sorted(s["name"] for s in json.load(sys.stdin)["spaces"])))'; }
space_id() { "$LLIURE" status --json --data "$T/$1" | python3 -c 'import json,sys; print([s["id"] for s in json.load(sys.stdin)["spaces"] if s["name"]==sys.argv[1]][0])' "$2"; }
peer_field() { # peer_field BOX KEY FIELD
	"$LLIURE" peer list --json --data "$T/$1" | python3 -c 'import json,sys
for p in json.load(sys.stdin):
    if p["key"]==sys.argv[1]: print(p[sys.argv[2]])' "$2" "$3"
}
peers_of() { "$LLIURE" peer list --data "$T/$1" | wc -l; }
sync_fails() { ! "$LLIURE" sync --data "$T/$1"; }

for b in a b c d; do
	ok "box $b is made" make_box $b
	ok "box $b serves" start_box $b
done
ka=$(key_of a) kb=$(key_of b) kc=$(key_of c)

# --- a link ---
link=$("$LLIURE" peer invite "$(sync_addr a)" --for 'the library' --data "$T/a")
is "the link leads to a's pages" "${link%%/pair/*}" "http://127.0.0.1:$(cat "$T/a.http")"
is "nobody is approved by inviting" "$(peers_of a)" 0
ok "half a link is refused" not "$LLIURE" peer accept "${link:0:80}" --data "$T/b"
ok "b accepts it" "$LLIURE" peer accept "$link" --data "$T/b"
ok "and is let in without anybody doing anything on a" until_ok 10 "$LLIURE" sync --data "$T/b"
is "a knows how b came to be a peer" "$(peer_field a "$kb" how)" invited
is "and b how a did" "$(peer_field b "$ka" how)" accepted
is "b carries a's space" "$(spaces_of b)" "a b"
ok "a carries b's space" until_ok 20 eval '[ "$(spaces_of a)" = "a b" ]'
ok "the invitation is shown as accepted" eval '"$LLIURE" peer invites --data "$T/a" | grep -q "accepted.*the library"'
ok "somebody else accepts the same link" "$LLIURE" peer accept "$link" --data "$T/d"
ok "but is not let in with it" sync_fails d
is "and is no peer of a" "$(peer_field a "$(key_of d)" how)" ""
"$LLIURE" peer remove "$ka" --data "$T/d" >/dev/null

# --- taken back, and ended ---
link=$("$LLIURE" peer invite "$(sync_addr a)" --data "$T/a")
n=$("$LLIURE" peer invites --data "$T/a" | awk '$2=="open"{print $1; exit}')
ok "an invitation is taken back" "$LLIURE" peer invites --take-back "$n" --data "$T/a"
ok "d accepts it all the same" "$LLIURE" peer accept "$link" --data "$T/d"
ok "and is not let in" sync_fails d
"$LLIURE" peer remove "$ka" --data "$T/d" >/dev/null

# --- a file, on terms ---
sa=$(space_id a a) sb=$(space_id a b)
ok "a writes an invitation into a file: not b's space" "$LLIURE" peer invite "$(sync_addr a)" --file "$T/invitation.txt" --spaces "$sb=none" --data "$T/a"
ok "c accepts the file" "$LLIURE" peer accept --file "$T/invitation.txt" --data "$T/c"
ok "c syncs" until_ok 10 "$LLIURE" sync --data "$T/c"
is "and sees a's space alone" "$(spaces_of c)" "a c"
is "a's terms for c are those of the invitation" "$("$LLIURE" peer terms "$kc" --data "$T/a" | python3 -c 'import json,sys; print({s["name"]: s["ways"] for s in json.load(sys.stdin)["spaces"]}["b"])')" none
ok "a new entry of b reaches a" post_json b /forum/general/topics "$(token_of b)" '{"title":"De b","text":"Hola des de b"}'
ok "which b tells it" until_ok 10 "$LLIURE" sync --data "$T/b"
ok "c asks again" "$LLIURE" sync --data "$T/c"
is "and still sees nothing of b's space" "$(spaces_of c)" "a c"
ok "a gives it from now on" "$LLIURE" peer terms "$kc" --spaces "$sb=give" --data "$T/a"
ok "c syncs" "$LLIURE" sync --data "$T/c"
is "and has it" "$(spaces_of c)" "a b c"

# --- terms end ---
ok "the terms end" "$LLIURE" peer terms "$kc" --until 2020-01-01 --data "$T/a"
ok "and c is a stranger" sync_fails c
is "which a's list says" "$(peer_field a "$kc" ended)" True
ok "they go on" "$LLIURE" peer terms "$kc" --until '' --data "$T/a"
ok "and c is let in again" until_ok 10 "$LLIURE" sync --data "$T/c"

# --- trust is withdrawn, with a cut ---
# b writes in a's space: in a's forum, which b carries.
forum_path() { get "$1" /forums.json | python3 -c 'import json,sys
for s in json.load(sys.stdin)["spaces"]:
    if s["name"]==sys.argv[1]: print(s["forums"][0]["url"])' "$2"; }
guest_topic() { # guest_topic BOX FORUM-PATH TITLE: a guest writes, the volunteer publishes: the box is the author
	local t held
	t=$(token_of "$1")
	curl -sS --fail-with-body -d "name=Visitant&title=$3&text=Hola" "$(url "$1" "$2/topics")" >/dev/null || return 1
	held=$(curl -sS -H "Authorization: Bearer $t" "$(url "$1" /admin/held.json)" | json held.0.id)
	post_json "$1" "/admin/held/$held/approve" "$t" '{}'
}
shows() { get "$1" "$(forum_path "$1" a).json" | grep -q "$2"; }
link=$("$LLIURE" peer invite "$(sync_addr b)" --data "$T/b")
ok "c is a peer of b, too" "$LLIURE" peer accept "$link" --data "$T/c"
ok "b publishes a guest's topic in a's space" guest_topic b "$(forum_path b a)" Abans
ok "c has it from b" until_ok 20 eval '"$LLIURE" sync "$kb" --data "$T/c" && shows c Abans'
ok "and so has a" until_ok 20 eval '"$LLIURE" sync --data "$T/b" >/dev/null; shows a Abans'
# c must not bring b the news before b has written: it is off until then.
stop_box c
ok "a withdraws its trust in b, with a cut" "$LLIURE" peer remove "$kb" --revoke --data "$T/a"
ok "b is not let in" eval '! "$LLIURE" sync "$ka" --data "$T/b"'
ok "b, who does not know, writes on" guest_topic b "$(forum_path b a)" Despres
ok "b shows it" shows b Despres
ok "c is back" start_box c
ok "c hears of the withdrawal from a" until_ok 10 "$LLIURE" sync "$ka" --data "$T/c"
ok "c exchanges with b, which now hears of it, too" until_ok 10 "$LLIURE" sync "$kb" --data "$T/c"
ok "what b wrote until then stays on c" shows c Abans
ok "what it wrote behind the cut is void on c" until_ok 10 not shows c Despres
ok "and on b itself" until_ok 10 not shows b Despres
ok "a holds what b wrote until then" shows a Abans
digests() { local x; x=$(digest_of "$1" | grep "^$sa"); [ -n "$x" ] && [ "$x" = "$(digest_of "$2" | grep "^$sa")" ]; }
ok "a and c hold a's space alike" until_ok 20 eval '"$LLIURE" sync "$ka" --data "$T/c"; digests a c'
ok "b can't write in a's space any more" eval '! guest_topic b "$(forum_path b a)" Mai'

# --- and given again ---
ok "a approves b again" "$LLIURE" peer add "$(sync_addr b)" "$kb" --data "$T/a"
ok "they exchange" until_ok 10 "$LLIURE" sync "$kb" --data "$T/a"
ok "b writes in a's space" until_ok 10 guest_topic b "$(forum_path b a)" Altra
ok "a shows it" until_ok 20 eval '"$LLIURE" sync "$kb" --data "$T/a" >/dev/null; shows a Altra'
ok "what was void stays void" not shows a Despres
ok "c shows it" until_ok 20 eval '"$LLIURE" sync "$ka" --data "$T/c" >/dev/null; shows c Altra'
ok "all three hold a's space alike" until_ok 20 eval '"$LLIURE" sync --data "$T/c"; digests a c && digests b c'
ok "a is clean" "$LLIURE" verify --data "$T/a"

# --- heavy acts want a person who has just signed in ---
status_of() { curl -sS --max-time 180 -o /dev/null -w '%{http_code}' "$@"; }
t=$(token_of a)
is "a token can't withdraw trust" "$(status_of -H "Authorization: Bearer $t" -d '{}' -H 'Content-Type: application/json' "$(url a "/admin/peers/$kb/remove")")" 401
is "nor invite" "$(status_of -H "Authorization: Bearer $t" -d '{}' -H 'Content-Type: application/json' "$(url a /admin/peers/invite)")" 401
is "but it can look at the terms" "$(curl -sS -H "Authorization: Bearer $t" "$(url a "/admin/peers/$kb.json")" | json terms.others.both)" True
jar -o /dev/null -d name=admin --data-urlencode "password=$(cat "$T/password")" "$(url a /sign-in)"
csrf=$(jar "$(url a /admin/peers)" | csrf_in)
is "a volunteer who signed in can" "$(jar -o /dev/null -w '%{http_code}' -d "csrf=$csrf" "$(url a "/admin/peers/$kb/remove")")" 303
is "and it is done" "$(peer_field a "$kb" how)" ""

# --- who accepted the invitation? ---
asks() { jar "$(url a /admin.json)" | grep -q 'An invitation was accepted'; }
judge() { jar -o /dev/null -w '%{http_code}' -d "csrf=$csrf" "$(url a "/admin/peers/invite/$1")"; }
of_c=$("$LLIURE" peer invites --data "$T/a" | awk '$2=="accepted"{print $1}' | head -1)
of_b=$("$LLIURE" peer invites --data "$T/a" | awk '$2=="accepted"{print $1}' | tail -1)
ok "the volunteer is asked whether it was the right house" asks
is "with the letters to compare" "$(jar "$(url a "/admin/peers/invite/$of_b.json")" | json invite.letters | tr -d ' ')" "${kb:0:16}"
is "it was, says one" "$(judge "$of_b/right")" 303
ok "the other is asked of still" asks
is "it was somebody else" "$(judge "$of_c/wrong")" 303
is "who is put out" "$(peer_field a "$kc" how)" ""
ok "what they write from now on is void" eval "jar '$(url a "/admin/spaces/$sa.json")' | not grep -q '$kc'"
ok "and nothing is asked any more" not asks
is "of one that nobody used nothing can be said" "$(judge 99999/wrong)" 404
t=$(token_of a)
by_hand() { curl -sS -o "$T/body" -w '%{http_code}' -H "Authorization: Bearer $t" -d addr=127.0.0.1:9 -d "key=$1" "$(url a /admin/peers)"; }
is "our own key is refused at once" "$(by_hand "$ka")" 400
ok "with what to do" grep -q "this box's own key\|this box&#39;s own key" "$T/body"
is "so is none" "$(by_hand '')" 400
ok "in words of its own" grep -q "Write the key of the other box" "$T/body"

# --- the number that people compare: a can call f, f does not know where a is ---
ok "one more box" eval 'make_box f && start_box f'
kf=$(key_of f)
pairing() { curl -sS --max-time 180 -b "$T/jar.$1" "$(url "$1" "/admin/peers/$2/approve.json?addr=$3")" | json "pairing.$4" 2>/dev/null; }
on_a() { pairing a "$kf" "$(sync_addr f)" "$1"; }
on_f() { curl -sS --max-time 180 -b "$T/jar.f" "$(url f "/admin/peers/$ka/number.json")" | json "pairing.$1" 2>/dev/null; }
number() { on_a number | grep -E '^[0-9]{3} [0-9]{3}$'; }
of_known() { curl -sS --max-time 180 -b "$T/jar.a" "$(url a "/admin/peers/$kf/number.json")" | json "pairing.number" 2>/dev/null; }
knocks() { curl -sS -b "$T/jar.f" "$(url f /admin/peers.json)" | grep -q "$ka"; }
approve() { curl -sS -o "$T/body" -w '%{http_code}' -b "$T/jar.$1" -d "csrf=$(csrf_of "$1")" "${@:3}" "$(url "$1" "/admin/peers/$2/approve")"; }
sign_in a
sign_in f
begin() { act_signed_in "$1" "/admin/peers/$2/number" '{"begin": "1"}'; }
without_token() { curl -sS -o /dev/null -w '%{http_code}' -b "$T/jar.a" "$@" "$(url a "/admin/peers/$kf/number")"; }
is "to open the page of a box that a was told of begins nothing" "$(on_a none)" True
is "nor does asking for the number's page, as a picture would" "$(without_token) $(on_a none)" "200 True"
is "nor a form that another page sends" "$(without_token -d begin=1) $(on_a none)" "403 True"
ok "but the button does" begin a "$kf"
is "then it waits" "$(on_a waits)" True
ok "and calls nobody whom only the address of the page names" eval '[ "$(on_a unknown)" = True ] && ! knocks'
ok "until the volunteer says so" act_signed_in a "/admin/peers/$kf/number" "{\"addr\": \"$(sync_addr f)\"}"
ok "then f's list shows who knocked" until_ok 20 knocks
ok "and there is no number yet" not number
is "nor is a tick enough" "$(approve a "$kf" -d same=1 -d "addr=$(sync_addr f)")" 400
is "f's volunteer opens the same page" "$(on_f none)" True
ok "and presses the button" begin f "$ka"
is "so f waits, too" "$(on_f waits)" True
ok "a shows a number" until_ok 20 number
number=$(number)
is "f shows it, too" "$(on_f number)" "$number"
is "the tick for another number is refused" "$(approve a "$kf" -d same=1 -d "number=000 00a" -d "addr=$(sync_addr f)")" 400
is "with this one a approves" "$(approve a "$kf" -d same=1 -d "number=$number" -d "addr=$(sync_addr f)")" 303
is "and so does f" "$(approve f "$ka" -d same=1 -d "number=$number")" 303
is "the number stays for the other page" "$(of_known)" "$number"
ok "to press the first button again" begin a "$kf"
is "begins nothing" "$(of_known)" "$number"
ok "they exchange" until_ok 10 "$LLIURE" sync "$kf" --data "$T/a"
is "and it is known how that came" "$(peer_field a "$kf" how)" number
ok "another one is asked for" act_signed_in a "/admin/peers/$kf/number" '{}'
ok "of which f's page is told" until_ok 20 eval '[ "$(on_f anew)" = True ]'
ok "so f's volunteer begins again, too" act_signed_in f "/admin/peers/$ka/number" '{}'
ok "and there is another one" until_ok 20 eval 'n=$(of_known) && [ "$n" ] && [ "$n" = "$(on_f number)" ] && [ "$n" != "$number" ]'
ok "an attempt too many" eval 'for i in 1 2 3 4 5 6 7 8 9 10 11 12; do act_signed_in f "/admin/peers/$ka/number" "{}" || break; done; [ $i -le 12 ]'
is "is refused in words" "$(curl -sS -b "$T/jar.f" "$(url f "/admin/peers/$kb/approve.json?addr=127.0.0.1:9")" | json pairing.limit | cut -c1-22)" "Numbers were begun so "
is "the whole key does without: not with a letter that is wrong" "$(approve f "$kb" -d same=1 -d "whole=${kb:1}a" -d "addr=$(sync_addr b)")" 400
is "nor without the word of a person" "$(approve f "$kb" -d "whole=$kb" -d "addr=$(sync_addr b)")" 400
is "but so, in groups and capitals" "$(approve f "$kb" -d same=1 --data-urlencode "whole=$(echo "$kb" | tr a-z A-Z | sed 's/..../& /g')" -d "addr=$(sync_addr b)")" 303
is "which is known, too" "$(peer_field f "$kb" how)" hand

# --- a box that was let in before it said its name ---
make_box e
ke=$(key_of e)
"$LLIURE" peer add 127.0.0.1:9 "$ke" --data "$T/a" >/dev/null
ok "has its letters for a name" eval '"$LLIURE" space list --data "$T/a" | grep -q "writes ${ke:0:8}"'
start_box e
"$LLIURE" peer add "$(sync_addr a)" "$ka" --data "$T/e" >/dev/null
"$LLIURE" peer add "$(sync_addr e)" "$ke" --data "$T/a" >/dev/null
ok "until they have met" until_ok 20 eval '"$LLIURE" sync "$ke" --data "$T/a"; "$LLIURE" space list --data "$T/a" | grep -q "writes e$"'
is "half a link in a browser is not found" "$(status_of "$(url a /pair/afoqbbkx)")" 404
# --- an invitation with several addresses ---
# The first refuses, the second takes the call and says nothing, the last is of IPv6.
python3 -c 'import socket, sys, time
s = socket.create_server(("127.0.0.1", 0))
print(s.getsockname()[1], flush=True)
time.sleep(600)' >"$T/silent" &
daemon[silent]=$!
until_ok 10 test -s "$T/silent"
if python3 -c 'import socket; socket.create_server(("::1", 0), family=socket.AF_INET6)' 2>/dev/null; then six='[::1]'; else six=127.0.0.5; fi
make_box g && reserve_port && ok "a house listens at $six" start_box g --sync "$six:$port"
link=$("$LLIURE" peer invite "127.0.0.1:1 127.0.0.1:$(cat "$T/silent") $six:$(cat "$T/g.sync")" --data "$T/g")
ok "who is invited there" "$LLIURE" peer accept "$link" --data "$T/d"
began=$SECONDS
ok "finds it at the last of its addresses" until_ok 60 "$LLIURE" sync "$(key_of g)" --data "$T/d"
ok "as soon as the others had their five seconds" [ $((SECONDS - began)) -le 30 ]
is "and is known there" "$(peer_field g "$(key_of d)" how)" invited
finish
