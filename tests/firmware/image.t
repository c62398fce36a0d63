#!/bin/bash
# SPDX-License-Identifier: AGPL-3.0-or-later
# What of image/ can be read without building one: that every script and table is one, and that what one of them
# names is there. A mistake here would show itself after minutes of building, or in a box that does not start.
cd "${SOURCE:-$(dirname "$0")/../..}" || exit 1
shopt -s lastpipe
. tests/lib/tap.sh
files() { find image -type f ! -path '*/__pycache__/*' | sort; }
first() { files | while read -r f; do head -n 1 "$f" | tr -d '\0' | grep -q "^#!.*$1" && echo "$f"; done; }

# The first program and its parts are read by busybox, the last steps in the system by its sh.
scripts="image/initrd/init image/initrd/disk image/initrd/mend image/initrd/name image/finish"
if command -v busybox >/dev/null; then
	for f in $scripts; do busybox sh -n "$f" 2>&1; done | none "busybox reads what it runs at the start"
else
	skip "busybox reads what it runs at the start" "there is no busybox here"
fi
{
	for f in $scripts $(first '/sh$'); do sh -n "$f" 2>&1; done
	for f in $(first bash); do bash -n "$f" 2>&1; done
} | none "every script is one"
files | grep -v '^image/test/shell/' | while read -r f; do
	[ ! -x "$f" ] || head -c 2 "$f" | grep -q '^#!' || echo "$f can be run, and does not say by what"
done | none "what can be run says by what"
python3 - $(first python; files | grep '\.py$') <<'P' 2>&1 | none "every program in Python is one"
import ast, sys
for path in sys.argv[1:]:
    with open(path) as f:
        ast.parse(f.read(), path)
P
python3 - $(files | grep '\.conf$' | xargs grep -l '^<busconfig>') <<'P' 2>&1 | none "what the bus reads is XML"
import sys, xml.dom.minidom
for path in sys.argv[1:]:
    xml.dom.minidom.parse(path)
P
if command -v grub-script-check >/dev/null; then
	cat firmware/boot/grub/decide.cfg firmware/boot/grub/grub.cfg | grub-script-check 2>&1 | none "GRUB reads its configuration"
else
	skip "GRUB reads its configuration" "there is no grub-script-check here"
fi
# Its program has no modules beside it.
modules=" $(sed -n 's/^grub="\(.*\)"$/\1/p' image/build) "
sed -n 's/^insmod //p' firmware/boot/grub/grub.cfg | while read -r m; do
	[[ $modules == *" $m "* ]] || echo "the build does not put $m into GRUB"
done | none "every module that GRUB's configuration loads is put into it"
sed -n 's/^\. \/\([a-z]*\)$/\1/p' image/initrd/init | while read -r part; do
	grep -q "^install .*image/initrd/$part .*\"\$I/\"" image/build || echo "/$part is not put into the initrd"
done | none "every part of the first program is put into the initrd"
# What it runs that is not busybox's.
grep -ohE '\b(dmsetup|e2fsck|mke2fs|resize2fs|sfdisk|dumpe2fs|veritysetup)\b' image/initrd/init image/initrd/disk image/initrd/mend | sort -u |
	while read -r program; do
		grep -q "/$program\$" image/initrd/programs || echo "$program is not in the initrd"
	done | none "every program that it runs is put into the initrd"
sed -n 's/^device=//p' image/files/etc/rauc/system.conf | while read -r d; do
	grep -q "^for name in .*\b${d##*/}\b" image/initrd/init || echo "$d is not made"
done | none "every slot of the installer is made by the first program"
# A plain user of Debian has no sbin in PATH, where chroot, mke2fs and e2fsck are. All of image/test imports disk.py.
for f in image/build image/test/disk.py; do grep -q 'PATH.*:/usr/sbin' "$f" || echo "$f"; done |
	none "who is not root finds what an image is made and looked at with"
for list in image/packages.list image/firmware.list; do
	sed 's/#.*//; s/\[[a-z0-9]*\]//' "$list" | grep -vE '^\s*$|^[a-z0-9][a-z0-9+.-]*\s*$' | sed "s|^|$list: |"
done | none "lists name a package a line"
grep -rhoE '\btests/[a-z0-9_/.-]*\.(t|c|py)\b' image firmware --include=* 2>/dev/null | sort -u | while read -r f; do
	[ -e "$f" ] || echo "$f is named and not there"
done | none "every test that is named is there"
grep -rhoE '^Documentation=file://.*' image/files | none "no unit sends people to a file that is not on the box"
{
	[ "$(grep -c '^	*warn_of_trial$' image/build)" = "$(grep -c 'step "done' image/build)" ] || echo "one way to the end does not"
} | none "an image whose updates this machine's trial key signs says so, whichever way it ends"
# A keyfile: RAUC would not start, and no update would ever be installed.
python3 - image/files/etc/rauc/system.conf <<'P' 2>&1 | none "the installer's configuration names both systems, each with its two parts"
import configparser, sys
c = configparser.ConfigParser(delimiters="=")
c.read(sys.argv[1])
want = {"rootfs.0": ("rootA", "A"), "boot.0": ("bootA", None), "rootfs.1": ("rootB", "B"), "boot.1": ("bootB", None)}
for slot, (device, name) in want.items():
    s = c["slot." + slot]
    if s["device"].split("/")[-1] != device or s.get("bootname") != name:
        print(slot, dict(s))
P
grep -oE 'lliure-[a-z]+(\.|@)' image/files/etc/polkit-1/rules.d/*.rules | sed 's/@$/@./' | sort -u | while read -r unit; do
	[ -e "image/files/etc/systemd/system/${unit}service" ] || echo "the daemon could bring its own ${unit}service"
done | none "every unit that the daemon may start has a file"
for unit in user@.service user-runtime-dir@.service; do
	grep -q "^[^#]* $unit" image/finish || grep -q "^	$unit" image/finish || echo "$unit is not masked"
done | none "nobody has services outside the units of this tree"
grep '^u ' image/files/usr/lib/sysusers.d/lliure.conf | grep -v ' /nonexistent$' | none "and the daemon's user has no home"
# A damaged update is read through dm-verity, too, and no reason to leave a system that is well.
grep 'DM_VERITY_ERR_BLOCK_NR' image/files/usr/lib/udev/rules.d/*.rules | while read -r rule; do
	name=$(sed -n 's/.*ATTR{dm\/name}=="\([a-z]*\)".*/\1/p' <<<"$rule")
	[ -n "$name" ] && grep -q "^dmsetup create $name " image/initrd/init || echo "$rule"
done | none "only a damaged root makes the box leave its system"
# The image has one name for all; each machine makes one of it, which firmware/network/label.h knows as nobody's.
mkdir -p "$T/one/lliure" "$T/two/lliure" "$T/named/lliure"
echo ateneu >"$T/named/lliure/hostname"
for m in one two named one; do sh -c '. image/initrd/name; name_it "$1"' name "$T/$m"; done
{
	for m in one two; do
		grep -qx 'lliure-[0-9a-f]\{4\}' "$T/$m/lliure/hostname" || echo "a new machine is called $(cat "$T/$m/lliure/hostname")"
		grep -qx '[0-9a-f]\{32\}' "$T/$m/machine-id" || echo "its number is $(cat "$T/$m/machine-id")"
	done
	! cmp -s "$T/one/machine-id" "$T/two/machine-id" || echo "two machines have one number"
	[ "$(cat "$T/named/lliure/hostname")" = ateneu ] || echo "one with a name has lost it"
} | none "two new machines have two names, and one with a name keeps it"
{
	grep -q '^find / -xdev -type f -perm /6000 -exec chmod ug-s' image/finish || echo "programs keep setuid"
	grep -q 'mount -t squashfs -o ro,nosuid,nodev ' image/initrd/init || echo "the root is not nosuid"
} | none "nobody becomes anybody else by running a program"
# The list of parts, of a made-up system with one installed package and one that is only taken apart.
mkdir -p "$T/root/var/lib/dpkg" "$T/root/usr/share/doc/zstd" "$T/deb/DEBIAN"
printf 'Package: zstd\nStatus: install ok installed\nArchitecture: amd64\nSource: libzstd\nVersion: 1.5.7-1\n\n' >"$T/root/var/lib/dpkg/status"
printf 'Format: x\n\nFiles: *\nLicense: BSD-3-clause\n\nFiles: b\nLicense: GPL-2\n' >"$T/root/usr/share/doc/zstd/copyright"
printf 'Package: grub-efi-amd64-bin\nArchitecture: amd64\nSource: grub2\nVersion: 2.12-9\nMaintainer: x <x@example.org>\nDescription: x\n' >"$T/deb/DEBIAN/control"
if dpkg-deb -b "$T/deb" "$T/grub.deb" >/dev/null 2>&1; then
	spdx() { SOURCE_DATE_EPOCH=1795000000 python3 image/spdx "$T/root" 1.0 "$T/spdx.json" "$T/grub.deb" 2>&1; }
	said=$(spdx) && echo "it was made" >"$T/bad" || echo "$said" | grep -v 'no copyright file in the image: grub-efi-amd64-bin' >"$T/bad"
	none "a part without its licence is not passed on" <"$T/bad"
	mkdir -p "$T/root/usr/share/doc/grub-efi-amd64-bin"
	echo 'License: GPL-3+' >"$T/root/usr/share/doc/grub-efi-amd64-bin/copyright"
	{ spdx && python3 - "$T/spdx.json"; } <<'P' 2>&1 | none "the list of parts is SPDX 2.3, with the boot loader and each licence"
import json, re, sys
d = json.load(open(sys.argv[1]))
parts = {p["name"]: p for p in d["packages"]}
want = {"spdxVersion": "SPDX-2.3", "dataLicense": "CC0-1.0", "SPDXID": "SPDXRef-DOCUMENT"}
for k, v in want.items():
    if d.get(k) != v:
        print(k, d.get(k))
if set(parts) != {"equipaments-lliures", "zstd", "grub-efi-amd64-bin"}:
    print(sorted(parts))
if parts["zstd"]["licenseComments"] != "BSD-3-clause; GPL-2" or parts["grub-efi-amd64-bin"]["licenseComments"] != "GPL-3+":
    print([p.get("licenseComments") for p in d["packages"]])
for p in d["packages"]:
    for k in ("SPDXID", "name", "versionInfo", "downloadLocation", "licenseConcluded", "licenseDeclared", "copyrightText"):
        if not p.get(k):
            print(p["name"], "has no", k)
    if not re.fullmatch(r"SPDXRef-[A-Za-z0-9.-]+", p["SPDXID"]):
        print(p["SPDXID"])
ids = {p["SPDXID"] for p in d["packages"]} | {"SPDXRef-DOCUMENT"}
if len(ids) != len(parts) + 1 or any(r["relatedSpdxElement"] not in ids for r in d["relationships"]):
    print("ids and relationships do not agree")
P
else
	skip "a part without its licence is not passed on" "there is no dpkg-deb here"
	skip "the list of parts is SPDX 2.3, with the boot loader and each licence" "there is no dpkg-deb here"
fi
# Of what is only unpacked the licences go along, also where several packages share one.
mkdir -p "$T/unpacked/usr/share/doc/linux-base" "$T/unpacked/usr/share/doc/other" "$T/with/usr/share/doc"
echo 'License: GPL-2' >"$T/unpacked/usr/share/doc/linux-base/copyright"
echo noise >"$T/unpacked/usr/share/doc/other/changelog.gz"
ln -s linux-base "$T/unpacked/usr/share/doc/linux-image"
{
	image/licences "$T/unpacked" "$T/with"
	for p in linux-base linux-image; do [ "$(cat "$T/with/usr/share/doc/$p/copyright")" = 'License: GPL-2' ] || echo "$p has none"; done
	[ ! -e "$T/with/usr/share/doc/other" ] || echo "what is no licence goes along"
} 2>&1 | none "the licences of what is only unpacked go along, shared ones, too"
# How long git makes a commit's name depends on how much the repository holds: not the same in everybody's clone.
grep -nE 'git describe' Makefile image/* 2>/dev/null | grep -v -- --abbrev= | none "a version is as long in every clone"
# A checkout under any umask gives the same system; and one system's file is not written through another's name.
mkdir -p "$T/from/etc/x" "$T/to/etc/x"
echo new >"$T/from/etc/x/set" && echo new >"$T/from/etc/x/run" && ln -s /dev/null "$T/from/etc/x/none"
echo old >"$T/to/etc/x/set" && ln "$T/to/etc/x/set" "$T/other"
chmod 0700 "$T/from" "$T/from/etc" "$T/from/etc/x" "$T/from/etc/x/run"
chmod 0600 "$T/from/etc/x/set"
{
	(umask 022 && image/lay "$T/from" "$T/to")
	(cd "$T/to" && find . -type f -printf '%m %P\n' -o -type d -printf '%m %P/\n' -o -printf '%l %P\n' | sort)
	cat "$T/to/etc/x/set" "$T/other"
} 2>&1 | diff - <(printf '%s\n' '/dev/null etc/x/none' '644 etc/x/set' '755 /' '755 etc/' '755 etc/x/' '755 etc/x/run' new old) |
	none "what is laid over a system has the same modes from everybody's checkout"
# What the box gives to who asks for its source: this tree, and the same bytes twice.
{
	image/source "$T/one.tar.gz" 1.0 && image/source "$T/two.tar.gz" 1.0 && cmp "$T/one.tar.gz" "$T/two.tar.gz"
	tar -tzf "$T/one.tar.gz" >"$T/list" || echo "it can't be unpacked"
	for f in Makefile LICENSE sync/PROTOCOL.md image/build image/source appliance/main.c webui/templates/about.mustache; do
		grep -qx "equipaments-lliures-1.0/$f" "$T/list" || echo "$f is not in it"
	done
	! grep -q '^equipaments-lliures-1.0/build/' "$T/list" || echo "what was built is in it"
	mkdir "$T/again" && tar -xzf "$T/one.tar.gz" -C "$T/again" &&
		"$T/again/equipaments-lliures-1.0/image/source" "$T/three.tar.gz" 1.0 &&
		tar -tzf "$T/three.tar.gz" | cmp - "$T/list"
} 2>&1 | none "the source that the box gives is whole, the same twice, and gives itself again"
finish
