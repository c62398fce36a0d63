#!/usr/bin/env bash
# SPDX-License-Identifier: AGPL-3.0-or-later
# Five whole boxes, each with its D-Bus and Avahi, on a switch that loses, delays, doubles and parts. All write during
# the storm; then the power of all five goes at once. Afterwards nothing that was acknowledged is missing and all show
# the same; also when the network speaks IPv6 alone. How long it took is printed. SEED=n draws another storm.
SOURCE=${SOURCE:-$(cd "$(dirname "$0")/../.." && pwd)}
BUILD=${BUILD:-$SOURCE/build/release}
LLIURE=${LLIURE:-$BUILD/lliure}
. "$SOURCE/tests/net/lib.sh"
net_can || net_skip
net_can_tap || net_skip

boxes="a b c d e"
[ -z "${TIMES-}" ] || note() { echo "# $SECONDS s: $*"; }
each() { local b; for b in $boxes; do "$@" $b || return 1; done; }
digests() { local b; for b in $boxes; do digest $b; done | sort | uniq -c; }
same() { digests >"$NET_DIR/digests" && [ "$(wc -l <"$NET_DIR/digests")" = 1 ] && grep -q '^ *5 ' "$NET_DIR/digests"; }
clean() { "$LLIURE" verify --data "$NET_DIR/$1.data"; }

held_id() { python3 -c 'import json,sys
print([h["id"] for h in json.load(sys.stdin)["held"] if sys.argv[1] in json.dumps(h)][0])' "$1"; }
# A guest writes, and the box's volunteer publishes it: acknowledged, so it must stay.
write_on() { # BOX TEXT
	curl_in "$1" -o /dev/null -d "name=Visitant&text=$2" "http://localhost:8080/topic/$topic/posts" &&
		api "$1" "/admin/held/$(api "$1" /admin/held.json | held_id "$2")/approve" '{}' &&
		echo "$2" >>"$NET_DIR/acknowledged"
}
all_write() { # ROUND: on all five at once
	local b
	for b in $boxes; do write_on $b "$1-on-$b" >>"$NET_DIR/writing" 2>&1 & pids="$pids $!"; done
	wait $pids
	pids=
}
page_of() { # every page of the topic
	local k
	for k in 1 2 3 4 5; do
		curl_in "$1" "http://localhost:8080/topic/$topic.json?page=$k" | python3 -c 'import json,sys
for p in json.load(sys.stdin)["posts"]: print(p["author"], p["date"], p["html"])'
	done | uniq
}
same_pages() {
	local b
	page_of a >"$NET_DIR/page.a"
	for b in b c d e; do page_of $b >"$NET_DIR/page.b"; cmp "$NET_DIR/page.a" "$NET_DIR/page.b" || return 1; done
}
nothing_lost() { local t; while read -r t; do grep -q -- "$t" "$NET_DIR/page.a" || { echo "lost: $t"; return 1; }; done <"$NET_DIR/acknowledged"; }

declare -A token key
pids=
SEED=${SEED:-1}
net_up_bad "$SEED" $boxes || net_fail "the network could not be made: $(cat "$NET_DIR/switch.log")"
echo 'una frase de pas llarga' >"$NET_DIR/password"
ok "each box has its Avahi" each net_avahi
"$LLIURE" init --data "$NET_DIR/a.data" --name Ateneu --admin admin --password-file "$NET_DIR/password" >/dev/null
key[a]=$("$LLIURE" status --json --data "$NET_DIR/a.data" | json appliance)
i=1
for b in b c d e; do
	i=$((i + 1))
	"$LLIURE" init --data "$NET_DIR/$b.data" --name "Casa $b" --admin admin --password-file "$NET_DIR/password" \
		--join 10.77.0.1:8443 "${key[a]}" >/dev/null
	key[$b]=$("$LLIURE" status --json --data "$NET_DIR/$b.data" | json appliance)
	"$LLIURE" peer add "10.77.0.$i:8443" "${key[$b]}" --data "$NET_DIR/a.data" >/dev/null
done
# Everybody knows everybody, so that each half of a parted network agrees for itself.
for b in b c d e; do
	i=1
	for peer in b c d e; do
		i=$((i + 1))
		[ $b = $peer ] || "$LLIURE" peer add "10.77.0.$i:8443" "${key[$peer]}" --data "$NET_DIR/$b.data" >/dev/null
	done
done
each serve
ok "all five serve" eval 'for b in $boxes; do within 20 up $b || exit 1; done'
for b in $boxes; do
	token[$b]=$("$LLIURE" user token admin --password-file "$NET_DIR/password" --data "$NET_DIR/$b.data" | tail -1)
done
ok "all five agree on the new community" within 30 same
topic=$(api a /forum/general/topics '{"title":"La tempesta","text":"Comencem."}' | json id)
ok "and on its first topic" within 20 eval 'same && same_pages'

note "the storm: 5 of 100 frames lost, 2 doubled, 10 to 60 ms late, and parted"
ok "the switch obeys" eval 'net_switch loss 50 && net_switch double 20 && net_switch delay 10 50'
all_write one
net_switch groups 1 1 2 2 2 >/dev/null
all_write two
sleep 2
net_switch groups 1 2 1 2 1 >/dev/null
# A firewall on c that lets Avahi through and keeps the others' calls out.
if command -v nft >/dev/null; then
	net_in c nft -f - <<-RULES
	table inet storm {
	  chain in {
	    type filter hook input priority 0;
	    tcp dport 8443 drop
	  }
	}
	RULES
fi
all_write three
sleep 2
ok "in the storm all five acknowledged what was written" [ "$(wc -l <"$NET_DIR/acknowledged")" = 15 ]

net_switch groups 1 1 1 2 2 >/dev/null
for b in $boxes; do (for k in 1 2 3 4 5 6; do write_on $b "late-$k-on-$b"; done) >>"$NET_DIR/writing" 2>&1 & pids="$pids $!"; done
sleep 0.7
# The power of all five goes at once, while they write.
killed=
for b in $boxes; do killed="$killed $(net_in $b sh -c 'for p in /proc/[0-9]*; do [ "$(cat $p/comm 2>/dev/null)" = lliure ] && echo ${p#/proc/}; done' | sed "s/^/$b:/" | tr '\n' ' ')"; done
for k in $killed; do net_in "${k%%:*}" kill -9 "${k##*:}" & pids="$pids $!"; done
wait $pids 2>/dev/null
pids=
note "$(wc -l <"$NET_DIR/acknowledged") posts were acknowledged before the power went"
ok "all five are down" eval '! up a && ! up b && ! up c && ! up d && ! up e'
note "the switch: $(net_switch facts)"
[ -z "$(command -v nft)" ] || net_in c nft delete table inet storm
net_switch clean >/dev/null
each serve
ok "they come up again" eval 'for b in $boxes; do within 20 up $b || exit 1; done'
ok "and agree" within 30 same
note "convergence of five boxes after the storm: ${took:-?} ms after the last one was up"
ok "all pages are the same" within 10 same_pages
ok "nothing that was acknowledged is missing" nothing_lost

# The same network with IPv6 alone: their names lead to it.
for b in $boxes; do net_in $b ip addr flush dev eth0 scope global; done
i=0
for b in $boxes; do i=$((i + 1)); net_in $b ip addr add "fd77::$i/64" dev eth0; done
all_write six
ok "without any IPv4 address they agree" within 20 eval '[ "$(page_of b | grep -c six-on)" = 5 ] && same'
note "${took:-?} ms"
ok "all five logs are clean" each clean
echo "1..$n"
[ $failed = 0 ]
