#!/usr/bin/env python3
# SPDX-License-Identifier: AGPL-3.0-or-later
"""twins.py IMAGE: two boxes fresh from the same image on one network, with the same name. They find each other by
mDNS, one yields its name and says so, volunteers compare the number and connect them, a post crosses each way, and
one of them gets another name."""
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import disk  # noqa: E402
import people  # noqa: E402
from box import PATIENCE, Box, Fault, Tap, say  # noqa: E402
from switch import Switch  # noqa: E402

# The first box's router gives the addresses on their network, in this order.
ADDRESSES = ("10.0.2.15", "10.0.2.16")


class Twin(Box):
    """One of two on a switch. The router, which is in the first one's process, has a cable of its own to it."""
    def __init__(self, folder, image, n, port, forwards, **k):
        self.n, self.port, self.forwards = n, port, forwards
        super().__init__(folder, image, size="2G", name=f"twin{n}", **k)

    def command(self):
        c = super().command()
        at = c.index("-netdev")
        cable = f"connect=127.0.0.1:{self.port}"
        net = ["-netdev", f"socket,id=n,{cable}"]
        if self.n == 0:
            user = "user,id=u,restrict=on" + "".join(
                f",hostfwd=tcp:127.0.0.1:{h}-{a}:{p}" for a, ports in self.forwards for h, p in ports)
            net += ["-netdev", user, "-netdev", f"socket,id=s,{cable}",
                    "-netdev", "hubport,id=hu,hubid=0,netdev=u", "-netdev", "hubport,id=hs,hubid=0,netdev=s"]
        card = ["-device", f"virtio-net-pci,netdev=n,romfile=,mac=52:54:00:00:00:1{self.n}"]
        assert c[at + 2] == "-device"
        return c[:at] + net + card + c[at + 4:]


def page(b, path, key):
    status, body, _ = b.get(path, secure=True, headers={"Authorization": f"Bearer {key}"}, timeout=60)
    return json.loads(body) if status == 200 else {}


def until(seconds, what):
    """Until it is true; what it is in the end."""
    end = time.monotonic() + seconds * PATIENCE
    while True:
        try:
            got = what()
        except (OSError, ValueError):
            got = None
        if got or time.monotonic() > end:
            return got
        time.sleep(2)


def page_of(b, path):
    """As page, for who is signed in."""
    status, body, _ = b.get(f"{path}.json", secure=True, timeout=60)
    return json.loads(body) if status == 200 else {}


def number(b, peer):
    """The number that this box shows for its volunteers to compare."""
    return page_of(b, f"{peer}/approve").get("pairing", {}).get("number")


def found(b, key):
    return page(b, "/admin/peers.json", key).get("found") or None


def yields(b, key):
    """Its page says that its name was another's already."""
    names = page(b, "/admin/network.json", key).get("names", {})
    _, body, _ = b.get("/admin/network", secure=True, headers={"Authorization": f"Bearer {key}"}, timeout=60)
    return names.get("renamed") and "is called ateneu.local already" in body and "give one of the two devices another name" in body


def shows(b, topic, text):
    status, body, _ = b.get(f"/topic/{topic}.json", timeout=60)
    return status == 200 and text in body


def write(b, key, path, **fields):
    status, body, _ = b.get(path, secure=True, data=json.dumps(fields).encode(), timeout=120,
                            headers={"Content-Type": "application/json", "Authorization": f"Bearer {key}"})
    if status >= 400:
        raise Fault(f"{path} answers {status}: {body[:300]}")
    return json.loads(body)


def kept_name(b):
    """The name that the next start gives it, from a copy of its disk."""
    raw, state = f"{b.folder}/{b.name}.look", f"{b.folder}/{b.name}.state"
    disk.extract(disk.raw_of(b.disk, raw), "state", state)
    subprocess.run(["e2fsck", "-p", state], capture_output=True)
    r = subprocess.run(["debugfs", "-R", "cat /lliure/hostname", state], capture_output=True, text=True)
    os.unlink(raw)
    return r.stdout.strip()


def renamed(t, b, net):
    """By the root helper, which only a box has."""
    announced = net.listen(b"\x0aateneu-nou\x05local")
    people.form(b, "/admin/network/name", page="/admin/network", name="ateneu-nou")
    t.ok("a box that gets another name announces it on the network", announced.wait(90))

    def host():
        status, body, _ = b.get("/admin/network.json", secure=True, timeout=60)
        return status == 200 and json.loads(body)["names"]["host"]
    t.ok("its page says so", until(60, lambda: host() == "ateneu-nou.local"), host())
    t.ok("and its next start will, too", kept_name(b) == "ateneu-nou", kept_name(b))


def all_of_it(t, one, two):
    one.comes_up("first start")
    two.comes_up("first start")
    for b in (one, two):
        people.found(b, "Ateneu")
    keys = [people.token(b) for b in (one, two)]
    said = until(120, lambda: [b for b, k in ((one, keys[0]), (two, keys[1])) if yields(b, k)])
    t.ok("of two boxes of one name one answers to another, and its page says what to do", said and len(said) == 1,
         [page(b, "/admin/network.json", k).get("names") for b, k in ((one, keys[0]), (two, keys[1]))])
    seen = [until(180, lambda b=b, k=k: found(b, k)) for b, k in ((one, keys[0]), (two, keys[1]))]
    t.ok("each box finds the other by mDNS", all(seen), seen)
    if not all(seen):
        return
    pages = [f"/admin/peers/{s[0]['key']}" for s in seen]
    for b, p in zip((one, two), pages):
        people.form(b, f"{p}/number", page=f"{p}/approve", begin="1")
    numbers = until(60, lambda: all(n := [number(b, p) for b, p in zip((one, two), pages)]) and n)
    t.ok("when both volunteers want it, both show the same number to compare",
         numbers and numbers[0] == numbers[1], [page_of(b, f"{p}/approve") for b, p in zip((one, two), pages)])
    for b, p in zip((one, two), pages):
        people.form(b, f"{p}/approve", same="1", number=number(b, p))
    t.ok("with it they connect them", True)
    began = time.monotonic()
    topic = write(one, keys[0], "/forum/general/topics", title="Entre dues cases", text="Comencem aquí.")["id"]
    crossed = until(180, lambda: shows(two, topic, "Comencem aquí."))
    t.ok("what is written on one", crossed, "\n".join(
        json.dumps(page(b, "/admin/peers.json", k), ensure_ascii=False)[:2500] for b, k in ((one, keys[0]), (two, keys[1]))))
    if not crossed:
        return
    say(f"is readable on the other after {time.monotonic() - began:.0f} s")
    status, body, _ = two.get(f"/topic/{topic}/posts", data={"name": "Visitant", "text": "Resposta de l'altra."}, timeout=60)
    t.ok("a visitor of the other answers", status in (200, 303), body[:400])
    held = until(60, lambda: page(two, "/admin/held.json", keys[1]).get("held"))
    t.ok("which waits for its volunteer", held, held)
    write(two, keys[1], f"/admin/held/{held[0]['id']}/approve")
    t.ok("and is readable on the first when it is let through",
         until(180, lambda: shows(one, topic, "Resposta de l")), one.get(f"/topic/{topic}.json")[1][-600:])


def main():
    image = sys.argv[1]
    folder = tempfile.mkdtemp(prefix="lliure-twins.")
    os.makedirs("build/image/test", exist_ok=True)
    t, net, forwards = Tap(), Switch(), []
    boxes = [Twin(folder, image, n, net.port, forwards) for n in (0, 1)]
    forwards += [(a, ((b.http, 80), (b.https, 443))) for a, b in zip(ADDRESSES, boxes)]
    try:
        all_of_it(t, *boxes)
        renamed(t, boxes[0], net)
    except (Fault, OSError, KeyError) as e:
        t.ok("all of it could be tried", False, f"{e!r}\n{boxes[0].console()[-1200:]}\n{boxes[1].console()[-1200:]}")
    finally:
        for b in boxes:
            b.cut()
            if b.boots:
                shutil.copy(b.log, f"build/image/test/{b.name}.console")
        shutil.rmtree(folder)
    sys.exit(t.end())


main()
