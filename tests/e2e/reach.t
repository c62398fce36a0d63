#!/usr/bin/env bash
# SPDX-License-Identifier: AGPL-3.0-or-later
# Reaching each other: a line that is closed, one that moved, one that is only heard of.
. "$(dirname "$0")/lib.sh"

sync_of() { "$LLIURE" sync --data "$T/$1"; }
sync_with() { "$LLIURE" sync "$(key_of "$2")" --data "$T/$1"; }
page() { curl -sS --max-time 180 -H "Authorization: Bearer $token" "$(url a "$1")"; }
peer_of() { # WHO FIELD: of the reach page of a, as JSON text
	page /admin/reach.json | python3 -c 'import json,sys
for p in json.load(sys.stdin)["peers"]:
    if p["key"]==sys.argv[1]: print(json.dumps(p[sys.argv[2]]))' "$(key_of "$1")" "$2"
}

ok "a is known to b, and b to a and c" eval '
	make_box a && start_box a && make_box b --join "$(sync_addr a)" "$(key_of a)" && start_box b &&
	"$LLIURE" peer add "$(sync_addr b)" "$(key_of b)" --name Baix --data "$T/a" && until_ok 20 sync_of b &&
	make_box c --join "$(sync_addr b)" "$(key_of b)" && start_box c &&
	"$LLIURE" peer add "$(sync_addr c)" "$(key_of c)" --name Carrer --data "$T/b" && until_ok 20 sync_of c'
token=$(token_of a)
# They are all on one machine. As if a tunnel ended there: else no line of the house would be between.
for x in a b c; do "$LLIURE" reach --tunnel yes --data "$T/$x" >/dev/null; done

# --- one that is only heard of ---
# a has approved c, and has no address of it: what c writes comes through b
ok "a approves c without knowing where it is" "$LLIURE" peer add 127.0.0.1:9 "$(key_of c)" --name Carrer --data "$T/a"
topic='{"title":"From c","text":"It comes through b."}'
ok "the admission of c is on c" until_ok 30 eval 'sync_of b; sync_of c; [ "$(digest_of c)" = "$(digest_of a)" ]'
ok "c gets a member" "$LLIURE" user add carla --password-file "$T/password" --data "$T/c"
ctoken=$("$LLIURE" user token carla --password-file "$T/password" --data "$T/c" | tail -1)
ok "who writes on c" post_json c /forum/general/topics "$ctoken" "$topic"
ok "it is on a" until_ok 30 eval 'get a /forum/general.json | grep -q "From c" || { sync_of c; sync_of b; false; }'
ok "a says through whom it has heard of c" until_ok 10 eval 'peer_of c heard | grep -q "\"via\": \"Baix\""'
ok "the page of peers says so, too" eval 'page /admin/peers.json | grep -q "heard of through Baix"'

# --- one that moved ---
# c approves a, so that c's statement may be told to a; b has both
ok "c approves a" "$LLIURE" peer add 127.0.0.1:9 "$(key_of a)" --data "$T/c"
ok "a learns of b where c is" until_ok 30 eval 'sync_of c; sync_of b; peer_of c addresses | grep -q "$(sync_addr c)"'
ok "and meets it" until_ok 20 sync_with a c
old=$(sync_addr c)
stop_box c
start_box c
[ "$old" = "$(sync_addr c)" ] && note "the port is the same by chance"
ok "c moved, and is found again through b" until_ok 40 eval 'peer_of c addresses | grep -q "$(sync_addr c)"'
ok "a meets it there" until_ok 20 sync_with a c

ok "an address that is none is forgotten" "$LLIURE" peer address "$(key_of c)" 127.0.0.1:9 --forget --data "$T/a"
ok "and shown no more" eval '! peer_of c addresses | grep -q "\"127.0.0.1:9\""'
ok "one that is set is there" eval '"$LLIURE" peer address "$(key_of c)" 127.0.0.1:7 --data "$T/a" && peer_of c addresses | grep -q "\"127.0.0.1:7\""'
ok "and in nobody's way" until_ok 20 sync_with a c

# --- a line that is closed ---
hour=$(date +%-H)
closed="--metered yes --from $(((hour + 2) % 24)) --to $(((hour + 3) % 24))"
ok "a's line is counted, and closed at this hour" "$LLIURE" reach $closed --data "$T/a"
ok "the page says so" eval 'page /admin/reach.json | grep -q "\"closed\": *true"'
ok "b is told to wait" until_ok 10 eval 'sync_with b a 2>&1 | grep -q "HTTP 503"'
ok "but a person on a need not" until_ok 10 sync_with a b
ok "an hour that is none is refused" not "$LLIURE" reach --from 24 --data "$T/a"
ok "a budget of bytes is told, too" "$LLIURE" reach --metered yes --megabytes 1 --from 0 --to 0 --data "$T/a"
ok "it is open while the budget lasts" until_ok 10 sync_with b a

# --- a budget that ends in the middle of a file ---
(printf 'OggS'; head -c 20000000 /dev/urandom) >"$T/film.ogg"
used() { "$LLIURE" reach --data "$T/$1" | sed -n 's/.*used today \([0-9]*\)$/\1/p'; }
parts() { find "$T/$1/blobs" -type f -size +0 -printf '%s\n' | awk '{ n += $1 } END { print n + 0 }'; }
whole() { find "$T/$1/blobs" -type f ! -path '*/part/*' -size +19M | grep -q .; }
ok "a large file is sent to a" eval 'curl -sS --fail-with-body --max-time 180 -H "Authorization: Bearer $token" -F title=Film -F "file=@$T/film.ogg" "$(url a /files)" >/dev/null'
c_before=$(used c)
ok "c may take three megabytes more today" "$LLIURE" reach --metered yes --megabytes $((c_before + 3)) --from 0 --to 0 --data "$T/c"
a_before=$(used a)
ok "a may give three megabytes more today" "$LLIURE" reach --metered yes --megabytes $((a_before + 3)) --from 0 --to 0 --data "$T/a"
ok "b gets the beginning of it" until_ok 30 eval 'sync_of b >/dev/null 2>&1; [ "$(parts b)" -gt 500000 ]'
for i in 1 2 3; do sync_of b >/dev/null 2>&1; done
ok "and not the rest" eval '! whole b && [ "$(parts b)" -lt 9000000 ]'
ok "a says that the budget is used" eval '[ "$(used a)" -le $((a_before + 9)) ] && page /admin/reach.json | grep -q "\"closed\": *true"'
ok "the line is free again" "$LLIURE" reach --metered no --data "$T/a"
ok "and the rest comes" until_ok 60 eval 'sync_of b >/dev/null 2>&1; whole b'
# --- what a house gets in one day ---
B=$(key_of b)
stop_box c # b is not to have it from there
ok "b was given enough for today" "$LLIURE" peer terms "$B" --give-bytes 1000000 --data "$T/a"
ok "somebody writes on a" post_json a /forum/general/topics "$token" '{"title":"For tomorrow","text":"later"}'
ok "a volunteer who asks is told that it follows tomorrow" eval 'post_json a "/admin/peers/$B/sync" "$token" "{}" 2>&1 | grep -q "as much as it may get in one day"'
ok "it is not on b" eval '! get b /forum/general.json | grep -q "For tomorrow"'
ok "the page says how much b may get, and that this is reached" eval 'page "/admin/peers/$B/conduct.json" | python3 -c "import json,sys
rows = json.load(sys.stdin)[\"costs\"]
assert any(r[\"day_most_text\"] == \"1.0 MB\" and r[\"full\"] for r in rows), rows"'
ok "b may get more" "$LLIURE" peer terms "$B" --give-bytes 0 --data "$T/a"
ok "and does" until_ok 30 eval 'post_json a "/admin/peers/$B/sync" "$token" "{}" >/dev/null; get b /forum/general.json | grep -q "For tomorrow"'

start_box c
ok "c gets the beginning of it by itself" until_ok 60 eval '[ "$(parts c)" -gt 500000 ]'
sleep 2
note "parts $(parts c), used $(used c) of $((c_before + 3))"
ok "and stops in the middle" eval '! whole c && [ "$(parts c)" -lt 9000000 ] && [ "$(used c)" -le $((c_before + 9)) ]'
ok "that is no failure of the other box" eval '! "$LLIURE" peer list --data "$T/c" | grep -q "counted"'
ok "until a person asks" until_ok 60 eval 'sync_of c >/dev/null 2>&1; whole c'
"$LLIURE" reach --metered no --data "$T/c" >/dev/null
ok "a proxy that is none is refused on the page" not post_json a /admin/reach "$token" '{"proxy":"socks5://x:1"}'
ok "and one that is there is set" post_json a /admin/reach "$token" '{"proxy":"http://127.0.0.1:9","address":"athenaeum.example.org:8443"}'
ok "through which nobody is reached" not sync_with a b
ok "it is taken away" post_json a /admin/reach "$token" '{"proxy":"","address":""}'
ok "and all is as before" until_ok 20 sync_with a b
finish
