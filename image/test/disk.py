# SPDX-License-Identifier: AGPL-3.0-or-later
"""A disk of a box that is off, or a copy of one that runs: its partitions, its boot state, its file systems,
read and written with nothing but files."""
import os
import struct
import subprocess

SECTOR = 512
os.environ["PATH"] += ":/usr/sbin:/sbin"  # where a plain user of Debian does not look: e2fsck, debugfs, mkfs.vfat


def partitions(raw):
    """name -> (start, bytes), from the primary table or, when it is torn, from the one at the end."""
    size = os.path.getsize(raw)
    with open(raw, "rb") as f:
        for at in (SECTOR, size - SECTOR):
            f.seek(at)
            head = f.read(92)
            if head[:8] == b"EFI PART":
                entries, count, length = struct.unpack_from("<QII", head, 72)
                f.seek(entries * SECTOR)
                table = f.read(count * length)
                break
        else:
            raise ValueError("no partition table")
    found = {}
    for i in range(count):
        e = table[i * length:(i + 1) * length]
        if e[:16] == bytes(16):
            continue
        first, last = struct.unpack_from("<QQ", e, 32)
        name = e[56:128].decode("utf-16-le").rstrip("\0").removeprefix("lliure-")
        found[name] = (first * SECTOR, (last - first + 1) * SECTOR)
    return found


def ext4_size(raw, name):
    """How large the file system in a partition is, as its own superblock says."""
    start, _ = partitions(raw)[name]
    with open(raw, "rb") as f:
        f.seek(start + 1024)
        block = f.read(0x160)
    if block[0x38:0x3a] != b"\x53\xef":
        raise ValueError(f"no ext4 in {name}")
    blocks, shift = struct.unpack_from("<I", block, 4)[0], struct.unpack_from("<I", block, 0x18)[0]
    return (blocks | struct.unpack_from("<I", block, 0x150)[0] << 32) * (1024 << shift)


def raw_of(qcow2, raw):
    """A raw copy, sparse. The box may run: then it is the disk of a pulled plug."""
    subprocess.run(["qemu-img", "convert", "-U", "-f", "qcow2", "-O", "raw", qcow2, raw], check=True)
    return raw


def boot_state(raw):
    start, _ = partitions(raw)["esp"]
    block = subprocess.run(["mtype", "-i", f"{raw}@@{start}", "::lliure/state"], capture_output=True, check=True).stdout
    lines = [l.split("=", 1) for l in block.decode(errors="replace").splitlines() if "=" in l]
    return dict(lines)


def extract(raw, name, out):
    start, size = partitions(raw)[name]
    subprocess.run(["dd", f"if={raw}", f"of={out}", "bs=1M", f"skip={start}", f"count={size}", "conv=sparse",
                    "iflag=skip_bytes,count_bytes", "status=none"], check=True)
    return out


def fsck(raw, name, scratch):
    """What e2fsck says of a file system after its journal was replayed: (clean, text)."""
    part = extract(raw, name, scratch)
    subprocess.run(["e2fsck", "-p", part], capture_output=True)
    r = subprocess.run(["e2fsck", "-f", "-n", part], capture_output=True, text=True)
    os.unlink(part)
    return r.returncode == 0, r.stdout + r.stderr
