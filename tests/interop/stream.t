#!/usr/bin/python3
# SPDX-License-Identifier: AGPL-3.0-or-later
"""What a second implementation, written from PROTOCOL.md, makes of our vectors and of a bundle that the program writes."""
import json, os, subprocess, sys, tempfile

here = os.path.dirname(os.path.abspath(__file__))
source = os.environ.get("SOURCE") or os.path.join(here, "../..")
build = os.environ.get("BUILD") or os.path.join(source, "build/release")
done, failed = 0, False
try:
    import nacl.bindings  # noqa
except ImportError:
    print("# skipped: python3-nacl is missing\nok 1 - nothing to do\n1..1")
    sys.exit(0)
sys.path.insert(0, os.path.join(source, "tests/interop"))
sys.dont_write_bytecode = True
import reader  # noqa: E402


def ok(good, what):
    global done, failed
    done += 1
    failed |= not good
    print("ok" if good else "not ok", done, "-", what)


def refused(data):
    try:
        reader.Store().take_stream(data)
    except (reader.Refused, UnicodeDecodeError):
        return True
    return False


def vector(name):
    return open(os.path.join(source, "tests/vectors", name), "rb").read()


doc = json.loads(vector("stream.json"))
for f in doc["files"]:
    got = [reader.describe(k, b) for k, b in reader.frames(vector(f["file"]))]
    ok(got == f["frames"], f"{f['file']} says the same to both implementations")

claim = vector("stream-claim.bin")
ok(reader.claim_holds(claim), "the claim of a bundle is of the heads before it, and signed")
bundle = vector("stream-bundle.bin")
store = reader.Store()
store.take_stream(bundle)
ok(len(store.logs) == 1 and len(next(iter(store.logs.values()))) == 8, "every signature and the chain of the bundle hold")
fork = next(b for k, b in reader.frames(vector("stream-push.bin")) if k == reader.FORK)
store.take_fork(fork[:352], fork[352:])
log = next(iter(store.logs))
ok(store.head(log)[0] == 6 and store.head(log)[2:] == (1, 7), "the fork freezes the log before entry 7")
for lowest in (1, 2):
    store.forked[log] = lowest
    ok(store.head(log) == (1, log[:32], 1, 2), f"a fork at {lowest} leaves what founds the space")
store.forked[log] = 7

rows = {f["file"]: f["frames"] for f in doc["files"]}
heads = next(d for d in rows["stream-pull.bin"] if d["type"] == reader.HEADS)
status = next(d for d in rows["stream-status.bin"] if d["type"] == reader.DIGESTS)["rows"]
space = bytes.fromhex(heads["space"])
digest = reader.digest_of_heads(space, [(bytes.fromhex(h["log"]), int(h["head"]), bytes.fromhex(h["hash"]), h["mark"],
                                         int(h["mark_sequence"])) for h in heads["heads"]])
ok(any(r["space"] == heads["space"] and r["heads"] == digest.hex() for r in status), "the digest of these heads")
both = reader.digest_of_spaces([(bytes.fromhex(r["space"]), bytes.fromhex(r["heads"])) for r in status])
ok(both.hex() == doc["digest_of_spaces"], "the digest of both spaces")

talk = [d for d in rows["stream-ranges.bin"] if d["type"] == reader.RANGES]
sides = [b for k, b in reader.frames(vector("stream-ranges.bin")) if k == reader.HEADS]
nonce = bytes.fromhex(talk[0]["nonce"])
sides = [reader.placed(nonce, [b[36 + i:36 + i + 89] for i in range(0, len(b) - 36, 89)]) for b in sides]
ok(len(talk) > 2 and all(reader.item_of(nonce, sides[n % 2], item).hex() == item["marks"] for n, d in enumerate(talk) for item in d["items"]),
   "the marks and tags of ranges, said by either side")
ok(not talk[-1]["items"] and len(talk[-1]["rows"]) == 1 and len(talk[-1]["lacks"]) == 2 * 12, "and it ends with what differs")

since = [b for k, b in reader.frames(vector("stream-open.bin")) if k == reader.SINCE]
then, now = ([b[36 + i:36 + i + 89] for i in range(0, len(b) - 36, 89)] for k, b in reader.frames(vector("stream-open.bin")) if k == reader.HEADS)


def digest_of_rows(rows):
    return reader.digest_of_heads(space, [(space + r[:40], int.from_bytes(r[40:48], "little"), r[48:80], r[80], int.from_bytes(r[81:], "little"))
                                          for r in rows])


ok(since[0][32:64] == digest_of_rows(then) and since[1][32:] == bytes(34), "a state is named by the digest of its heads, or is not known")
changed = [since[0][66 + i:66 + i + 89] for i in range(0, len(since[0]) - 66, 89)]
ok(reader.rows_since(then, changed) == now and now != then, "and with what is otherwise now it makes the heads of now")

ok(all(refused(bundle[:n]) for n in range(len(bundle))), "cut off at any byte it is refused")
flips = [bytes(bundle[:i]) + bytes([bundle[i] ^ 1 << i % 8]) + bytes(bundle[i + 1:]) for i in range(len(bundle))]
ok(all(refused(f) for f in flips), "flipped in any byte it is refused")

tool = os.path.join(build, "tests/vectors/stream_tool")
with tempfile.TemporaryDirectory() as d:
    if os.access(tool, os.X_OK):
        subprocess.run([tool, d], check=True)
        same = all(open(os.path.join(d, n), "rb").read() == vector(n) for n in sorted(os.listdir(d)))
        ok(same, "the program still makes the very same bytes")
    else:
        print("# skipped: stream_tool is not built")

tool = os.path.join(build, "tests/interop/log_tool")
with tempfile.TemporaryDirectory() as d:
    subprocess.run([tool, d], check=True)
    data = open(os.path.join(d, "bundle"), "rb").read()
    expected = json.load(open(os.path.join(d, "expected.json")))
    space = bytes.fromhex(expected["space"])
    store = reader.Store()
    store.take_stream(data)
    store.prove()
    ok(all(h.appliance_signed() for held in store.logs.values() for h, _, _ in held), "each box's signature in each log holds, not only the newest")
    bad = [(log, h.seq) for log, held in store.logs.items() for h, _, _ in held if not h.author_signed()]
    ok([b for b in bad] == list(store.ended.items()) and len(bad) == 1, "each author's signature holds, but where a box vouched falsely")
    ok(len(store.forked) == 1, "the copied card's fork is proved")
    mine = {log.hex(): store.head(log) for log in store.logs}
    theirs = {x["log"]: (x["head"], bytes.fromhex(x["hash"]), x["mark"], x["mark_sequence"]) for x in expected["logs"]}
    ok(mine == theirs and {m[2] for m in mine.values()} == {0, 1, 2}, "the head of each log, open, forked and ended, is the program's")
    ok(all([o.hex() for o in store.ops(bytes.fromhex(x["log"]))] == x["ops"] for x in expected["logs"]), "and so is each op id")
    ok(store.digest(space).hex() == expected["heads"], "and the digest of the heads")
    erased = sum(state == reader.ERASED for held in store.logs.values() for _, state, _ in held)
    ok(store.lacking(space).hex() == expected["missing"] and erased == 1, "and the digest of what is not there, erased or not")

    # One byte of any header changed, in a run that is otherwise the same: refused, or another log.
    log, first, run = next(reader.entries(b) for k, b in reader.frames(data) if k == reader.ENTRIES and len(reader.entries(b)[2]) > 8)
    noticed = tried = 0
    for at in range(0, 352, 5):
        i = at % len(run)
        raw = bytearray(run[i][0].raw)
        raw[at] ^= 1 << at % 8
        changed, other = list(run), reader.Store()
        changed[i] = (reader.Header(raw), *run[i][1:])
        tried += 1
        try:
            other.take_run(log, first, changed)
            other.prove()
            noticed += other.head(log) != store.head(log)
        except reader.Refused:
            noticed += 1
    ok(noticed == tried, "one byte of a header changed is noticed, wherever it is")

program = os.environ.get("LLIURE") or os.path.join(build, "lliure")
with tempfile.TemporaryDirectory() as d:
    def lliure(*args):
        return subprocess.run([program, *args, "--data", os.path.join(d, "box")], check=True, capture_output=True).stdout

    with open(os.path.join(d, "password"), "w") as f:
        f.write("a long password\n")
    lliure("init", "--name", "Ateneu", "--admin", "ana", "--password-file", f.name)
    lliure("bundle", "export", os.path.join(d, "bundle"))
    store = reader.Store()
    store.take_stream(open(os.path.join(d, "bundle"), "rb").read())
    ours = {s["id"]: s["entries"] for s in json.loads(lliure("status", "--json"))["spaces"]}
    read = {}
    for log, held in store.logs.items():
        read[reader.text(log[:32])] = read.get(reader.text(log[:32]), 0) + len(held)
    ok(ours and ours == read, "a bundle that the program writes is read and checked whole")
    store.prove()
    ok(all(h.appliance_signed() and h.author_signed() for held in store.logs.values() for h, _, _ in held), "every signature of every entry holds")
    ops = [json.loads(p)["type"] for held in store.logs.values() for _, state, p in held if state == reader.HELD]
    ok(ops[0] == "space.found", "and begins with the founding of its space")

# A private space, read by a box that was admitted: with the seed in its key file and what the page says.
with tempfile.TemporaryDirectory() as d:
    def box(name, *args):
        return subprocess.run([program, *args, "--data", os.path.join(d, name)], check=True, capture_output=True, text=True).stdout

    def seed_of(name):
        return open(os.path.join(d, name, "key"), "rb").read()

    def key_of(name):
        return json.loads(box(name, "status", "--json"))["appliance"]

    with open(os.path.join(d, "password"), "w") as f:
        f.write("a long password\n")
    admin = ["--as", "admin", "--password-file", f.name]
    for name in "abc":
        box(name, "init", "--name", name, "--admin", "admin", "--password-file", f.name)
    box("a", "space", "add", "kanarienvogel", "--private", *admin)
    id_ = next(line.split()[0] for line in box("a", "space", "list").splitlines() if " private " in line)
    box("a", "space", "admit", id_[:8], key_of("b"), "--name", "kanarienhuis")
    box("a", "space", "rotate", id_[:8])
    box("a", "space", "admit", id_[:8], key_of("c"), "--carry", "--name", "kanarienkar")
    box("a", "peer", "add", "127.0.0.1:9", key_of("b"))
    box("a", "bundle", "export", os.path.join(d, "bundle"), "--for", key_of("b"))
    store = reader.Store()
    store.take_stream(open(os.path.join(d, "bundle"), "rb").read())
    store.prove()
    space = reader.from_text(id_, 32)
    held = [(h, p) for log, entries in store.logs.items() if log[:32] == space for h, state, p in entries if state == reader.HELD]
    clear = [(h, json.loads(p)) for h, p in held if not h.flags & 1]
    sealed = [(h, p) for h, p in held if h.flags & 1]
    ok(sealed and b"kanarien" not in b"".join(p for _, p in held), "what is said in a private space is not in the bundle")

    def reads(name):
        ring = reader.Ring(seed_of(name), space)
        ring.learn([op for _, op in clear])
        return ring, [ring.payload(h, p) for h, p in sealed], [ring.words(h, op) for h, op in clear if "sealed" in op]

    ring, said, words = reads("b")
    ok(sorted(epoch for epoch, _ in ring.keys.values()) == [1, 2], "a box that was admitted opens the newest key, and the older with it")
    ok(all(said) and {op["type"] for op in said} >= {"forum.create"}, "and every sealed op with them")
    names = [w.get("name") for w in words if w]
    ok(all(words) and {"kanarienvogel", "kanarienhuis", "kanarienkar"} <= set(names), "and the words of the rules")
    ring, said, words = reads("c")
    ok(not ring.keys and not any(said) and not any(words), "a box that only carries opens nothing")
    flipped = bytearray(sealed[0][1])
    flipped[-1] ^= 1
    ring = reads("b")[0]
    ok(not ring.payload(sealed[0][0], bytes(flipped)), "and a flipped bit opens for nobody")
    header = reader.Header(sealed[0][0].raw[:96] + bytes(32) + sealed[0][0].raw[128:])
    ok(not ring.payload(header, sealed[0][1]), "nor as somebody else's")

print(f"1..{done}")
sys.exit(failed)
