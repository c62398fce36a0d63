#!/usr/bin/env bash
# SPDX-License-Identifier: AGPL-3.0-or-later
# A box that is served looks after its network: a volunteer changes it on the page, a phone joins, asks for
# the internet, is shown the portal and let go. Real NetworkManager, dnsmasq and Avahi, in namespaces.
SOURCE=${SOURCE:-$(cd "$(dirname "$0")/../.." && pwd)}
BUILD=${BUILD:-$SOURCE/build/release}
LLIURE=$BUILD/lliure
. "$SOURCE/tests/net/lib.sh"
net_can || net_skip
for tool in NetworkManager nmcli dnsmasq udhcpc curl; do
	command -v $tool >/dev/null || { net_why="there is no $tool"; net_skip; }
done

net_up box phone || net_fail "the network could not be made"
net_in box hostname box
net_manager box && net_avahi box || net_fail "no NetworkManager or no Avahi"
head -c 12 /dev/urandom | base64 >"$NET_DIR/password"
"$LLIURE" init --data "$NET_DIR/box.data" --name Ateneu --admin Ada --password-file "$NET_DIR/password" >/dev/null
serve() { net_bg box "$LLIURE" serve --data "$NET_DIR/box.data" --http '[::]:80' --https '[::]:443' --sync '[::]:8443' --box /; }
serve
box() { net_in box curl -sS --max-time 20 -b "$NET_DIR/jar" -c "$NET_DIR/jar" "$@"; }
phone() { net_in phone curl -sS --max-time 20 "$@"; }
here=http://localhost
within 30 box -f -o /dev/null $here/
box -o /dev/null --data-urlencode name=Ada --data-urlencode "password=$(cat "$NET_DIR/password")" $here/sign-in
page() { box $here/admin/network.json >"$NET_DIR/page"; }
says() { page && [ "$(json "$1" <"$NET_DIR/page")" = "$2" ]; }
csrf() { box $here/admin/network | csrf_in; }
post() { # PATH FIELD=VALUE…: the status
	local path=$1 f
	local -a fields=()
	shift
	for f in "$@"; do fields+=(--data-urlencode "$f"); done
	box -o "$NET_DIR/answer" -w '%{http_code}' --data-urlencode "csrf=$(csrf)" "${fields[@]}" "$here$path"
}
gets() { # STATUS PATH FIELD=VALUE…
	local want=$1 status
	shift
	status=$(post "$@")
	[ "$status" = "$want" ] || { echo "$status"; cat "$NET_DIR/answer"; return 1; }
}
answer_says() { grep -q -- "$1" "$NET_DIR/answer"; }
not() { ! "$@"; }

ok "the page knows NetworkManager" within 20 says looked True
[ "$failed" = 0 ] || { tail -5 "$NET_DIR/box.log" "$NET_DIR/page" | sed 's/^/# /'; net_fail "no page"; }
ok "and proposes a Wi-Fi of the house's name" says form.ssid Ateneu
ok "the box's name is Avahi's" within 10 says names.host box.local
ok "and nobody else's" says names.renamed False
ok "a stranger does not see it" sh -c '! '"$(declare -f net_in)"'; NET_DIR=$1; ! net_in box curl -sSf -o /dev/null http://localhost/admin/network.json' - "$NET_DIR"
led() { box -o /dev/null -w '%{redirect_url}' "$here$1" | grep -qx "$here$2"; }
ok "without a radio the question after the first run is passed by" led /admin/network/first /admin
# Who joins another house in the first run compares the digits first, and goes on to the Wi-Fi, connected or not.
"$LLIURE" init --data "$NET_DIR/other.data" --name Altra --admin Ada --password-file "$NET_DIR/password" >/dev/null
other=$("$LLIURE" status --data "$NET_DIR/other.data" --json | json appliance)
ok "who connects in the first run may go on without, to the Wi-Fi" eval 'box "$here/admin/peers/$other/approve?addr=10.77.0.9:8443&first=1" | grep -q "href=\"/admin/network/first\">Connect later"'
ok "and else not" eval '! box "$here/admin/peers/$other/approve?addr=10.77.0.9:8443" | grep -q "/admin/network/first"'
to=$(box -o "$NET_DIR/answer" -w '%{redirect_url}' --data-urlencode "csrf=$(csrf)" -d first=1 -d addr=10.77.0.9:8443 -d same=1 -d "whole=$other" "$here/admin/peers/$other/approve")
ok "who has connected goes on to it, too" eval '[ "$to" = "$here/admin/network/first" ] || { grep -i error "$NET_DIR/answer"; false; }'
ok "a mistake comes back with its sentence" gets 400 /admin/network wifi=off wired=fixed address=10.77.0.0
ok "the one that fits" answer_says 'address of the whole network'
ok "nothing is tried then" says trial.state idle

ok "a name that is none is refused" gets 400 /admin/network/name name=-ateneu-
ok "with its sentence" answer_says 'letters a to z, digits and hyphens'
ok "a good one needs the root helper, which is not here" gets 404 /admin/network/name name=ateneu
ok "and the page says so" answer_says 'There is no helper for it here'

# --- a change, tried and taken back by hand ---
ok "a change is asked for" gets 303 /admin/network wifi=off wired=fixed address=10.77.0.60 prefix=24
ok "and tried" within 20 says trial.state trying
ok "the machine has it" within 5 sh -c "$(declare -f net_in); NET_DIR=$NET_DIR; net_in box ip -4 addr show dev eth0 | grep -q 10.77.0.60"
ok "a second one waits" gets 503 /admin/network wired=auto
ok "it is taken back" gets 303 /admin/network/back
ok "and the page says so" within 20 says trial.state back
ok "the machine has it no more" within 10 not sh -c "$(declare -f net_in); NET_DIR=$NET_DIR; net_in box ip -4 addr show dev eth0 | grep -q 10.77.0.60"
ok "keeping it now is too late" gets 409 /admin/network/keep

# --- a network of its own ---
ok "the box is to give the addresses" gets 303 /admin/network wifi=off wired=own
ok "that is tried" within 20 says trial.state trying
ok "and kept" gets 303 /admin/network/keep
ok "the page says so" within 20 says trial.state kept
ok "it is stored" net_in box grep -q method=shared /etc/NetworkManager/system-connections/lliure-wired.nmconnection
ok "the network is there" within 20 says state.own_up True

# --- the daemon is killed in the minute: nothing stays that nobody confirmed ---
ok "a Wi-Fi that was off is changed" gets 303 /admin/network wifi=join ssid=Orfe lock=wpa2 password=12345678 wired=own
ok "and tried" within 20 says trial.state trying
ok "what was before is written down for its owner" net_in box sh -c '[ "$(stat -c %a "$1")" = 600 ]' - "$NET_DIR/box.data/network-before"
net_in box pkill -KILL -x lliure
within 10 not net_in box pgrep -x lliure
serve
within 30 box -f -o /dev/null $here/
ok "the next one takes it back, though NetworkManager forgot it" within 30 says form.wifi off
ok "and the network is there" within 20 says state.own_up True
ok "and nothing is written down any more" not test -e "$NET_DIR/box.data/network-before"

# --- a phone ---
: >"$NET_DIR/resolv"
cat >"$NET_DIR/lease" <<SH
#!/bin/sh
[ "\$1" = bound ] || exit 0
ip addr add "\$ip/\$mask" dev eth0
ip route replace default via "\$router"
echo "nameserver \$dns" >"$NET_DIR/resolv"
echo "\$opt114" >"$NET_DIR/opt114"
SH
chmod +x "$NET_DIR/lease"
net_in phone mount --bind "$NET_DIR/resolv" /etc/resolv.conf
net_in phone ip -4 addr flush dev eth0
named() { net_in box grep -q captive.apple.com /run/lliure-network/hosts/lliure; }
ok "the names by which devices ask are in the DNS" within 20 named
ok "a phone joins" within 20 net_in phone udhcpc -i eth0 -n -q -t 10 -T 1 -A 1 -O 114 -s "$NET_DIR/lease"
hex() { printf %s "$1" | od -An -tx1 | tr -d ' \n'; }
ok "it is told of the portal" grep -qi "$(hex https://box.local/captive)" "$NET_DIR/opt114"
asks() { # URL STATUS TEXT
	phone -o "$NET_DIR/answer" -D "$NET_DIR/head" -w '%{http_code}' "$1" >"$NET_DIR/status"
	grep -q "^$2" "$NET_DIR/status" && grep -q -- "$3" "$NET_DIR/answer" "$NET_DIR/head"
}
ok "an iPhone's question leads to the page" within 10 asks http://captive.apple.com/hotspot-detect.html 302 'Location: http://10.1.1.1/portal'
ok "Android's, too" asks http://connectivitycheck.gstatic.com/generate_204 302 'Location: http://10.1.1.1/portal'
ok "the page says where the box is" asks http://10.1.1.1/portal 200 'http://box.local/'
ok "one tap" sh -c "$(declare -f net_in phone); NET_DIR=$NET_DIR; [ \"\$(phone -o /dev/null -w '%{http_code}' -H 'Origin: http://10.1.1.1' -d x= http://10.1.1.1/portal)\" = 303 ]"
ok "and an iPhone is content" asks http://captive.apple.com/hotspot-detect.html 200 Success
ok "Android, too" asks http://connectivitycheck.gstatic.com/generate_204 204 'HTTP/1.1 204'
ok "Windows, too" asks http://www.msftconnecttest.com/connecttest.txt 200 'Microsoft Connect Test'
ok "Firefox, too" asks http://detectportal.firefox.com/success.txt 200 success
ok "the box's pages by its word" asks http://lliure.lan/ 200 Ateneu
ok "and by NAME.local, from the box's DNS" asks http://box.local/ 200 Ateneu
ok "the rest of the internet is not there" not phone -o /dev/null http://www.example.org/
ok "nothing of the visit is kept" not grep -rlaE '10\.1\.1\.[0-9]{2,3}' "$NET_DIR/box.data"

# --- a box that nobody has claimed yet ---
net_in box pkill -KILL -x lliure
within 10 not net_in box pgrep -x lliure
mkdir -m 0700 "$NET_DIR/new.data" # as the first boot does
net_bg box "$LLIURE" serve --data "$NET_DIR/new.data" --http '[::]:80' --https '[::]:443' --sync '[::]:8443' --box /
ok "a box without a community greets phones, too" within 30 asks http://captive.apple.com/hotspot-detect.html 302 'Location: http://10.1.1.1/portal'
ok "with the page" asks http://10.1.1.1/portal 200 'http://box.local/'
ok "one tap there" sh -c "$(declare -f net_in phone); NET_DIR=$NET_DIR; [ \"\$(phone -o /dev/null -w '%{http_code}' -H 'Origin: http://10.1.1.1' -d x= http://10.1.1.1/portal)\" = 303 ]"
ok "lets it go" asks http://captive.apple.com/hotspot-detect.html 200 Success
ok "and the address is the first run's" asks http://10.1.1.1/ 200 'This box is new'
net_in box pkill -KILL -x lliure
within 10 not net_in box pgrep -x lliure
serve
within 30 box -f -o /dev/null $here/

# --- two boxes of one name ---
net_avahi_stop box
within 5 not net_in box test -S /run/avahi-daemon/socket
NET_AVAHI_NAME=box net_avahi phone
ok "another device has the name" within 15 net_in phone busctl --address=unix:path=/run/dbus/system_bus_socket \
	call org.freedesktop.Avahi / org.freedesktop.Avahi.Server GetHostNameFqdn
net_avahi box
# The first free one is box-2; on a busy machine both may have gone on before they hear each other.
other() { page && json names.host <"$NET_DIR/page" | grep -xE 'box-[0-9]+[.]local'; }
ok "the box takes another" within 20 other
says_so() { box $here/admin/network | grep -q "is called box.local already, so this box answers to $(other)"; }
ok "and the page says so, and what to do" within 10 says_so
asks_other() { asks "http://$(other)/" 200 Ateneu; }
ok "the phone's DNS knows the other name" within 15 asks_other

# --- NetworkManager goes away ---
net_in box pkill -x NetworkManager
ok "without NetworkManager the page says so" within 20 says looked False
status() { [ "$(box -o /dev/null -w '%{http_code}' -H 'Host: captive.apple.com' $here/hotspot-detect.html)" = "$1" ]; }
ok "and the portal lies to nobody any more" within 10 status 404

echo "1..$n"
exit "$failed"
