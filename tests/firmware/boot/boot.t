#!/usr/bin/env bash
# SPDX-License-Identifier: AGPL-3.0-or-later
# lliure-boot as RAUC and the update logic call it, and the boot loader's own step in GRUB's language:
# every state, decided by both.
cd "${SOURCE:-$(dirname "$0")/../../..}" || exit 1
BUILD=${BUILD:-$PWD/build/release}
BOOT=$BUILD/lliure-boot
. tests/lib/tap.sh
export LLIURE_BOOT_STATE=$T/state LLIURE_BOOT_CMDLINE=$T/cmdline
status() { "$@" >/dev/null 2>&1; echo $?; }
show() { $BOOT show | grep -v -e running -e next | sort | tr '\n' ' '; }
echo "root=/dev/dm-0 lliure.slot=A ro" >"$T/cmdline"

is "no block, no answer" "$(status $BOOT show)" 1
$BOOT make
is "a new block is 1,024 bytes" "$(stat -c %s "$T/state")" 1024
is "and starts A" "$($BOOT get-primary)" A
is "words that are none are refused" "$(status $BOOT get-state C) $(status $BOOT set-state A fine) $(status $BOOT frob) $(status $BOOT try)" "2 2 2 2"

# What RAUC does for an update from A.
is "the running slot" "$($BOOT get-current)" A
$BOOT set-state B bad
is "a slot that is being written is bad" "$($BOOT get-state B)" bad
$BOOT set-primary B
is "then it is the next" "$($BOOT get-primary)" B
is "only the running one is called good" "$(status $BOOT set-state B good)" 1
is "the boot loader starts it" "$($BOOT start)" B
is "and A after that" "$($BOOT get-primary)" A
echo "lliure.slot=B" >"$T/cmdline"
$BOOT healthy
is "healthy: committed" "$(show)" "armed=-0 good=B n=0 ok=AB try=- "
is "the block has kept its size" "$(stat -c %s "$T/state")" 1024
echo "" >"$T/cmdline"
is "a machine that we did not start is never healthy" "$(status $BOOT healthy)" 1
head -c 600 "$T/state" >"$T/short" && cat "$T/short" >"$T/state"
is "a block that was cut short is read as far as it goes" "$(show)" "armed=-0 good=B n=0 ok=AB try=- "
$BOOT try A
is "and is whole after the next step" "$(stat -c %s "$T/state") $($BOOT get-primary)" "1024 A"

# A block that the boot loader can't read, though every value is there: the next healthy start mends it.
echo "lliure.slot=A" >"$T/cmdline"
$BOOT make
$BOOT healthy
cp "$T/state" "$T/whole"
touch -d @1 "$T/state"
$BOOT healthy
is "healthy as before: nothing is written" "$(stat -c %Y "$T/state")" 1
printf '# nonsense' | dd of="$T/state" conv=notrunc status=none
$BOOT healthy
is "without its first line it is written anew" "$(cmp "$T/state" "$T/whole" 2>&1)" ""
head -c 1023 "$T/whole" >"$T/state"
$BOOT healthy
is "and when one byte is missing" "$(cmp "$T/state" "$T/whole" 2>&1)" ""
rm "$T/state"
is "one that is lost is made" "$(status $BOOT healthy) $(stat -c %s "$T/state") $($BOOT get-primary)" "0 1024 A"
export LLIURE_BOOT_STATE=$T/esp.new/lliure/state
mkdir "$T/esp.new"
is "with its folder" "$($BOOT bad B; show)" "armed=-0 good=A n=0 ok=A- try=- "
export LLIURE_BOOT_STATE=$T/state
cp "$T/short" "$T/state"
echo "lliure.slot=B" >"$T/cmdline"
$BOOT try A

if ! command -v grub-emu >/dev/null || ! command -v mcopy >/dev/null; then
	note "skipped: grub-emu or mtools is not installed"
	finish
	exit
fi
is "GRUB's own tool reads the block" "$(grub-editenv "$T/state" list | sort | tr '\n' ' ')" "armed=A1 good=B n=0 ok=AB try=A "

mkdir "$T/emu"
emu() { timeout 100 grub-emu -d "$T/emu" -m "$T/map" -r host </dev/null 2>&1 | tr -d '\r' | sed 's/\x1b\[[0-9;]*m//g'; }
: >"$T/map"

# Every state, and values that are none.
for good in A B C; do for try in A B -; do for ok in AB A- -B -- xx; do for armed in -0 A0 A2 B1 B3; do for nn in 0 1 2 3 4 5 6; do
	echo "$good $try $ok $armed $nn"
done; done; done; done; done >"$T/states"
{
	cat firmware/boot/grub/decide.cfg
	while read -r good try ok armed nn; do
		echo "set good=$good; set try=$try; set ok=$ok; set armed=$armed; set n=$nn; lliure_decide"
		echo 'echo "= $slot $try $n"'
	done <"$T/states"
	echo exit
} >"$T/emu/grub.cfg"
emu | sed -n 's/^= //p' >"$T/grub.says"
while read -r good try ok armed nn; do
	printf '# GRUB Environment Block\nn=%s\ngood=%s\nok=%s\narmed=%s\ntry=%s\n' $nn $good $ok $armed $try
done <"$T/states" | "$BUILD/tests/firmware/boot/states_tool" >"$T/c.says"
is "GRUB and the C program decide alike in $(wc -l <"$T/states") states" \
	"$(paste -d: "$T/states" "$T/grub.says" "$T/c.says" | awk -F: '$2 != $3 || $2 == "" {print; exit}')" ""

# The block itself, read and written by GRUB on the file system of the esp partition.
mkfs.vfat -C "$T/esp" 2048 >/dev/null
mmd -i "$T/esp" ::lliure
mcopy -i "$T/esp" "$T/state" ::lliure/state
echo "(hd0) $T/esp" >"$T/map"
{
	cat firmware/boot/grub/decide.cfg
	echo 'load_env --file "(hd0)/lliure/state" armed try ok n good'
	echo 'lliure_decide'
	echo 'save_env --file "(hd0)/lliure/state" try n'
	echo 'echo "= $slot"'
	echo exit
} >"$T/emu/grub.cfg"
is "GRUB starts what was armed" "$(emu | sed -n 's/.*= //p')" A
mcopy -n -o -i "$T/esp" ::lliure/state "$T/grub.state"
$BOOT start >/dev/null
is "and writes the block, byte for byte, as we would" "$(cmp "$T/grub.state" "$T/state" 2>&1 && show)" "armed=A1 good=B n=1 ok=AB try=- "

# Which disk it was: the number that image/initrd/disk looks for.
number=5a5a5a5a-1111-4222-8333-44444444abcd
truncate -s 8M "$T/disk"
echo "start=1MiB, size=3MiB, name=lliure-esp, uuid=$number" | sfdisk -q --label gpt "$T/disk"
dd if="$T/esp" of="$T/disk" bs=1M seek=1 conv=notrunc status=none
echo "(hd0) $T/disk" >"$T/map"
{
	echo 'set disk=hd0'
	grep '^probe ' firmware/boot/grub/grub.cfg
	echo 'echo "= $number"'
	echo exit
} >"$T/emu/grub.cfg"
is "GRUB says which disk it read" "$(emu | sed -n 's/.*= //p')" "$number"
is "and the system hears it" "$(grep -c 'linux .* lliure.esp=$number ' firmware/boot/grub/grub.cfg)" 1
finish
