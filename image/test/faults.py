#!/usr/bin/env python3
# SPDX-License-Identifier: AGPL-3.0-or-later
"""faults.py IMAGE [kills|cuts|root]: the plug is pulled while people post; the disk's writes are cut at random
places; the root is damaged. Prints TAP. KILLS (20), CUTS (40) and SEED choose."""
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import disk  # noqa: E402
import people  # noqa: E402
import writelog  # noqa: E402
from box import Box, Fault, Tap, say  # noqa: E402

KILLS, CUTS = int(os.environ.get("KILLS", 20)), int(os.environ.get("CUTS", 40))
SEED = int(os.environ.get("SEED", time.time()))
LLIURE = os.path.abspath("build/release/lliure")


def fresh_disk(folder, image, name="box.raw", size=2 << 30):
    path = f"{folder}/{name}"
    subprocess.run(["cp", "--sparse=always", image, path], check=True)
    os.truncate(path, size)
    return path


class Poster(threading.Thread):
    """Posts until it is told to stop or nobody answers; keeps what was acknowledged, and when."""
    def __init__(self, box, key, word):
        super().__init__(daemon=True)
        self.box, self.key, self.word, self.done, self.acknowledged = box, key, word, False, []

    def run(self):
        for i in range(100000):
            title = f"{self.word}-{i}"
            try:
                people.post(self.box, self.key, title, timeout=20)
            except (Fault, OSError):
                return
            log = self.box.write_log
            self.acknowledged.append((title, os.path.getsize(log) if log else 0))
            if self.done:
                return


def missing(box, wanted):
    """Those of the titles that no search finds on the box."""
    _, body, _ = box.get("/forum/general.json", timeout=60)
    return [t for t in wanted if f'"{t}"' not in body and not on_a_later_page(box, t)]


def on_a_later_page(box, title):
    return title in people.titles(box, r"cut-[0-9]+-[0-9]+|log-[0-9]+")


# --- the plug -----------------------------------------------------------------------------------------
def kills(t, image, folder):
    rng = random.Random(SEED)
    b = Box(folder, image, name="kills")
    b.comes_up("first start")
    people.found(b)
    key, wanted, starts = people.token(b), [], []
    for i in range(KILLS):
        p = Poster(b, key, f"cut-{i}")
        p.start()
        time.sleep(rng.uniform(1, 6))
        b.cut()
        p.join(30)
        wanted += [title for title, _ in p.acknowledged]
        starts.append(b.comes_up(f"after plug {i + 1}, {len(wanted)} posts acknowledged"))
    lost = missing(b, wanted)
    say(f"{KILLS} plugs pulled, {len(wanted)} posts acknowledged, {len(lost)} of them lost, slowest start {max(starts):.0f} s")
    t.ok(f"after {KILLS} pulled plugs all {len(wanted)} acknowledged posts are there", wanted and not lost, lost)
    b.cut()


# --- the disk's writes ----------------------------------------------------------------------------------
def whole(raw, folder, must_hold):
    """What is wrong with a disk after a cut; "" when nothing is."""
    try:
        state = disk.boot_state(raw)
        if state.get("good") not in ("A", "B"):
            return f"no slot in the boot state: {state}"
        if set(disk.partitions(raw)) != {"esp", "bootA", "bootB", "rootA", "rootB", "state", "data"}:
            return "partitions are missing"
    except (ValueError, subprocess.CalledProcessError) as e:
        return f"boot partitions: {e}"
    for name in ("state", "data"):
        clean, said = disk.fsck(raw, name, f"{folder}/part")
        if not clean:
            return f"{name}: {said[-300:]}"
    part = disk.extract(raw, "data", f"{folder}/part")
    subprocess.run(["e2fsck", "-p", part], capture_output=True)
    out = f"{folder}/files"
    shutil.rmtree(out, ignore_errors=True)
    os.mkdir(out)
    subprocess.run(["debugfs", "-R", f"rdump /box {out}", part], capture_output=True, check=True)
    os.unlink(part)
    if not os.path.exists(f"{out}/box/log.db"):
        return "" if not must_hold else "there is no box"
    r = subprocess.run([LLIURE, "verify", "--data", f"{out}/box"], capture_output=True, text=True)
    if r.returncode:
        return f"verify: {r.stdout[-300:]}{r.stderr[-300:]}"
    held = b""
    for f in os.listdir(f"{out}/box"):
        if f.startswith("log.db"):
            with open(f"{out}/box/{f}", "rb") as g:
                held += g.read()
    lost = [title for title in must_hold if f'"{title}"'.encode() not in held]
    return f"{len(lost)} acknowledged posts are lost: {lost[:5]}" if lost else ""


def cuts(t, image, folder):
    rng = writelog.seeded(SEED)
    base = fresh_disk(folder, image, "base.raw")
    raw = f"{folder}/logged.raw"
    subprocess.run(["cp", "--sparse=always", base, raw], check=True)
    log = f"{folder}/writes.log"
    open(log, "w").close()
    b = Box.on_raw(folder, raw, "logged", log)
    b.comes_up("first start, every write logged")
    people.found(b)
    p = Poster(b, people.token(b), "log")
    p.start()
    time.sleep(30)
    b.cut()
    p.join(30)
    listed, sector = writelog.entries(log)
    flushes = sum(bool(e.flags & writelog.FLUSH) for e in listed)
    say(f"{len(listed)} writes logged, {flushes} flushes, {len(p.acknowledged)} posts acknowledged")
    bad, lost = [], 0
    out = f"{folder}/cut.raw"
    for cut in writelog.choose(rng, len(listed), CUTS):
        lost += writelog.replay(base, log, listed, sector, cut, out, rng)
        must_hold = [title for title, end in p.acknowledged if end <= listed[cut - 1].end]
        why = whole(out, folder, must_hold)
        if why:
            bad.append(f"cut at {cut}: {why}")
    say(f"{CUTS} cuts, {lost} writes lost in them")
    t.ok(f"{CUTS} random cuts of {len(listed)} writes leave a whole disk and every acknowledged post", not bad, "\n".join(bad))
    for _ in range(20):
        cut = rng.randrange(len(listed) * 3 // 4, len(listed))
        writelog.replay(base, log, listed, sector, cut, out, rng, honest=False)
        if whole(out, folder, [title for title, end in p.acknowledged if end <= listed[cut - 1].end]):
            break
    else:
        t.ok("a disk that ignores flushes is found out", False)
        return
    t.ok("a disk that ignores flushes is found out", True)


# --- the root -------------------------------------------------------------------------------------------
def two_systems(raw, image):
    """The same system in both slots, as after an update that was kept."""
    base = image.removesuffix(".img")
    for name in ("boot", "root"):
        start, _ = disk.partitions(raw)[f"{name}B"]
        subprocess.run(["dd", f"if={base}.{name}.img", f"of={raw}", "bs=1M", f"seek={start}", "oflag=seek_bytes",
                        "conv=notrunc,sparse", "status=none"], check=True)
    start, _ = disk.partitions(raw)["esp"]
    block = "# GRUB Environment Block\nn=0\ngood=A\nok=AB\narmed=-0\ntry=-\n"
    with open(f"{raw}.block", "w") as f:
        f.write(block + "#" * (1024 - len(block)))
    subprocess.run(["mcopy", "-o", "-i", f"{raw}@@{start}", f"{raw}.block", "::lliure/state"], check=True)


def damage(raw, name, at, size):
    start, _ = disk.partitions(raw)[name]
    with open(raw, "r+b") as f:
        f.seek(start + at)
        f.write(os.urandom(size))


def root(t, image, folder):
    raw = fresh_disk(folder, image)
    two_systems(raw, image)
    damage(raw, "rootA", 0, 1 << 20)
    b = Box.on_raw(folder, raw)
    b.on()
    seconds = b.wait_page(400)
    t.ok("with a damaged root the other system starts", seconds is not None and "System B" in b.console(), b.console()[-2000:])
    if seconds:
        say(f"damaged root: {seconds:.0f} s, {b.console().count('is damaged') + b.console().count('be opened')} starts in vain")
        t.ok("after three starts in vain", b.console().count("The box starts again in ten seconds.") == 3)
    b.cut()
    damage(raw, "bootA", 0, 1 << 20)
    block = disk.boot_state(raw)
    b = Box.on_raw(folder, raw, "kernel")
    b.on()
    seconds = b.wait_page(240)
    t.ok("and with a damaged kernel, too", seconds is not None and "System B" in b.console(), f"{block}\n{b.console()[-2000:]}")
    b.cut()


PARTS = {"kills": kills, "cuts": cuts, "root": root}


def main():
    image, names = sys.argv[1], sys.argv[2:] or list(PARTS)
    say(f"SEED={SEED}")
    t = Tap()
    for name in names:
        folder = tempfile.mkdtemp(prefix=f"lliure-{name}.")
        try:
            PARTS[name](t, image, folder)
        except (Fault, OSError, subprocess.CalledProcessError) as e:
            t.ok(f"{name}: all of it could be tried", False, e)
        finally:
            os.makedirs("build/image/test", exist_ok=True)
            for f in os.listdir(folder):
                if f.endswith(".console"):
                    shutil.copy(f"{folder}/{f}", f"build/image/test/{name}.{f}")
            shutil.rmtree(folder)
    sys.exit(t.end())


main()
