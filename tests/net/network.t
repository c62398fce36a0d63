#!/usr/bin/env bash
# SPDX-License-Identifier: AGPL-3.0-or-later
# The box's own network with the real NetworkManager, dnsmasq and nftables, in namespaces: profiles,
# a change that takes itself back, addresses, names, DHCP option 114, what visitors may reach, IPv6. A radio
# can't be simulated here: the wired port plays the network of the box's own.
SOURCE=${SOURCE:-$(cd "$(dirname "$0")/../.." && pwd)}
BUILD=${BUILD:-$SOURCE/build/release}
. "$SOURCE/tests/net/lib.sh"
net_can || net_skip
for tool in NetworkManager nmcli dnsmasq nft udhcpc busybox; do
	command -v $tool >/dev/null || { net_why="there is no $tool"; net_skip; }
done
[ -x "$BUILD/lliure-network" ] || { net_why="lliure-network is not built"; net_skip; }

box() { net_in box "$BUILD/lliure-network" "$@"; }
says() { box show | grep -qxF -- "$*"; }
has_address() { net_in box ip -4 -o addr show dev eth0 | grep -q " $1/"; }
stored() { net_in box grep -q -- "$2" "/etc/NetworkManager/system-connections/lliure-$1.nmconnection"; }
not() { ! "$@"; }
kill_manager() { net_in box pkill -x NetworkManager; }

net_up box phone house || net_fail "the network could not be made"
ok "a box without NetworkManager says so, and what to do" sh -c '
	! "$1" show 2>"$2/err" && grep -q "does not look after its network itself" "$2/err"' - "$BUILD/lliure-network" "$NET_DIR"
net_manager box || { tail -5 "$NET_DIR/box.log" | sed 's/^/# /'; net_fail "no NetworkManager"; }

# --- beginning ---
ok "a new box begins with a Wi-Fi of its own name" box first Ateneu-de-Dalt
ok "which is stored" stored wifi ssid=Ateneu-de-Dalt
first=$(box first another-name)
ok "and begins once: the second time nothing is changed" grep -qx "ssid Ateneu-de-Dalt" <<<"$first"
ok "the password is on the label" grep -qxE "password [a-z]{12}" <<<"$first"
password=$(box show | sed -n 's/^password //p')
ok "and the profile has the same" stored wifi "psk=$password"
ok "the wired network is a guest's" says wired auto

# --- a change that nobody confirms ---
box try 1 wired=fixed address=10.77.0.50 gateway=10.77.0.3 dns=10.77.0.3 >"$NET_DIR/checkpoint" 2>&1
ok "a change is made" within 5 has_address 10.77.0.50
ok "and shown" says address 10.77.0.50
ok "with the way out" sh -c "$(declare -f net_in); NET_DIR=$NET_DIR; net_in box ip route show default | grep -q 'via 10.77.0.3'"
ok "and is not stored" not stored wired 10.77.0.50
ok "it is taken back by itself" within 15 not has_address 10.77.0.50
ok "all of it" within 10 says wired auto
ok "when its time is over it can't be kept any more" not box keep "$(cat "$NET_DIR/checkpoint")"

# --- a change that can't be ---
ok "a wrong one is refused with its sentence" sh -c '
	! '"$(declare -f net_in)"'; NET_DIR=$2; ! net_in box "$1" try 1 wired=fixed address=10.77.0.0 2>"$2/err" && grep -q "address of the whole network" "$2/err"' - "$BUILD/lliure-network" "$NET_DIR"
ok "and nothing is changed" says wired auto

# --- every kind of Wi-Fi is one that NetworkManager takes, and is read back as it was ---
kinds() { # WORDS…
	box try 1 "$@" >/dev/null || return 1
	for word in "$@"; do says "${word%%=*}" "${word#*=}" || { echo "not: $word"; return 1; }; done
}
ok "open" kinds wifi=own lock=open "ssid=Casal; \"de\" Baix" visitors=yes
ok "WPA3 at 5 GHz" kinds lock=wpa3 "password=a b\\c;d,e:f" band=5 channel=36 country=FR from=8 to=22
ok "WPA2 on a channel" kinds lock=wpa2 password=mosabelirona band=2 channel=11 ssid=àéîõü€
ok "one to join" kinds wifi=join "ssid=The house's" lock=wpa2 password=12345678 channel=0
ok "none" kinds wifi=off

# --- a change that is kept, and outlives NetworkManager ---
checkpoint=$(box try 60 wifi=off wired=own)
ok "a network of the box's own" within 10 says own 10.1.1.1 up
ok "is kept" box keep "$checkpoint"
ok "and stored" stored wired "method=shared"

# --- addresses and names ---
net_in box sh -c 'echo "10.1.1.1 lliure.lan ateneu.local captive.apple.com" >/run/lliure-network/hosts/lliure
	echo "114,https://ateneu.local/captive" >/run/lliure-network/options/lliure'
cat >"$NET_DIR/lease" <<'SH'
#!/bin/sh
case $1 in bound|renew)
	{ echo "ip $ip"; echo "router $router"; echo "dns $dns"; echo "portal $opt114"; } >"$LEASE"
	ip -4 addr flush dev "$interface"
	ip addr add "$ip/$mask" dev "$interface"
	ip route replace default via "$router" ;;
esac
SH
chmod +x "$NET_DIR/lease"
net_in phone ip -4 addr flush dev eth0
lease() { net_in phone env LEASE="$NET_DIR/got" udhcpc -i eth0 -n -q -t 10 -T 1 -A 1 -O 114 -s "$NET_DIR/lease"; }
lease_114() { lease && grep -q "portal" "$NET_DIR/got" && grep -Eq 'portal .*(68747470733a2f2f|https://)' "$NET_DIR/got"; }
ok "a phone gets an address" within 20 lease
ok "in the box's network" grep -qE '^ip 10\.1\.1\.[0-9]+$' "$NET_DIR/got"
ok "the box is its way" grep -qx 'router 10.1.1.1' "$NET_DIR/got"
ok "and its DNS" grep -qx 'dns 10.1.1.1' "$NET_DIR/got"
ok "DHCP option 114 names the portal's API (RFC 8910)" within 20 lease_114
sed 's/^/# /' "$NET_DIR/got"
who=$(net_in phone cat /sys/class/net/eth0/address)
kept() { net_in box grep -rliE "$who|$(sed -n 's/^ip //p' "$NET_DIR/got")" /var/lib/NetworkManager; }
ok "and who was here is not kept on the disk" not kept
asks() { net_in phone busybox nslookup -type=a "$1" 10.1.1.1 2>&1 | tail -n +3 | grep -q "$2"; }
ok "the box's word" within 10 asks lliure.lan 10.1.1.1
ok "NAME.local for phones that know no mDNS" asks ateneu.local 10.1.1.1
ok "a name by which phones look for the internet" asks captive.apple.com 10.1.1.1
ok "a name of the internet is not known" not asks www.example.org Address
ok "a name that is taken away" net_in box sh -c 'echo "10.1.1.1 lliure.lan" >/run/lliure-network/hosts/lliure'
ok "is gone at once" within 10 not asks captive.apple.com 10.1.1.1
ok "IPv6: the phone and the box reach each other" within 10 net_in phone busybox ping -6 -c1 -W1 \
	"$(net_in box ip -6 -o addr show dev eth0 scope link | sed -n 's/.*inet6 \([^/]*\).*/\1/p')%eth0"

# --- visitors ---
# beyond the box: "out" is the internet (an address of TEST-NET-3) and the house's printer
# (only --net: the number of a process means something in our /proc alone)
nsenter -t "$(cat "$NET_DIR/box.pid")" --net ip link add out type veth peer name in netns "$(cat "$NET_DIR/house.pid")"
net_in box sh -c 'ip addr add 192.168.50.1/24 dev out; ip link set out up; ip route add 203.0.113.0/24 via 192.168.50.2'
net_in house sh -c 'ip addr add 192.168.50.2/24 dev in; ip link set in up; ip addr add 203.0.113.9/32 dev lo'
reaches() { net_in phone busybox ping -c1 -W1 "$1"; }
ok "NetworkManager alone would let visitors out" within 10 reaches 203.0.113.9
ok "the box's rules load" net_in box nft -f "$SOURCE/image/files/usr/lib/lliure/network.nft"
ok "and twice" net_in box nft -f "$SOURCE/image/files/usr/lib/lliure/network.nft"
ok "visitors get no internet" not reaches 203.0.113.9
ok "but the box" reaches 10.1.1.1
eval "open='$(sed -n 's/^ExecStart=//p' "$SOURCE/image/files/etc/systemd/system/lliure-visitors.service")'"
eval "close='$(sed -n 's/^ExecStop=//p' "$SOURCE/image/files/etc/systemd/system/lliure-visitors.service")'"
# shellcheck disable=SC2086
ok "when the volunteers choose" net_in box $open
ok "visitors get the internet" reaches 203.0.113.9
ok "and not what else is in the house" not reaches 192.168.50.2
# shellcheck disable=SC2086
ok "and when they choose otherwise" net_in box $close
ok "no more" not reaches 203.0.113.9

# --- it is there again after a restart ---
ok "NetworkManager ends" kill_manager
within 10 not net_in box pgrep -x NetworkManager
net_in box pkill -x dnsmasq
net_bg box NetworkManager --no-daemon
ok "and what was kept comes up by itself" within 15 says own 10.1.1.1 up
ok "the Wi-Fi is still off" says wifi off
had=$(sed -n 's/^ip //p' "$NET_DIR/got")
again() { net_in phone env LEASE="$NET_DIR/got" udhcpc -i eth0 -n -q -t 10 -T 1 -A 1 -r "$had" -s "$NET_DIR/lease" && grep -qx "ip $had" "$NET_DIR/got"; }
ok "and a phone that was here has the address that it had" within 20 again
ok "of which nothing is kept" not kept

# --- the process that tries dies: the checkpoint does not ---
box try 1 wired=auto >/dev/null
ok "what was tried by somebody who is gone is taken back" within 15 says wired own
ok "and up again" within 15 says own 10.1.1.1 up

# --- the address is somebody's already ---
net_in box sh -c 'ip addr add 10.1.1.77/24 dev out'
checkpoint=$(box try 60 wired=own)
ok "an address that the house has already is not taken" within 10 says own 10.2.2.2 up
ok "kept" box keep "$checkpoint"

echo "1..$n"
exit "$failed"
