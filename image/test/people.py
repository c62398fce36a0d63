# SPDX-License-Identifier: AGPL-3.0-or-later
"""What people do on a box, by its forms: the first run, signing in, writing. Every function raises a Fault
that says what the page said."""
import json
import re
import subprocess
import time

from box import PATIENCE, Fault, say, until

PASSWORD = "una frase de pas llarga"


def code_on_console(box, seconds=60):
    """The code of the first run, as a person reads it from the screen."""
    end = until(seconds)
    while time.monotonic() < end:
        found = re.findall(r"the code\s+([a-z2-7]{5}-[a-z2-7]{5})", box.console())
        if found:
            return found[-1]
        time.sleep(0.5)
    raise Fault(f"no code on the console: {box.console()[-1500:]}")


def csrf(box, path):
    status, body, _ = box.get(path, secure=True, timeout=60)
    found = re.search(r'name="csrf" value="([^"]*)"', body)
    if status != 200 or not found:
        raise Fault(f"{path} answers {status}: {body[:600]}")
    return found.group(1)


def form(box, path, page=None, want=(200, 303), **fields):
    """Fill in the form of PAGE (or PATH) and send it; returns the body."""
    if page is not False:
        fields["csrf"] = csrf(box, page or path)
    status, body, to = box.get(path, secure=True, data=fields, timeout=120)
    if status not in want:
        raise Fault(f"{path} answers {status}: {re.sub('<[^>]*>', ' ', body)[:800]}")
    return body


def found(box, name="Ateneu"):
    """The first run: a new community."""
    form(box, "/setup/code", page=False, code=code_on_console(box))
    form(box, "/setup/found", name=name, admin="admin", password=PASSWORD, password2=PASSWORD)
    end = until(120)
    while time.monotonic() < end:
        try:
            status, body, _ = box.get("/")
            if status == 200 and name in body and "/forums" in body:
                return
        except OSError:
            pass
        time.sleep(0.5)
    raise Fault("the first run did not end in a running box")


def in_a_browser(box, step, *words, seconds=600):
    """A step of tests/webui/box.mjs: a real browser on the forwarded ports. Returns what it printed; None: there
    is no browser on this machine."""
    r = subprocess.run(["tests/webui/with-browser", "box.mjs", str(box.http), str(box.https), step, *words],
                       capture_output=True, text=True, timeout=seconds * PATIENCE)
    if "# SKIP" in r.stdout:
        say(r.stdout.strip())
        return None
    if r.returncode:
        raise Fault(f"in the browser: {r.stderr[-1500:]}")
    return r.stdout


def choose_stick(box, seconds=120):
    """Backups go to the stick that is in the box."""
    end = until(seconds)
    while time.monotonic() < end:
        body = box.get("/admin/recovery", secure=True, timeout=60)[1]
        folder = re.search(r'name="folder" value="([^"]*)"', body)
        if folder:
            form(box, "/admin/recovery/places", page="/admin/recovery", folder=folder.group(1))
            return folder.group(1)
        time.sleep(3)
    raise Fault(f"no stick is offered for backups: {re.sub('<[^>]*>', ' ', body)[:1500]}")


def sheets(box):
    """The three recovery sheets, each as its lines."""
    body = form(box, "/admin/recovery/sheets")
    lists = re.findall(r'<ol class="codes">(.*?)</ol>', body, re.S)
    if len(lists) != 3:
        raise Fault(f"{len(lists)} sheets: {body[:800]}")
    return ["\n".join(re.findall(r"<li[^>]*>(.*?)</li>", l, re.S)) for l in lists]


def back_up(box, seconds=180):
    form(box, "/admin/recovery/now", page="/admin/recovery")
    end = until(seconds)
    while time.monotonic() < end:
        body = box.get("/admin/recovery", secure=True, timeout=60)[1]
        article = re.search(r'<article class="post">.*?</article>', body, re.S)
        if article and article.group(0).count("<time") >= 2:
            return
        time.sleep(2)
    raise Fault(f"no backup was made: {re.sub('<[^>]*>', ' ', body)[:1500]}")


def open_stick(box, page="/setup/restore", seconds=60):
    """Presses the page's button that opens the stick which is plugged in."""
    end = until(seconds)
    while not (found := re.search(r'action="([^"]*/open/[^"]*)"', body := box.get(page, secure=True)[1])):
        if time.monotonic() > end:
            raise Fault(f"no stick is offered: {re.sub('<[^>]*>', ' ', body)[:1500]}")
        time.sleep(2)
    form(box, found.group(1), page=page)


def restore(box, two_sheets, seconds=180):
    """The first run of a box that was reset, from the backup on the stick."""
    form(box, "/setup/code", page=False, code=code_on_console(box))
    open_stick(box)
    found = re.search(r'name="source" value="([^"]*)"', box.get("/setup/restore", secure=True)[1])
    if not found:
        raise Fault("the stick's backup is not offered")
    form(box, "/setup/restore", source=found.group(1), sheet1=two_sheets[0], sheet2=two_sheets[1])
    end = until(seconds)
    while time.monotonic() < end:
        try:
            status, body, _ = box.get("/")
            if status == 200 and "/forums" in body:
                return
        except OSError:
            pass
        time.sleep(1)
    raise Fault(f"the restored box does not come up: {re.sub('<[^>]*>', ' ', box.get('/setup/progress')[1])[:800]}")


def sign_in(box):
    box.jar.clear()
    form(box, "/sign-in", page=False, name="admin", password=PASSWORD, want=(303,))


def token(box):
    """A key for programs, as the person's own page makes it."""
    sign_in(box)
    body = form(box, "/me/tokens", page="/me", name="image-test")
    made = re.search(r"lliure_[A-Za-z0-9_-]+", body)
    if not made:
        raise Fault(f"no key on the page: {body[:600]}")
    return made.group(0)


def post(box, key, title, text="hola", timeout=60):
    """A new topic. True: the box acknowledged it. One person may write so often: who is told to wait waits."""
    while True:
        status, body, _ = box.get("/forum/general/topics", data=json.dumps({"title": title, "text": text}).encode(),
                                  headers={"Content-Type": "application/json", "Authorization": f"Bearer {key}"}, timeout=timeout)
        wait = re.search(r"again in (\d+) seconds", body) if status == 429 else None
        if not wait:
            break
        time.sleep(int(wait.group(1)))
    if status >= 400:
        raise Fault(f"a post is refused with {status}: {body[:300]}")
    return True


def titles(box, pattern):
    """All topic titles of the forum that match."""
    seen, path = set(), "/forum/general"
    while path:
        status, body, _ = box.get(path, timeout=60)
        if status != 200:
            raise Fault(f"{path} answers {status}")
        seen.update(re.findall(pattern, body))
        more = re.search(r'href="([^"]+)" rel="next"|rel="next" href="([^"]+)"', body)
        path = (more.group(1) or more.group(2)).replace("&amp;", "&") if more else None
    return seen


def upload_update(box, path):
    """The form of the page of updates, with the file: streamed, for it is large. Returns when the last outcome
    was written, for wait_update."""
    before = (update_state(box).get("last") or {}).get("when")
    import http.client
    import os
    import ssl
    token_of_page = csrf(box, "/admin/update")
    cookie = "; ".join(f"{c.name}={c.value}" for c in box.jar)
    mark = "----lliure-image-test"
    head = (f'--{mark}\r\nContent-Disposition: form-data; name="csrf"\r\n\r\n{token_of_page}\r\n--{mark}\r\n'
            f'Content-Disposition: form-data; name="file"; filename="update.raucb"\r\n'
            f"Content-Type: application/octet-stream\r\n\r\n").encode()
    tail = f"\r\n--{mark}--\r\n".encode()
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    c = http.client.HTTPSConnection("127.0.0.1", box.https, context=context, timeout=240 * PATIENCE)
    c.putrequest("POST", "/admin/update")
    for name, value in (("Cookie", cookie), ("Content-Type", f"multipart/form-data; boundary={mark}"),
                        ("Content-Length", str(len(head) + os.path.getsize(path) + len(tail)))):
        c.putheader(name, value)
    c.endheaders(head)
    with open(path, "rb") as f:
        while block := f.read(1 << 20):
            c.send(block)
    c.send(tail)
    a = c.getresponse()
    body = a.read().decode(errors="replace")
    c.close()
    if a.status not in (200, 303):
        raise Fault(f"the update is answered with {a.status}: {re.sub('<[^>]*>', ' ', body)[:600]}")
    return before


def update_state(box):
    """What the page of updates says, as JSON; {} while the box is not there or not signed in."""
    try:
        status, body, _ = box.get("/admin/update.json", secure=True, timeout=20)
        return json.loads(body) if status == 200 else {}
    except (OSError, ValueError):
        return {}


def wait_update(box, seconds, before=None, good=lambda last: last.get("done") or last.get("ended")):
    """Until an update that was given after `before` has ended one way or the other."""
    end, began, stage = until(seconds), time.monotonic(), None
    while time.monotonic() < end:
        last = update_state(box).get("last") or {}
        if last.get("when") != before and last.get("stage") not in (None, stage):
            stage = last["stage"]
            say(f"the update is {stage} after {time.monotonic() - began:.0f} s")
        if last.get("when") != before and good(last):
            return last
        time.sleep(3)
    raise Fault(f"the update came to no end: {update_state(box)}")
