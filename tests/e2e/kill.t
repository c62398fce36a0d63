#!/usr/bin/env bash
# SPDX-License-Identifier: AGPL-3.0-or-later
# kill -9 at random moments while writing and syncing: every acknowledged post is there, `verify` is clean,
# the box starts. ROUNDS=50; SEED=n replays the moments.
. "$(dirname "$0")/lib.sh"
ROUNDS=${ROUNDS:-50}
SEED=${SEED:-$RANDOM}
note "seed $SEED, $ROUNDS rounds"
RANDOM=$SEED

ok "two boxes that know each other" eval '
	make_box a && start_box a && make_box b --join "$(sync_addr a)" "$(key_of a)" &&
	start_box b && "$LLIURE" peer add "$(sync_addr b)" "$(key_of b)" --data "$T/a" && until_ok 20 "$LLIURE" sync --data "$T/b"'
token=$(token_of a)
title='{"title":"Apagades","text":"Comencem."}'
topic=$(post_json a /forum/general/topics "$token" "$title" | json id)
ok "a topic to write in" [ -n "$topic" ]
async=$(sync_addr a) bsync=$(sync_addr b)
: >"$T/acked"

bad_start=0
for round in $(seq "$ROUNDS"); do
	python3 "$SOURCE/tests/e2e/kill_writer.py" "$(cat "$T/a.http")" "$topic" "$token" "$round" "$T/acked" &
	writer=$!
	# The moment counts from the first answer of this round, so that a busy machine cuts writing, too.
	until_ok 20 grep -q "^post-$round-" "$T/acked"
	sleep "0.$((RANDOM % 60 + 5))"
	victim=a
	[ $((RANDOM % 3)) = 0 ] && victim=b
	kill -9 "${daemon[$victim]}"
	wait "${daemon[$victim]}" 2>/dev/null
	[ $victim = b ] && { sleep 0.2; kill -9 "${daemon[a]}"; wait "${daemon[a]}" 2>/dev/null; unset "daemon[a]"; }
	unset "daemon[$victim]"
	wait $writer 2>/dev/null
	[ -n "${daemon[a]-}" ] || until_ok 5 start_box a --sync "$async" || { bad_start=1; break; }
	[ -n "${daemon[b]-}" ] || until_ok 5 start_box b --sync "$bsync" || { bad_start=1; break; }
done
is "the boxes started after every one of $ROUNDS cuts" $bad_start 0
note "$(wc -l <"$T/acked") acknowledged posts"
all_there() { python3 "$SOURCE/tests/e2e/kill_reader.py" "$(cat "$T/$1.http")" "$topic" "$T/acked"; } # BOX
ok "every acknowledged post is on a" all_there a
ok "a and b meet" until_ok 30 "$LLIURE" sync --data "$T/b"
ok "every acknowledged post is on b" until_ok 20 all_there b
ok "a is clean" "$LLIURE" verify --data "$T/a"
ok "b is clean" "$LLIURE" verify --data "$T/b"
same() { [ -n "$(digest_of a)" ] && [ "$(digest_of b)" = "$(digest_of a)" ]; }
ok "they hold the same" until_ok 20 same
finish
