#!/usr/bin/env bash
# SPDX-License-Identifier: AGPL-3.0-or-later
# Two whole boxes on one network, each with its Avahi: they find each other, a volunteer on each side compares the
# number and approves, and what is written on one is readable on the other; also after a cut. avahi-browse is the
# foreign client.
SOURCE=${SOURCE:-$(cd "$(dirname "$0")/../.." && pwd)}
BUILD=${BUILD:-$SOURCE/build/release}
LLIURE=${LLIURE:-$BUILD/lliure}
. "$SOURCE/tests/net/lib.sh"
net_can || net_skip

make_box() { "$LLIURE" init --data "$NET_DIR/$1.data" --name "$2" --admin admin --password-file "$NET_DIR/password"; }
# Heavy acts want a person who has just signed in; a token is not enough.
sign_in() { curl_in "$1" -o /dev/null -c "$NET_DIR/$1.jar" -d name=admin --data-urlencode "password=$(cat "$NET_DIR/password")" http://localhost:8080/sign-in; }
heavy() { # BOX PATH [FIELD=VALUE...]
	local b=$1 path=$2 field fields=()
	shift 2
	for field in "$@"; do fields+=(-d "$field"); done
	curl_in "$b" -o /dev/null -b "$NET_DIR/$b.jar" -d "csrf=$(curl_in "$b" -b "$NET_DIR/$b.jar" http://localhost:8080/admin/peers | sed -n 's/.*name="csrf" value="\([a-z2-7]*\)".*/\1/p' | head -1)" "${fields[@]}" "http://localhost:8080$path"
}
status() { "$LLIURE" status --json --data "$NET_DIR/$1.data"; }
sees() { [ "$(api "$1" /admin/peers.json | json found.0.key)" = "$2" ]; }
same() { local d; d=$(digest a); [ "$(echo "$d" | grep -c .)" = 2 ] && [ "$d" = "$(digest b)" ]; }
write_on() { api "$1" "/topic/$2/posts" "{\"text\":\"$3\"}"; }
shows() { curl_in "$1" "http://localhost:8080/topic/$2.json" | grep -q "$3"; }
browse() { net_in a avahi-browse -rpt _lliure._tcp >"$NET_DIR/browse" && grep -q "$1" "$NET_DIR/browse"; }
announced() { net_in a avahi-browse -rpt _lliure._tcp | grep "^=" | grep "k=$1" | sed 's/.*"d=\([a-z2-7]*\)".*/\1/' | head -1; }
same_announced() { local x; x=$(announced "$key_a"); [ -n "$x" ] && [ "$x" = "$(announced "$key_b")" ]; }
receipt() { api "$1" /admin/receipts.json | json reports.0.sentences | grep -qE 'entr'; }

declare -A token
net_up a b || net_fail "the network could not be made"
echo 'una frase de pas llarga' >"$NET_DIR/password"
ok "each box has its Avahi" eval 'net_avahi a && net_avahi b'
ok "box a founds its community" make_box a "Ateneu"
ok "box b founds another" make_box b "Biblioteca"
sample=$SOURCE/../shared/data/discourse-sample.jsonl
[ ! -e "$sample" ] || ok "a real forum is imported on a" "$LLIURE" import discourse "$sample" --data "$NET_DIR/a.data"
serve a
serve b
ok "both serve" eval 'within 20 up a && within 20 up b'
key_a=$(status a | json appliance) key_b=$(status b | json appliance)
token[a]=$("$LLIURE" user token admin --password-file "$NET_DIR/password" --data "$NET_DIR/a.data" | tail -1)
token[b]=$("$LLIURE" user token admin --password-file "$NET_DIR/password" --data "$NET_DIR/b.data" | tail -1)
ok "a foreign client sees a's key on the network" within 10 browse "k=$key_a"
ok "and b's" within 10 browse "k=$key_b"
ok "a's page shows b" within 15 sees a "$key_b"
ok "b's page shows a" within 15 sees b "$key_a"
ok "a's volunteer signs in" sign_in a
ok "and b's" sign_in b
digits() { curl_in "$1" -b "$NET_DIR/$1.jar" "http://localhost:8080/admin/peers/$2/approve.json" | json pairing.number 2>/dev/null; }
both() { local there; there=$(digits b "$key_a"); number=$(digits a "$key_b") && [ ${#number} = 7 ] && [ "$number" = "$there" ]; }
ok "there is no number while nobody wants one" eval '! digits a "$key_b"'
ok "nor while one volunteer alone does" eval 'heavy a "/admin/peers/$key_b/number" begin=1 && ! digits a "$key_b"'
ok "the other wants one, too" heavy b "/admin/peers/$key_a/number" begin=1
ok "both pages show the same six digits" within 20 both
note "after ${took:-?} ms"
ok "a box is not approved by a token" eval '! api a "/admin/peers/$key_b/approve" "{\"same\":\"1\"}"'
ok "nor without comparing" eval '! heavy a "/admin/peers/$key_b/approve"'
ok "nor by a tick without the number" eval '! heavy a "/admin/peers/$key_b/approve" same=1'
ok "a's volunteer approves b" heavy a "/admin/peers/$key_b/approve" same=1 "number=$number"
ok "b's volunteer approves a" heavy b "/admin/peers/$key_a/approve" same=1 "number=$number"
ok "both hold both communities, and the same" within 30 same
note "equal ${took:-?} ms after the second approval"

topic=$(api a /forum/general/topics '{"title":"Entre dues cases","text":"Comencem a A."}' | json id)
ok "what is written on a" within 5 shows b "$topic" "Comencem a A"
note "is readable on b after ${took:-?} ms"
ok "a guest writes on b" curl_in b -d 'name=Visitant&text=Resposta+des+de+B.' "http://localhost:8080/topic/$topic/posts"
ok "b's volunteer publishes it" eval 'api b "/admin/held/$(api b /admin/held.json | json held.0.id)/approve" "{}"'
ok "and it is readable on a" within 5 shows a "$topic" "Resposta des de B"
note "after ${took:-?} ms"
ok "in words, what moved" within 5 receipt a
ok "both announce the same digest" within 20 same_announced

net_cut b
ok "cut apart, a writes" write_on a "$topic" "A sola."
topic_b=$(api b /forum/general/topics '{"title":"Sense cable","text":"B sola."}' | json id)
ok "and b writes" [ -n "$topic_b" ]
sleep 3
ok "they differ" eval '! same'
net_join b
ok "joined again they agree" within 30 same
note "${took:-?} ms after the cable was put back"
ok "a shows what b wrote alone" shows a "$topic_b" "B sola"
ok "b shows what a wrote alone" shows b "$topic" "A sola"
ok "“sync now” answers" api a "/admin/peers/$key_b/sync" '{}'
ok "a is clean" "$LLIURE" verify --data "$NET_DIR/a.data"
ok "b is clean" "$LLIURE" verify --data "$NET_DIR/b.data"
echo "1..$n"
[ $failed = 0 ]
