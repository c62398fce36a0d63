#!/usr/bin/python3
# SPDX-License-Identifier: AGPL-3.0-or-later
"""The vectors of private spaces, opened without our code, by what PROTOCOL.md 4.5 says."""
import hashlib, json, os, sys

here = os.path.dirname(os.path.abspath(__file__))
try:
    import nacl.bindings as na
except ImportError:
    print("# skipped: python3-nacl is missing\nok 1 - nothing to do\n1..1")
    sys.exit(0)
doc = json.load(open(os.path.join(here, "seal.json")))
un = bytes.fromhex
space, done, failed = un(doc["space"]), 0, False


def ok(good, what):
    global done, failed
    done += 1
    failed |= not good
    print("ok" if good else "not ok", done, "-", what)


def H(d):
    return hashlib.blake2b(d, digest_size=32).digest()


def unseal(key, sealed, context):
    return na.crypto_aead_xchacha20poly1305_ietf_decrypt(sealed[24:], context, sealed[:24], key)


def padded(n):
    if n <= 256:
        return 256
    e = n.bit_length() - 1
    step = 1 << (e - e.bit_length())
    return min((n + step - 1) // step * step, 262144 - 72)


keys = [(k["epoch"].to_bytes(2, "little"), un(k["key"]), un(k["name"])) for k in doc["keys"]]
for epoch, key, name in keys:
    ok(H(b"lliure-key-1" + space + epoch + key) == name, f"the name of the key of epoch {epoch[0]}")
pk, sk = na.crypto_sign_seed_keypair(un(doc["box"]["seed"]))
ok(pk == un(doc["box"]["public"]), "the box's key")
opened = na.crypto_box_seal_open(un(doc["box"]["box"]), na.crypto_sign_ed25519_pk_to_curve25519(pk),
                                 na.crypto_sign_ed25519_sk_to_curve25519(sk))
ok(opened == keys[doc["box"]["holds"]][1], "the box opens its key")
w = doc["wrapped"]
ok(unseal(keys[w["under"]][1], un(w["box"]), b"lliure-wrap-1" + space + keys[w["key"]][2]) == keys[w["key"]][1], "and with it the older one")
for what, label in (("payload", b"lliure-seal-1"), ("words", b"lliure-words-1")):
    v, (epoch, key, name) = doc[what], keys[1]
    sealed = un(v["sealed"])
    context = label + space + epoch + name + un(v["author"]) + (v["type"] or "").encode()
    plain = unseal(key, sealed[32:], context)
    ok(sealed[:32] == name and plain.rstrip(b" ") == v["text"].encode() and len(plain) == padded(len(v["text"])), f"the {what}, and their padding")
ok(all(padded(v["plain"]) == v["padded"] for v in doc["lengths"]), "padded lengths")
print(f"1..{done}")
sys.exit(failed)
