#!/bin/bash
# SPDX-License-Identifier: AGPL-3.0-or-later
# image/initrd/mend on file systems that were damaged: what can be mended keeps its files, and what would be
# mended to death is not touched.
cd "${SOURCE:-$(dirname "$0")/../..}" || exit 1
. tests/lib/tap.sh
busybox true && command -v debugfs >/dev/null || skip_all "there is no busybox or debugfs here"
mend() { # as the initrd's shell runs it; with what e2fsck said
	local status
	busybox sh -c 'say() { echo "$*"; }; . image/initrd/mend; mend "$1" "$2"' mend "$T/disk" "$T/fsck"
	status=$?
	cat "$T"/fsck*
	return $status
}
noise() { # noise OFFSET SIZE…
	while [ $# -gt 0 ]; do
		head -c "$2" /dev/urandom | dd of="$T/disk" bs=64k seek="$1" oflag=seek_bytes conv=notrunc status=none
		shift 2
	done
}
fresh() { rm -f "$T/disk" "$T"/fsck*; cp --sparse=always "$T/whole" "$T/disk"; }
files() {
	rm -rf "$T/files" && mkdir "$T/files" && debugfs -R "rdump /box $T/files" "$T/disk" && diff -r "$T/box" "$T/files/box"
}
same() { e2fsck -f -n "$T/disk" && files; }
untouched() { # of a disk that was damaged: mend gives up, and not a byte is changed
	local before
	before=$(stat -c %y "$T/disk")
	not mend && [ "$(stat -c %y "$T/disk")" = "$before" ]
}

group=$((128 << 20))
mkdir "$T/box"
for i in 1 2 3; do head -c 300000 /dev/urandom >"$T/box/$i"; done
truncate -s 767M "$T/whole"
mke2fs -q -t ext4 -b 4096 -J size=32 -E root_owner=0:0 "$T/whole"
{
	echo "mkdir /box"
	for i in 1 2 3; do echo "write $T/box/$i /box/$i"; done
} | debugfs -w "$T/whole" >/dev/null 2>&1

fresh
ok "a whole file system" mend
ok "is tried no further" not test -e "$T/fsck.dry"
ok "and keeps its files" same

fresh
noise 1024 1024
ok "a damaged superblock is mended by a copy" mend
ok "with all files" same

fresh
noise 0 4096 $((group + 4096)) 4096 $((3 * group + 4096)) 4096
ok "and by that copy beside which the descriptors are whole" mend
ok "with all files, too" same

fresh
block=$(debugfs -R "stat <8>" "$T/disk" 2>/dev/null | sed -n 's/.*EXTENTS:.*//; s/^([0-9-]*):\([0-9]*\)-.*/\1/p' | head -n 1)
noise $((${block:?no journal} * 4096)) 4096
ok "a damaged journal is mended" mend
ok "with all files, as ever" same

fresh
for at in $(seq 0 64 704); do noise $((at << 20)) $((1 << 20)); done
ok "what has no superblock left is not touched" untouched

fresh
table=$(dumpe2fs "$T/disk" 2>/dev/null | sed -n 's/.*Inode table at \([0-9]*\)-.*/\1/p' | head -n 1)
noise $((${table:?no table} * 4096 + 256)) 256
debugfs -w -R "ssv state 0" "$T/disk" 2>/dev/null # as after a pulled plug
ok "nor is one mended that would lose its root folder" not mend
dd if="$T/whole" of="$T/disk" bs=256 count=1 skip=$((table * 16 + 1)) seek=$((table * 16 + 1)) conv=notrunc status=none
ok "with its root given back it has all files" files
finish
