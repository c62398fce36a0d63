#!/usr/bin/env bash
# SPDX-License-Identifier: AGPL-3.0-or-later
# Bad input from sticks, visitors and disks: a clear sentence, nothing accepted by halves, nothing lost, and the
# box goes on.
. "$(dirname "$0")/lib.sh"

says() { # says STATUS PATTERN COMMAND...: exit status and one line on stderr
	local want=$1 pattern=$2
	shift 2
	"$@" >"$T/said.out" 2>"$T/said"
	local got=$?
	cat "$T/said.out" "$T/said"
	[ $got = "$want" ] && grep -qE -- "$pattern" "$T/said"
}
alive() { get a / | grep -q '<h1'; }

ok "a box" eval 'make_box a && start_box a'
token=$(token_of a)
for i in 1 2 3 4 5; do post_json a /forum/general/topics "$token" "{\"title\":\"Tema $i\",\"text\":\"Text $i.\"}" >/dev/null; done
ok "a bundle" "$LLIURE" bundle export "$T/all.bundle" --data "$T/a"

# --- words ---
ok "an unknown command is wrong usage" says 2 'no command' "$LLIURE" dance --data "$T/a"
ok "an unknown option is wrong usage" says 2 'no option' "$LLIURE" status --dance --data "$T/a"
ok "a missing argument is wrong usage" says 2 'needs' "$LLIURE" peer add --data "$T/a"
ok "a box that is not there" says 1 'no box|not found|There is no' "$LLIURE" status --data "$T/nowhere"
ok "a key that is none" says 2 'not a box.s key' "$LLIURE" peer add 127.0.0.1:1 abc --data "$T/a"
ok "an address that is none" says 1 'not an address' "$LLIURE" peer add nowhere "$(printf 'a%.0s' $(seq 52))" --data "$T/a"
ok "a second box in the same folder" says 1 'already' "$LLIURE" init --data "$T/a" --name b
ok "a second daemon on the same folder" says 1 'being served already' "$LLIURE" serve --data "$T/a" --http 127.0.0.1:0

# --- bundles ---
size=$(stat -c %s "$T/all.bundle")
fresh() { rm -rf "$T/c" && make_box c --join "$(sync_addr a)" "$(key_of a)"; }
ok "an empty box takes the whole bundle" eval 'fresh && "$LLIURE" bundle import "$T/all.bundle" --data "$T/c"'
is "and holds the same" "$(digest_of c)" "$(digest_of a)"
head -c $((size * 2 / 3)) "$T/all.bundle" >"$T/torn.bundle"
ok "a torn bundle is named as such" eval 'fresh && says 1 "torn.bundle|cut off" "$LLIURE" bundle import "$T/torn.bundle" --data "$T/c"'
ok "what came whole is kept and clean" "$LLIURE" verify --data "$T/c"
ok "the whole one completes it" "$LLIURE" bundle import "$T/all.bundle" --data "$T/c"
is "to the same" "$(digest_of c)" "$(digest_of a)"
flips() {
	local at
	for at in 3 40 $((size / 3)) $((size / 2)) $((size - 20)); do
		python3 - "$T/all.bundle" "$T/flip.bundle" "$at" <<'PY'
import sys
b=bytearray(open(sys.argv[1],"rb").read()); b[int(sys.argv[3])]^=4; open(sys.argv[2],"wb").write(b)
PY
		fresh || return 1
		if "$LLIURE" bundle import "$T/flip.bundle" --data "$T/c" >"$T/flip.out" 2>&1; then echo "accepted a flip at $at"; return 1; fi
		grep -q lliure: "$T/flip.out" || { echo "no sentence for $at"; return 1; }
		"$LLIURE" verify --data "$T/c" || return 1
		"$LLIURE" bundle import "$T/all.bundle" --data "$T/c" || return 1
		[ "$(digest_of c)" = "$(digest_of a)" ] || { echo "differs after a flip at $at"; return 1; }
	done
}
ok "a flipped bit anywhere is noticed, and the good bundle heals" flips
head -c 100000 /dev/urandom >"$T/noise"
ok "noise is no bundle" says 1 'noise: nothing in it' "$LLIURE" bundle import "$T/noise" --data "$T/a"
: >"$T/empty"
ok "an empty file is no bundle" says 1 'empty' "$LLIURE" bundle import "$T/empty" --data "$T/a"
ok "a bundle of strangers adds nothing" eval '
	make_box stranger && "$LLIURE" bundle export "$T/stranger.bundle" --data "$T/stranger" && before=$(digest_of a) &&
	"$LLIURE" bundle import "$T/stranger.bundle" --data "$T/a"; [ "$(digest_of a)" = "$before" ]'

# --- imports ---
echo '{"title": 7}' >"$T/bad.jsonl"
ok "an import that is not a topic names line and field" says 1 'Line 1' "$LLIURE" import discourse "$T/bad.jsonl" --data "$T/a"
ok "an import that is not JSON" says 1 'Line 1' "$LLIURE" import discourse "$T/noise" --data "$T/a"

# --- visitors ---
topic=$(get a /forum/general.json | json topics.0.id)
code() { curl -s -o "$T/answer" -w '%{http_code}' --max-time 180 "$@"; }
truncate -s 1G "$T/gigabyte"
is "a gigabyte of upload is refused" "$(code -X POST -H 'Expect:' -H 'Content-Type: application/x-www-form-urlencoded' -T "$T/gigabyte" "$(url a "/topic/$topic/posts")")" 413
ok "the box goes on" alive
is "JSON that is none" "$(code -H "Authorization: Bearer $token" -H 'Content-Type: application/json' -d '{"text":' "$(url a "/topic/$topic/posts")")" 400
is "a text that is too long" "$(head -c 300000 /dev/zero | tr '\0' 'x' >"$T/long"; code -H "Authorization: Bearer $token" --data-urlencode "text@$T/long" "$(url a "/topic/$topic/posts")")" 413
is "a page that is not there" "$(code "$(url a /topic/aaaa)")" 404
ok "in the reader's language" eval 'curl -s -H "Accept-Language: ca" "$(url a /topic/aaaa)" | grep -q "<html lang=\"ca\""'
is "a forged token" "$(code -H 'Authorization: Bearer lliure_aaaa' -H 'Content-Type: application/json' -d '{"text":"x"}' "$(url a "/topic/$topic/posts")")" 401
ok "the box goes on" alive
ok "and is clean" "$LLIURE" verify --data "$T/a"
stop_box a

# --- damage on the disk ---
ok "a copy to damage" cp -a "$T/a" "$T/damaged"
python3 - "$T/damaged/log.db" <<'PY'
import sys
b=bytearray(open(sys.argv[1],"rb").read())
at=b.find(b"Text 3.")
b[at]^=1
open(sys.argv[1],"wb").write(b)
PY
ok "a flipped bit in a stored post is found by verify" says 1 '.' "$LLIURE" verify --data "$T/damaged"
rm -f "$T/a/view.db" "$T/a/view.db-wal" "$T/a/view.db-shm"
before=$(digest_of c)
is "a lost view is made anew" "$(digest_of a)" "$before"
head -c 20000 /dev/urandom >"$T/a/view.db"
is "a broken view is made anew" "$(digest_of a)" "$before"

# --- a full disk ---
if [ "$(id -u)" = 0 ] && mkdir -p "$T/s" && mount -t tmpfs -o size=16m tmpfs "$T/s" 2>/dev/null; then
	cleanup_small() { umount -l "$T/s" 2>/dev/null; }
	trap 'cleanup_small; cleanup' EXIT
	ok "a box on a small disk" make_box s
	ok "serves" start_box s
	stoken=$(token_of s)
	stopic=$(post_json s /forum/general/topics "$stoken" '{"title":"Ple","text":"Comencem."}' | json id)
	big=$(head -c 100000 /dev/urandom | base64 -w0)
	: >"$T/acked.s"
	refused=0
	for i in $(seq 80); do
		echo "{\"text\":\"n$i. $big\"}" >"$T/big.json"
		if curl -sS --fail-with-body -o "$T/answer" -H 'Content-Type: application/json' -H "Authorization: Bearer $stoken" -d "@$T/big.json" "$(url s "/topic/$stopic/posts")" 2>/dev/null; then
			echo "n$i." >>"$T/acked.s"
		else refused=1; break; fi
	done
	is "at last a post is refused" $refused 1
	ok "in words" grep -qiE 'space|room|full' "$T/answer"
	ok "pages are still served" eval 'get s / | grep -q "<h1"'
	mount -o remount,size=80m "$T/s"
	ok "with room again, writing goes on" post_json s "/topic/$stopic/posts" "$stoken" '{"text":"Torna a anar."}'
	ok "nothing acknowledged was lost" eval 'n=$(get s "/topic/$stopic.json" | grep -oE "n[0-9]+\. " | sort -u | wc -l); pages=$(get s "/topic/$stopic.json" | json topic.replies); [ "$pages" -ge "$(wc -l <"$T/acked.s")" ]'
	ok "and it is clean" "$LLIURE" verify --data "$T/s"
	stop_box s
else
	note "no small file system here: the full disk was not tried"
fi
finish
