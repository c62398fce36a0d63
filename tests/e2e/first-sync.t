#!/usr/bin/env bash
# SPDX-License-Identifier: AGPL-3.0-or-later
# A large first sync over a slow line, as whoever waits for it sees it: the page says how far it is, what is here can be
# read, and after kill -9 in the middle nothing comes twice.
#
# ENTRIES=70000 is more than 65,536, from which on the newest come first: then it is looked at, too, that the newest
# conversation can be read before half is here. SHOT=FOLDER keeps pictures of the page while it runs.
. "$(dirname "$0")/lib.sh"
ENTRIES=${ENTRIES:-2500}
TOPICS=$((ENTRIES / 50))
many() { [ "$ENTRIES" -gt 65536 ]; }

line() { # NAME RATE: a line to box a, in $T/NAME
	python3 "$SOURCE/tests/e2e/slow_line.py" "$2" "$(cat "$T/a.sync")" "$T/$1" >/dev/null 2>&1 &
	daemon[line-$1]=$!
	until_ok 10 test -s "$T/$1.port"
}
came() { cat "$T/$1"; } # bytes so far
joins() { make_box "$1" --join "127.0.0.1:$(cat "$T/$2.port")" "$key_a" && "$LLIURE" peer add 127.0.0.1:1 "$(key_of "$1")" --read-only --data "$T/a"; }
# "1,234 of about 5,678" on the page, as two numbers; fails when it says no such thing
far() {
	get b / >"$T/page" || return 1
	far=$(sed -n 's/.*role="status">\([0-9., ]*\) of about \([0-9., ]*\) messages and other.*/\1 \2/p' "$T/page" | tr -d ',.')
	[ -n "$far" ]
}
far_beyond() { far && [ "${far%% *}" -gt "$1" ]; }
picture() { # NAME
	[ -n "${SHOT-}" ] || return 0
	chromium --headless --no-sandbox --disable-gpu --disable-background-networking --no-first-run --hide-scrollbars \
		--user-data-dir="$T/chromium.$1" --window-size=320,700 --screenshot="$SHOT/$1.png" "$(url b /)" >/dev/null 2>&1
}
all_here() { [ "$(digest_of a)" = "$(digest_of b)" ] && ! far; }
newest_is_read() { get b "/topic/$newest" | grep -qF "La més nova"; }
forum_is_listed() { get b /forums | grep -q 'href="/forum/general' && get b /forum/general | grep -qF "La més nova"; }
newest_is_listed() { get b / | grep -qF "La més nova"; }

ok "a house with much" eval 'make_box a && "$BUILD/tests/bench/bench_tool" fill "$T/a" "$ENTRIES" 5 "$TOPICS"'
ok "serves" start_box a
key_a=$(key_of a) token=$(token_of a)
newest=$(post_json a /forum/general/topics "$token" '{"title":"La més nova","text":"Fins ara."}' | json id)
ok "somebody writes there just now" [ -n "$newest" ]
all=$(entries_of a)

# what it takes when nobody cuts it
ok "another box takes all of it over a good line" eval 'line good 100000000 && joins c good && start_box c'
same() { [ "$(digest_of a)" = "$(digest_of c)" ]; }
ok "and has it" until_ok 60 same
whole=$(came good)
stop_box c

# Where the other house would look for it nobody listens: or that one called it, beside the line.
reserve_port && b_at=127.0.0.3:$port
ok "a new box begins over a slow one" eval 'line slow $((whole / 8 < 1000000 ? whole / 8 : 1000000)) && joins b slow && start_box b --sync $b_at'
ok "its page says how far it is" until_ok 20 far_beyond 0
begun=$far
picture begun
ok "which is less than all, of about all" [ "${begun%% *}" -lt "$all" -a "${begun##* }" -ge $((all * 9 / 10)) -a "${begun##* }" -le $((all + 10)) ]
ok "as text for a screen reader, without script" eval 'grep -q "role=\"status\">" "$T/page" && grep -q "You can read already" "$T/page"'
ok "and goes on" until_ok 20 far_beyond "${begun%% *}"
! many || {
	ok "the newest conversation can be read" until_ok 60 newest_is_read
	ok "and is on the front page" until_ok 60 newest_is_listed
	ok "its forum, which is old, is on the page of forums by its name" until_ok 60 forum_is_listed
	far
	ok "before half is here" [ "${far%% *}" -lt $((all / 2)) ]
	note "${far%% *} of $all were here"
}
ok "a third is here" until_ok 60 far_beyond $((all / 3))
at=$far
picture third
stop_box b KILL
before=$(came slow)
held=$(entries_of b)
ok "the plug is pulled in the middle" [ "$held" -lt "$all" -o "${at%% *}" -lt "$all" ]
ok "what the page said is here" [ "$held" -ge "${at%% *}" ]
ok "nobody is told that nobody has written" not grep -qF "Nobody has written" "$T/page"
ok "it starts again" start_box b --sync "$b_at"
ok "and goes on where it was" until_ok 20 far_beyond $((${at%% *} - 1))
picture again
echo 100000000 >"$T/slow.rate"
ok "until all is here, and the page says nothing of it" until_ok 120 all_here
after=$(($(came slow) - before))
note "$whole bytes at once; $before before the cut, $after behind it, when ${at%% *} of $all entries were here"
# what was on its way when it was cut comes again: a frame or two, and how both find out what differs
ok "nothing came twice" [ $((before + after)) -le $((whole + whole / 10 + 200000)) ]
ok "the newest conversation is here" eval 'newest_is_read && newest_is_listed'
ok "it is clean" "$LLIURE" verify --data "$T/b"
finish
