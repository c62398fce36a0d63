#!/usr/bin/env bash
# SPDX-License-Identifier: AGPL-3.0-or-later
# A stick that is pulled out while a running box writes on it: the box says that it failed and goes on, nothing on the
# stick is taken for news, and put back it is written whole. What is torn in a finished file gives what is whole in it.
. "$(dirname "$0")/lib.sh"

same_digest() { local a; a=$(digest_of a); [ -n "$a" ] && [ "$a" = "$(digest_of b)" ]; }
admin() { get_as "$1" /admin/carry.json; }
stick() { # stick BOX LABEL FIELD
	admin "$1" | python3 -c 'import json,sys
for s in json.load(sys.stdin)["sticks"]:
    if s["label"] == sys.argv[1]:
        v = s
        for k in sys.argv[2].split("."):
            v = v[int(k)] if isinstance(v, list) else v[k]
        print(v)' "$2" "$3"
}
is_stick() { [ "$(stick "$1" "$2" "$3")" = "$4" ]; }
press() { post_json "$1" "/admin/carry/$(stick "$1" "$2" id)/$3" "$(cat "$T/token.$1")" '{}'; }
sticks_of() { admin "$1" | json sticks; }

mkdir -p "$T/usb-a" "$T/usb-b"
python3 - >"$T/forum.jsonl" <<'PY'
import json
for t in range(40):
    posts = [{"post_number": n + 1, "username": "u%d" % (n % 7), "name": None, "created_at": "2017-04-07T17:%02d:00Z" % n,
              "cooked": "<p>%s</p>" % " ".join("paraula%d" % (t * n * k % 9973) for k in range(60)),
              "reply_to_post_number": None} for n in range(50)]
    print(json.dumps({"id": t + 1, "slug": "s%d" % t, "title": "Fil %d" % t, "created_at": "2017-04-07T17:17:00.000Z",
                      "post_stream": {"posts": posts, "stream": list(range(50))}}))
PY
make_box a >/dev/null
ok "a has much to say" "$LLIURE" import discourse "$T/forum.jsonl" --data "$T/a"
make_box b --join 127.0.0.1:9 "$(key_of a)" >/dev/null
token_of a >"$T/token.a"
token_of b >"$T/token.b"
ok "a serves" start_box a --sticks "$T/usb-a"
ok "b serves" start_box b --sticks "$T/usb-b"

# --- pulled out ---
# The folder goes while the file is begun and not ended: the program stands still for as long as it takes to see that.
cat >"$T/pull.py" <<'PY'
import glob, os, shutil, signal, sys, time
pid, stick, kept = int(sys.argv[1]), sys.argv[2], sys.argv[3]
end = time.monotonic() + 120
while time.monotonic() < end:
    if glob.glob(stick + "/lliure/*.tmp"):
        os.kill(pid, signal.SIGSTOP)
        caught = glob.glob(stick + "/lliure/*.tmp")
        if caught:
            shutil.copytree(stick, kept)
            shutil.rmtree(stick)
        os.kill(pid, signal.SIGCONT)
        print(os.path.basename(caught[0]) if caught else "too late")
        sys.exit(0 if caught else 1)
    time.sleep(0.0005)
sys.exit(2)
PY
pull() {
	local try
	for try in 1 2 3 4 5 6 7 8; do
		rm -rf "$T/usb-a/Kingston" "$T/kept"
		until_ok 10 eval '[ "$(sticks_of a)" = "[]" ]' || return 1
		mkdir "$T/usb-a/Kingston"
		until_ok 10 is_stick a Kingston idle True || return 1
		python3 "$T/pull.py" "${daemon[a]}" "$T/usb-a/Kingston" "$T/kept" &
		press a Kingston write
		wait $! && return 0
	done
	return 1
}
ok "it is pulled out in the middle of the writing" pull
note "left on it: $(ls -s "$T/kept/lliure" | tail -1)"
ok "its page does not show it any more" until_ok 20 eval '[ "$(sticks_of a)" = "[]" ]'
ok "the box serves on" eval 'get a /forums | grep -q "</html>" && kill -0 ${daemon[a]}'
ok "it says that the stick was pulled out" eval 'admin a | json records.0.error | grep -q "pulled out"'
is "and signed nothing for what was not written" "$(admin a | json records.0.receipt_url)" None
cp -a "$T/kept" "$T/usb-b/Kingston"
ok "what is left on it is looked at by b" until_ok 10 is_stick b Kingston idle True
is "and is no news" "$(stick b Kingston nothing)" True
rm -r "$T/usb-b/Kingston"
mv "$T/kept" "$T/usb-a/Kingston"
ok "put back at a it is found" until_ok 10 is_stick a Kingston idle True
ok "and written onto" press a Kingston write
ok "until it is done" until_ok 20 is_stick a Kingston safe True
ok "which is signed" eval '[ "$(admin a | json records.0.receipt_url)" != None ]'
is "one file, and nothing unfinished" "$(ls -A "$T/usb-a/Kingston/lliure" | sed 's/^a-[0-9-]*\././')" .lliure

# --- torn after it was written ---
file=$(ls "$T/usb-a/Kingston/lliure")
mkdir -p "$T/torn/lliure"
head -c $(($(stat -c %s "$T/usb-a/Kingston/lliure/$file") * 3 / 5)) "$T/usb-a/Kingston/lliure/$file" >"$T/torn/lliure/$file"
before=$(entries_of b)
mv "$T/torn" "$T/usb-b/torn"
ok "a torn file is found at b" until_ok 20 eval 'is_stick b torn idle True && is_stick b torn nothing False'
ok "it is taken in" press b torn take
ok "to the end" until_ok 30 is_stick b torn idle True
now=$(entries_of b)
ok "what is whole in it is there, and the rest is not" [ "$now" -gt $((before + 100)) -a "$now" -lt "$(entries_of a)" ]
note "$((now - before)) of $(entries_of a) entries"
ok "b's log is clean" "$LLIURE" verify --data "$T/b"
mv "$T/usb-a/Kingston" "$T/usb-b/Kingston"
ok "the whole one is found" until_ok 20 eval 'is_stick b Kingston idle True && is_stick b Kingston nothing False'
ok "and taken" press b Kingston take
ok "both hold the same" until_ok 30 same_digest
finish
