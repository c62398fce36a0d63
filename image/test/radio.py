#!/usr/bin/env python3
# SPDX-License-Identifier: AGPL-3.0-or-later
"""radio.py IMAGE: the box's own Wi-Fi on a simulated radio (mac80211_hwsim, so the full kernel), with two
phones: association, lease, names, portal, what visitors reach, and a change that takes itself back."""
import os
import re
import shutil
import sys
import tempfile
import time
import urllib.parse

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import people  # noqa: E402
from box import Fault, Tap, say, until  # noqa: E402
from guest import Guest  # noqa: E402

BUSY = "/run/test/busybox"
AP = "10.1.1.1"


class Phone:
    """A radio in a namespace of its own: wpa_supplicant, udhcpc and a few words of HTTP."""
    def __init__(self, box, n):
        self.box, self.n, self.link = box, n, f"wlan{n}"

    def inside(self, command):
        return (f"{BUSY} nsenter -t $({BUSY} cat /run/test/phone{self.n}) -n {BUSY} env LEASE=/run/test/lease{self.n} "
                f"{BUSY} sh -c '{command}'")

    def run(self, command):
        return self.box.run(self.inside(command))

    def within(self, seconds, command):
        return self.box.within(seconds, self.inside(command))

    def settings(self, ssid, password, lock):
        lines = {"wpa2": f'key_mgmt=WPA-PSK\npsk="{password}"',
                 "wpa3": f'key_mgmt=SAE\nieee80211w=2\nsae_password="{password}"',
                 "open": "key_mgmt=NONE"}[lock]
        return f'ctrl_interface=/run/test/wpa{self.n}\nnetwork={{\nssid="{ssid}"\nscan_ssid=1\n{lines}\n}}\n'

    def join(self, ssid, password, lock, seconds=60):
        """Associated, with keys."""
        self.leave()
        self.box.ask(f"{BUSY} cat >/run/test/phone{self.n}.conf <<'E'\n{self.settings(ssid, password, lock)}E")
        self.box.ask(self.inside(f"{BUSY} ip link set lo up; {BUSY} ip link set {self.link} up; "
                                 f"wpa_supplicant -B -P /run/test/wpa{self.n}.pid -f /run/test/wpa{self.n}.log -i {self.link} "
                                 f"-c /run/test/phone{self.n}.conf"))
        return self.within(seconds, f"wpa_cli -p /run/test/wpa{self.n} -i {self.link} status | {BUSY} grep -x wpa_state=COMPLETED")

    def how(self):
        return self.run(f"wpa_cli -p /run/test/wpa{self.n} -i {self.link} status; {BUSY} tail -n 15 /run/test/wpa{self.n}.log")[1]

    def leave(self):
        self.box.run(f"p=$({BUSY} cat /run/test/wpa{self.n}.pid) && {BUSY} kill $p; "
                     f"while [ -e /proc/$p ] && [ -n \"$p\" ]; do {BUSY} usleep 100000; done; {BUSY} rm -f /run/test/wpa{self.n}.pid")

    def lease(self, seconds=60):
        """What the box's DHCP gave, as a dictionary."""
        good, out = self.within(seconds, f"{BUSY} udhcpc -i {self.link} -n -q -f -t 5 -T 2 -A 1 -O 114 -s /run/test/lease")
        if not good:
            return {"failed": out}
        return dict(line.partition(" ")[::2] for line in self.box.ask(f"{BUSY} cat /run/test/lease{self.n}").splitlines())

    def looks_up(self, name):
        """What the box's DNS says, without the line that says whose answer it is."""
        return self.run(f"{BUSY} nslookup -type=a {name} {AP} | {BUSY} tail -n +3")[1]

    def get(self, host, path, method="GET", to=AP, body=""):
        """(status line, whole answer)"""
        lines = [f"{method} {path} HTTP/1.1", f"Host: {host}", "Connection: close", f"Origin: http://{AP}"]
        if body:
            lines += ["Content-Type: application/x-www-form-urlencoded", f"Content-Length: {len(body)}"]
        text = "\\r\\n".join(lines) + "\\r\\n\\r\\n" + body
        out = self.run(f'printf "{text}" | {BUSY} timeout 20 {BUSY} nc {to} 80')[1]
        return out.split("\r\n", 1)[0], out


def label(box):
    """Name and password of the Wi-Fi, as the label has them."""
    good, out = box.within(90, "grep -q ^code /run/lliure-label/wifi && cat /run/lliure-label/wifi")
    if not good:
        raise Fault(f"no label: {out}\n{network_says(box)}")
    return dict(line.split(" ", 1) for line in out.splitlines() if " " in line)


def network_says(box):
    return box.run("nmcli device; iw dev; journalctl -b --no-pager -u NetworkManager -u lliure-network -u wpa_supplicant | tail -n 60")[1]


def on_the_air(t, b):
    good, out = b.within(90, f"iw dev wlan0 info | grep -q 'type AP' && {BUSY} ip -4 addr show dev wlan0 | grep {AP}/")
    t.ok("the box is on the air at its first start", good, out + network_says(b))
    return good


def meets(t, phone, label_, lock):
    good, out = phone.join(label_["ssid"], label_["password"], lock)
    t.ok(f"a phone joins with the label's password ({lock})", good, out + phone.how())
    lease = phone.lease()
    t.ok("gets an address", lease.get("ip", "").startswith("10.1.1."), lease)
    t.ok("the box is its way and its DNS", lease.get("router") == AP and lease.get("dns") == AP, lease)
    return lease


def portal(t, phone):
    """A box that nobody has claimed yet greets phones, too."""
    ask = ("captive.apple.com", "/hotspot-detect.html")
    t.ok("a question of an iPhone's has the box's address", AP in phone.looks_up(ask[0]), phone.looks_up(ask[0]))
    t.ok("another name has none", AP not in phone.looks_up("www.example.org"))
    status, text = phone.get(*ask)
    t.ok("it leads to the page", " 302 " in status and f"Location: http://{AP}/portal" in text, text)
    status, text = phone.get(AP, "/portal")
    t.ok("the page is there before anybody has set the box up", " 200 " in status, text[:600])
    status, _ = phone.get("connectivitycheck.gstatic.com", "/generate_204")
    t.ok("Android is led there, too", " 302 " in status, status)
    status, text = phone.get(AP, "/portal", method="POST", body="x=")
    t.ok("one tap", " 303 " in status, text[:400])
    status, text = phone.get(*ask)
    t.ok("and an iPhone is content", " 200 " in status and "Success" in text, text[:400])
    status, _ = phone.get("connectivitycheck.gstatic.com", "/generate_204")
    t.ok("Android, too", " 204 " in status, status)


def network(b, path="/admin/network", **fields):
    return people.form(b, path, page="/admin/network", **fields)


def state(b):
    import json
    status, body, _ = b.get("/admin/network.json", secure=True, timeout=60)
    return json.loads(body) if status == 200 else {}


def wait_trial(b, *states, seconds=150):
    end = until(seconds)
    while True:
        now = state(b).get("trial", {})
        if now.get("state") in states or time.monotonic() > end:
            return now
        time.sleep(2)


def wish(b, **changes):
    form = {k: str(v) for k, v in state(b)["form"].items() if not isinstance(v, (dict, list, bool))}
    return {**form, **changes}


def changed(t, b, one, two):
    """WPA3 under another name: tried, and taken back by itself; then kept."""
    people.sign_in(b)
    body = b.get("/admin/network/first", secure=True)[1]
    t.ok("after the first run the Wi-Fi may be called like the community", 'name="ssid" value="Ateneu"' in body, body[:600])
    secret = "un altre secret"
    change = {"ssid": "Ateneu nou", "lock": "wpa3", "password": secret}
    asks(b, **change)
    trial = wait_trial(b, "trying", "failed", seconds=90)
    t.ok("a changed Wi-Fi is tried", trial.get("state") == "trying", f"{trial}\n{network_says(b)}")
    good, out = two.join("Ateneu nou", secret, "wpa3")
    t.ok("a phone joins it with WPA3", good, out + two.how())
    body = people.form(b, "/admin/network/keep", page="/admin/network", want=(403,))
    t.ok("who comes by the cable can't keep it", "says nothing about the new Wi-Fi" in body, body[:600])
    trial = wait_trial(b, "back", seconds=300)
    t.ok("nobody confirms: it is taken back", trial.get("state") == "back", trial)
    good, out = one.within(60, f"wpa_cli -p /run/test/wpa{one.n} -i {one.link} status | {BUSY} grep -x wpa_state=COMPLETED")
    t.ok("and the first phone is on the former Wi-Fi again, without a tap", good, out + one.how())
    stays(b, **change)
    t.ok("tried again and confirmed it stays", state(b)["form"]["ssid"] == "Ateneu nou", state(b)["form"])
    good, out = two.join("Ateneu nou", secret, "wpa3")
    t.ok("a phone joins it", good, out + two.how())
    lease = two.lease()
    t.ok("and gets an address", lease.get("ip", "").startswith("10.1.1."), lease)
    return lease


def dies_while_trying(t, b):
    """The daemon is killed in the minute: NetworkManager's checkpoint knows nothing of a Wi-Fi that was off."""
    before = wish(b)
    stays(b, wifi="off")
    asks(b, wifi="own", ssid="Orfe", lock="wpa2", password="una clau llarga")
    t.ok("from a Wi-Fi that is off to another", wait_trial(b, "trying", "failed", seconds=90).get("state") == "trying", state(b))
    b.ask("systemctl kill -s KILL lliure.service")
    b.within(60, "systemctl is-active lliure.service")
    good, out = b.within(150, "lliure-network show | grep -x 'wifi off'")
    t.ok("the daemon is killed while it tries: it is taken back", good, out + network_says(b))
    good, out = b.within(60, "lliure-network show | grep -x 'wifi-up 0'")
    t.ok("and off the air again", good, out)
    people.sign_in(b)
    stays(b, **{**before, "wifi": "own"})
    good, out = b.within(60, "lliure-network show | grep -x 'wifi-up 1'")
    t.ok("and it can be changed again", good, out)


def asks(b, **changes):
    """A change, when the one before has come to its end: in a slow guest that takes its time."""
    wait_trial(b, "idle", "kept", "back", "failed", seconds=300)
    end = until(60)  # one that is kept is shown as kept while it is still being stored: then the page says to try again
    while "being tried already" in network(b, want=(200, 303, 503), **wish(b, **changes)):
        if time.monotonic() > end:
            raise Fault("the change before comes to no end")
        time.sleep(1)


def here(b, method, path, cookie="", **fields):
    """A request at the machine itself, at the plain door: the whole answer."""
    body = urllib.parse.urlencode(fields)
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", "Connection: close"]
    if cookie:
        lines.append(f"Cookie: {cookie}")
    if fields:
        lines += ["Origin: http://localhost", "Content-Type: application/x-www-form-urlencoded", f"Content-Length: {len(body)}"]
    text = "\\r\\n".join(lines) + "\\r\\n\\r\\n" + body
    return b.run(f"printf '%b' '{text}' | {BUSY} timeout 30 {BUSY} nc 127.0.0.1 80")[1]


def signed_in_here(b):
    found = re.search(r"(?im)^set-cookie: (lliure-here=[^;\r\n]+)", here(b, "POST", "/sign-in", name="admin", password=people.PASSWORD))
    return found.group(1) if found else ""


def stays(b, **changes):
    """A change that is confirmed: at the machine itself, for who comes by the cable is not asked about the Wi-Fi."""
    cookie = signed_in_here(b)
    asks(b, **changes)
    wait_trial(b, "trying", "failed", seconds=90)
    found = re.search(r'name="csrf" value="([^"]*)"', here(b, "GET", "/admin/network", cookie))
    said = here(b, "POST", "/admin/network/keep", cookie, csrf=found.group(1) if found else "")
    if " 303 " not in said.split("\r\n", 1)[0]:
        raise Fault(f"“Keep it” is answered: {said[:400]}")
    if wait_trial(b, "kept", seconds=60).get("state") != "kept":
        raise Fault(f"not kept: {state(b)}")


def visitors(t, b, phone):
    """Who reaches what lies beyond the box."""
    b.ask(f"{BUSY} sh /run/test/beyond")
    reaches = f"{BUSY} ping -c 2 -W 3 "
    good, out = b.within(30, reaches + "203.0.113.9")
    t.ok("the box itself reaches the internet", good, out)
    t.ok("visitors do not, unless the volunteers choose it", phone.run(reaches + "203.0.113.9")[0] != 0)
    stays(b, visitors="yes")
    good, out = phone.within(60, reaches + "203.0.113.9")
    t.ok("when they do, a phone reaches it", good, out + b.run("nft list table inet lliure")[1])
    t.ok("and not what else is in the house", phone.run(reaches + "192.168.50.2")[0] != 0)
    stays(b, visitors="no")
    good, out = b.within(60, "nft list chain inet lliure visitors | grep reject")
    t.ok("when they choose otherwise it is closed", good and phone.run(reaches + "203.0.113.9")[0] != 0, out)


def renamed(t, b):
    """With the root helper, which only a box has."""
    people.sign_in(b)
    network(b, path="/admin/network/name", name="ateneu-nou")
    good, out = b.within(60, "hostname | grep -x ateneu-nou")
    t.ok("the box has another name", good, out)
    good, out = b.within(60, "grep -q ateneu-nou.local /run/lliure-network/hosts/lliure")
    t.ok("which its own DNS knows", good, out)
    end = until(60)
    while state(b).get("names", {}).get("host") != "ateneu-nou.local" and time.monotonic() < end:
        time.sleep(2)
    t.ok("and under which it is announced", state(b)["names"]["host"] == "ateneu-nou.local", state(b)["names"])
    t.ok("also after the next start", "ateneu-nou" in b.ask("cat /state/lliure/hostname"))


def by_link_local(t, b, phone):
    """A phone that has no address but the one it gave itself."""
    own = b.ask(f"{BUSY} ip -6 addr show dev wlan0 | {BUSY} sed -n 's|.*inet6 \\(fe80[^/]*\\)/.*|\\1|p'").split()
    status, text = phone.get("lliure.lan", "/", to=f"{own[0]}%{phone.link}") if own else ("", "no address")
    t.ok("by IPv6 without any address given, the box is there, too", " 200 " in status, text[:400])


def all_of_it(t, b):
    b.comes_up("first start")
    b.reach()
    say(b.run("systemd-analyze; systemd-analyze blame | head -n 12")[1])
    if not on_the_air(t, b):
        return
    one, two = Phone(b, 1), Phone(b, 2)
    says = label(b)
    lease = meets(t, one, says, "wpa2")
    good, out = b.within(30, "grep captive.apple.com /run/lliure-network/hosts/lliure")
    t.ok("the names by which phones ask are in its DNS", good, out)
    lease = one.lease()
    api = bytes.fromhex(lease.get("portal", "")).decode() if lease.get("portal") else ""
    t.ok("DHCP option 114 names the portal's API", api.startswith("https://") and api.endswith("/captive"), lease)
    t.ok("the box's word is in its DNS", AP in one.looks_up("lliure.lan"), one.looks_up("lliure.lan"))
    portal(t, one)
    good, out = two.join(says["ssid"], "not the password", "wpa2", seconds=15)
    t.ok("with another password nobody joins", not good, out)
    people.found(b)
    t.ok("the first run ends in a running community", True)
    status, text = one.get("lliure.lan", "/")
    t.ok("which the phone reads by the box's word", " 200 " in status and "Ateneu" in text, text[:400])
    by_link_local(t, b, one)
    for part in (lambda: changed(t, b, one, two), lambda: visitors(t, b, two), lambda: dies_while_trying(t, b),
                 lambda: renamed(t, b)):
        try:
            part()
        except Fault as f:  # the others can be tried nevertheless
            t.ok("all of it could be tried", False, f)


def main():
    folder = tempfile.mkdtemp(prefix="lliure-radio.")
    keep = "build/image/test"
    os.makedirs(keep, exist_ok=True)
    t, b = Tap(), Guest(folder, sys.argv[1], more="test.radios=3")
    try:
        all_of_it(t, b)
    except (Fault, OSError, KeyError) as e:
        t.ok("all of it could be tried", False, f"{e!r}\n{b.console()[-3000:]}")
    finally:
        if b.agent and t.bad:
            try:
                say(network_says(b))
            except (Fault, OSError):
                pass
        b.cut()
        shutil.copy(b.log, f"{keep}/radio.console")
        shutil.rmtree(folder)
    sys.exit(t.end())


if __name__ == "__main__":
    main()
