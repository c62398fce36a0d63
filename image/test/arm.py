#!/usr/bin/env python3
# SPDX-License-Identifier: AGPL-3.0-or-later
"""arm.py IMAGE [PI3.dtb]: the arm64 image. First on an emulated machine with UEFI: from switching on to the
page, and the boot state that GRUB counted and the healthy start settled. Then what a Raspberry Pi does before
GRUB: Debian's U-Boot with our settings, on qemu's raspi3b (the nearest that Debian 12's qemu has), from an SD
card. Slow: every instruction is emulated."""
import os
import shutil
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import disk  # noqa: E402
from box import Box, Fault, Tap, dies_with_us, say  # noqa: E402

BOOT = 420  # seconds that a start may take
CARD = 2 << 30  # of the emulated card: a power of two


def virt(t, folder, image):
    b = Box(folder, image, arch="arm64", name="arm")
    try:
        b.on()
        seconds = b.wait_page(BOOT)
        t.ok("an arm64 box serves its first page", seconds is not None, b.console()[-3000:])
        if seconds is None:
            return
        say(f"arm64: {seconds:.0f} s from switching on to the page")
        status, body, _ = b.get("/", timeout=120)
        t.ok("in words", status == 200 and "This box is new" in body, body[:600])
        t.ok("GRUB says which system it starts", "system A on" in b.console(), b.console()[:1500])
        t.ok("a healthy start is committed", b.wait_state(lambda s: s["n"] == "0" and s["good"] == "A", 240), b.state())
        grown = b.grown()
        t.ok("the data partition has grown to the disk, and its file system, too", not grown, grown)
    finally:
        b.cut()
        shutil.copy(b.log, "build/image/test/arm.console")


def until(log, text, seconds, process):
    end = time.monotonic() + seconds
    while time.monotonic() < end and process.poll() is None:
        with open(log, errors="replace") as f:
            if text in f.read():
                return True
        time.sleep(0.5)
    return False


def pi(t, folder, image, tree):
    """Nothing is stopped by keys, our settings are read from the card, GRUB writes the state through U-Boot."""
    card, uboot, log, noise = (f"{folder}/{n}" for n in ("card", "u-boot.bin", "pi.console", "pi.other"))
    subprocess.run(["cp", "--sparse=always", image, card], check=True)
    os.truncate(card, CARD)
    start, _ = disk.partitions(card)["esp"]
    subprocess.run(["mcopy", "-i", f"{card}@@{start}", "::u-boot.bin", uboot], check=True)
    for f in (log, noise):
        open(f, "w").close()
    p = subprocess.Popen(
        ["qemu-system-aarch64", "-M", "raspi3b", "-kernel", uboot, "-dtb", tree, "-display", "none", "-nodefaults",
         "-drive", f"if=sd,file={card},format=raw", "-serial", f"file:{noise}", "-serial", f"file:{log}"],
        stdin=subprocess.DEVNULL, stdout=sys.stderr, preexec_fn=dies_with_us)
    try:
        good = until(log, "system A on", 240, p) or until(noise, "system A on", 1, p)
        both = "".join(open(f, errors="replace").read() for f in (log, noise))
        t.ok("U-Boot starts GRUB from the card, and GRUB the system", good, both[-3000:])
        t.ok("no key would have stopped it", "Hit any key" not in both, both[:1500])
        t.ok("it does not store its settings", "Saving Environment" not in both)
        time.sleep(2)
    finally:
        p.kill()
        p.wait()
        shutil.copy(log, "build/image/test/pi.console")
    t.ok("GRUB counted the start in the state, through U-Boot", disk.boot_state(card)["n"] == "1", disk.boot_state(card))


def main():
    image, trees = sys.argv[1], sys.argv[2:]
    folder = tempfile.mkdtemp(prefix="lliure-arm-test.")
    os.makedirs("build/image/test", exist_ok=True)
    t = Tap()
    try:
        for tree in trees:
            pi(t, folder, image, tree)
        virt(t, folder, image)
    except (Fault, OSError) as e:
        t.ok("all of it could be tried", False, e)
    finally:
        shutil.rmtree(folder)
    sys.exit(t.end())


main()
