#!/usr/bin/env python3
# SPDX-License-Identifier: AGPL-3.0-or-later
"""The number that people compare, written from sync/PROTOCOL.md section 10 with Python's standard library alone.

pair.py make          write pair.json (from fixed bytes) to standard output
pair.py check FILE    check every vector of it; TAP
"""
import hashlib
import json
import sys

CLOSED, COMMITS, REVEALS = 0, 1, 2
# The public keys of the seeds "a key for tests only", zeros, and 01 00 00 00 or 02 00 00 00 at the end
KEYS = ("85570947ca8d9330453ef1c5799d25e9e5df70535126a640d34387a4bfbd54d3", "ac92617855a5be1c1848a419448725c44c535fff7d017e7f2c3b890536b86aa2")


def h(*parts):
    return hashlib.blake2b(b"".join(parts), digest_size=32).digest()


def commitment(of, to, nonce):
    return h(b"lliure-pair-commit-1", of, to, nonce)


def digits(hashed):
    n = int.from_bytes(hashed[:8], "little") % 1000000
    return f"{n // 1000:03} {n % 1000:03}"


def number(a, nonce_a, b, nonce_b):
    (low, nonce_low), (high, nonce_high) = sorted([(a, nonce_a), (b, nonce_b)])
    return digits(h(b"lliure-pair-2", low, high, nonce_low, nonce_high))


def of_keys(a, b):
    """Version 1, which an attacker with time could make alike."""
    return digits(h(b"lliure-pair-1", min(a, b), max(a, b)))


def frame(kind, body):
    head = bytes([kind]) + len(body).to_bytes(4, "little")
    return head + body + h(head + body)[:16]


def stream(form, ours=b"", theirs=bytes(32), nonce=b""):
    body = bytes([form]) + (ours + theirs if form else b"") + nonce
    return b"LLIURE\0\1" + frame(19, body) + frame(7, (1).to_bytes(8, "little"))


def words(ca, na, cb, nb):
    return [("a", stream(COMMITS, ca)), ("b", stream(COMMITS, cb, ca)), ("a", stream(REVEALS, ca, cb, na)),
            ("b", stream(REVEALS, cb, ca, nb))]


def colliding(a, b):
    """Keys m1 for a, m2 for b, with one number of version 1: any 32 bytes do, as no one signs here."""
    shown = {}
    for i in range(3000):
        m1 = h(b"one", i.to_bytes(4, "little"))
        shown[of_keys(a, m1)] = m1
    for i in range(3000):
        m2 = h(b"two", i.to_bytes(4, "little"))
        if of_keys(b, m2) in shown:
            return shown[of_keys(b, m2)], m2
    raise SystemExit("no two keys have one number")


def make():
    a, b = (bytes.fromhex(k) for k in KEYS)
    na, nb = bytes(range(32)), bytes(range(100, 132))
    ca, cb = commitment(a, b, na), commitment(b, a, nb)
    m1, m2 = colliding(a, b)
    return {
        "a": {"key": a.hex(), "nonce": na.hex(), "commitment": ca.hex()},
        "b": {"key": b.hex(), "nonce": nb.hex(), "commitment": cb.hex()},
        "number": number(a, na, b, nb),
        "words": [{"by": by, "stream": s.hex()} for by, s in words(ca, na, cb, nb)],
        "static": {"of_a": m1.hex(), "of_b": m2.hex(), "number": of_keys(a, m1),
                   "numbers": [number(a, na, m1, nb), number(b, na, m2, nb)]},
    }


def check(doc):
    failed = False
    done = 0

    def ok(fine, what):
        nonlocal failed, done
        done += 1
        failed |= not fine
        print(f"{'ok' if fine else 'not ok'} {done} - {what}")

    a, b = ({k: bytes.fromhex(v) for k, v in doc[n].items()} for n in "ab")
    ok(commitment(a["key"], b["key"], a["nonce"]) == a["commitment"], "the commitment of a")
    ok(commitment(b["key"], a["key"], b["nonce"]) == b["commitment"], "the commitment of b")
    ok(commitment(b["key"], a["key"], a["nonce"]) != a["commitment"], "is nobody else's")
    ok(number(a["key"], a["nonce"], b["key"], b["nonce"]) == doc["number"], "the number")
    ok(number(b["key"], b["nonce"], a["key"], a["nonce"]) == doc["number"], "is the same from the other side")
    said = words(a["commitment"], a["nonce"], b["commitment"], b["nonce"])
    ok([(w["by"], bytes.fromhex(w["stream"])) for w in doc["words"]] == said, "what is said in a call")
    m1, m2 = (bytes.fromhex(doc["static"][n]) for n in ("of_a", "of_b"))
    ok(of_keys(a["key"], m1) == of_keys(b["key"], m2) == doc["static"]["number"], "two keys had one number")
    ok([number(a["key"], a["nonce"], m1, b["nonce"]), number(b["key"], a["nonce"], m2, b["nonce"])]
       == doc["static"]["numbers"], "what they have now")
    ok(len(set(doc["static"]["numbers"])) == 2, "is not one")
    print(f"1..{done}")
    return failed


if __name__ == "__main__":
    if sys.argv[1:] == ["make"]:
        json.dump(make(), sys.stdout, indent=1)
        print()
    else:
        with open(sys.argv[2], encoding="utf-8") as f:
            sys.exit(check(json.load(f)))
