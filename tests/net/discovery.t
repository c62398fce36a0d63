#!/bin/sh
# SPDX-License-Identifier: AGPL-3.0-or-later
# Boxes on one network find each other, agree, are cut apart, write, meet again and agree again.
# Real Avahi, one for each box; avahi-browse is the foreign client.
SOURCE=${SOURCE:-$(cd "$(dirname "$0")/../.." && pwd)}
BUILD=${BUILD:-$SOURCE/build/release}
. "$SOURCE/tests/net/lib.sh"
net_can || net_skip
[ -x "$BUILD/tests/net/node_tool" ] || { net_why="tests/net/node_tool is not built"; net_skip; }

n=0
ok() { # WHAT: the status of the command before decides
	status=$?
	n=$((n + 1))
	if [ $status = 0 ]; then echo "ok $n - $1"; else
		echo "not ok $n - $1"
		[ -z "$last" ] || echo "# last answer: $last"
	fi
}
now_ms() { date +%s%3N; }
within() { # SECONDS COMMAND…: try until it succeeds; $took in ms
	within_began=$(now_ms)
	within_end=$((within_began + $1 * 1000 * ${PATIENCE:-10})) # for a busy machine
	shift
	while ! "$@"; do
		[ "$(now_ms)" -lt $within_end ] || return 1
		sleep 0.05
	done
	took=$(($(now_ms) - within_began))
}

node() { # NAME NUMBER TITLE FD-IN FD-OUT
	mkfifo "$NET_DIR/$1.in" "$NET_DIR/$1.out"
	nsenter -t "$(cat "$NET_DIR/$1.pid")" --net --mount --pid -- \
		"$BUILD/tests/net/node_tool" "$NET_DIR/$1.data" "$2" "$3" \
		<"$NET_DIR/$1.in" >"$NET_DIR/$1.out" 2>>"$NET_DIR/$1.log" &
}
a() { echo "$*" >&3; read -r last <&4; }
b() { echo "$*" >&5; read -r last <&6; }
say() { "$@"; echo "$last"; }
equal() { a state "$space"; state_a=$last; b state "$space"; [ "$state_a" = "$last" ]; }
sees() { # a|b KEY: does it see that box?
	"$1" seen
	case $last in *"$2"*) return 0 ;; *) return 1 ;; esac
}
sees_not() { ! sees "$@"; }
opened() { # NAME: connections that it has opened so far
	net_in "$1" awk '/^Tcp:/ { if (head) { print $(at); exit }
		for (i = 1; i <= NF; i++) if ($i == "ActiveOpens") at = i; head = 1 }' /proc/net/snmp
}

echo "1..28"
net_up a b c || net_fail "the network could not be made"
net_avahi a && net_avahi b
ok "each box has its Avahi"
node a 1 "Ateneu de Gràcia"
exec 3>"$NET_DIR/a.in" 4<"$NET_DIR/a.out"
node b 2 "Biblioteca"
exec 5>"$NET_DIR/b.in" 6<"$NET_DIR/b.out"
key_a=$(say a key)
key_b=$(say b key)

# one that starts before there is D-Bus or Avahi
node c 7 "Casal"
exec 7>"$NET_DIR/c.in" 8<"$NET_DIR/c.out"
c() { echo "$*" >&7; read -r last <&8; }
key_late=$(say c key)
c serve "[::]:8443"

# --- they find each other ---
a found
space=$last
a write "$space" 20
a serve "[::]:8443"
b serve "[::]:8443"
within 10 sees a "$key_b"
ok "A sees B"
echo "# A saw B after $took ms"
within 10 sees b "$key_a"
ok "B sees A"
case $last in *",10.77.0.1:8443,http://10.77.0.1:8080/,0,Ateneu de Gràcia;") true ;; *) false ;; esac
ok "with its address, its page and its name"

browses() { # its list is only "more or less complete", says its manual
	browsed=$(net_in b timeout 10 avahi-browse -rpt _lliure._tcp)
	echo "$browsed" | grep -q "^=;eth0;IPv4;.*;10.77.0.1;8443;.*\"k=$key_a\""
}
within 10 browses
ok "a foreign client finds address, port and key"
digest_a=$(echo "$browsed" | sed -n "s/.*;10.77.0.1;8443;.*\"d=\([a-z2-7]*\)\".*/\1/p" | head -1)
[ ${#digest_a} = 26 ]
ok "and the digest"

net_avahi c
within 25 sees a "$key_late"
ok "a box that started before its D-Bus and Avahi is seen, once they run"
c stop
exec 7>&- 8<&-
within 10 sees_not a "$key_late"

# --- they approve each other ---
a number "$key_b" 10.77.0.2:8443 # only one of them knows where the other is
case $last in *[0-9]*) false ;; *) true ;; esac
ok "there is no number before the other house wants one"
b number "$key_a"
numbers() { a number "$key_b"; number_a=$last; b number "$key_a"; [ ${#last} = 7 ] && [ "$number_a" = "$last" ]; }
within 10 numbers
ok "then both show the same six-digit number"
echo "# the number after $took ms"
a admit "$space" "$key_b"
b admit "$space" "$key_a"
b admit "$space" "$key_b"
b peer "$key_a"
knocked() { a knocks; case $last in *"$key_b,10.77.0.2:8443,Biblioteca"*) true ;; *) false ;; esac; }
within 10 knocked
ok "A notes that B knocked, who it says it is, and where it listens"
a peer "$key_b"
within 10 equal
ok "once both have approved, they agree"
echo "# equal $took ms after the second approval"

# --- what is written on one is soon on the other ---
a write "$space"
within 5 equal
ok "what is written on A is on B within five seconds"
echo "# A to B: $took ms"
b write "$space"
within 5 equal
ok "what is written on B is on A within five seconds"
echo "# B to A: $took ms"
announced() { # both announce the same digest
	browsed=$(net_in b timeout 10 avahi-browse -rpt _lliure._tcp)
	[ "$(echo "$browsed" | sed -n 's/.*"d=\([a-z2-7]*\)".*/\1/p' | sort -u | wc -l)" = 1 ]
}
within 10 announced
ok "both announce the same digest"
quiet() { # nothing for six seconds, once what is still due has been done
	before_a=$(opened a) before_b=$(opened b)
	sleep 6
	[ "$(opened a)" = "$before_a" ] && [ "$(opened b)" = "$before_b" ]
}
within 10 quiet
ok "and while it is the same, nobody opens a connection"

# --- cut apart ---
net_cut b
a write "$space" 5
b write "$space" 5
sleep 3
! equal
ok "cut apart, both write and differ"
net_join b
within 30 equal
ok "joined again, they agree"
echo "# equal $took ms after the cable was put back"

net_cut b
a write "$space" 5
b write "$space" 5
sleep 25 # long enough for tries to become rare
net_join b
within 30 equal
ok "joined again after longer, they agree soon"
echo "# equal $took ms after the cable was put back"
a remove "$key_b"
a write "$space"
sleep 4
! equal
ok "a box that was removed gets nothing any more"
a peer "$key_b"
within 10 equal
ok "until it is approved again"

# --- Avahi goes and comes ---
net_avahi_stop a
within 10 sees_not b "$key_a"
ok "without its Avahi A is not seen"
a write "$space"
net_avahi a
within 20 sees b "$key_a"
ok "and is seen again when Avahi is back"
echo "# seen again after $took ms"
within 20 sees a "$key_b"
ok "and sees"
within 10 equal
ok "and they agree"

# --- names ---
b stop
exec 5>&- 6<&-
rm -f "$NET_DIR/b.in" "$NET_DIR/b.out"
node b 3 "Ateneu de Gràcia"
exec 5>"$NET_DIR/b.in" 6<"$NET_DIR/b.out"
b serve "[::]:8443"
key_c=$(say b key)
named_anew() { sees a "$key_c" && case $last in *"Ateneu de Gràcia #2"*) true ;; *) false ;; esac; }
within 15 named_anew
ok "a box whose name is taken is announced under another"
within 10 sees_not a "$key_b"
ok "and the one that stopped is gone"

# --- hostile announcements ---
net_bg a avahi-publish -s "$(printf 'evil\342\200\256 name\033[31m')" _lliure._tcp 1 "v=1" \
	"k=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" "d=zzz" "h=0x10"
net_bg a avahi-publish -s "nonsense" _lliure._tcp 1 "k=$key_a" "v=7"
evil() { sees b aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa; }
within 10 evil
case $last in *",,0,evil name[31m;"*) true ;; *) false ;; esac
ok "a hostile name is shown without what can't be seen"
case $last in *nonsense*) false ;; *) true ;; esac
ok "and what is no box of our version is not shown"
exec 3>&- 4<&- 5>&- 6<&-
