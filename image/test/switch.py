# SPDX-License-Identifier: AGPL-3.0-or-later
"""A switch for emulated cards (qemu's `-netdev socket,connect=`): frames go where their address was seen, as on
a real one, and to all when it was not. qemu's own hub is none: it shows every frame to qemu's router as well,
which does not look whose card a frame is for, and answers a connection between two boxes with a reset."""
import queue
import socket
import threading

FRAME, WAITING = 65535, 1000  # bytes of the largest, and how many wait for a card before they are dropped


def read(s, n):
    got = b""
    while len(got) < n:
        more = s.recv(n - len(got))
        if not more:
            raise OSError("the cable was pulled")
        got += more
    return got


class Switch:
    def __init__(self):
        self.lock, self.cables, self.where = threading.Lock(), [], {}
        self.awaited, self.heard = b"", threading.Event()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def listen(self, words):
        """An event that is set when a frame with these bytes comes by, from now on."""
        with self.lock:
            self.awaited, self.heard = words, threading.Event()
            return self.heard

    def accept(self):
        while True:
            s = self.listener.accept()[0]
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            out = queue.Queue(WAITING)
            with self.lock:
                self.cables.append(out)
            threading.Thread(target=self.take, args=(s, out), daemon=True).start()
            threading.Thread(target=self.give, args=(s, out), daemon=True).start()

    def take(self, s, out):
        try:
            while True:
                n = int.from_bytes(read(s, 4), "big")
                if not 14 <= n <= FRAME:
                    raise OSError(f"a frame of {n} bytes")
                self.forward(read(s, n), out)
        except OSError:
            pass
        with self.lock:
            self.cables.remove(out)
            self.where = {mac: cable for mac, cable in self.where.items() if cable is not out}
        s.close()

    def forward(self, frame, came):
        to, sender = frame[:6], frame[6:12]
        with self.lock:
            if self.awaited and self.awaited in frame:
                self.heard.set()
            self.where[sender] = came
            known = None if to[0] & 1 else self.where.get(to)
            for cable in [known] if known else self.cables:
                if cable is came:
                    continue
                try:
                    cable.put_nowait(len(frame).to_bytes(4, "big") + frame)
                except queue.Full:  # a card that is not up yet
                    pass

    @staticmethod
    def give(s, out):
        try:
            while True:
                s.sendall(out.get())
        except OSError:
            pass
