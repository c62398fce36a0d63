#!/usr/bin/env bash
# SPDX-License-Identifier: AGPL-3.0-or-later
# News carried about: boxes that never meet on a network converge by files alone.
. "$(dirname "$0")/lib.sh"

says() { # says STATUS PATTERN COMMAND...
	local want=$1 pattern=$2 got
	shift 2
	"$@" >"$T/says" 2>&1
	got=$?
	cat "$T/says"
	[ $got = "$want" ] && grep -qE "$pattern" "$T/says"
}
same_digest() { local a; a=$(digest_of a); [ -n "$a" ] && [ "$a" = "$(digest_of b)" ]; }
bundle() { local verb=$1 box=$2; shift 2; "$LLIURE" bundle "$verb" "$@" --data "$T/$box"; }
entries_in() { bundle check "$1" "$2" --json | json entries; }

# --- by the command line: two boxes that never listen to one another ---
ok "box a is made" make_box a
ok "box b follows it, but never meets it" make_box b --join 127.0.0.1:9 "$(key_of a)"
A=$(key_of a) B=$(key_of b)
ok "a approves b" "$LLIURE" peer add 127.0.0.1:9 "$B" --data "$T/a"
ok "nothing is known of b, and that is said" says 1 'not known' bundle export a "$T/x" --for "$B" --since-receipt
ok "without it, everything is written" says 0 'everything' bundle export a "$T/a1" --for "$B"
ok "the file says who signed it" says 0 "From a \(${A:0:8}\)" bundle check b "$T/a1"
is "nothing was left behind by the refused one" "$(ls "$T" | grep -c '^x')" 0
ok "b takes it in" bundle import b "$T/a1"
ok "both hold the same" same_digest
ok "b writes back what a does not hold" bundle export b "$T/b1" --for "$A"
is "which is nothing but what b holds" "$(entries_in a "$T/b1")" 0
ok "a reads it" bundle import a "$T/b1"
ta=$(token_of a)
ok "a serves" start_box a
forum=$(get a /forums.json | json spaces.0.forums.0.slug)
ok "somebody writes on a" post_json a "/forum/$forum/topics" "$ta" '{"title":"Dissabte","text":"Hi som a les set."}'
stop_box a
ok "a writes a stick for b" bundle export a "$T/a2" --for "$B" --since-receipt
n=$(entries_in b "$T/a2")
ok "with the new entries alone" [ "$n" -ge 1 -a "$n" -le 3 ]
ok "b takes it in" says 0 "Received (one|$n) new" bundle import b "$T/a2"
cp "$T/says" "$T/a2.said"
ok "both hold the same again" same_digest
ok "taken in twice it is fine"  bundle import b "$T/a2"
ok "an old stick adds nothing" bundle import b "$T/a1"
ok "and both hold the same still" same_digest

# --- the paper of it, as a page ---
ok "b serves" start_box b
token_of b >"$T/token.b"
paper_says() { # WORDS: the paper that b named when it took the stick in (a's name has not come to b by itself)
	get_as b "$(grep -o '/admin/receipts/[a-z2-7]*' "$T/a2.said")" | grep -o '<p class="lead">.*' |
		sed 's/<[^>]*>//g' | tee -a /dev/stderr | grep -qE "^$1, "
}
ok "a page says who took in what whom had written" paper_says "b took in news that (a|${A:0:8}) had written"
stop_box b

# --- torn, hostile ---
head -c $(($(stat -c %s "$T/a1") / 2)) "$T/a1" >"$T/torn"
ok "a torn one is checked without being taken" says 0 'cut off' bundle check b "$T/torn"
python3 - "$T/a1" "$T/flip" <<'PY'
import sys
b = bytearray(open(sys.argv[1], "rb").read())
b[len(b) * 2 // 3] ^= 1
open(sys.argv[2], "wb").write(b)
PY
ok "a flipped bit is seen" says 0 'damaged' bundle check b "$T/flip"
ok "and said when it is taken in" says 1 'damaged after' bundle import b "$T/flip"
cat "$T/torn" "$T/a1" >"$T/double"
ok "a torn one with a whole one behind it is checked" says 0 'holds 2 bundles' bundle check b "$T/double"
ok "and said when it is taken in" says 1 'several files' bundle import b "$T/double"
cat "$T/a1" "$T/a1" >"$T/double"
ok "one that was written twice is whole" says 0 'It is whole' bundle check b "$T/double"
ok "and no failure" bundle import b "$T/double"
head -c 100000 /dev/urandom >"$T/noise"
ok "noise is no bundle" says 1 'not a bundle' bundle check b "$T/noise"
python3 - "$T/claim" <<'PY'
# A stream that promises frames of four gigabytes, and one that is all claims of nobody.
import struct, sys, hashlib
magic = b"LLIURE\0\1"
def frame(t, body):
    head = bytes([t]) + struct.pack("<I", len(body)) + body
    return head + hashlib.blake2b(head, digest_size=32).digest()[:16]
open(sys.argv[1], "wb").write(magic + frame(16, bytes(184)) * 20000 + frame(99, b"?" * 1000) + frame(7, struct.pack("<Q", 20001)))
PY
ok "claims that nobody signed are passed over" says 0 'did not sign' bundle check b "$T/claim"
ok "and change nothing" eval 'bundle import b "$T/claim"; same_digest'
bundle check b "$T/a1" --json >"$T/check.json"
note "walls of the helper: $(json walls <"$T/check.json")"
is "the status says so, too" "$("$LLIURE" status --json --data "$T/b" | json walls.landlock)" "$(json walls.landlock <"$T/check.json")"
is "the helper gets no new privileges" "$(json walls.no_new_privs <"$T/check.json")" True
ok "a is clean" "$LLIURE" verify --data "$T/a"
ok "b is clean" "$LLIURE" verify --data "$T/b"
finish
