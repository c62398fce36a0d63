#!/usr/bin/env bash
# SPDX-License-Identifier: AGPL-3.0-or-later
# The Raspberry Pi's way to GRUB: U-Boot's settings as it reads them (a checksum over 16 KiB), whole, and such that
# no key and no noise on a line stops a box.
SOURCE=${SOURCE:-$(cd "$(dirname "$0")/../../.." && pwd)}
python3 - "$SOURCE/image/pi" <<'P'
import re, shutil, subprocess, sys, tempfile, zlib
pi, n, bad = sys.argv[1], 0, 0


def ok(name, good, why=""):
    global n, bad
    n += 1
    bad += not good
    print(f"{'ok' if good else 'not ok'} {n} - {name}")
    if not good and why:
        print(f"# {why}")


def pack(path):
    return subprocess.run([f"{pi}/environment", path], capture_output=True, check=True).stdout


block = pack(f"{pi}/uboot.txt")
ok("the settings are as long as U-Boot reads", len(block) == 0x4000, len(block))
ok("their checksum is right", int.from_bytes(block[:4], "little") == zlib.crc32(block[4:]))
words, rest = block[4:].split(b"\0\0", 1)
ok("and nothing stands behind them", not rest.strip(b"\0"))
settings = dict(w.decode().split("=", 1) for w in words.split(b"\0"))
ok("no key stops it", settings.get("bootdelay") == "-2", settings)
used = set(re.findall(r"\$\{(\w+)\}", " ".join(settings.values())))
given = set(settings) | {"kind", "unit"} | {"fdt_addr"}  # the last by the board
ok("what it uses is given", used <= given, used - given)
run = {w for v in settings.values() for w in re.findall(r"\brun (\w+)", v)}
ok("what it runs is there", run <= set(settings), run - set(settings))
ok("it ends in a restart, never at a prompt", settings["bootcmd"].rstrip().endswith("reset"), settings["bootcmd"])
with open(f"{pi}/config.txt") as f:
    config = dict(l.split("=", 1) for l in f.read().splitlines() if "=" in l and not l.startswith("#"))
ok("the firmware starts U-Boot, in 64 bits", config.get("kernel") == "u-boot.bin" and config.get("arm_64bit") == "1", config)
with open(f"{pi}/../build") as f:
    build = f.read()
ok("which the image has under these names", all(w in build for w in ("u-boot.bin", "uboot.env", "config.txt", "start4.elf", "fixup4.dat",
   "BOOTAA64.EFI")) and settings["efi"].endswith("BOOTAA64.EFI"))
# The button of a Pi 4: on a tree with what the real ones have, which the kernel's package brings.
tree = """/dts-v1/; / { #address-cells = <1>; #size-cells = <1>; soc { #address-cells = <1>; #size-cells = <1>;
  gpio: gpio@7e200000 { reg = <0x7e200000 0xb4>; phandle = <6>; gpio-controller; #gpio-cells = <2>; };
  i2c@7e804000 { reg = <0x7e804000 0x1000>; status = "okay"; }; }; };"""
if shutil.which("dtc") and shutil.which("fdtput"):
    with tempfile.TemporaryDirectory() as d:
        dtb = f"{d}/pi.dtb"
        subprocess.run(["dtc", "-q", "-I", "dts", "-O", "dtb", "-o", dtb], input=tree.encode(), check=True)
        subprocess.run([f"{pi}/button", dtb], check=True)

        def get(node, name):
            return subprocess.run(["fdtget", dtb, node, name], capture_output=True, text=True, check=True).stdout.strip()

        ok("a Pi 4 has a button: the power key, at GPIO3, low when it is pressed",
           [get("/button", "compatible"), get("/button/key", "linux,code"), get("/button/key", "gpios")] == ["gpio-keys", "116", "6 3 1"])
        ok("of which nothing else has the pin", get("/soc/i2c@7e804000", "status") == "disabled")
else:
    print("# skipped: there is no device-tree-compiler")
print(f"1..{n}")
sys.exit(bad > 0)
P
