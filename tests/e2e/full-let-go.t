#!/usr/bin/env bash
# SPDX-License-Identifier: AGPL-3.0-or-later
# A partial box whose disk is full to the last byte: its volunteer lets old messages go, which other boxes hold, and the run
# comes to its end there, and people write again. A stick that comes while it is full is told so, loses nothing, and is taken when
# there is room.
# The disk is a small one in memory, in a mount namespace of the test's own.
if [ -z "${IN_NAMESPACE-}" ]; then
	unshare -m true 2>/dev/null || { echo "1..0 # SKIP mounting a small disk needs root"; exit 0; }
	IN_NAMESPACE=1 exec unshare -m "$0" "$@"
fi
. "$(dirname "$0")/lib.sh"

avail() { df --output=avail -B1 "$T/b" | tail -1 | tr -d ' '; }
# To the last byte: again until a look finds nothing, for the box itself lets logs go when it wants to write.
fill() {
	local i
	for i in $(seq 100); do
		[ "$(avail)" != 0 ] || return 0
		dd if=/dev/zero of="$T/b/fill-$((fills += 1))" bs=64k 2>/dev/null
	done
	return 1
}
write() { curl -sS --max-time 180 -o "$T/answer" -w '%{http_code}' -H 'Content-Type: application/json' -H "Authorization: Bearer $(cat "$T/token.b")" -d "{\"name\":\"Veí\",\"text\":\"$1\"}" "$(url b "/topic/$topic/posts")"; }
stick() { # stick FIELD: of the one that is plugged in
	get_as b /admin/carry.json | json "sticks.0.$1"
}
stick_is() { [ "$(stick "$1")" = "$2" ]; }
take_stick() { post_json b "/admin/carry/$(stick id)/take" "$(cat "$T/token.b")" '{}'; }
run_is() { get_as b /admin/keep.json | python3 -c 'import json,sys
r=json.load(sys.stdin).get("run") or {}
sys.exit(not all(str(r.get(k))==v for k,v in (a.split("=") for a in sys.argv[1:])))' "$@"; }
digests_alike() { local a; a=$(digest_of a); [ -n "$a" ] && [ "$a" = "$(digest_of b)" ]; }

python3 - >"$T/old.jsonl" <<'PY'
import json, random
for t in range(40):
    posts=[{"id":t*200+n,"username":f"user{n%9}","created_at":f"2020-01-{t%28+1:02d}T10:{n//60:02d}:{n%60:02d}.000Z","post_number":n+1,
            "cooked":"<p>"+" ".join(f"mot{random.randrange(10**6)}" for _ in range(220))+"</p>"} for n in range(40)]
    print(json.dumps({"id":t,"slug":f"topic-{t}","title":f"Topic number {t}","created_at":posts[0]["created_at"],"post_stream":{"posts":posts}}))
PY
mkdir -p "$T/b" "$T/root" "$T/usb"
fills=0
ok "a small disk" mount -t tmpfs -o size=200m,mode=700 none "$T/b"
ok "box a is made" make_box a
ok "with old conversations" "$LLIURE" import discourse "$T/old.jsonl" --data "$T/a"
ok "a serves" start_box a
ok "b follows, on the small disk" make_box b --join "$(sync_addr a)" "$(key_of a)"
ok "b serves" start_box b --box "$T/root" --sticks "$T/usb"
token_of a >"$T/token.a"
token_of b >"$T/token.b"
ok "a approves b" "$LLIURE" peer add "$(sync_addr b)" "$(key_of b)" --data "$T/a"
a_addr=$(sync_addr a)
topic=$(post_json a /forum/general/topics "$(cat "$T/token.a")" '{"title":"Ple","text":"Abans."}' | json id)
ok "b holds all" until_ok 30 eval '"$LLIURE" sync --data "$T/b"; digests_alike'

ok "its disk fills up" fill
is "nobody writes any more" "$(write 'No hi cap')" 507
ok "a volunteer signs in" sign_in b
ok "the logs were emptied for that, and it fills up again" fill
is "nobody writes any more" "$(write 'Encara no')" 507
ok "the health page says what to do" eval 'get_as b /admin/health | grep -q "let old messages go that other houses hold"'
# A stick, meanwhile.
news=$(post_json a /forum/general/topics "$(cat "$T/token.a")" '{"title":"Del llapis","text":"Per fora de la xarxa."}' | json id)
mkdir -p "$T/Kingston/lliure"
ok "a writes its news onto a stick" "$LLIURE" bundle export "$T/Kingston/lliure/a-20261125-1200.lliure" --data "$T/a"
stop_box a
cp -r "$T/Kingston" "$T/before"
mv "$T/Kingston" "$T/usb/Kingston"
ok "b finds it" until_ok 10 stick_is idle True
take_stick >"$T/pressed" 2>&1
ok "there is no room for it" until_ok 20 stick_is job.failed True
ok "in words" eval 'stick job.error | grep -q "no room left on this box"'
ok "nothing of it is lost" diff -r "$T/before" "$T/usb/Kingston"
is "nor taken by halves" "$(get b "/topic/$news.json" | grep -c "Per fora")" 0
ok "a is back" start_box a --sync "$a_addr"
ok "they choose to keep a year" act_signed_in b /admin/keep '{"days_bound":"1","days":"365","blobs_bound":"0","megabytes":""}'
ok "they have it looked for" act_signed_in b /admin/keep/look '{}'
ok "all of it is elsewhere" until_ok 30 run_is looked=True safe_ops=1600
ok "they let it go" act_signed_in b /admin/keep/let-go '{}'
ok "it goes" until_ok 60 run_is done=True safe_ops=1600
ok "in the little room that there was" eval '[ "$(avail)" -lt $((32 * 1048576)) ]'
# Each of the messages had a page of the log; what is left of ten fits one.
pages_are_free() { [ "$(python3 -c 'import sqlite3,sys; print(sqlite3.connect(f"file:{sys.argv[1]}?mode=ro",uri=True).execute("PRAGMA freelist_count").fetchone()[0])' "$T/b/log.db")" -ge 1000 ]; }
ok "the log has the room of what went for what comes" until_ok 30 pages_are_free
writes_again() { [ "$(write 'De nou')" = 201 ]; }
ok "and by that alone people write again" until_ok 30 writes_again
rm "$T/b"/fill-*
ok "with room for it the stick is taken again" eval 'until_ok 10 stick_is idle True; take_stick; until_ok 20 eval "get b \"/topic/$news.json\" | grep -q \"Per fora\""'
stop_box b
ok "all that was written is whole" "$LLIURE" verify --data "$T/b"
umount "$T/b"
finish
