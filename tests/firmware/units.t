#!/bin/bash
# SPDX-License-Identifier: AGPL-3.0-or-later
# The image's units: systemd accepts them without a complaint, every program that they start is one that
# is built, and none has more rights than its row here says (systemd-analyze security: 0 to 10).
cd "${SOURCE:-$(dirname "$0")/../..}" || exit 1
shopt -s lastpipe
. tests/lib/tap.sh
units=image/files/etc/systemd/system

grep -ho '^ExecStart=[^ ]*' $units/lliure*.service | sed 's/.*=//' | sort -u | while read -r program; do
	name=${program##*/}
	case $name in
	lliure) ;;
	lliure-*) [ -e "firmware/${name#lliure-}/main.c" ] || [ -e "image/files$program" ] || echo "$program is not built" ;;
	esac
done | none "every program that a unit starts is built"

grep -o '^enable lliure.*' image/files/etc/systemd/system-preset/10-lliure.preset | while read -r _ unit; do
	[ -e "$units/$unit" ] || echo "$unit is enabled and not there"
done | none "every unit that is enabled is there"

# A disk that hangs holds whoever asks it, and systemd gives a oneshot all the time of the world.
grep -l '^Type=oneshot' $units/lliure*.service | while read -r unit; do
	grep -q '^TimeoutStartSec=' "$unit" || echo "$unit has all the time of the world"
done | none "what starts and ends has a time to do so"
for unit in crashed damaged; do
	grep -q '^FailureAction=reboot-immediate$' "$units/lliure-$unit.service" || echo "lliure-$unit asks a disk that hangs again"
done | none "and what restarts the machine does so at last without the disk"

if ! command -v systemd-analyze >/dev/null || [ ! -d /usr/lib/systemd/system ]; then
	skip "systemd accepts the units" "there is no systemd here"
	finish
	exit
fi
root=$T/root
mkdir -p "$root/usr/lib/systemd" "$root/usr/bin" "$root/etc"
cp -a /usr/lib/systemd/system "$root/usr/lib/systemd/"
cp -a image/files/. "$root/"
for program in $(grep -ho '^Exec[A-Za-z]*=[^ ]*' $units/lliure*.service | sed 's/.*=//' | sort -u); do
	[ -e "$root$program" ] || install -D /bin/true "$root$program"
done
printf 'root:x:0:0::/:/bin/sh\nlliure:x:990:990::/:/bin/sh\n' >"$root/etc/passwd"
printf 'root:x:0:\nlliure:x:990:\n' >"$root/etc/group"
(cd "$root/etc/systemd/system" && systemd-analyze --root="$root" --man=no --recursive-errors=no verify \
	lliure*.service lliure*.socket $(ls lliure*.timer 2>/dev/null) 2>&1) | grep '/lliure' |
	grep -v "Unknown key \(name \)\?'\(RestartMode\|PrivatePIDs\)'" | none "systemd accepts the units" # the image's knows them, Debian 12's does not

# A daemon that hangs each time, before it is ready or after, is ended so often within the interval that its
# OnFailure= has a turn.
us() { # us SETTING: of the daemon's unit, in microseconds
	systemd-analyze timespan "$(sed -n "s/^$1=//p" $units/lliure.service)" | sed -n 's/.*μs: //p'
}
longest=$(us TimeoutStartSec)
[ "$(us WatchdogSec)" -le "$longest" ] || longest=$(us WatchdogSec)
# (a quarter of an hour at most while it says that it gets on: appliance/health/opening.h)
[ 900000000 -le "$longest" ] || longest=900000000
once=$((longest + $(us TimeoutAbortSec) + 2 * $(us TimeoutStopSec) + $(us RestartSec)))
times=$(sed -n 's/^StartLimitBurst=//p' $units/lliure.service)
{ [ $((once * times)) -lt "$(us StartLimitIntervalSec)" ] || echo "$times times $once us do not fit"; } |
	none "ten ends of a daemon that hangs fit into the interval"

# What each may be exposed to, in tenths. A new unit needs a row.
rows() {
	cat <<'U'
lliure 21
lliure-helper 47
lliure-firstboot 17
lliure-update 25
lliure-judge 18
lliure-crashed 18
lliure-damaged 18
lliure-look 14
lliure-button 17
lliure-network 15
lliure-forward 20
lliure-visitors 21
lliure-country@ 21
U
}
for unit in "$units"/*.service; do
	unit=${unit##*/}
	rows | grep -q "^${unit%.service} " || echo "${unit%.service} has no row"
done | none "every unit has a bound"
# Who has the daemon's user and reads anybody's bytes, or a key, reaches neither the daemon nor whom it asks.
for unit in look button; do
	for call in @debug process_vm_readv process_vm_writev pidfd_open pidfd_send_signal; do
		grep -q "^SystemCallFilter=~.*$call\b" "$units/lliure-$unit.service" || echo "lliure-$unit may call $call"
	done
done | none "no unit with the daemon's user looks into the daemon"
for line in RestrictAddressFamilies=none PrivatePIDs=yes PrivateNetwork=yes 'InaccessiblePaths=-/run/lliure-helper.sock -/run/dbus'; do
	grep -qx "$line" "$units/lliure-look.service" || echo "lliure-look lacks $line"
done | none "who looks at an update asks nobody"
rows | while read -r unit most; do
	systemd-analyze --root="$root" security --offline=yes --threshold="$most" --no-pager "${unit/@/@XX}.service" >"$root/said" 2>&1 ||
		tail -n 1 "$root/said"
done | none "no unit has more rights than it needs"
finish
