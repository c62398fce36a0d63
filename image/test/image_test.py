#!/usr/bin/env python3
# SPDX-License-Identifier: AGPL-3.0-or-later
"""image_test.py IMAGE [BROKEN.raucb GOOD.raucb AGAIN.raucb]: the box as people meet it, from its first start in a browser to a
written post, a pulled plug, updates, a reset by its button and a restored backup. Prints TAP; what the console said
stays in build/image/test/."""
import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import disk  # noqa: E402
import people  # noqa: E402
from box import Box, Fault, Tap, say  # noqa: E402


@contextlib.contextmanager
def step(b, name):
    """How long it took, and of that the processor's time, which a machine with much else to do does not change."""
    began, worked = time.monotonic(), b.processor()
    yield
    say(f"{name}: {time.monotonic() - began:.0f} s, {b.processor() - worked:.0f} s of processor")


def first_run(t, b):
    """On a phone of 320 pixels without script, where there is a browser; by the forms where not."""
    b.comes_up("first start")
    t.ok("a new box serves its first page", True)
    status, body, _ = b.get("/")
    t.ok("in words", status == 200 and "This box is new" in body, body[:800])
    t.ok("nobody gets further without it", b.get("/setup/found", secure=True)[0] == 303)
    seen = people.in_a_browser(b, "first-run", people.code_on_console(b), "admin", people.PASSWORD)
    if seen is None:
        people.found(b)
    t.ok("the first run on the phone ends in a running community", "/forums" in b.get("/")[1], seen)
    if seen is not None:
        t.ok("and in the first post", "Des del mòbil" in people.titles(b, "Des del mòbil"), seen)
    key = people.token(b)
    people.post(b, key, "Assemblea de dissabte", "A les set de la tarda.")
    t.ok("a post is written and seen", "Assemblea de dissabte" in people.titles(b, "Assemblea de dissabte"))
    return key


def memory(t, b):
    used = b.memory_used()
    if used is None:
        say("the guest does not tell its memory")
        return
    total, available = used
    say(f"memory: {total - available:.0f} of {total:.0f} MiB in use by the whole system")
    t.ok("the whole system idles below 200 MiB", total - available < 200, f"{total - available:.0f} MiB")


def restarts(t, b, key):
    # Healthy, and it says so: the boot state counts no start any more.
    t.ok("a healthy start is committed", b.wait_state(lambda s: s["n"] == "0", 120), b.state())
    b.cut()
    b.comes_up("after a pulled plug")
    t.ok("the post is there after a pulled plug", "Assemblea de dissabte" in people.titles(b, "Assemblea de dissabte"))
    people.post(b, key, "Segon tema")
    t.ok("and the next one is taken with the same key", "Segon tema" in people.titles(b, "Segon tema"))
    grown = b.grown()
    t.ok("the data partition has grown to the disk, and its file system, too", not grown, grown)


def give_update(b, path, browser=False):
    people.sign_in(b)
    before = (people.update_state(b).get("last") or {}).get("when")
    if not browser or people.in_a_browser(b, "update", os.path.abspath(path), "admin", people.PASSWORD) is None:
        people.upload_update(b, path)
    return before


def updates(t, b, bundles):
    """A system that does not run is taken back, with its reason on the page; a good one stays."""
    broken, good, again = bundles
    version = people.update_state(b).get("version")
    before = give_update(b, broken, browser=True)
    last = people.wait_update(b, 300, before)
    t.ok("a system that crashes is taken back by itself", last.get("back"), last)
    t.ok("at the tenth end of its daemon", b.console().count("crashes on purpose") == 10, b.console()[-1500:])
    page = b.get("/admin/update", secure=True)[1]
    t.ok("and the page says why", last.get("why") == "crash" and "ended again and again" in page, last)
    t.ok("the former one runs", people.update_state(b).get("version") == version, people.update_state(b))
    t.ok("with all posts", "Segon tema" in people.titles(b, "Segon tema"))
    before = give_update(b, good)
    last = people.wait_update(b, 300, before)
    t.ok("a good one is kept", last.get("done"), last)
    t.ok("and runs", people.update_state(b).get("version") == last.get("version") != version, people.update_state(b))
    t.ok("from the other slot, committed", b.wait_state(lambda s: s["good"] == "B" and s["armed"] == "-0", 60), b.state())
    t.ok("with all posts", "Segon tema" in people.titles(b, "Segon tema"))
    before = give_update(b, again)
    last = people.wait_update(b, 120, before)
    t.ok("the same again is refused, for boxes never go back", last.get("why") == "older", last)


def reset(t, b):
    """A backup on a stick and two sheets of paper; everything is erased by the button; everything comes back."""
    people.sign_in(b)
    people.choose_stick(b)
    paper = people.sheets(b)
    people.back_up(b)
    say("a backup lies on the stick")
    for seconds in (16, 16, 0.3):  # asked for, asked for the data, too, and confirmed
        b.hold_power_key(seconds)
        time.sleep(1)
    b.began = time.monotonic()
    t.ok("the button, held twice and pressed once, erases everything", b.wait_console("Reset: all", 100), b.console()[-1500:])
    b.mark += b.console().rfind("Reset: all")
    b.began = time.monotonic()
    seconds = b.wait_page()
    t.ok("the box is new again", seconds and "This box is new" in b.get("/")[1], b.console()[-1500:])
    say(f"reset: {seconds or 0:.0f} s to the page")
    b.jar.clear()
    people.restore(b, paper[:2])
    t.ok("a backup on a stick and two sheets bring it back", "Segon tema" in people.titles(b, "Segon tema"))
    people.sign_in(b)
    t.ok("with its people", "Ateneu" in b.get("/admin", secure=True)[1])


def main():
    image, bundles = sys.argv[1], sys.argv[2:]
    keep = "build/image/test"
    os.makedirs(keep, exist_ok=True)
    folder = tempfile.mkdtemp(prefix="lliure-image-test.")
    t, b = Tap(), Box(folder, image, name="box")
    subprocess.run(["truncate", "-s", "128M", f"{folder}/stick"], check=True)
    subprocess.run(["mkfs.vfat", "-n", "COPIES", f"{folder}/stick"], check=True, stdout=subprocess.DEVNULL)
    b.stick(f"{folder}/stick")
    try:
        with step(b, "first start and first run"):
            key = first_run(t, b)
        with step(b, "memory"):
            memory(t, b)
        with step(b, "pulled plug"):
            restarts(t, b, key)
        if bundles:
            with step(b, "updates"):
                updates(t, b, bundles)
        with step(b, "reset and restore"):
            reset(t, b)
    except (Fault, OSError) as e:
        t.ok("all of it could be tried", False, f"{e}\n{b.console()[-3000:]}")
    finally:
        b.cut()
        shutil.copy(b.log, f"{keep}/image_test.console")
        shutil.rmtree(folder)
    sys.exit(t.end())


main()
