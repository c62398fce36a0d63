# SPDX-License-Identifier: AGPL-3.0-or-later
"""An emulated box: qemu without KVM, 512 MiB of memory, a disk that is a copy-on-write layer over the image,
its serial console in a file, and its web ports forwarded to the loopback address. Standard library only."""
import http.client
import http.cookiejar
import json
import os
import resource
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

import disk

# A start under emulation; one logged retry beside. More of it where a machine has much else to do, and then of
# all else that is waited for, too.
BOOT_SECONDS = int(os.environ.get("BOOT_SECONDS", 120))
PATIENCE = max(1, BOOT_SECONDS / 120)
MEMORY, CPUS = 512, int(os.environ.get("CPUS", 2))

OVMF = [("/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"),
        ("/usr/share/OVMF/OVMF_CODE.fd", "/usr/share/OVMF/OVMF_VARS.fd")]


def say(*words):
    print(f"# {time.strftime('%H:%M:%S')}", *words, flush=True)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def until(seconds):
    """When a wait of so long is over."""
    return time.monotonic() + seconds * PATIENCE


class Fault(Exception):
    pass


class Box:
    def __init__(self, folder, image=None, size="4G", arch="amd64", name="box", shell=False):
        self.folder, self.arch, self.name = folder, arch, name
        self.disk = f"{folder}/{name}.qcow2"
        self.log = f"{folder}/{name}.console"
        self.qmp_path, self.events_path = f"{folder}/{name}.qmp", f"{folder}/{name}.events"
        self.http, self.https = free_port(), free_port()
        self.process, self.power, self.jar = None, threading.Lock(), http.cookiejar.CookieJar()
        self.extra, self.boots, self.retries, self.write_log, self.card = [], 0, 0, None, True
        if shell:  # of an image with image/test/shell in it
            self.extra = ["-chardev", f"socket,id=sh,path={folder}/{name}.sh,server=on,wait=off", "-serial", "chardev:sh"]
        self.drive = f"if=none,id=d,file={self.disk},format=qcow2,cache=writeback"
        if image:
            subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", os.path.abspath(image),
                            self.disk, size], check=True)
        self.firmware()
        insecure = ssl.create_default_context()
        insecure.check_hostname, insecure.verify_mode = False, ssl.CERT_NONE
        self.opener = urllib.request.build_opener(
            urllib.request.HTTPSHandler(context=insecure), urllib.request.HTTPCookieProcessor(self.jar), NoRedirect)

    def firmware(self):
        if self.arch != "amd64":
            return
        code, variables = next(p for p in OVMF if os.path.exists(p[0]))
        self.code = code
        shutil.copy(variables, f"{self.folder}/{self.name}.vars")

    # --- power ---
    def command(self):
        net = (f"user,id=n,restrict=on,hostfwd=tcp:127.0.0.1:{self.http}-:80,"
               f"hostfwd=tcp:127.0.0.1:{self.https}-:443")
        common = ["-nodefaults", "-display", "none", "-m", str(MEMORY), "-smp", str(CPUS), "-accel", "tcg,thread=multi",
                  "-chardev", f"file,id=c,path={self.log},append=on", "-serial", "chardev:c",
                  "-qmp", f"unix:{self.qmp_path},server=on,wait=off", "-qmp", f"unix:{self.events_path},server=on,wait=off",
                  "-action", "reboot=shutdown",
                  *self.drives(), "-device", "virtio-blk-pci,drive=d,bootindex=0",
                  "-netdev", net, "-device", "virtio-net-pci,netdev=n,romfile=", "-device", "virtio-rng-pci",
                  "-device", "virtio-balloon-pci,id=balloon"]
        if not self.card:
            at = common.index("-netdev")
            del common[at:at + 4]
        if self.arch == "arm64":
            return ["qemu-system-aarch64", "-M", "virt", "-cpu", "cortex-a72", "-bios",
                    "/usr/share/qemu-efi-aarch64/QEMU_EFI.fd"] + common + self.extra
        return ["qemu-system-x86_64", "-M", "q35", "-cpu", "qemu64,+ssse3,+sse4.1,+sse4.2,+popcnt,+aes,+pclmulqdq",
                "-drive", f"if=pflash,unit=0,format=raw,readonly=on,file={self.code}",
                "-drive", f"if=pflash,unit=1,format=raw,file={self.folder}/{self.name}.vars",
                "-device", "i6300esb", "-action", "watchdog=reset"] + common + self.extra

    def drives(self):
        """The disk, as node `d`. With a write log, every write and flush is written down beside it."""
        if not self.write_log:
            return ["-drive", self.drive]
        return ["-blockdev", f"driver=file,filename={self.disk},node-name=f",
                "-blockdev", f"driver=file,filename={self.write_log},node-name=l",
                "-blockdev", "driver=blklogwrites,node-name=d,file=f,log=l,log-sector-size=512,log-super-update-interval=1"]

    @classmethod
    def on_raw(cls, folder, raw, name="box", write_log=None, shell=False):
        """A box on a raw disk, which can be damaged and examined while it is off."""
        b = cls(folder, name=name, shell=shell)
        b.disk, b.write_log = raw, write_log
        b.drive = f"if=none,id=d,file={raw},format=raw,cache=writeback"
        return b

    def on(self):
        assert self.process is None
        self.boots += 1
        self.began = time.monotonic()
        self.mark = os.path.getsize(self.log) if os.path.exists(self.log) else 0
        self.start()
        threading.Thread(target=self.follow, args=(self.process,), daemon=True).start()

    def start(self):
        self.process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=sys.stderr, preexec_fn=dies_with_us)
        return self.process

    def follow(self, process):
        """When the machine restarts, qemu ends and another goes on. Its own reset keeps what it translated of the
        former system, and then looks at each byte that a loader writes there: a minute instead of seconds."""
        while process and self.restarts(process):
            with self.power:
                process = self.start() if self.process is process else None

    def restarts(self, process):
        """Wait until this qemu has ended. True: the machine restarts."""
        again = False
        try:
            with self.connected(self.events_path, process) as f:
                for line in f:
                    event = json.loads(line)
                    again |= event.get("event") == "SHUTDOWN" and event["data"]["reason"].endswith("-reset")
        except (OSError, ValueError):
            pass
        process.wait()
        return again

    def connected(self, path, process, seconds=20):
        """A file that speaks QMP; qemu needs a moment to open its socket."""
        end = time.monotonic() + seconds
        while True:
            s = socket.socket(socket.AF_UNIX)
            try:
                s.connect(path)
                f = s.makefile("rw")
                f.readline()
                f.write('{"execute": "qmp_capabilities"}\n')
                f.flush()
                return f
            except OSError:
                s.close()
                if process.poll() is not None or time.monotonic() > end:
                    raise
                time.sleep(0.05)

    def must_run(self):
        """A Fault when qemu has ended, and not because the machine restarts."""
        process = self.process
        if process.poll() is None:
            return
        for _ in range(50):  # a moment for another to go on
            if self.process is not process:
                return
            time.sleep(0.1)
        raise Fault(f"qemu ended with {process.returncode}")

    def cut(self):
        """The plug is pulled."""
        with self.power:
            process, self.process = self.process, None
        if process:
            process.send_signal(signal.SIGKILL)
            process.wait()

    def qmp(self, *commands):
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(20)
        s.connect(self.qmp_path)
        f = s.makefile("rw")
        f.readline()
        answers = []
        for c in ("qmp_capabilities",) + commands:
            name, arguments = c if isinstance(c, tuple) else (c, {})
            f.write(json.dumps({"execute": name, "arguments": arguments}) + "\n")
            f.flush()
            answer = json.loads(f.readline())
            while "event" in answer:
                answer = json.loads(f.readline())
            answers.append(answer)
        s.close()
        return answers[1:]

    def stick(self, path):
        """A stick in it from the next start on: a disk that can be taken out, for the quick kernel knows no USB."""
        self.extra += ["-device", "virtio-scsi-pci", "-drive", f"if=none,id=stick,file={path},format=raw",
                       "-device", "scsi-hd,drive=stick,removable=on"]

    def hold_power_key(self, seconds):
        key = {"type": "key", "data": {"key": {"type": "qcode", "data": "power"}}}
        for down in (True, False):
            key["data"]["down"] = down
            self.qmp(("input-send-event", {"events": [key]}))
            if down:
                time.sleep(seconds)

    def sh(self, command, seconds=60):
        """What the command prints in the guest; a Fault when it is not heard."""
        mark = f"{time.time_ns()}"
        heard = b""
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(seconds * PATIENCE)
            s.connect(f"{self.folder}/{self.name}.sh")
            s.sendall(f'{command}\necho {mark[:9]}""{mark[9:]}\n'.encode())
            try:
                while mark.encode() not in heard:
                    got = s.recv(65536)
                    if not got:
                        raise Fault(f"the machine went off: {heard[-500:]}")
                    heard += got
            except TimeoutError:
                raise Fault(f"the shell does not answer: {heard[-500:]}")
        lines = heard.decode(errors="replace").replace("\r", "").split("\n")
        return "\n".join(l for l in lines if mark not in l and not l.startswith(f"echo {mark[:9]}"))

    # --- what its disk and its memory say ---
    def state(self):
        """The boot state, from a copy of the disk, also while it runs."""
        raw = disk.raw_of(self.disk, f"{self.folder}/{self.name}.look")
        try:
            return disk.boot_state(raw)
        finally:
            os.unlink(raw)

    def wait_raw_state(self, good, seconds):
        """As wait_state, of a raw disk, which is read where it is."""
        end = until(seconds)
        while not good(disk.boot_state(self.disk)):
            if time.monotonic() > end:
                return False
            time.sleep(2)
        return True

    def wait_state(self, good, seconds):
        end = until(seconds)
        while not good(self.state()):
            if time.monotonic() > end:
                return False
            time.sleep(2)
        return True

    def disk_size(self, partition):
        """(the partition's size, that of the file system in it), of a copy of the disk."""
        raw = disk.raw_of(self.disk, f"{self.folder}/{self.name}.look")
        try:
            return disk.partitions(raw)[partition][1], disk.ext4_size(raw, partition)
        finally:
            os.unlink(raw)

    def grown(self, partition="data"):
        """"" when partition and file system fill the disk, what they are otherwise."""
        part, inside = self.disk_size(partition)
        return "" if part > 2 << 30 and part - inside < 1 << 20 else f"partition {part >> 20} MiB, file system {inside >> 20} MiB"

    def memory_used(self, seconds=60):
        """(total, available) in MiB, as the guest's kernel says; None when it does not."""
        self.qmp(("qom-set", {"path": "/machine/peripheral/balloon", "property": "guest-stats-polling-interval", "value": 2}))
        end = until(seconds)
        while time.monotonic() < end:
            time.sleep(3)
            (answer,) = self.qmp(("qom-get", {"path": "/machine/peripheral/balloon", "property": "guest-stats"}))
            stats = answer.get("return", {}).get("stats", {})
            if 0 < stats.get("stat-available-memory", 0) < 1 << 40:
                return stats["stat-total-memory"] / 2**20, stats["stat-available-memory"] / 2**20
        return None

    def processor(self):
        """Seconds of processor that its machines took until now, those that ended and the one that runs."""
        ended = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds = ended.ru_utime + ended.ru_stime
        try:
            with open(f"/proc/{self.process.pid}/stat") as f:
                words = f.read().rpartition(") ")[2].split()
            seconds += (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")
        except (AttributeError, OSError):
            pass
        return seconds

    def written(self):
        """(bytes, writes, flushes) of the disk since it was switched on."""
        (answer,) = self.qmp(("query-blockstats", {}))
        stats = next(d["stats"] for d in answer["return"] if d.get("device") == "d" or d.get("node-name") == "d")
        return stats["wr_bytes"], stats["wr_operations"], stats["flush_operations"]

    # --- the console ---
    def console(self):
        """What was said since it was switched on."""
        if not os.path.exists(self.log):
            return ""
        with open(self.log, errors="replace") as f:
            f.seek(self.mark)
            return f.read()

    def wait_console(self, text, seconds=120, count=1):
        end = until(seconds)
        while time.monotonic() < end:
            if self.console().count(text) >= count:
                return True
            self.must_run()
            time.sleep(0.3)
        return False

    # --- the web ---
    def url(self, path, secure=False):
        return f"https://127.0.0.1:{self.https}{path}" if secure else f"http://127.0.0.1:{self.http}{path}"

    def get(self, path, secure=False, timeout=30, data=None, headers=None):
        """(status, body, location); a redirect is not followed."""
        body = urllib.parse.urlencode(data).encode() if isinstance(data, (dict, list)) else data
        r = urllib.request.Request(self.url(path, secure), data=body, headers=headers or {})
        try:
            with self.opener.open(r, timeout=timeout * PATIENCE) as a:
                return a.status, a.read().decode(errors="replace"), a.headers.get("Location")
        except urllib.error.HTTPError as e:
            return e.code, e.read().decode(errors="replace"), e.headers.get("Location")

    def wait_page(self, seconds=120, path="/", well=lambda status: status < 500):
        """Seconds from switching on until a page was served."""
        end = self.began + seconds * PATIENCE
        while time.monotonic() < end:
            self.must_run()
            try:
                status, _, _ = self.get(path, timeout=10)
                if well(status):
                    return time.monotonic() - self.began
            except (OSError, http.client.HTTPException):
                pass
            time.sleep(0.5)
        return None

    def comes_up(self, what="starts", **page):
        """Switch on and wait for the page; once more, logged, when the machine was too slow."""
        for last in (False, True):
            if self.process is None:
                self.on()
            seconds = self.wait_page(**page)
            if seconds is not None:
                say(f"{self.name} {what}: {seconds:.0f} s to the page")
                return seconds
            say(f"{self.name} {what}: no page after {BOOT_SECONDS} s{'' if last else ', once more'}")
            if not last:
                self.retries += 1
                self.cut()
        raise Fault(f"{self.name} does not come up; the console ends: {self.console()[-1500:]}")


class NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


def dies_with_us():
    import ctypes
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


class Tap:
    """The results, as prove and people read them."""
    def __init__(self):
        self.n = self.bad = 0

    def ok(self, name, good, why=""):
        """`why` is asked for only when it is not good, where it is a function."""
        self.n += 1
        self.bad += not good
        print(f"{'ok' if good else 'not ok'} {self.n} - {name}", flush=True)
        if not good and why:
            lines = str(why() if callable(why) else why).splitlines()
            for line in lines if len(lines) < 30 else lines[:5] + ["…"] + lines[-24:]:
                print(f"#   {line}", flush=True)
        return good

    def end(self):
        print(f"1..{self.n}\n{self.n - self.bad} passed, {self.bad} failed", flush=True)
        return 1 if self.bad else 0
