# SPDX-License-Identifier: AGPL-3.0-or-later
"""A box that also does what a test asks for inside: the image as it is, started by qemu with its own kernel and
initrd, to which a second archive is added. Its `init` puts an agent into /run before it hands over, so the
image itself is not changed by a byte."""
import base64
import os
import shutil
import socket
import subprocess
import time

from box import Box, Fault, until

HERE = os.path.dirname(os.path.abspath(__file__))
HAND_OVER = "exec switch_root"
HOOK = """mkdir -p /root/run/test /root/run/systemd/system/sysinit.target.wants
cp /bin/busybox /test/* /root/run/test/ && chmod 0755 /root/run/test/*
for u in agent radio; do
	mv /root/run/test/$u.service /root/run/systemd/system/
	ln -s ../$u.service /root/run/systemd/system/sysinit.target.wants/
done
"""


def cpio(folder):
    names = subprocess.run(["find", ".", "-print0"], cwd=folder, capture_output=True, check=True).stdout
    return subprocess.run(["cpio", "--null", "-o", "-H", "newc", "--quiet", "-R", "0:0"], cwd=folder, input=names,
                          capture_output=True, check=True).stdout


class Guest(Box):
    def __init__(self, folder, image, name="box", more="", **k):
        super().__init__(folder, image, name=name, **k)
        boot = image.removesuffix(".img") + ".boot.img"
        self.kernel, self.initrd = (f"{folder}/{name}.{n}" for n in ("vmlinuz", "initrd"))
        for out in (self.kernel, self.initrd):
            subprocess.run(["mcopy", "-n", "-i", boot, "::" + out.rsplit(".", 1)[1], out], check=True)
        block = subprocess.run(["mtype", "-i", boot, "::cmdline"], capture_output=True, check=True).stdout.decode()
        line = next(l for l in block.splitlines() if l.startswith("cmdline=")).removeprefix("cmdline=")
        # What is last is the console of programs, too.
        self.line = f"lliure.slot=A {line} console=ttyS0,115200 {more}"
        self.add_agent()
        self.agent_path, self.agent, self.heard = f"{folder}/{name}.agent", None, b""
        self.extra += ["-chardev", f"socket,id=a,path={self.agent_path},server=on,wait=off", "-serial", "chardev:a",
                       "-kernel", self.kernel, "-initrd", self.initrd, "-append", self.line]

    def add_agent(self):
        more = f"{self.folder}/{self.name}.more"
        shutil.copytree(f"{HERE}/agent", f"{more}/test")
        with open(f"{HERE}/../initrd/init") as f:
            init = f.read()
        assert init.count(HAND_OVER) == 1
        with open(f"{more}/init", "w") as f:
            f.write(init.replace(HAND_OVER, HOOK + HAND_OVER))
        os.chmod(f"{more}/init", 0o755)
        with open(self.initrd, "ab") as f:
            f.write(bytes(-f.tell() % 4) + cpio(more))

    def firmware(self):
        self.code = None

    def command(self):
        """Without UEFI: the kernel is given directly."""
        c = super().command()
        while any("pflash" in w for w in c):
            at = next(i for i, w in enumerate(c) if "pflash" in w)
            del c[at - 1:at + 1]
        return [w.replace(",bootindex=0", "") for w in c]

    def cut(self):
        super().cut()
        if self.agent:
            self.agent.close()
            self.agent, self.heard = None, b""

    # --- the agent ---
    def answer(self, end):
        """(status, output) of the next answer."""
        while True:
            line, found, rest = self.heard.partition(b"\n")
            if found:
                self.heard = rest
                words = line.strip().split()
                if len(words) == 3 and words[0] == b"=":
                    return int(words[2]), base64.b64decode(words[1].rstrip(b".") or b"").decode(errors="replace")
                continue
            self.agent.settimeout(max(0.1, end - time.monotonic()))
            try:
                got = self.agent.recv(65536)
            except TimeoutError:
                raise Fault("the agent in the guest does not answer") from None
            if not got:
                raise Fault("the agent in the guest is gone")
            self.heard += got

    def reach(self, seconds=200):
        """Until the guest answers. What is said to it before it listens is lost, so it is asked again."""
        self.agent = socket.socket(socket.AF_UNIX)
        self.agent.connect(self.agent_path)
        end, asked = until(seconds), 0
        while True:
            asked += 1
            self.agent.sendall(base64.b64encode(f"echo here {asked}".encode()) + b"\n")
            try:
                said = ""
                while said != f"here {asked}\n":
                    _, said = self.answer(time.monotonic() + 5)
                return
            except Fault:
                if time.monotonic() > end:
                    raise

    def run(self, command, seconds=250):
        """(status, output) of a shell command as root in the guest."""
        if not self.agent:
            self.reach()
        self.agent.sendall(base64.b64encode(command.encode()) + b"\n")
        return self.answer(until(seconds))

    def ask(self, command, seconds=250):
        status, out = self.run(command, seconds)
        if status:
            raise Fault(f"{command}: {status}: {out[-800:]}")
        return out

    def within(self, seconds, command):
        """Until it succeeds; what it printed last otherwise."""
        end = until(seconds)
        while True:
            status, out = self.run(command)
            if status == 0 or time.monotonic() > end:
                return status == 0, out
            time.sleep(1)
