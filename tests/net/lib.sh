# SPDX-License-Identifier: AGPL-3.0-or-later
# Small networks for tests: N boxes on one switch, each in namespaces of its own (network, mounts,
# processes) with its own D-Bus and Avahi. Source this, then:
#
#   net_can || net_skip         TAP's `1..0 # SKIP why`, and the end, where it can't be done
#   net_up a b c                makes the switch and the boxes (10.77.0.1, .2, …; hosts a, b, c)
#   net_up_bad SEED a b c       the same on a bad switch: switch_tool.c; net_switch loss 50 commands it
#   net_avahi a                 starts D-Bus and Avahi there (net_avahi_stop a ends Avahi)
#   net_manager a               starts D-Bus and NetworkManager there, with the files of image/files
#   net_in a COMMAND…           runs a command there; net_bg a COMMAND… in the background
#   net_cut a; net_join a       pulls a's cable, and puts it back
#   ok NAME COMMAND…            one test point; within SECONDS COMMAND… tries until it succeeds ($took in ms)
#   net_down                    the end of everything; also when the script ends in any way
#
# Nothing of the machine's own network is touched: the switch lives in a namespace too, and each
# namespace lives as long as one process that dies with this script.
. "$SOURCE/tests/lib/forms.sh"
NET_DIR=

n=0
failed=0
ok() { # NAME COMMAND…
	local name=$1
	shift
	n=$((n + 1))
	if "$@" >"$NET_DIR/out" 2>&1; then echo "ok $n - $name"; else
		failed=1
		echo "not ok $n - $name"
		tail -15 "$NET_DIR/out" | cut -c1-300 | sed 's/^/# /'
	fi
}
note() { echo "# $*"; }
now_ms() { date +%s%3N; }
# A busy machine is given PATIENCE times as long. Who succeeds does not wait for it.
within() {
	local began end
	began=$(now_ms) end=$(($(now_ms) + $1 * ${PATIENCE:-10} * 1000))
	shift
	while ! "$@" >/dev/null 2>&1; do
		[ "$(now_ms)" -lt $end ] || return 1
		sleep 0.05
	done
	took=$(($(now_ms) - began))
}

# What is asked of a whole box, whose data are in $NET_DIR/NAME.data and its token in ${token[NAME]}.
curl_in() { local b=$1; shift; net_in "$b" curl -sS --fail-with-body --max-time 180 "$@"; }
serve() { net_bg "$1" "$LLIURE" serve --data "$NET_DIR/$1.data" --http '[::]:8080' --https '[::]:8444' --sync '[::]:8443'; }
up() { curl_in "$1" -o /dev/null http://localhost:8080/; }
digest() { "$LLIURE" digest --data "$NET_DIR/$1.data" | sort; }
api() { # BOX PATH [JSON]
	local b=$1 path=$2
	shift 2
	curl_in "$b" -H "Authorization: Bearer ${token[$b]}" -H 'Content-Type: application/json' ${1:+-d "$1"} "http://localhost:8080$path"
}
json() { python3 -c 'import json,sys
d=json.load(sys.stdin)
for k in sys.argv[1].split("."):
    d=d[int(k)] if isinstance(d,list) else d[k]
print(d)' "$1"; }

net_can() {
	[ "$(id -u)" = 0 ] || { net_why="it must run as root to make network namespaces"; return 1; }
	for tool in ip unshare nsenter setpriv dbus-daemon avahi-daemon avahi-browse; do
		command -v $tool >/dev/null || { net_why="there is no $tool"; return 1; }
	done
	unshare --net --mount --pid --fork --mount-proc ip link add x type veth peer name y \
		2>/dev/null || { net_why="network namespaces can't be made here"; return 1; }
}

net_skip() {
	echo "1..0 # SKIP $net_why"
	exit 0
}

# Nothing more can be tried here. (TAP's "Bail out!" would stop every other test as well.)
net_fail() {
	echo "not ok $((n + 1)) - $*"
	echo "1..$((n + 1))"
	exit 1
}

net_holder() { # NAME: a set of namespaces that lives until its first process is killed
	# an empty /run hides the D-Bus and Avahi of the machine itself
	setpriv --pdeathsig KILL unshare --net --mount --pid --uts --fork --kill-child --mount-proc \
		sh -c 'mount -t tmpfs none /run && echo ready >"$1"; exec sleep 100000' holder "$NET_DIR/$1.ready" \
		</dev/null >/dev/null 2>&1 &
	echo $! >"$NET_DIR/$1.holder"
	for _ in $(seq 600); do
		[ -s "$NET_DIR/$1.ready" ] && break
		sleep 0.1
	done
	# the process inside, as it is seen from outside
	cat "/proc/$(cat "$NET_DIR/$1.holder")/task/$(cat "$NET_DIR/$1.holder")/children" |
		tr -d ' ' >"$NET_DIR/$1.pid"
	[ -s "$NET_DIR/$1.pid" ]
}

net_in() { # NAME COMMAND…
	net_name=$1
	shift
	nsenter -t "$(cat "$NET_DIR/$net_name.pid")" --net --mount --pid --uts -- "$@"
}

net_bg() { # NAME COMMAND…: its output goes to $NET_DIR/NAME.log
	net_bg_name=$1
	shift
	nsenter -t "$(cat "$NET_DIR/$net_bg_name.pid")" --net --mount --pid --uts -- "$@" \
		</dev/null >>"$NET_DIR/$net_bg_name.log" 2>&1 &
}

net_begin() {
	NET_DIR=$(mktemp -d)
	trap 'net_status=$?; net_down; exit $net_status' EXIT
	trap 'exit 130' INT TERM HUP
}

net_address() { # NAME NUMBER
	net_in "$1" ip link set lo up
	# no waiting for duplicate addresses: the test's time is short
	net_in "$1" sh -c 'echo 0 >/proc/sys/net/ipv6/conf/eth0/accept_dad' 2>/dev/null
	net_in "$1" ip addr add "10.77.0.$2/24" dev eth0
	net_in "$1" ip link set eth0 up
}

net_can_tap() {
	[ -c /dev/net/tun ] || { net_why="there is no /dev/net/tun"; return 1; }
	[ -x "$BUILD/tests/net/switch_tool" ] || { net_why="tests/net/switch_tool is not built"; return 1; }
}

net_up_bad() { # SEED NAME…
	net_begin
	net_seed=$1
	shift
	net_pids=
	for net_box in "$@"; do
		net_holder "$net_box" || return 1
		net_pids="$net_pids $(cat "$NET_DIR/$net_box.pid")"
	done
	# shellcheck disable=SC2086
	"$BUILD/tests/net/switch_tool" "$NET_DIR/switch" "$net_seed" $net_pids 2>"$NET_DIR/switch.log" &
	echo $! >"$NET_DIR/switch.holder"
	for _ in $(seq 600); do
		[ -S "$NET_DIR/switch" ] && break
		sleep 0.1
	done
	[ -S "$NET_DIR/switch" ] || return 1
	net_n=0
	for net_box in "$@"; do
		net_n=$((net_n + 1))
		net_address "$net_box" $net_n
	done
}

net_switch() { # COMMAND…
	"$BUILD/tests/net/switch_tool" "$NET_DIR/switch" say "$@"
}

net_up() { # NAME…
	net_begin
	net_holder switch || return 1
	net_in switch ip link add bridge type bridge mcast_snooping 0 || return 1
	net_in switch ip link set bridge up
	net_n=0
	for net_box in "$@"; do
		net_n=$((net_n + 1))
		net_holder "$net_box" || return 1
		# (only --net: the number of a process means something in our /proc alone)
		nsenter -t "$(cat "$NET_DIR/switch.pid")" --net ip link add "p$net_n" type veth \
			peer name eth0 netns "$(cat "$NET_DIR/$net_box.pid")" || return 1
		net_in switch ip link set "p$net_n" master bridge up
		net_address "$net_box" $net_n
		echo "p$net_n" >"$NET_DIR/$net_box.port"
	done
}

net_cut() {
	net_in switch ip link set "$(cat "$NET_DIR/$1.port")" down
}
net_join() {
	net_in switch ip link set "$(cat "$NET_DIR/$1.port")" up
}

net_dbus() { # NAME
	cat >"$NET_DIR/$1.dbus.conf" <<-CONF
	<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
	 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
	<busconfig>
	  <type>system</type>
	  <listen>unix:path=/run/dbus/system_bus_socket</listen>
	  <auth>EXTERNAL</auth>
	  <policy context="default">
	    <allow user="*"/> <allow own="*"/> <allow send_type="method_call"/>
	    <allow send_destination="*" eavesdrop="true"/> <allow eavesdrop="true"/>
	  </policy>
	</busconfig>
	CONF
	net_in "$1" mkdir -p /run/dbus /run/avahi-daemon
	net_bg "$1" dbus-daemon --config-file="$NET_DIR/$1.dbus.conf" --nofork --nopidfile
	for _ in $(seq 600); do
		net_in "$1" test -S /run/dbus/system_bus_socket && return 0
		sleep 0.1
	done
	return 1
}

# A NetworkManager that knows nothing of the machine's own: its folders are empty ones of this box.
# /sys is read-only, so that it takes links as they are and waits for no udev. polkit is left
# out, and all is root, unless NET_POLKIT=true.
net_manager() { # NAME
	net_in "$1" test -S /run/dbus/system_bus_socket 2>/dev/null || net_dbus "$1" || return 1
	net_in "$1" ip -4 addr flush dev eth0
	net_in "$1" sh -ec '
		mount -t sysfs -o ro sysfs /sys
		mount -t tmpfs none /etc/NetworkManager
		mount -t tmpfs none /var/lib/NetworkManager
		mkdir -p /etc/NetworkManager/system-connections /etc/NetworkManager/dnsmasq-shared.d \
			/run/NetworkManager /run/lliure-network/hosts /run/lliure-network/options
		cp "$1/image/files/etc/NetworkManager/dnsmasq-shared.d/lliure.conf" /etc/NetworkManager/dnsmasq-shared.d
		printf "[main]\nplugins=keyfile\nauth-polkit=%s\ndns=none\nhostname-mode=none\nno-auto-default=*\n[keyfile]\nunmanaged-devices=except:interface-name:eth0\n" "$2" >/etc/NetworkManager/NetworkManager.conf
	' net_manager "$SOURCE" "${NET_POLKIT:-false}" || return 1
	net_bg "$1" NetworkManager --no-daemon
	within 10 net_in "$1" nmcli general
}

net_avahi() { # NAME
	net_in "$1" test -S /run/dbus/system_bus_socket 2>/dev/null && [ -e "$NET_DIR/$1.dbus.conf" ] ||
		net_dbus "$1" || return 1
	# the image's own, with the name and the link of this box
	sed "s/^\[server\]/&\nhost-name=${NET_AVAHI_NAME:-$1}\nallow-interfaces=${NET_AVAHI_LINKS:-eth0}/" \
		"${SOURCE:?}/image/files/etc/avahi/avahi-daemon.conf" >"$NET_DIR/$1.avahi.conf"
	net_bg "$1" avahi-daemon -f "$NET_DIR/$1.avahi.conf" --no-drop-root --no-chroot --no-rlimits
	for _ in $(seq 600); do
		net_in "$1" test -S /run/avahi-daemon/socket && return 0
		sleep 0.1
	done
	return 1
}

net_avahi_stop() { # NAME
	net_in "$1" avahi-daemon -k
}

net_down() {
	[ -n "$NET_DIR" ] || return 0
	{
		# unshare takes its child along, and the child, as the first process in there,
		# everything that runs in its namespaces; bash would name each of them
		for net_holder in "$NET_DIR"/*.holder; do
			kill -KILL "$(cat "$net_holder")"
		done
		wait
	} 2>/dev/null
	rm -rf "$NET_DIR"
	NET_DIR=
}
