# SPDX-License-Identifier: AGPL-3.0-or-later
"""A second, small implementation of sync/PROTOCOL.md: reads streams and bundles, checks what they hold, and computes heads
and digests. Written from that page; none of our C runs here. By hand: python3 reader.py BUNDLE, or reader.py log BUNDLE for
every entry of every log with what its signatures say, or reader.py receipt FILE.json for a receipt as a box gives it, or
reader.py carried BUNDLE for what carriers of a private space are told, and with the key file of a box behind it for the files
that it can read."""
import base64
import hashlib
import json
import sys

import nacl.bindings as sodium

MAGIC = b"LLIURE\0\1"
ENTRIES, HEADS, FORK, BLOB, LOCATOR, NOTE, END, HELLO, DIGESTS, MISSING, RESULT, RANGES = range(1, 13)
PARTIAL = 15
CLAIM = 16
SINCE = 20
HELD, NOT_HELD, SEALED, ERASED = range(4)


class Refused(Exception):
    pass


def H(data):
    return hashlib.blake2b(data, digest_size=32).digest()


def text(key):
    return base64.b32encode(key).decode().lower().rstrip("=")


def u(data):
    return int.from_bytes(data, "little")


def le(value, size):
    return value.to_bytes(size, "little")


def need(good, why):
    if not good:
        raise Refused(why)


# --- section 2 ---
class Header:
    def __init__(self, raw):
        need(len(raw) == 352, "a header has 352 bytes")
        self.raw = bytes(raw)
        self.flags, self.epoch, self.length = raw[1], u(raw[2:4]), u(raw[4:8])
        self.seq, self.time = u(raw[8:16]), int.from_bytes(raw[16:24], "little", signed=True)
        self.incarnation, self.space = u(raw[24:32]), raw[32:64]
        self.appliance, self.author, self.rules = raw[64:96], raw[96:128], raw[128:160]
        self.previous, self.payload_hash = raw[160:192], raw[192:224]
        self.hash = H(self.raw)
        self.op = H(self.author_message())

    def author_message(self):
        r = self.raw
        return b"lliure-op-1" + r[0:8] + r[16:24] + r[32:64] + r[96:160] + r[192:224]

    def log(self):
        space = self.space if any(self.space) else self.op
        return space + self.appliance + le(self.incarnation, 8)

    def founds(self):
        return self.seq == 1 and not any(self.space) and self.author_signed() and self.appliance_signed()

    def check(self):
        founding = not any(self.space)
        need(self.raw[0] == 1, "version")
        need(self.flags & ~3 == 0, "unknown flags")
        need(self.flags & 1 or self.epoch == 0, "an epoch without sealing")
        need(self.length <= 262144, "the payload is too long")
        need(1 <= self.seq < 2 ** 63, "the sequence is out of range")
        need(not founding or self.seq == 1, "a founding entry is the first")
        need((not any(self.rules)) == founding, "rules")
        need((not any(self.previous)) == (self.seq == 1), "previous")
        if self.flags & 2:
            need(self.author == self.appliance and not any(self.raw[224:288]), "by the appliance itself")

    def appliance_signed(self):
        return verifies(self.appliance, b"lliure-entry-1" + self.raw[0:288], self.raw[288:352])

    def author_signed(self):
        return bool(self.flags & 2) or verifies(self.author, self.author_message(), self.raw[224:288])


def verifies(key, message, signature):
    try:
        sodium.crypto_sign_open(signature + message, key)
        return True
    except Exception:
        return False


# --- section 5 ---
class Cursor:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, n):
        need(self.at + n <= len(self.data), "a frame is cut off")
        self.at += n
        return self.data[self.at - n:self.at]

    def u(self, n):
        return u(self.take(n))

    def rest(self):
        return self.take(len(self.data) - self.at)


def frames(data):
    """Yields (type, body) of every whole frame; raises Refused at the first fault, or when it is cut off."""
    need(data[:8] == MAGIC, "not a stream of version 1")
    at, count, ended = 8, 0, False
    while at < len(data):
        need(not ended, "something follows the end")
        need(at + 5 <= len(data), "cut off")
        kind, length = data[at], u(data[at + 1:at + 5])
        need(length <= 4194304, "a frame is too large")
        end = at + 5 + length
        need(end + 16 <= len(data), "cut off")
        need(H(data[at:end])[:16] == data[end:end + 16], "a check does not hold")
        body = data[at + 5:end]
        if kind == END:
            need(len(body) == 8 and u(body) == count, "frames are missing")
            ended = True
        if ENTRIES <= kind <= RANGES or kind in (PARTIAL, CLAIM, SINCE):
            yield kind, body
        count += 1
        at = end + 16
    need(ended, "cut off")


def entries(body):
    """(log id, first, [(Header, state, salt, payload)])"""
    c = Cursor(body)
    version, flags, log, first = c.u(1), c.u(1), c.take(72), c.u(8)
    need(version == 1 and first > 0 and any(log[:32]), "a run begins nowhere")
    need(flags == 0 or (flags == 1 and first == 1), "unknown marks of a run")
    previous = c.take(32) if first > 1 else bytes(32)
    author, rules, run = bytes(32), bytes(32), []
    count = c.u(2)
    need(1 <= count <= 4096, "too many entries or none")
    for i in range(count):
        bits = c.u(1)
        need(bits < 32 and bits & 20 != 20, "unknown marks of an entry")
        own, when = c.take(7), c.take(8)
        author = log[32:64] if bits & 16 else author if bits & 4 else c.take(32)
        rules = rules if bits & 8 else c.take(32)
        payload_hash = c.take(32)
        author_signature = bytes(64) if bits & 16 else c.take(64)
        space = bytes(32) if flags & 1 and i == 0 else log[:32]
        header = Header(bytes([version]) + own + le(first + i, 8) + when + log[64:72] + space + log[32:64] + author
                        + rules + previous + payload_hash + author_signature + c.take(64))
        salt = payload = None
        if bits & 3 == HELD:
            need(header.length <= 262144, "a payload is too long")
            salt, payload = c.take(16), c.take(header.length)
        run.append((header, bits & 3, salt, payload))
        previous = header.hash
    need(c.at == len(body), "a run has the wrong size")
    need(not flags & 1 or run[0][0].op == log[:32], "it founds another space")
    return log, first, run


def note_text(c):
    return c.take(c.u(1)).decode()


def rows_of(c, space, n):
    return [{"log": (space + c.take(40)).hex(), "head": str(c.u(8)), "hash": c.take(32).hex(), "mark": c.u(1),
             "mark_sequence": str(c.u(8))} for _ in range(n)]


def range_item(c):
    depth = c.u(1)
    at = int.from_bytes(c.take((depth + 7) // 8), "big") << (64 - (depth + 7) // 8 * 8)
    form, bits = c.u(1), 0
    if form <= 8:
        form, bits, n = 0, form, 1 << form
    else:
        n = c.u(2) if form == 255 else 0
    return {"depth": depth, "at": str(at), "form": form, "bits": bits, "marks": c.take(6 * n).hex()}


def describe(kind, body):
    """A frame as tests/vectors/stream.json says it."""
    c, d = Cursor(body), {"type": kind}
    if kind == ENTRIES:
        log, first, run = entries(body)
        d.update(log=log.hex(), first=str(first), entries=[])
        for header, state, salt, payload in run:
            e = {"header": header.raw.hex(), "state": state}
            if state == HELD:
                e.update(salt=salt.hex(), payload=payload.hex())
            d["entries"].append(e)
        return d
    if kind == HEADS:
        space = c.take(32)
        d.update(space=space.hex(), heads=rows_of(c, space, c.u(4)))
    elif kind == FORK:
        d.update(a=c.take(352).hex(), b=c.take(352).hex())
    elif kind == BLOB:
        d.update(hash=c.take(32).hex(), size=str(c.u(8)), offset=str(c.u(8)), bytes=c.rest().hex())
    elif kind == LOCATOR:
        d.update(log=c.take(72).hex(), samples=[[str(c.u(8)), c.take(32).hex()] for _ in range(c.u(1))])
    elif kind == MISSING:
        d.update(log=c.take(72).hex(), ranges=[[str(c.u(8)), str(c.u(8))] for _ in range(c.u(1))])
    elif kind == NOTE:
        d.update(log=c.take(72).hex(), sequence=str(c.u(8)), why=note_text(c))
    elif kind == END:
        d.update(frames=str(c.u(8)))
    elif kind == HELLO:
        d.update(time=int.from_bytes(c.take(8), "little", signed=True), name=note_text(c))
        c.rest()
    elif kind == DIGESTS:
        d.update(rows=[{"space": c.take(32).hex(), "heads": c.take(32).hex(), "missing": c.take(16).hex()}
                       for _ in range(c.u(2))])
    elif kind == PARTIAL:
        d.update(payload_days=c.u(4), blob_max=str(c.u(8)), wanting=c.u(1) != 0)
        d.update(unkept=[c.take(32).hex() for _ in range(c.u(2) if c.at < len(c.data) else 0)])
        c.rest()
    elif kind == RANGES:
        space = c.take(32)
        d.update(space=space.hex(), nonce=c.take(16).hex(), items=[range_item(c) for _ in range(c.u(2))])
        d.update(rows=[(space + c.take(89)[:40]).hex() for _ in range(c.u(4))], lacks=c.take(6 * c.u(4)).hex())
    elif kind == SINCE:
        space = c.take(32)
        d.update(space=space.hex(), state=c.take(32).hex(), rows=rows_of(c, space, c.u(2)))
    elif kind == CLAIM:
        d.update(writer=c.take(32).hex(), receiver=c.take(32).hex(), incarnation=str(c.u(8)), serial=str(c.u(8)),
                 time=int.from_bytes(c.take(8), "little", signed=True), heads=c.take(32).hex(), signature=c.take(64).hex())
    elif kind == RESULT:
        d.update(added=str(c.u(8)), filled=str(c.u(8)), known=str(c.u(8)))
    need(c.at == len(body), "a frame has the wrong size")
    return d


# --- section 9 ---
def claim_holds(data):
    """Does a bundle's claim match the frames of heads and missing payloads before it, and is it signed?"""
    heads = b""
    for kind, body in frames(data):
        if kind in (HEADS, MISSING):
            framed = bytes([kind]) + len(body).to_bytes(4, "little") + body
            heads += framed + H(framed)[:16]
        elif kind == CLAIM:
            return H(heads) == body[88:120] and verifies(body[:32], b"lliure-claim-1" + body[:120], body[120:])
    return False


# --- section 4.5 ---
def from_text(letters, size):
    data = base64.b32decode(letters.upper() + "=" * (-len(letters) % 8))
    need(len(data) == size or size is None, "a text has the wrong length")
    return data


def unseal(key, sealed, context):
    try:
        return sodium.crypto_aead_xchacha20poly1305_ietf_decrypt(sealed[24:], context, sealed[:24], key)
    except Exception:
        return None


class Ring:
    """What a box can open with the seed of its key, in one private space: {name of a key: (epoch, key)}."""

    def __init__(self, seed, space):
        sign, secret = sodium.crypto_sign_seed_keypair(seed)
        self.me, self.space, self.keys = text(sign), space, {}
        self.curve = (sodium.crypto_sign_ed25519_pk_to_curve25519(sign), sodium.crypto_sign_ed25519_sk_to_curve25519(secret))

    def add(self, name, epoch, key):
        if key and H(b"lliure-key-1" + self.space + le(epoch, 2) + key) == name and name not in self.keys:
            self.keys[name] = (epoch, key)
            return True
        return False

    def boxed(self, box):
        try:
            return sodium.crypto_box_seal_open(from_text(box, 80), *self.curve)
        except Exception:
            return None

    def unwrap(self, under, name, box):
        if under not in self.keys:
            return None
        return unseal(self.keys[under][1], from_text(box, 72), b"lliure-wrap-1" + self.space + name)

    def learn_from(self, op):
        name, epoch, more = from_text(op["key"], 32), op["epoch"], False
        for k in op["keys"]:
            if k.get("to") == self.me:
                more |= self.add(name, epoch, self.boxed(k["box"]))
            elif "under" in k:
                more |= self.add(name, epoch, self.unwrap(from_text(k["under"], 32), name, k["box"]))
        for k in op.get("older", []):
            older = from_text(k["key"], 32)
            more |= self.add(older, k["epoch"], self.unwrap(name, older, k["box"]))
        return more

    def learn(self, ops):
        while any([self.learn_from(op) for op in ops if op["type"] in ("space.key", "space.give")]):
            pass

    def open(self, sealed, epoch, context):
        """epoch None: that of the key it names."""
        name = sealed[:32]
        if name not in self.keys or epoch not in (None, self.keys[name][0]):
            return None
        epoch, key = self.keys[name]
        plain = unseal(key, sealed[32:], context(self.space + le(epoch, 2) + name))
        return plain and json.loads(plain)

    def payload(self, header, payload):
        return self.open(payload, header.epoch, lambda middle: b"lliure-seal-1" + middle + header.author)

    def words(self, header, op):
        return self.open(from_text(op["sealed"], None), None,
                         lambda middle: b"lliure-words-1" + middle + header.author + op["type"].encode())


# --- section 4.6 ---
PIECE = 65536


def padded(n):
    e = n.bit_length() - 1
    unit = 1 << (e - e.bit_length())
    return -(-n // unit) * unit


def stored_size(size):
    return padded(size) + 16 * -(-padded(size) // PIECE)


def open_content(op, blob):
    """The content that an op's blob holds."""
    need(H(blob) == from_text(op["blob"], 32), "a blob is not what its name says")
    if "key" in op:
        key, plain = from_text(op["key"], 32), b""
        need(len(blob) == stored_size(op["size"]), "a sealed content has another size than its op says")
        for n in range(-(-len(blob) // (PIECE + 16))):
            plain += sodium.crypto_aead_xchacha20poly1305_ietf_decrypt(blob[n * (PIECE + 16):(n + 1) * (PIECE + 16)], b"lliure-file-1",
                                                                       le(n, 8) + bytes(16), key)
        need(not plain[op["size"]:].strip(b"\0"), "what a content is padded with is not zero")
        blob = plain[:op["size"]]
    need(len(blob) == op["size"] and hashlib.sha256(blob).digest() == from_text(op["sha256"], 32), "a content is not what its op says")
    return blob


def carried(store, space):
    """What boxes that can't read the space are told to carry: {blob: {(op that needs it, stored size)}}."""
    told = {}
    for log, held in store.logs.items():
        for header, state, payload in held:
            if log[:32] != space or state != HELD or header.flags != 2:
                continue
            op = json.loads(payload)
            rows = op.get("blobs")
            if op.get("type") != "file.carry" or not isinstance(rows, list) or not 1 <= len(rows) <= 64:
                continue
            if all(PIECE < r["stored"] <= stored_size(1 << 28) for r in rows):
                for r in rows:
                    told.setdefault(from_text(r["blob"], 32), set()).add((from_text(r["op"], 32), r["stored"]))
    return told


# --- section 7.1 ---
def receipt(data):
    """A statement as a dictionary; refused unless it is in its only form."""
    c = Cursor(data)
    two = lambda n: [c.u(n), c.u(n)]  # noqa: E731
    need(c.u(1) == 1, "another version of receipts")
    kind = c.u(1)
    need(1 <= kind <= 3, "a receipt of nothing")
    d = {"kind": kind, "boxes": [text(c.take(32)), text(c.take(32))], "exchange": c.take(16).hex()}
    d.update(clocks=two(8), bytes=two(8), new=two(8), filled=two(8), blobs=c.u(8), spaces=[], refusals=[])
    count, last = c.u(2), b""
    need(count <= 256, "too many spaces")
    for _ in range(count):
        space = c.take(32)
        need(space > last, "spaces do not rise")
        last = space
        d["spaces"].append({"space": text(space), "heads": [c.take(32).hex(), c.take(32).hex()],
                            "missing": [c.take(16).hex(), c.take(16).hex()], "entries": two(8), "forks": two(4),
                            "conflicts": c.u(4)})
    count, last = c.u(2), b""
    need(count <= 128, "too many refusals")
    for _ in range(count):
        by, log, name = c.take(1), c.take(72), c.take(c.u(1))
        need(by[0] <= 1 and by + log + name > last, "refusals do not rise")
        last = by + log + name
        d["refusals"].append({"by": by[0], "log": log.hex(), "name": name.decode()})
    need(c.at == len(data), "something follows the receipt")
    return d


def receipt_of(paper):
    """Of the JSON that a box gives: what each side signed, and whether it did."""
    sides = {}
    for at, side in enumerate(("asker", "answerer")):
        hand = paper[side]
        if not hand.get("statement"):
            continue
        data = base64.b64decode(hand["statement"])
        said = receipt(data)
        message = b"lliure-receipt-1" + data
        sides[side] = {"says": said, "word": text(H(message))[:8],
                       "signed": said["boxes"][at] == hand["key"] and
                       verifies(from_text(hand["key"], 32), message, base64.b64decode(hand["signature"]))}
    return sides


# --- section 6.1 ---
def placed(nonce, rows):
    """Rows of 89 bytes as (place, tag in full), in order of place."""
    return sorted((int.from_bytes(H(b"lliure-place-1" + nonce + r[:40])[:8], "big"), r[:40], H(b"lliure-row-1" + nonce + r))
                  for r in rows)


def in_range(rows, depth, at):
    return [full for place, _, full in rows if place >> (64 - depth) == at >> (64 - depth)]


def range_mark(nonce, fulls):
    return H(b"lliure-range-1" + nonce + b"".join(fulls))[:6]


def item_of(nonce, rows, item):
    """The marks that an item would have, said by who holds these rows."""
    depth, at, bits = item["depth"], int(item["at"]), item["bits"]
    if item["form"] == 255:
        return b"".join(full[:6] for full in in_range(rows, depth, at))
    if item["form"] == 254:
        return b""
    return b"".join(range_mark(nonce, in_range(rows, depth + bits, at + (i << (64 - depth - bits)))) for i in range(1 << bits))


# --- section 6.2 ---
def rows_since(then, changed):
    """The rows of who said SINCE: those of that state, but for what is otherwise now."""
    rows = {r[:40]: r for r in then}
    rows.update({r[:40]: r for r in changed})
    return [rows[k] for k in sorted(rows)]


# --- section 3, as much as a reader of bundles needs ---
class Store:
    """Logs as they come: {log id: [(Header, state, payload)]}; lowest fork and end of each."""

    def __init__(self):
        self.logs, self.forked, self.ended, self.blobs = {}, {}, {}, {}
        self.founding = set()  # logs of which a proof has what founds the space

    def take_run(self, log, first, run):
        held = self.logs.setdefault(log, [])
        need(first == len(held) + 1, "a gap, or entries that are here already")
        need(run[-1][0].appliance_signed(), "the newest appliance signature does not hold")
        for header, state, salt, payload in run:
            header.check()
            need(header.log() == log, "from another log")
            need(header.previous == (held[-1][0].hash if held else bytes(32)), "the chain is broken")
            need(state != HELD or H(salt + payload) == header.payload_hash, "a payload is damaged")
            held.append((header, state, payload))
            if not header.author_signed() and log not in self.ended:
                self.ended[log] = header.seq

    def take_fork(self, a, b):
        a, b = Header(a), Header(b)
        a.check(), b.check()
        need(a.log() == b.log() and a.seq == b.seq and a.raw != b.raw, "this proves no fork")
        need(a.appliance_signed() and b.appliance_signed(), "this proves no fork")
        self.forked[a.log()] = min(a.seq, self.forked.get(a.log(), a.seq))
        self.founding |= {h.log() for h in (a, b) if h.founds()}

    def take_stream(self, data):
        for kind, body in frames(data):
            if kind == ENTRIES:
                self.take_run(*entries(body))
            elif kind == FORK:
                self.take_fork(body[:352], body[352:])
            elif kind == BLOB:
                self.blobs[body[:32]] = self.blobs.get(body[:32], b"") + body[48:]
        for name, content in self.blobs.items():
            need(H(content) == name, "a blob is not what its name says")

    def prove(self):
        """Each appliance's own signature, not only the newest of a run: a log is cut before what nobody signed."""
        for held in self.logs.values():
            for i, (header, _, _) in enumerate(held):
                if not header.appliance_signed():
                    del held[i:]
                    break
        self.ended = {log: seq for log, seq in self.ended.items() if seq <= len(self.logs[log])}

    def ops(self, log):
        """The op ids of what is live."""
        return [header.op for header, _, _ in self.logs.get(log, [])[:self.head(log)[0]]]

    # --- section 6 ---
    def lacking(self, space):
        """The digest of missing payloads."""
        total = 0
        for log, held in self.logs.items():
            seqs = [h.seq for h, state, _ in held[:self.head(log)[0]] if state != HELD]
            if log[:32] != space or not seqs:
                continue
            ranges = []
            for seq in seqs:
                if ranges and ranges[-1][1] == seq - 1:
                    ranges[-1][1] = seq
                else:
                    ranges.append([seq, seq])
            total ^= u(H(log + b"".join(le(a, 8) + le(b, 8) for a, b in ranges[:64])))
        return le(total, 32)[:16]

    def head(self, log):
        mark, at = 0, 0
        held = self.logs.get(log, [])
        founds = bool(held) and held[0][0].founds()
        if self.forked.get(log) == 1 and (founds or log in self.founding) or self.forked.get(log) == 2 and founds:
            return 1, log[:32], 1, 2
        if log in self.ended:
            mark, at = 2, self.ended[log]
        if log in self.forked and (not mark or self.forked[log] <= at):
            mark, at = 1, self.forked[log]
        live = min(len(held), at - 1) if mark else len(held)
        return live, held[live - 1][0].hash if live else bytes(32), mark, at

    def digest(self, space):
        logs = sorted(log for log in set(self.logs) | set(self.forked) if log[:32] == space)
        return digest_of_heads(space, [(log, *self.head(log)) for log in logs])


def digest_of_heads(space, rows):
    d = b"lliure-heads-1" + space
    for log, live, hash_, mark, at in rows:
        d += log[32:72] + le(live, 8) + hash_ + bytes([mark]) + le(at, 8)
    return H(d)


def digest_of_spaces(rows):
    return H(b"lliure-spaces-1" + b"".join(space + heads for space, heads in sorted(rows)))


def print_logs(store):
    for log, held in sorted(store.logs.items()):
        live, _, mark, at = store.head(log)
        why = {0: "open", 1: f"forked at {at}", 2: f"ended at {at}"}[mark]
        print(f"log of {text(log[32:64])[:8]}, incarnation {u(log[64:72]):016x}: {len(held)} entries, {live} live, {why}")
        for header, state, payload in held:
            kind = ["held", "not held", "sealed", "erased"][state]
            if state == HELD and not header.flags & 1:
                kind = json.loads(payload).get("type")
            print(f"  {header.seq:6} {text(header.op)[:8]} by {text(header.author)[:8]}"
                  f" author {'signed' if header.author_signed() else 'DID NOT SIGN'},"
                  f" box {'signed' if header.appliance_signed() else 'DID NOT SIGN'}: {kind}")


def carried_files(store, space, seed):
    """What is told, what came, and with a seed: SHA-256 of each content that its sealed op opens."""
    told = carried(store, space)
    came = {blob for blob in told if any(len(store.blobs.get(blob, b"")) == stored for _, stored in told[blob])}
    d = {"told": sorted(text(b) for b in told), "came": sorted(text(b) for b in came), "contents": []}
    held = [(h, p) for log, entries in store.logs.items() if log[:32] == space for h, state, p in entries if state == HELD]
    if seed:
        ring = Ring(seed, space)
        ring.learn([json.loads(p) for h, p in held if not h.flags & 1])
        for h, p in held:
            op = h.flags & 1 and ring.payload(h, p)
            if op and op.get("type") in ("file.create", "file.revise") and "blob" in op:
                blob = from_text(op["blob"], 32)
                need((h.op, stored_size(op["size"])) in told.get(blob, ()), "carriers were told otherwise than the op says")
                d["contents"] += [hashlib.sha256(open_content(op, store.blobs[blob])).hexdigest()] if blob in store.blobs else []
    return d


if __name__ == "__main__":
    store = Store()
    if sys.argv[1] == "carried":
        store.take_stream(open(sys.argv[2], "rb").read())
        seed = open(sys.argv[3], "rb").read() if len(sys.argv) > 3 else None
        print(json.dumps({text(s): carried_files(store, s, seed) for s in {log[:32] for log in store.logs} if carried(store, s)}, indent=1))
        sys.exit()
    if sys.argv[1] == "log":
        store.take_stream(open(sys.argv[2], "rb").read())
        print_logs(store)
        sys.exit()
    if sys.argv[1] == "receipt":
        sides = receipt_of(json.load(open(sys.argv[2])))
        print(json.dumps(sides, indent=1))
        sys.exit(0 if sides and all(s["signed"] for s in sides.values()) else 1)
    store.take_stream(open(sys.argv[1], "rb").read())
    print(json.dumps({"spaces": {text(s): {"digest": store.digest(s).hex(),
                                           "entries": sum(len(v) for k, v in store.logs.items() if k[:32] == s)}
                                 for s in sorted({log[:32] for log in store.logs})},
                      "blobs": sorted(text(b) for b in store.blobs)}, indent=1))
