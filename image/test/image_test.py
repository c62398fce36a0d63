#!/usr/bin/env python3
# SPDX-License-Identifier: AGPL-3.0-or-later
"""image_test.py IMAGE [BROKEN.raucb GOOD.raucb]: the box from its first start to a written post, restarts and pulled plugs, as people
meet it. Prints TAP; what the console said stays in build/image/test/."""
import os
import shutil
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import disk  # noqa: E402
import people  # noqa: E402
from box import Box, Fault, Tap, say  # noqa: E402


def first_run(t, b):
    b.comes_up("first start")
    t.ok("a new box serves its first page", True)
    status, body, _ = b.get("/")
    t.ok("in words", status == 200 and "This box is new" in body, body[:800])
    t.ok("nobody gets further without it", b.get("/setup/found", secure=True)[0] == 303)
    people.found(b)
    t.ok("the first run on the phone ends in a running community", True)
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
    grown = b.disk_size("data")
    t.ok("the data partition has grown to the disk", grown > 2 << 30, f"{grown >> 20} MiB")


def updates(t, b, bundles):
    """A system that does not run is taken back, with its reason on the page; a good one stays."""
    broken, good = bundles
    before = people.update_state(b).get("version")
    people.sign_in(b)
    people.upload_update(b, broken)
    last = people.wait_update(b, 420)
    t.ok("a system that crashes is taken back by itself", last.get("back"), last)
    t.ok("and the page says why", last.get("text"), last)
    t.ok("the former one runs", people.update_state(b).get("version") == before, people.update_state(b))
    t.ok("with all posts", "Segon tema" in people.titles(b, "Segon tema"))
    people.sign_in(b)
    people.upload_update(b, good)
    last = people.wait_update(b, 420)
    t.ok("a good one is kept", last.get("done"), last)
    t.ok("and runs", people.update_state(b).get("version") == last.get("version"), people.update_state(b))
    t.ok("from the other slot, committed", b.wait_state(lambda s: s["good"] == "B" and s["armed"] == "-0", 60), b.state())
    t.ok("with all posts", "Segon tema" in people.titles(b, "Segon tema"))
    people.sign_in(b)
    people.upload_update(b, good)
    last = people.wait_update(b, 120)
    t.ok("the same again is refused, for boxes never go back", last.get("ended") and not last.get("back"), last)


def main():
    image, bundles = sys.argv[1], sys.argv[2:]
    keep = "build/image/test"
    os.makedirs(keep, exist_ok=True)
    folder = tempfile.mkdtemp(prefix="lliure-image-test.")
    t, b = Tap(), Box(folder, image, name="box")
    try:
        key = first_run(t, b)
        memory(t, b)
        restarts(t, b, key)
        if bundles:
            updates(t, b, bundles)
    except (Fault, OSError) as e:
        t.ok("all of it could be tried", False, f"{e}\n{b.console()[-3000:]}")
    finally:
        b.cut()
        shutil.copy(b.log, f"{keep}/image_test.console")
        shutil.rmtree(folder)
    sys.exit(t.end())


main()
