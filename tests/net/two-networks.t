#!/usr/bin/env bash
# SPDX-License-Identifier: AGPL-3.0-or-later
# A box on two networks, each with another house: both are found by mDNS, its page lists both, the houses hear only of
# the one between them, and what one writes crosses to the other. One network goes away and comes back under another
# address. The addresses that volunteers typed lead nowhere: all is reached where Avahi says that it is.
SOURCE=${SOURCE:-$(cd "$(dirname "$0")/../.." && pwd)}
BUILD=${BUILD:-$SOURCE/build/release}
LLIURE=${LLIURE:-$BUILD/lliure}
. "$SOURCE/tests/net/lib.sh"
net_can || net_skip

declare -A token key
make_box() {
	"$LLIURE" init --data "$NET_DIR/$1.data" --name "$2" --admin admin --password-file "$NET_DIR/password" &&
		key[$1]=$("$LLIURE" status --json --data "$NET_DIR/$1.data" | json appliance) &&
		token[$1]=$("$LLIURE" user token admin --password-file "$NET_DIR/password" --data "$NET_DIR/$1.data" | tail -1)
}
links() { # NAME LINK PORT ADDRESS: a cable from the box to the second switch
	nsenter -t "$(cat "$NET_DIR/switch.pid")" --net ip link add "$3" type veth peer name "$2" netns "$(cat "$NET_DIR/$1.pid")" &&
		net_in switch ip link set "$3" master bridge2 up && net_in "$1" ip link set lo up &&
		net_in "$1" ip addr add "$4/24" dev "$2" && net_in "$1" ip link set "$2" up
}
second_network() {
	net_in switch ip link add bridge2 type bridge mcast_snooping 0 && net_in switch ip link set bridge2 up &&
		net_holder b && links b eth0 q2 10.78.0.2 && links m eth1 q1 10.78.0.1
}
lists() { api "$1" /admin/peers.json | grep -q "${key[$2]}"; }
page_lists() { # BOX NAME: in the words of the page
	curl_in "$1" -H "Authorization: Bearer ${token[$1]}" http://localhost:8080/admin/peers | grep -qF "$2"
}
knows() { # BOX OTHER: a volunteer approves it, and mistypes where it is
	"$LLIURE" peer add 10.99.99.99:1 "${key[$2]}" --data "$NET_DIR/$1.data"
}
topic_on() { api "$1" /forum/general/topics "{\"title\":\"$2\",\"text\":\"$2\"}" | json id; }
shows() { curl_in "$1" "http://localhost:8080/topic/$2.json" | grep -qF "$3"; }
seen_at() { net_in m avahi-browse -rpt _lliure._tcp | grep '^=' | grep "k=${key[$1]}" | cut -d';' -f2 | sort -u | xargs; }
is_seen_at() { [ "$(seen_at "$1")" = "$2" ]; }
net_goes() { net_in m ip link del eth1; }

net_up m a || net_fail "the network could not be made"
ok "there is a second network, and a box on both" second_network
echo 'una frase de pas llarga' >"$NET_DIR/password"
ok "each box has its Avahi" eval 'NET_AVAHI_LINKS=eth0,eth1 net_avahi m && net_avahi a && net_avahi b'
ok "three houses" eval 'make_box m "Casa del Mig" && make_box a "Ateneu de Ponent" && make_box b "Biblioteca de Llevant"'
for box in m a b; do serve $box; done
ok "serve" eval 'within 20 up m && within 20 up a && within 20 up b'

ok "the one between finds the house on the first network" within 20 lists m a
note "after $took ms"
ok "and the house on the second" within 20 lists m b
note "after $took ms"
ok "its page names both" eval 'page_lists m "Ateneu de Ponent" && page_lists m "Biblioteca de Llevant"'
ok "a foreign client sees each on its own link" eval 'within 10 is_seen_at a eth0 && within 10 is_seen_at b eth1'
ok "either house finds the one between" eval 'within 20 lists a m && within 20 lists b m'
ok "and not the other, which is on no network of its own" eval '! lists a b && ! lists b a'

ok "they approve each other, under addresses where nobody is" eval 'knows m a && knows m b && knows a m && knows b m'
t=$(topic_on a "De ponent a llevant")
ok "what one house writes is readable in the other" within 60 shows b "$t" "De ponent a llevant"
note "after $took ms"
t=$(topic_on b "De llevant a ponent")
ok "and the other way round" within 60 shows a "$t" "De llevant a ponent"
note "after $took ms"

ok "the second network goes" net_goes
ok "its house is not seen any more" within 20 is_seen_at b ""
cut=$(topic_on b "Sense xarxa")
t=$(topic_on a "Amb xarxa")
ok "the first goes on" within 60 shows m "$t" "Amb xarxa"
ok "and nothing came from the other" eval '! shows m "$cut" "Sense xarxa"'
ok "the network comes back, the box under another address" links m eth1 q3 10.78.0.77
ok "the house is seen there again" within 60 is_seen_at b eth1
ok "what was written meanwhile crosses" within 120 shows a "$cut" "Sense xarxa"
note "after $took ms"
ok "in both directions" within 120 shows b "$t" "Amb xarxa"
ok "all are clean" eval 'for b in m a b; do "$LLIURE" verify --data "$NET_DIR/$b.data" || exit 1; done'
echo "1..$n"
exit $failed
