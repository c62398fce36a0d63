#!/usr/bin/env bash
# SPDX-License-Identifier: AGPL-3.0-or-later
# A file that is another and one that never ends, given to a real daemon that lacks one: what it costs, what stands on the
# record, and that the file comes all the same from who has it.
. "$(dirname "$0")/../e2e/lib.sh"
EVIL=$BUILD/tests/hostile/hostile_tool
number=$((RANDOM % 1000 + 8000))
evil=$("$EVIL" key $number)

ok "two honest boxes" eval 'make_box a && start_box a && make_box b --join "$(sync_addr a)" "$(key_of a)" && start_box b &&
	"$LLIURE" peer add "$(sync_addr b)" "$(key_of b)" --data "$T/a"'
swap() { "$LLIURE" sync "$(key_of "$2")" --data "$T/$1"; }
ok "they swap" until_ok 20 swap b a
space=$("$LLIURE" status --json --data "$T/a" | json spaces.0.id)
for x in a b; do token_of $x >"$T/token.$x"; done

# a is sent a file of 300,000 bytes and then lacks it, so that b knows of it and nobody gives it.
(printf '%%PDF-1.7\n'; head -c 300000 /dev/urandom) >"$T/report.pdf"
ok "b holds a back for a moment" "$LLIURE" peer pause "$(key_of a)" --data "$T/b"
file=$(curl -sS --fail-with-body --max-time 180 -H 'Accept: application/json' -H "Authorization: Bearer $(cat "$T/token.a")" \
	-F title=Report -F "file=@$T/report.pdf" "$(url a /files)" | json id)
blob=$(find "$T/a/blobs" -type f -size +200k | head -1)
ok "a was sent a file" [ -n "$blob" ]
mv "$blob" "$T/away"
ok "and b hears of it" eval '"$LLIURE" peer resume "$(key_of a)" --data "$T/b" && until_ok 20 eval "swap b a; curl -sS --fail $(url b "/file/$file.json")"'
state() { get_as b "/file/$file.json" | python3 -c 'import json,sys
v=json.load(sys.stdin)["heads"][0]
print(next((k for k in ("here","coming") if v[k]), "?"))'; }
is "which a can't give" "$(state)" coming

record() { get_as b "/admin/peers/$evil/conduct.json"; }
times() { record | python3 -c 'import json,sys
print(sum(m["count"] for m in json.load(sys.stdin)["misdeeds"] if m["name"] == "file"))'; }
disk_kib() { du -sk "$T/b/blobs" | cut -f1; }
rss_kib() { awk '/VmRSS/ {print $2}' "/proc/${daemon[b]}/status"; }
ok "b approves one that lies" "$LLIURE" peer add 127.0.0.1:9 "$evil" --name Ombra --data "$T/b"
for kind in serve-other-file serve-file; do
	"$LLIURE" peer resume "$evil" --data "$T/b" >/dev/null
	before=$(times)
	: >"$T/evil.port"
	"$EVIL" $kind $number "$space" >"$T/evil.port" &
	server=$!
	until_ok 10 [ -s "$T/evil.port" ]
	"$LLIURE" peer add "127.0.0.1:$(cat "$T/evil.port")" "$evil" --data "$T/b" >/dev/null
	ok "$kind: it is on record" until_ok 20 eval 'timeout 60 "$LLIURE" sync "$evil" --data "$T/b"; [ "$(times)" -gt $before ]'
	kill $server
	wait $server 2>/dev/null
	is "$kind: nothing of it counts" "$(state)" coming
	ok "$kind: nor does it stay" [ "$(disk_kib)" -le 500 ]
	ok "$kind: memory is bounded" [ "$(rss_kib)" -le $((160 * 1024 * SANITIZED)) ]
done
ok "the page says it in words" eval 'get_as b "/admin/peers/$evil/conduct" | grep -q "It gave a file that is not the one that was asked for."'
ok "and has the button" eval 'get_as b "/admin/peers/$evil/conduct" | grep -q "action=\"/admin/peers/$evil/pause\""'
is "nobody blames a" "$(get_as b "/admin/peers/$(key_of a)/conduct.json" | json misdeeds)" "[]"
mv "$T/away" "$blob"
ok "the file comes from who has it" until_ok 30 eval 'swap b a; [ "$(state)" = here ]'
ok "the very same" eval 'curl -sS --fail --max-time 180 -H "Authorization: Bearer $(cat "$T/token.b")" -o "$T/got" "$(url b "/file/$file/get")" && cmp "$T/got" "$T/report.pdf"'
finish
