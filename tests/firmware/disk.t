#!/bin/bash
# SPDX-License-Identifier: AGPL-3.0-or-later
# image/initrd/disk on made-up trees of /sys and disks that are files: of two disks of boxes in one machine that one
# is taken, whole, which the boot loader read.
cd "${SOURCE:-$(dirname "$0")/../..}" || exit 1
. tests/lib/tap.sh
busybox true && command -v sfdisk >/dev/null || skip_all "there is no busybox or sfdisk here"
# As the build makes them: its own function, and its own names.
eval "$(grep '^uuid() ' image/build)"
factory=$(uuid "part esp")
names='esp bootA bootB rootA rootB state data'

fresh() {
	rm -rf "$T/sys" "$T/dev"
	mkdir -p "$T/sys/class/block" "$T/dev"
	thing loop0 loop0 "DEVNAME=loop0"
	thing sr0 sr0 "DEVNAME=sr0"
}
thing() { # thing DISK DEVICE LINES: as the kernel lays it out
	local at=$T/sys/devices/pci/block/$1
	[ "$1" = "$2" ] || at=$at/$2
	mkdir -p "$at"
	printf '%s\n' "$3" >"$at/uevent"
	ln -s "../../devices/${at#"$T/sys/devices/"}" "$T/sys/class/block/$2"
}
box_disk() { # box_disk DISK PREFIX NUMBER-OF-ESP
	local i=0 name
	truncate -s 9M "$T/dev/$1"
	thing "$1" "$1" "DEVNAME=$1"
	{
		echo "label: gpt"
		echo "first-lba: 2048"
		for name in $names; do
			i=$((i + 1))
			thing "$1" "$2$i" "DEVNAME=$2$i"$'\n'"PARTN=$i"$'\n'"PARTNAME=lliure-$name"
			echo $i >"$T/sys/class/block/$2$i/partition"
			[ $i = 1 ] && echo "start=${i}MiB, size=1MiB, name=lliure-$name, uuid=$3" || echo "start=${i}MiB, size=1MiB, name=lliure-$name"
		done
	} | sfdisk -q "$T/dev/$1"
}
disk() { # disk COMMANDS: as the initrd's shell runs them
	SYS=$T/sys DEV=$T/dev busybox sh -c ". image/initrd/disk; $1"
}
find_disk() { # find_disk SLOT ESP: the disk, or what is returned
	disk "find_disk '$1' '$2'; r=\$?; echo \${disk:-\$r}"
}
old=5a5a5a5a-1111-4222-8333-444444444444
new=0badcafe-1111-4222-8333-444444444444

fresh
is "no disk yet" "$(find_disk A "")" 1
box_disk mmcblk0 mmcblk0p "$factory"
is "the only disk, without the boot loader's word" "$(find_disk A "")" mmcblk0
is "and with it" "$(find_disk B "$factory")" mmcblk0
is "a number that no disk has: not yet" "$(find_disk A "$old")" 1
rm "$T/sys/class/block/mmcblk0p7"
is "a disk of which not all partitions are seen yet is none yet" "$(find_disk A "$factory")" 1

fresh
box_disk sda sda "$old"
box_disk sdb sdb "${new^^}"
box_disk mmcblk0 mmcblk0p "$factory"
is "of three disks that one whose number the boot loader says" "$(find_disk A "$new")" sdb
is "an old one" "$(find_disk A "$old")" sda
is "and a new one" "$(find_disk A "$factory")" mmcblk0
is "without a word it is not clear" "$(find_disk A "")" 2
is "every partition is that disk's" \
	"$(disk 'find_disk A '$new'; for p in '"$names"'; do partition $p; done' | tr '\n' ' ')" "sdb1 sdb2 sdb3 sdb4 sdb5 sdb6 sdb7 "
is "and none has another name" "$(disk 'find_disk A '$new'; partition home; echo $?')" 1
box_disk sdc sdc "$new"
is "of a disk and its copy it is not clear which" "$(find_disk A "$new")" 2

fresh
box_disk sda sda "$factory"
before=$(sfdisk -d "$T/dev/sda" | grep -v '^\(device\|label-id\)' | sed 's/, uuid.*name/ name/')
disk 'find_disk A ""; own_number' >"$T/said" 2>&1
is "a disk with the image's number gets one of its own" "$(cat "$T/said"; find_disk A "$factory")" 1
number=$(disk 'find_disk A ""; number')
is "which is a number" "$(echo "$number" | grep -cE '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$')" 1
is "by which it is found" "$(find_disk A "$number")" sda
is "nothing else is changed" "$(sfdisk -d "$T/dev/sda" | grep -v '^\(device\|label-id\)' | sed 's/, uuid.*name/ name/')" "$before"
is "and the table is whole" "$(sfdisk --verify "$T/dev/sda" 2>&1 | grep -c "^No errors detected")" 1
disk 'find_disk A ""; own_number'
is "it keeps the number" "$(disk 'find_disk A ""; number')" "$number"

# --- waiting: a disk that is hidden comes after so many seconds, of a clock that takes no time,
# and that are fewer here ---
hide() { mkdir -p "$T/hidden" && mv "$T"/sys/class/block/"$1"* "$T/hidden/"; }
wait_for() { # wait_for ESP SECONDS: the disk or what is returned, after how long; what is said is in $T/said
	disk "NAMED_S=20 ANY_S=8 DAMAGED_S=6 t=0; say() { echo \"\$t: \$*\"; }; drivers() { :; }; seconds() { echo \$t; }
		nap() { t=\$((t + 1)); [ \$t != $2 ] || mv $T/hidden/* $T/sys/class/block/; }
		await_disk A '$1' >$T/said 2>&1; r=\$?; [ \$r = 0 ] && echo \$disk \$t || echo \$r \$others \$t"
}

fresh
box_disk sda sda "$old"
hide sda
is "a disk that is slow is waited for" "$(wait_for "$old" 18)" "sda 18"
is "it is said for how long" "$(cat "$T/said")" "5: Waiting for this box's own disk (5a5a5a5a), 15 seconds more."
hide sda
is "in the end it is not there" "$(wait_for "$old" 5000)" "1 20"
is "without a word of the boot loader, too, and sooner" "$(wait_for "" 5000)" "1 8"
mv "$T"/hidden/* "$T/sys/class/block/"
box_disk sdb sdb "$new"
hide sdb
is "a disk of another box that is there at once is left alone" "$(wait_for "$new" 9)" "sdb 9"
ok "it is said whose it is" grep -q "The disk that is there (sda) is another box's" "$T/said"
hide sdb
is "also when the own one does not come at all" "$(wait_for "$new" 5000)" "3 sda 20"
box_disk sdc sdc "$factory"
is "and a new disk, that has no box yet" "$(wait_for "$new" 5000)" "3 sda sdc 20"

fresh
box_disk sda sda "$old"
rm -rf "$T/hidden"
printf 'bad table' | dd of="$T/dev/sda" bs=1 seek=1044 conv=notrunc 2>/dev/null
is "the only disk, when its table is damaged, is taken" "$(wait_for "$new" 5000)" "sda 6"
ok "which is said" grep -q "table of partitions of sda is damaged" "$T/said"
is "the table is mended" "$(sfdisk --verify "$T/dev/sda" 2>&1 | grep -c "corrupt")" 0
is "with the number that it had" "$(disk 'find_disk A '$old'; number')" "$old"
printf 'bad table' | dd of="$T/dev/sda" bs=1 seek=1044 conv=notrunc 2>/dev/null
box_disk sdb sdb "$factory"
is "of two none is, for nobody knows which" "$(wait_for "$new" 5000)" "3 sda sdb 20"
finish
