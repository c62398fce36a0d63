#!/usr/bin/env python3
# SPDX-License-Identifier: AGPL-3.0-or-later
"""kill_reader.py PORT TOPIC FILE: reads every page of a topic over one connection, and prints which of the texts that
kill_writer.py noted in FILE are on none of them. Succeeds where FILE names some and none is missing."""
import http.client, json, re, sys

port, topic, path = sys.argv[1:]
c = http.client.HTTPConnection("127.0.0.1", int(port), timeout=180)
there, page, pages = set(), 1, 1
while page <= pages:
    c.request("GET", f"/topic/{topic}.json?page={page}")
    answer = c.getresponse()
    body = answer.read()
    if answer.status != 200:
        sys.exit(f"page {page} of {pages}: status {answer.status}")
    d = json.loads(body)
    pages = (d.get("pager") or {}).get("pages", 1)
    for p in d["posts"]:
        there.update(re.findall(r"post-[0-9-]+\.", p["html"]))
    page += 1
with open(path) as f:
    acked = set(f.read().split())
missing = sorted(acked - there)
print("\n".join(missing[:10]))
sys.exit(bool(missing) or not acked)
