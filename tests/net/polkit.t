#!/usr/bin/env bash
# SPDX-License-Identifier: AGPL-3.0-or-later
# Who may ask for what: the real polkit with the image's rule file, the real NetworkManager that asks it, the
# system bus's own rules with the image's, the real RAUC behind them, and the daemon's user, who is nobody otherwise.
SOURCE=${SOURCE:-$(cd "$(dirname "$0")/../.." && pwd)}
BUILD=${BUILD:-$SOURCE/build/release}
. "$SOURCE/tests/net/lib.sh"
net_can || net_skip
polkitd=/usr/lib/polkit-1/polkitd
for tool in NetworkManager nmcli dnsmasq pkcheck rauc $polkitd; do
	command -v $tool >/dev/null || { net_why="there is no $tool"; net_skip; }
done
getent passwd polkitd >/dev/null || { net_why="there is no user polkitd"; net_skip; }

net_up box || net_fail "the network could not be made"
{ cat /etc/passwd; echo 'lliure:x:64321:64321::/:/bin/false'; } >"$NET_DIR/passwd"
{ cat /etc/group; echo 'lliure:x:64321:'; } >"$NET_DIR/group"
net_in box sh -ec '
	mount --bind "$1/passwd" /etc/passwd
	mount --bind "$1/group" /etc/group
	mkdir -p /run/rules
	cp "$2"/image/files/etc/polkit-1/rules.d/*.rules /run/rules
	chmod -R a+rX /run/rules
	mount --bind /run/rules /etc/polkit-1/rules.d
	mount -t tmpfs none /usr/share/polkit-1/rules.d
	chmod 755 /usr/share/polkit-1/rules.d' sh "$NET_DIR" "$SOURCE"
net_dbus box
net_bg box $polkitd --no-debug
within 10 net_in box busctl --address=unix:path=/run/dbus/system_bus_socket status org.freedesktop.PolicyKit1
NET_POLKIT=true net_manager box || { tail -5 "$NET_DIR/box.log" | sed 's/^/# /'; net_fail "no NetworkManager"; }
net_in box chown lliure /run/lliure-network/hosts /run/lliure-network/options
cp "$BUILD/lliure-network" "$NET_DIR/tool" # where anybody may read it
chmod 755 "$NET_DIR" "$NET_DIR/tool"

as() { # USER COMMAND…
	local u=$1
	shift
	net_in box setpriv --reuid="$u" --regid=65534 --clear-groups -- "$@"
}
denied() { "$@" 2>"$NET_DIR/err" && return 1; grep -q "does not allow" "$NET_DIR/err" || { cat "$NET_DIR/err"; return 1; }; }

ok "nobody may not make a network" denied as nobody "$NET_DIR/tool" first Ateneu
ok "the daemon's user may" as lliure "$NET_DIR/tool" first Ateneu
ok "and try a change" sh -c "$(declare -f as net_in); NET_DIR=$NET_DIR; as lliure $NET_DIR/tool try 60 wifi=off wired=own >$NET_DIR/checkpoint"
ok "which nobody else may keep" denied as nobody "$NET_DIR/tool" keep "$(cat "$NET_DIR/checkpoint")"
ok "but itself" as lliure "$NET_DIR/tool" keep "$(cat "$NET_DIR/checkpoint")"
ok "it sees the password" sh -c "$(declare -f as net_in); NET_DIR=$NET_DIR; as lliure $NET_DIR/tool show | grep -Eq '^password .{12}'"
ok "nobody does not" sh -c "$(declare -f as net_in); NET_DIR=$NET_DIR; ! as nobody $NET_DIR/tool show 2>&1 | grep -Eq '^password .{12}'"

{ as lliure sleep 60 & } 2>/dev/null
within 5 net_in box pgrep -u 64321 -x sleep
pid=$(net_in box pgrep -u 64321 -x sleep)
may() { # ACTION [DETAIL VALUE]…
	local action=$1
	local -a details=()
	shift
	while [ $# -gt 0 ]; do details+=(--detail "$1" "$2"); shift 2; done
	net_in box pkcheck --process "$pid" --action-id "$action" "${details[@]}"
}
may_not() { ! may "$@" 2>/dev/null; }
units=org.freedesktop.systemd1.manage-units
ok "visitors: open" may $units unit lliure-visitors.service verb start
ok "visitors: closed" may $units unit lliure-visitors.service verb stop
ok "the country" may $units unit lliure-country@ES.service verb start
ok "no other verb" may_not $units unit lliure-country@ES.service verb stop
ok "no other country than two letters" may_not $units unit 'lliure-country@ES;reboot.service' verb start
ok "no other unit" may_not $units unit ssh.service verb start
ok "not its own" may_not $units unit lliure.service verb stop
ok "no unit that is not named" may_not $units
ok "no unit files" may_not org.freedesktop.systemd1.manage-unit-files
ok "no switching off" may_not org.freedesktop.login1.power-off
ok "no switching all networks off" may_not org.freedesktop.NetworkManager.enable-disable-network
ok "nor to stay when its service has ended" may_not org.freedesktop.login1.set-self-linger
ok "nor to keep others from switching off" may_not org.freedesktop.login1.inhibit-block-shutdown
ok "nor to change NetworkManager's own settings" may_not org.freedesktop.NetworkManager.reload
{ as nobody sleep 61 & } 2>/dev/null
within 5 net_in box pgrep -u nobody -f '^sleep 61$'
pid=$(net_in box pgrep -u nobody -f '^sleep 61$')
ok "and nobody else may stay either" may_not org.freedesktop.login1.set-self-linger
ok "nor look for networks" may_not org.freedesktop.NetworkManager.wifi.scan

# RAUC asks no polkit: who may speak to it is decided by the bus. A bus with the system's own rules, RAUC's as
# Debian 13 has them, and the image's.
cat >"$NET_DIR/rauc.conf" <<'C'
<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-BUS Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <policy context="default"><allow send_destination="de.pengutronix.rauc"/></policy>
  <policy user="root"><allow own="de.pengutronix.rauc"/></policy>
</busconfig>
C
real=/usr/share/dbus-1/system.d/de.pengutronix.rauc.conf
[ ! -e $real ] || cp $real "$NET_DIR/rauc.conf"
printf '[system]\ncompatible=x\nbootloader=noop\n[keyring]\npath=/dev/null\n[slot.rootfs.0]\ndevice=/dev/null\ntype=raw\nbootname=A\n' \
	>"$NET_DIR/rauc.system"
net_in box sh -ec '
	mkdir -p /run/bus /run/bus.rules
	mount -t tmpfs none /usr/share/dbus-1/system.d
	cp "$1/rauc.conf" /usr/share/dbus-1/system.d/de.pengutronix.rauc.conf
	cp "$2"/image/files/etc/dbus-1/system.d/*.conf /run/bus.rules 2>/dev/null || :
	mount --bind /run/bus.rules /etc/dbus-1/system.d' sh "$NET_DIR" "$SOURCE"
net_bg box dbus-daemon --config-file=/usr/share/dbus-1/system.conf --address=unix:path=/run/bus/socket --nofork --nopidfile
within 10 net_in box test -S /run/bus/socket
net_bg box env DBUS_SYSTEM_BUS_ADDRESS=unix:path=/run/bus/socket rauc --conf="$NET_DIR/rauc.system" --override-boot-slot=A service
rauc_is_there() { net_in box busctl --address=unix:path=/run/bus/socket call org.freedesktop.DBus / org.freedesktop.DBus \
	NameHasOwner s de.pengutronix.rauc | grep -q true; }
within 10 rauc_is_there || net_fail "RAUC did not start"
rauc() { # USER METHOD ARGUMENTS…
	local u=$1
	shift
	as "$u" busctl --address=unix:path=/run/bus/socket call de.pengutronix.rauc / de.pengutronix.rauc.Installer "$@"
}
refused() { ! rauc "$@" 2>"$NET_DIR/err" && grep -q 'Access denied' "$NET_DIR/err" || { cat "$NET_DIR/err"; return 1; }; }
heard() { rauc "$@" 2>"$NET_DIR/err" || ! grep -q 'Access denied' "$NET_DIR/err" || { cat "$NET_DIR/err"; return 1; }; }
older='/run/old.raucb 1 ignore-compatible b true'
ok "the daemon's user may not install by itself" refused lliure InstallBundle 'sa{sv}' $older
ok "nor call a system bad" refused lliure Mark ss bad booted
ok "nor may anybody else" refused nobody Mark ss bad booted
ok "root is heard" heard root Mark ss bad booted

echo "1..$n"
exit "$failed"
