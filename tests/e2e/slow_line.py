#!/usr/bin/env python3
# SPDX-License-Identifier: AGPL-3.0-or-later
"""A slow line: slow_line.py RATE TARGET-PORT FILE. Listens on a port of the system's choice, and carries what comes
there to the target and back, at most RATE bytes a second that way. FILE says its port, and is then kept at the number of
bytes that came back, in all connections; FILE.rate, when it is there, says another rate."""
import os, select, socket, sys, threading, time

rate, target, path = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
came, lock = 0, threading.Lock()


def say(text, to):
    with open(to + ".new", "w") as f:
        f.write(f"{text}\n")
    os.rename(to + ".new", to)


def rate_now():
    try:
        return int(open(path + ".rate").read())
    except (OSError, ValueError):
        return rate


def back(server, client):
    global came
    owed = time.monotonic()
    while True:
        piece = server.recv(min(65536, max(1024, rate_now() // 20)))
        if not piece:
            break
        owed = max(owed, time.monotonic()) + len(piece) / rate_now()
        time.sleep(max(0, owed - time.monotonic()))
        with lock:
            came += len(piece)
            say(came, path)
        client.sendall(piece)


def there(client, server):
    while piece := client.recv(65536):
        server.sendall(piece)


def quietly(carry, a, b):
    try:
        carry(a, b)
    except OSError:
        pass
    for s in (a, b):
        try:
            s.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


listener = socket.create_server(("127.0.0.1", 0))
say(0, path)
say(listener.getsockname()[1], path + ".port")
while True:
    client, _ = listener.accept()
    try:
        server = socket.create_connection(("127.0.0.1", target))
    except OSError:
        client.close()
        continue
    threading.Thread(target=quietly, args=(there, client, server), daemon=True).start()
    threading.Thread(target=quietly, args=(back, server, client), daemon=True).start()
