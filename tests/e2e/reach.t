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
ok "the line is free again" "$LLIURE" reach --metered no --data "$T/a"
ok "a proxy that is none is refused on the page" not post_json a /admin/reach "$token" '{"proxy":"socks5://x:1"}'
ok "and one that is there is set" post_json a /admin/reach "$token" '{"proxy":"http://127.0.0.1:9","address":"athenaeum.example.org:8443"}'
ok "through which nobody is reached" not sync_with a b
ok "it is taken away" post_json a /admin/reach "$token" '{"proxy":"","address":""}'
ok "and all is as before" until_ok 20 sync_with a b
finish
