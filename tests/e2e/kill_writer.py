#!/usr/bin/env python3
# SPDX-License-Identifier: AGPL-3.0-or-later
"""kill_writer.py PORT TOPIC TOKEN ROUND FILE: four writers post as fast as they are answered, and note each text in
FILE once its answer has come. Ends when the box goes away, or after 20 seconds."""
import http.client, json, sys, threading, time

port, topic, token, round_, path = sys.argv[1:]
end = time.monotonic() + 20
acked, lock = open(path, "a"), threading.Lock()


def write(who):
    c = http.client.HTTPConnection("127.0.0.1", int(port), timeout=10)
    n = 0
    try:
        while time.monotonic() < end:
            n += 1
            text = f"post-{round_}-{who}-{n}."
            c.request("POST", f"/topic/{topic}/posts", json.dumps({"text": text}),
                      {"Content-Type": "application/json", "Authorization": f"Bearer {token}"})
            answer = c.getresponse()
            answer.read()
            if answer.status in (200, 201, 303):
                with lock:
                    acked.write(text + "\n")
                    acked.flush()
            else:
                time.sleep(0.05)
    except (OSError, http.client.HTTPException):
        pass


threads = [threading.Thread(target=write, args=(w,)) for w in range(4)]
for t in threads:
    t.start()
for t in threads:
    t.join()
