# SPDX-License-Identifier: AGPL-3.0-or-later
"""The write log of qemu's blklogwrites (the format of dm-log-writes): what a disk holds after the plug was
pulled at some entry. Everything before the last flush is there; of what came after, a random part, for a
disk may keep it in any order. As a negative control, a disk that ignores flushes: any of the last writes may
be missing."""
import random
import struct
import subprocess

MAGIC = 0x6A736677736872
FLUSH, FUA, DISCARD = 1, 2, 4
SUPER, ENTRY = struct.Struct("<QQQI"), struct.Struct("<QQQQ")


class Entry:
    __slots__ = ("sector", "count", "flags", "at", "end")

    def __init__(self, sector, count, flags, at, end):
        self.sector, self.count, self.flags, self.at, self.end = sector, count, flags, at, end


def entries(path):
    """All whole entries, in their order; `end` is where the log ended after it was written."""
    found = []
    with open(path, "rb") as f:
        f.seek(0, 2)
        size = f.tell()
        f.seek(0)
        magic, _, _, sector_size = SUPER.unpack(f.read(SUPER.size))
        if magic != MAGIC:
            raise ValueError("no write log")
        at = sector_size
        while at + sector_size <= size:
            f.seek(at)
            sector, count, flags, _ = ENTRY.unpack(f.read(ENTRY.size))
            data = at + sector_size
            length = 0 if flags & DISCARD else count * sector_size
            if data + length > size or (count == 0 and not flags & (FLUSH | FUA)):
                break
            found.append(Entry(sector, count, flags, data, data + length))
            at = data + length
    return found, sector_size


def replay(base, log, listed, sector_size, cut, out, rng, honest=True, window=400):
    """The disk OUT: BASE and the entries before CUT that a pulled plug leaves. Returns how many were lost."""
    subprocess.run(["cp", "--sparse=always", "--reflink=auto", base, out], check=True)
    safe = cut
    if honest:
        while safe > 0 and not listed[safe - 1].flags & (FLUSH | FUA):
            safe -= 1
    else:
        safe = max(0, cut - window)
    lost = 0
    with open(log, "rb") as f, open(out, "r+b") as g:
        for i, e in enumerate(listed[:cut]):
            if not e.count or e.flags & DISCARD:
                continue
            if i >= safe and rng.random() < 0.5:
                lost += 1
                continue
            f.seek(e.at)
            g.seek(e.sector * sector_size)
            g.write(f.read(e.count * sector_size))
    return lost


def choose(rng, n, count):
    return sorted(rng.sample(range(1, n), min(count, n - 1)))


def seeded(seed):
    return random.Random(seed)
