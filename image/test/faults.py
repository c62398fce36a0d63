#!/usr/bin/env python3
# SPDX-License-Identifier: AGPL-3.0-or-later
"""faults.py IMAGE [PIECE…]: what goes wrong with boxes, each piece below ten minutes on two cores. IMAGE is of
`image/test/systems faults`, with its bundles beside it. Prints TAP. KILLS (20), CUTS (40), INSTALLS (4), FIRSTS (4)
and SEED choose.

  kills     the plug is pulled while people post; what was acknowledged is counted from outside
  cuts      every write of the disk is logged, and cut at random places; a disk that lies must be found out
  first     the plug is pulled during the first start
  install   the plug is pulled while an update is written, and while the new system starts
  root      the root, and then the kernel, is damaged while it is off
  factory   four starts in vain of a box with one system
  late      a block of the root is damaged while it runs
  watchdog  the daemon hangs, the kernel crashes, the machine hangs
  slow      the disk hangs: for a while, and for good
  disks     the disks of two boxes in one machine, and a disk beside its copy
  refused   updates that must not be installed
  data      a full data partition; one with errors; one that can't be read
  alone     no network at all, and what the button says of it
  wear      bytes written by an idle box, and by posts
"""
import concurrent.futures
import contextlib
import hashlib
import html
import os
import random
import shutil
import struct
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import disk  # noqa: E402
import people  # noqa: E402
import writelog  # noqa: E402
from box import Box, Fault, Tap, say, until  # noqa: E402

KILLS, CUTS = int(os.environ.get("KILLS", 20)), int(os.environ.get("CUTS", 40))
INSTALLS, FIRSTS = int(os.environ.get("INSTALLS", 4)), int(os.environ.get("FIRSTS", 4))
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
    """Those of the titles that the forum's pages do not show."""
    seen = people.titles(box, r"cut-[0-9]+-[0-9]+")
    return [t for t in wanted if t not in seen]


def at_once(work, names):
    """The work for each name, two at a time; the results, or the first of their faults."""
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        return list(pool.map(work, names))


# --- the plug -----------------------------------------------------------------------------------------
def pull_plugs(image, folder, name, plugs):
    """(acknowledged, of them lost, slowest start) of a box whose plug is pulled so often while people post."""
    rng, wanted, slowest = random.Random(f"{SEED} {name}"), [], 0
    b = Box(folder, image, name=name)
    try:
        b.comes_up("first start")
        people.found(b)
        key = people.token(b)
        for i in range(plugs):
            p = Poster(b, key, f"cut-{i}")
            p.start()
            time.sleep(rng.uniform(1, 6))
            b.cut()
            p.join(30)
            wanted += [title for title, _ in p.acknowledged]
            slowest = max(slowest, b.comes_up(f"after plug {i + 1}, {len(wanted)} posts acknowledged"))
        return len(wanted), missing(b, wanted), slowest
    finally:
        b.cut()


def kills(t, image, folder):
    """Two boxes at a time, for a start keeps no two processors busy."""
    halves = [(f"kills{n}", (KILLS + n) // 2) for n in range(2)]
    done = at_once(lambda half: pull_plugs(image, folder, *half), halves)
    wanted, lost = sum(n for n, _, _ in done), [title for _, titles, _ in done for title in titles]
    say(f"{KILLS} plugs pulled, {wanted} posts acknowledged, {len(lost)} of them lost, slowest start {max(s for _, _, s in done):.0f} s")
    t.ok(f"after {KILLS} pulled plugs all {wanted} acknowledged posts are there", wanted and not lost, lost)


def starts_anew(image, folder, i):
    """(what is wrong or "", seconds) of a box whose plug is pulled twice during its first start."""
    rng = random.Random(f"{SEED} first {i}")
    b = Box(folder, image, name=f"first{i}")
    try:
        for _ in range(2):
            b.on()
            time.sleep(rng.uniform(4, 30))
            b.cut()
        seconds = b.comes_up("after two plugs during its first start")
        body, grown, state = b.get("/")[1], b.grown(), b.state()
        whole = "This box is new" in body and not grown and state["good"] == "A"
        return "" if whole else f"{grown} {state} {body[:300]}", seconds
    finally:
        b.cut()


def first(t, image, folder):
    done = at_once(lambda i: starts_anew(image, folder, i), range(FIRSTS))
    say(f"{FIRSTS} boxes, {2 * FIRSTS} plugs pulled in their first starts, slowest start {max(s for _, s in done):.0f} s")
    t.ok(f"{2 * FIRSTS} first starts that were cut off are made up for", not any(why for why, _ in done), done)


# --- an update ------------------------------------------------------------------------------------------
def stages(box, names, seconds):
    """Wait until the update is in one of these stages; which."""
    end = until(seconds)
    while time.monotonic() < end:
        stage = (people.update_state(box).get("last") or {}).get("stage")
        if stage in names:
            return stage
        time.sleep(0.5)
    raise Fault(f"the update came not to {names}: {people.update_state(box)}")


def install(t, image, folder):
    rng, bundle = random.Random(SEED), image.removesuffix(".img") + "-good.raucb"
    b = Box(folder, image, name="install")
    b.comes_up("first start")
    people.found(b)
    people.post(b, people.token(b), "Abans")
    bad, cut_off = [], 0
    for i in range(INSTALLS):
        people.sign_in(b)
        before = people.upload_update(b, bundle)
        stages(b, ("installing", "failed", "restarting"), 120)
        time.sleep(rng.uniform(0, 12))
        b.cut()
        state = b.state()
        if state["good"] != "A" or state["ok"] != "A-" and state["try"] == "-":
            bad.append(f"after a plug during an install: {state}")
        b.comes_up(f"plug {i + 1} during an install")
        if state["try"] == "B" or state["armed"] != "-0":
            say("the plug came after the install")
            break
        last = people.wait_update(b, 180, before)
        cut_off += last.get("why") == "cut-off"
        if last.get("why") != "cut-off" or not last.get("text"):
            bad.append(f"the page says {last}")
        if "Abans" not in people.titles(b, "Abans"):
            bad.append("posts are lost")
    t.ok(f"{cut_off} installs that were cut off leave the former system, and the page says so", not bad, "\n".join(bad))
    if people.update_state(b).get("last", {}).get("stage") != "restarting":
        people.sign_in(b)
        people.upload_update(b, bundle)
    tries = 0
    for _ in range(2):  # of the three that it has
        stages(b, ("restarting", "done"), 240)
        if not b.wait_console("system B on", 240):
            break
        time.sleep(rng.uniform(2, 15))
        b.cut()
        tries += 1
        b.on()
    b.began = time.monotonic()
    last = people.wait_update(b, 400)
    t.ok(f"after {tries} plugs pulled while the new system started it is tried again, and kept",
         last.get("done") and b.wait_state(lambda s: s["good"] == "B", 60), f"{last} {b.state()}\n{b.console()[-1500:]}")
    t.ok("with all posts", "Abans" in people.titles(b, "Abans"))
    b.cut()


def refused(t, image, folder):
    base = image.removesuffix(".img")
    b = Box(folder, image, name="refused")
    b.comes_up("first start")
    people.found(b)
    people.sign_in(b)
    # One that is damaged inside is found out while it is written: to the other slot, and the box's own root is well.
    for name, why in (("damaged",) * 2, ("stranger",) * 2, ("older",) * 2, ("machine",) * 2, ("flipped", "install")):
        before = people.upload_update(b, f"{base}-{name}.raucb")
        last = people.wait_update(b, 120, before)
        time.sleep(10 if name == "flipped" else 0)  # does anything more come of it?
        last = people.update_state(b)["last"]
        page = b.get("/admin/update", secure=True)[1]
        t.ok(f"an update that is refused: {name}", last.get("why") == why and last["text"].split(":")[0] in page, last)
        say(f"{name}: {last.get('text')} ({last.get('said')})")
    t.ok("and nothing was changed", b.state()["good"] == "A" and b.state()["armed"] == "-0", b.state())
    t.ok("nor did it start again", b.console().count("System A on") == 1, b.console()[-1000:])
    b.cut()


# --- the machine ----------------------------------------------------------------------------------------
def watchdog(t, image, folder):
    b = Box(folder, image, name="watchdog", shell=True)
    b.comes_up("first start")
    people.found(b)
    t.ok("the machine's watchdog is fed", "/dev/watchdog" in b.sh("ls -l /proc/1/fd | grep -o /dev/watchdog.*"),
         lambda: b.sh("dmesg | grep -i -e watchdog -e i6300; ls /dev/watch*"))
    b.sh("kill -KILL $(systemctl show -P MainPID lliure.service)")
    time.sleep(2)
    b.began = time.monotonic()
    t.ok("a daemon that is killed is started again", b.wait_page(200), b.console()[-1000:])
    b.sh("kill -STOP $(systemctl show -P MainPID lliure.service)")
    began = b.began = time.monotonic()
    time.sleep(5)
    try:
        b.get("/", timeout=5)
        t.ok("the daemon is frozen", False)
    except OSError:
        t.ok("the daemon is frozen", True)
    seconds = b.wait_page(400)
    t.ok("a daemon that hangs is started again", seconds, b.console()[-1000:])
    t.ok("and the machine is not", b.console().count("System A on") == 1, b.console()[-1000:])
    say(f"frozen daemon: {time.monotonic() - began:.0f} s until the page is there again")
    for what, command, limit in (
            ("the kernel crashes", "echo c >/proc/sysrq-trigger", 200),
            # What must run at once gets all of it: the kernel's own reserve for others is taken away, too (Linux 6.12).
            ("the machine hangs", "mount -t debugfs debugfs /sys/kernel/debug; echo -1 >/proc/sys/kernel/sched_rt_runtime_us; "
             "for f in /sys/kernel/debug/sched/fair_server/cpu*/runtime; do echo 0 >$f; done; "
             "for c in 1 0; do chrt -f 99 taskset -c $c sh -c 'while :; do :; done' & done", 300)):
        starts = b.console().count("System A on")
        with contextlib.suppress(Fault, OSError):
            b.sh(command, 5)
        b.began = time.monotonic()
        again = b.wait_console("System A on", limit, starts + 1)
        seconds = again and b.wait_page(limit)
        t.ok(f"when {what} it starts again", seconds, b.console()[-1000:])
        if seconds:
            say(f"{what}: {seconds:.0f} s until the page is there again")
    b.cut()


# The unit's own times, shortened: ten ends of three minutes each are longer than a test may take.
SHORT = """mkdir -p /run/systemd/system/lliure.service.d
printf '[Unit]\\nStartLimitBurst=3\\n[Service]\\nWatchdogSec=40s\\nTimeoutStartSec=20s\\nTimeoutStopSec=5s\\n' \
>/run/systemd/system/lliure.service.d/short.conf
systemctl daemon-reload; systemctl restart lliure.service"""


def freeze(b, frozen):
    """The disk answers nothing any more: a byte a second is what it has left."""
    none = dict.fromkeys(("bps", "bps_rd", "bps_wr", "iops", "iops_rd", "iops_wr"), 0)
    (answer,) = b.qmp(("block_set_io_throttle", {"device": "d", **none, "bps": int(frozen)}))
    if "error" in answer:
        raise Fault(f"the disk can't be frozen: {answer}")


def slow(t, image, folder):
    b = Box(folder, image, name="slow", shell=True)
    b.comes_up("first start")
    people.found(b)
    key = people.token(b)
    people.post(b, key, "Abans")
    b.wait_state(lambda s: s["n"] == "0", 120)
    freeze(b, True)
    p = Poster(b, key, "cut-0")
    p.start()
    time.sleep(15)  # less than the poster waits for an answer
    freeze(b, False)
    b.began = time.monotonic()
    t.ok("when the disk hung for a quarter of a minute the page is there", b.wait_page(60), b.console()[-1000:])
    time.sleep(5)
    p.done = True
    p.join(60)
    wanted = [title for title, _ in p.acknowledged]
    t.ok("with what was acknowledged", wanted and not missing(b, wanted), f"{wanted} {missing(b, wanted)}")
    opened = b.console().count("Ateneu is open")
    t.ok("and nothing was started again", b.console().count("System A on") == 1 and opened == 1, b.console()[-1000:])
    b.sh(SHORT, 120)
    b.began = time.monotonic()
    b.wait_page(120)
    freeze(b, True)
    began = time.monotonic()
    again = b.wait_console("System A on", 500, 2)
    say(f"a disk that hangs for good: {time.monotonic() - began:.0f} s until the machine starts again")
    b.began = time.monotonic()
    t.ok("a disk that hangs for good: the machine starts again", again and b.wait_page(200), b.console()[-1500:])
    if again:
        t.ok("with all posts", "Abans" in people.titles(b, "Abans") and not missing(b, wanted))
    b.cut()


def beside(b, other, first):
    """Another disk in the same machine, before or behind its own; the boot loader is read from its own."""
    own = b.drives()
    drive = ["-drive", f"if=none,id=e,file={other},format=raw,snapshot=on"]
    device = ["-device", "virtio-blk-pci,drive=e"]
    b.drives = lambda: own + drive + (device if first else [])
    b.extra = b.extra + ([] if first else device)
    return b


def disks(t, image, folder):
    old, new = fresh_disk(folder, image, "old.raw"), fresh_disk(folder, image, "new.raw")
    b = Box.on_raw(folder, old, "former")
    b.comes_up("first start")
    people.found(b)
    people.post(b, people.token(b), "Abans")
    b.wait_raw_state(lambda s: s["n"] == "0", 120)
    b.cut()
    for first, own in ((True, "vdb"), (False, "vda")):
        b = beside(Box.on_raw(folder, old, f"former-{own}"), new, first)
        b.comes_up(f"as {own}, beside a new disk")
        t.ok(f"a box beside a new disk uses its own, {own}", f"System A on {own}, data on {own}7" in b.console(), b.console()[-600:])
        t.ok("whole", "Abans" in people.titles(b, "Abans"))
        (answer,) = b.qmp(("query-blockstats", {}))
        written = next(d["stats"]["wr_bytes"] for d in answer["return"] if d.get("device") == "e")
        t.ok("and writes nothing to the other", written == 0, f"{written} bytes")
        b.cut()
    b = beside(Box.on_raw(folder, new, "new"), old, True)
    b.comes_up("the new disk, with the former before it")
    t.ok("a new disk beside the former one is a new box", "This box is new" in b.get("/")[1] and "data on vdb7" in b.console(),
         b.console()[-600:])
    b.cut()
    copy = f"{folder}/copy.raw"
    subprocess.run(["cp", "--sparse=always", old, copy], check=True)
    b = beside(Box.on_raw(folder, old, "copied"), copy, False)
    b.on()
    t.ok("beside a copy of its disk a box does not start, and says to pull one out",
         b.wait_console("More than one disk of a box is in this machine", 100) and b.wait_console("Pull the others out", 5),
         b.console()[-1500:])
    b.cut()


# --- the data -------------------------------------------------------------------------------------------
def health(b):
    """The lights of the page of health: name -> (state, sentence)."""
    people.sign_in(b)
    status, body, _ = b.get("/admin/health.json", secure=True, timeout=60)
    return body if status == 200 else f"{status} {body[:300]}"


def fill(b, name):
    """All the room that the daemon itself could take: what the file system keeps for root stays."""
    return b.sh(f"cd /var/lib/lliure; fallocate -l $(($(df -k --output=avail . | tail -n 1) * 1024 - 4096)) fill-{name}; "
                f"setpriv --reuid=lliure --regid=lliure --clear-groups dd if=/dev/zero of=fill-{name}-end bs=4k 2>/dev/null; "
                "sync; df -k . | tail -n 1", 120)


def data(t, image, folder):
    raw = fresh_disk(folder, image)
    b = Box.on_raw(folder, raw, shell=True)
    b.comes_up("first start")
    people.found(b)
    key = people.token(b)
    people.post(b, key, "Abans")
    fill(b, "one")
    b.cut()
    b.comes_up("with a full data partition")
    t.ok("a box with a full data partition starts, for it kept some room", "ballast" not in b.sh("ls /var/lib/lliure/box"))
    said = fill(b, "two")
    t.ok("and is filled again while it runs", " 100% " in said, said)
    lights = health(b)
    t.ok("it says so, with what to do", "nobody can write any more" in lights and "larger card or disk" in lights, lights)
    try:
        people.post(b, key, "No hi cap")
        t.ok("a post is refused in words", False, "it was taken")
    except Fault as e:
        t.ok("a post is refused in words", "refused with 5" in str(e) or "refused with 4" in str(e), e)
        say(e)
    t.ok("what is there is read", "Abans" in people.titles(b, "Abans"))
    b.sh("rm /var/lib/lliure/fill-*; sync")
    end = until(120)
    while True:
        try:
            t.ok("and with room it writes again", people.post(b, key, "Ja hi cap"))
            break
        except Fault as e:
            if time.monotonic() > end:
                t.ok("and with room it writes again", False, e)
                break
            time.sleep(5)
    b.cut()
    start, size = disk.partitions(raw)["data"]
    with open(raw, "r+b") as f:  # the bitmaps and the first inodes of some groups, and the superblock
        for group in (0, 1, 3):
            f.seek(start + group * (128 << 20) + (4096 if group else 0))
            f.write(os.urandom(4096))
    b.comes_up("with a data partition that has errors")
    t.ok("a data partition with errors is mended", "is being mended" in b.console(), b.console()[-2000:])
    t.ok("with all posts", {"Abans", "Ja hi cap"} <= people.titles(b, "Abans|Ja hi cap"))
    b.cut()
    with open(raw, "r+b") as f:
        f.seek(start)
        for at in range(0, size, 64 << 20):
            f.seek(start + at)
            f.write(os.urandom(8 << 20))
    before = open_sum(raw, start, size)
    b.comes_up("with a data partition that can't be read", well=lambda status: status == 503)
    status, body, _ = b.get("/")
    said = html.unescape(body)
    t.ok("one that can't be read is not written over, and the page says what to do",
         "can't be read. The box writes nothing to it" in said and "Keep the old disk" in said, f"{status} {body[:1500]}")
    b.cut()
    t.ok("not a byte of it", open_sum(raw, start, size) == before)


def open_sum(raw, start, size):
    with open(raw, "rb") as f:
        f.seek(start)
        h = hashlib.sha256()
        while size > 0 and (part := f.read(min(size, 1 << 22))):
            h.update(part)
            size -= len(part)
        return h.hexdigest()


def alone(t, image, folder):
    """Nobody reaches it but who stands before it: by the screen, and by the button, which says what to do."""
    b = Box(folder, image, name="alone", shell=True)
    b.card = False
    b.on()
    t.ok("without any network a box starts, and its screen says the code", people.code_on_console(b, 120))
    page = ("bash -c 'exec 3<>/dev/tcp/127.0.0.1/80; printf \"GET / HTTP/1.0\\r\\nHost: localhost\\r\\n\\r\\n\" >&3; "
            "timeout 30 cat <&3'")
    t.ok("it serves its page to itself", "This box is new" in b.sh(page), lambda: b.sh(page)[-800:])
    t.ok("a healthy start is committed", b.wait_state(lambda s: s["n"] == "0", 240), b.state())
    b.hold_power_key(0.3)
    t.ok("a short press of the button says that it is on no network, and what to do",
         b.wait_console("It is on no network", 60) and b.wait_console("Plug in a cable", 5), b.console()[-1500:])
    b.cut()


def wear(t, image, folder):
    b = Box(folder, image, name="wear")
    b.comes_up("first start")
    people.found(b)
    key = people.token(b)
    b.wait_state(lambda s: s["n"] == "0", 120)
    time.sleep(60)
    minutes, a = 4, b.written()
    time.sleep(minutes * 60)
    z = b.written()
    day = (z[0] - a[0]) * 1440 / minutes / 1e6
    say(f"idle: {(z[0] - a[0]) / 1024:.0f} KiB, {z[1] - a[1]} writes, {z[2] - a[2]} flushes in {minutes} minutes: {day:.1f} MB a day")
    for i in range(100):
        people.post(b, key, f"wear-{i}", "Quinze paraules o més, com en un missatge de cada dia, i res que sigui especial.")
    time.sleep(40)
    y = b.written()
    posts = (y[0] - z[0]) / 1e6
    say(f"100 posts: {posts:.1f} MB, {y[1] - z[1]} writes, {y[2] - z[2]} flushes; 1,000 posts about {posts * 10:.0f} MB")
    t.ok("an idle box writes less than 50 MB a day", day < 50, f"{day:.1f} MB")
    b.cut()


# --- the disk's writes ----------------------------------------------------------------------------------
def whole(raw, folder, must_hold, founded):
    """What is wrong with a disk after a cut; "" when nothing is. `founded`: the first run had ended."""
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
    # The key is written last: before, the box is new.
    if not os.path.exists(f"{out}/box/key"):
        return "there is no box" if founded else ""
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
    key, founded = people.token(b), os.path.getsize(log)
    p = Poster(b, key, "log")
    p.start()
    time.sleep(60)
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
        why = whole(out, folder, must_hold, founded <= listed[cut - 1].end)
        if why:
            bad.append(f"cut at {cut}: {why}")
    say(f"{CUTS} cuts, {lost} writes lost in them")
    t.ok(f"{CUTS} random cuts of {len(listed)} writes leave a whole disk and every acknowledged post", not bad, "\n".join(bad))
    for _ in range(20):
        cut = rng.randrange(len(listed) * 3 // 4, len(listed))
        writelog.replay(base, log, listed, sector, cut, out, rng, honest=False)
        why = whole(out, folder, [title for title, end in p.acknowledged if end <= listed[cut - 1].end], True)
        if why:
            say(f"a disk that ignores flushes: {why[:200]}")
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


def factory(t, image, folder):
    """As it leaves the factory: nothing was ever written to B."""
    raw = fresh_disk(folder, image, "factory.raw")
    b = Box.on_raw(folder, raw, "factory")
    for _ in range(4):
        b.on()
        b.wait_console("System A on", 200)
        b.cut()
    block = disk.boot_state(raw)
    b.comes_up("after four starts in vain")
    t.ok("four starts in vain of a new box, whose other slot is empty, and it starts the only one",
         block["n"] == "4" and block["good"] == "A" and "This box is new" in b.get("/")[1], block)
    b.cut()


def a_block_of(root, path):
    """Where a block of this file lies in the squashfs: found by damaging halves of it until one is left."""
    def read():
        return subprocess.run(["unsquashfs", "-cat", root, path], capture_output=True).stdout
    with open(root, "r+b") as f:
        head = f.read(96)
        low, high = 4096, struct.unpack_from("<Q", head, 64)[0] // 4096 * 4096
        whole_file = read()
        while high - low > 4096:
            middle = (low + high) // 2 // 4096 * 4096
            f.seek(low)
            kept = f.read(middle - low)
            f.seek(low)
            f.write(os.urandom(middle - low))
            f.flush()
            broken = read() != whole_file
            f.seek(low)
            f.write(kept)
            f.flush()
            low, high = (low, middle) if broken else (middle, high)
    return low


def late(t, image, folder):
    """A block of the updater, which nothing has read before, is damaged while the box runs."""
    copy = shutil.copy(image.removesuffix(".img") + ".root.img", f"{folder}/root.img")
    at = a_block_of(copy, "usr/bin/rauc")
    os.unlink(copy)
    for name, other in (("late", True), ("alone", False)):
        raw = fresh_disk(folder, image, f"{name}.raw")
        if other:
            two_systems(raw, image)
        b = Box.on_raw(folder, raw, name, shell=True)
        b.comes_up("first start")
        people.found(b)
        people.post(b, people.token(b), "Abans")
        b.wait_raw_state(lambda s: s["n"] == "0", 120)
        damage(raw, "rootA", at, 4096)
        people.sign_in(b)
        people.upload_update(b, image.removesuffix(".img") + "-good.raucb")
        if other:
            b.began = time.monotonic()
            t.ok("a block that is damaged while it runs: the other system starts",
                 b.wait_console("ystem B on", 240), lambda: b.sh("journalctl -n 40 --no-pager")[-3000:])
            b.began = time.monotonic()
            t.ok("and serves", b.wait_page(200), b.console()[-1000:])
        last = people.wait_update(b, 120, None, lambda last: last.get("why") in ("root", "alone"))
        t.ok("and the page says why, and what to do", last.get("why") == ("root" if other else "alone") and last.get("text"), last)
        t.ok("with all posts", "Abans" in people.titles(b, "Abans"))
        say(f"boot state: {disk.boot_state(raw)}")
        b.cut()
        os.unlink(raw)


PARTS = {f.__name__: f for f in (kills, cuts, first, install, root, factory, late, watchdog, slow, disks, refused, data, alone, wear)}


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
            shutil.rmtree(folder, ignore_errors=True)
    sys.exit(t.end())


main()
