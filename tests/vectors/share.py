#!/usr/bin/env python3
# SPDX-License-Identifier: AGPL-3.0-or-later
"""Recovery sheets, written from sync/PROTOCOL.md with Python's standard library alone.

share.py make          write share.json (from fixed bytes) to standard output
share.py check FILE    check every vector of it; TAP
"""
import base64
import hashlib
import json
import sys


def mul(a, b):
    """In GF(256) with x^8 + x^4 + x^3 + x^2 + 1, as in school."""
    r = 0
    while b:
        if b & 1:
            r ^= a
        a <<= 1
        if a & 0x100:
            a ^= 0x11D
        b >>= 1
    return r


def inverse(a):
    r = 1
    for _ in range(254):
        r = mul(r, a)
    return r


def share(secret, coefficients, x):
    """secret + a1·x + a2·x² … byte by byte."""
    out = bytearray()
    for i, s in enumerate(secret):
        p = 1
        for a in coefficients:
            p = mul(p, x)
            s ^= mul(a[i], p)
        out.append(s)
    return bytes(out)


def join(shares):
    """Lagrange's interpolation at 0 of {x: bytes}."""
    out = bytearray(32)
    for x, s in shares.items():
        basis = 1
        for other in shares:
            if other != x:
                basis = mul(basis, mul(other, inverse(other ^ x)))
        for i in range(32):
            out[i] ^= mul(s[i], basis)
    return bytes(out)


def b2(*parts):
    return hashlib.blake2b(b"".join(parts), digest_size=32).digest()


def letters(b):
    return base64.b32encode(b).decode().rstrip("=")


def sheet(number, set_, box, bytes_):
    b = bytes([1, 2, number]) + set_ + box[:12] + bytes_
    return b + b2(b"lliure-sheet-1", b)[:8]


def lines(b):
    out = []
    for i in range(6):
        part = b[10 * i : 10 * i + 10]
        text = letters(part) + letters(b2(b"lliure-sheet-line-1", bytes([i + 1]), part))[:2]
        out.append(" ".join(text[k : k + 4] for k in range(0, 18, 4)))
    return out


def make():
    vectors = {"field": "0x11d", "share": [], "sheet": []}
    for n in range(4):
        secret = b2(b"vector secret", bytes([n]))
        needed = 2 if n < 3 else 3
        a = [b2(b"vector coefficient", bytes([n, k])) for k in range(needed - 1)]
        numbers = [1, 2, 3] if n < 2 else [7, 255, 100, 1]
        vectors["share"].append({
            "secret": secret.hex(), "needed": needed,
            "shares": [{"number": x, "bytes": share(secret, a, x).hex()} for x in numbers]})
    seed = b2(b"vector seed")
    box = bytes.fromhex(sys.argv[2])  # the Ed25519 public key of that seed
    for x in (1, 2, 3):
        b = sheet(x, b2(b"vector set")[:5], box, share(seed, [b2(b"vector slope")], x))
        vectors["sheet"].append({"seed": seed.hex(), "box": box.hex(), "number": x, "lines": lines(b),
                                 "compact": "LLIURE1:" + letters(b)})
    json.dump(vectors, sys.stdout, indent=1)
    print()


def check(path):
    v = json.load(open(path))
    n, bad = 0, 0

    def ok(good, what):
        nonlocal n, bad
        n += 1
        bad += not good
        print(("ok" if good else "not ok"), n, "-", what)

    for i, one in enumerate(v["share"]):
        got = {s["number"]: bytes.fromhex(s["bytes"]) for s in one["shares"]}
        secret, k = bytes.fromhex(one["secret"]), one["needed"]
        xs = list(got)
        for at in range(len(xs)):
            some = {x: got[x] for x in (xs + xs)[at : at + k]}
            ok(join(some) == secret, f"vector {i}: {list(some)} give the secret")
        few = {x: got[x] for x in xs[: k - 1]}
        ok(join(few) != secret, f"vector {i}: {list(few)} do not")
    raw = []
    for s in v["sheet"]:
        b = base64.b32decode(s["compact"][8:])
        ok(b == sheet(b[2], b[3:8], b[8:20], b[20:52]), f"sheet {s['number']}: its check holds")
        ok(lines(b) == s["lines"], f"sheet {s['number']}: its lines are these")
        raw.append(b)
    for a, b in ((0, 1), (1, 2), (2, 0)):
        got = join({raw[a][2]: raw[a][20:52], raw[b][2]: raw[b][20:52]})
        ok(got.hex() == v["sheet"][0]["seed"], f"sheets {a + 1} and {b + 1} are the key")
    print(f"1..{n}")
    return bad


if __name__ == "__main__":
    sys.exit(check(sys.argv[2]) if sys.argv[1] == "check" else make())
