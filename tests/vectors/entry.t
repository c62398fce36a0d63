#!/usr/bin/python3
# SPDX-License-Identifier: AGPL-3.0-or-later
"""The vectors of entries, checked from the text of the protocol alone: none of our code runs here.
The fork proof is checked with openssl too."""
import base64, hashlib, json, os, subprocess, sys, tempfile

source = os.environ.get("SOURCE") or os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
doc = json.load(open(os.path.join(source, "tests/vectors/entry.json"), encoding="utf-8"))
done = 0
failed = False


def ok(good, what):
    global done, failed
    done += 1
    failed |= not good
    print(("ok" if good else "not ok"), done, "-", what)


def blake(data):
    return hashlib.blake2b(data, digest_size=32).digest()


def base32(data):
    return base64.b32encode(data).decode().lower().rstrip("=")


def author_message(h):
    return b"lliure-op-1" + h[0:8] + h[16:24] + h[32:64] + h[96:160] + h[192:224]


def appliance_message(h):
    return b"lliure-entry-1" + h[0:288]


try:
    import nacl.bindings as sodium
except ImportError:
    sodium = None
    print("# skipped: signatures by libsodium, python3-nacl is missing")


def holds(key, message, signature):
    if sodium is None:
        return None
    try:
        sodium.crypto_sign_open(signature + message, key)
        return True
    except Exception:
        return False


keys = {k["name"]: k for k in doc["keys"]}
for k in doc["keys"]:
    ok(base32(bytes.fromhex(k["public"])) == k["text"], f"the text of the key {k['name']}")

for e in doc["entries"]:
    h = bytes.fromhex(e["header"])
    by_box = e["appliance"] == e["author"]
    payload = e["payload"].encode()
    want = bytes([1, 2 if by_box else 0, 0, 0])
    want += len(payload).to_bytes(4, "little") + int(e["sequence"]).to_bytes(8, "little")
    want += e["time"].to_bytes(8, "little", signed=True) + int(e["incarnation"]).to_bytes(8, "little")
    want += bytes.fromhex(e["space"]) + bytes.fromhex(keys[e["appliance"]]["public"])
    want += bytes.fromhex(keys[e["author"]]["public"]) + bytes.fromhex(e["rules"])
    want += bytes.fromhex(e["previous"]) + blake(bytes.fromhex(e["salt"]) + payload)
    ok(len(h) == 352 and h[:224] == want, f"the fields of {e['name']}")
    op = blake(author_message(h))
    space = bytes.fromhex(e["space"]) if any(bytes.fromhex(e["space"])) else op
    log = space + h[64:96] + h[24:32]
    ok(blake(h).hex() == e["hash"] and base32(op) == e["op"] and log.hex() == e["log"],
       f"the hashes of {e['name']}")
    if by_box:
        ok(h[224:288] == bytes(64), f"no author's signature on {e['name']}")
    else:
        ok(holds(h[96:128], author_message(h), h[224:288]) is not False, f"the author of {e['name']}")
    ok(holds(h[64:96], appliance_message(h), h[288:352]) is not False, f"the appliance of {e['name']}")

for e in doc["invalid"]:
    h = bytes.fromhex(e["header"])
    if e["error"] == "author":
        ok(not holds(h[96:128], author_message(h), h[224:288]), e["name"])
    else:
        good = holds(h[64:96], appliance_message(h), h[288:352])
        ok(good is None or good == (e["error"] != "appliance"), e["name"])


def openssl_verifies(h):
    """As PROTOCOL.md tells: the key in its DER form, the message, the signature."""
    with tempfile.TemporaryDirectory() as d:
        names = [os.path.join(d, n) for n in ("key", "message", "signature")]
        parts = [bytes.fromhex("302a300506032b6570032100") + h[64:96], appliance_message(h), h[288:352]]
        for name, part in zip(names, parts):
            with open(name, "wb") as f:
                f.write(part)
        return subprocess.run(["openssl", "pkeyutl", "-verify", "-pubin", "-keyform", "DER", "-inkey", names[0],
                               "-rawin", "-in", names[1], "-sigfile", names[2]],
                              capture_output=True).returncode == 0


a, b = bytes.fromhex(doc["fork"]["a"]), bytes.fromhex(doc["fork"]["b"])
ok(a != b and a[8:16] == b[8:16] and a[24:96] == b[24:96], "the fork: one place, two entries")
ok(openssl_verifies(a) and openssl_verifies(b), "openssl verifies both sides of the fork")
flipped = bytes([a[0]]) + bytes([a[1] ^ 1]) + a[2:]
ok(not openssl_verifies(flipped), "and refuses a flipped bit")

print(f"1..{done}")
sys.exit(failed)
