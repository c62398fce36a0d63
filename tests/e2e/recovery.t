#!/usr/bin/env bash
# SPDX-License-Identifier: AGPL-3.0-or-later
# A dead box comes back: sealed backups, recovery sheets, and an old backup on a live network, which never
# makes a fork.
. "$(dirname "$0")/lib.sh"

says() { # says STATUS WORDS COMMAND...: fails with that status and those words
	local want=$1 words=$2 got
	shift 2
	"$@" >"$T/said" 2>&1
	got=$?
	cat "$T/said"
	[ $got = "$want" ] && grep -qF -- "$words" "$T/said"
}
forum_of() { get "$1" /forums.json | json spaces.0.forums.0.slug; }
write_topic() { post_json "$1" "/forum/$(forum_of "$1")/topics" "$2" "{\"title\":\"$3\",\"text\":\"$3\"}"; }
incarnations() { # of the logs that the box A wrote, as the box $1 holds them
	python3 - "$T/$1/log.db" "$2" <<'END'
import sqlite3, sys, base64
key = base64.b32decode(sys.argv[2].upper() + "====")
db = sqlite3.connect("file:" + sys.argv[1] + "?mode=ro", uri=True)
print(db.execute("SELECT count(*) FROM log WHERE appliance = ?", (key,)).fetchone()[0])
END
}
forks() { sqlite_count "$1" "SELECT count(*) FROM fork"; }
sqlite_count() { python3 -c 'import sqlite3,sys
print(sqlite3.connect("file:"+sys.argv[1]+"?mode=ro",uri=True).execute(sys.argv[2]).fetchone()[0])' "$T/$1/log.db" "$2"; }

make_box a
start_box a
KEY=$(key_of a)
TOKEN=$(token_of a)
for i in 1 2 3; do write_topic a "$TOKEN" "before $i" >/dev/null; done

# --- sheets and backups ---
ok "prints three sheets" "$LLIURE" sheets --data "$T/a"
"$LLIURE" sheets --data "$T/a" >"$T/sheets"
is "each has six lines" "$(grep -cE '^[1-6]  ([A-Z2-7]{4} ){4}[A-Z2-7]{2}$' "$T/sheets")" 18
grep '^LLIURE1:' "$T/sheets" | sed -n '1p;3p' >"$T/two"
sed -n '/sheet 2 of/,/LLIURE1/p' "$T/sheets" | grep '^[1-6]  ' >"$T/typed"
echo >>"$T/typed"
sed -n '/sheet 1 of/,/LLIURE1/p' "$T/sheets" | grep '^[1-6]  ' >>"$T/typed"
ok "writes a backup beside the daemon" "$LLIURE" backup "$T/old" --data "$T/a"
ok "writes a small one" "$LLIURE" backup "$T/small" --small --data "$T/a"
echo 'vuit oques i mitja' >"$T/phrase"
ok "writes one with a passphrase" "$LLIURE" backup "$T/phrased" --passphrase-file "$T/phrase" --data "$T/a"
is "nothing in it can be read" "$(cat "$T/old" "$T/small" "$T/phrased" | grep -aciE 'before 1|SQLite|admin|member')" 0
ok "the key is not in it" python3 - "$T" <<'END'
import sys
t = sys.argv[1]
key = open(t + "/a/key", "rb").read()
for name in ("old", "small", "phrased"):
    assert key not in open(f"{t}/{name}", "rb").read(), name
END
ok "only its owner may read it" [ "$(stat -c %a "$T/old")" = 600 ]
DIGEST=$(digest_of a)

ok "sheets restore it" "$LLIURE" restore "$T/old" --sheets "$T/two" --data "$T/r1"
is "with all that was in it" "$(digest_of r1)" "$DIGEST"
is "it is the same box" "$(key_of r1)" "$KEY"
ok "a passphrase restores it" "$LLIURE" restore "$T/phrased" --passphrase-file "$T/phrase" --data "$T/r2"
is "with all that was in it, too" "$(digest_of r2)" "$DIGEST"
ok "typed sheets restore a small one" "$LLIURE" restore "$T/small" --sheets "$T/typed" --data "$T/r3"
is "which holds the accounts and no entries" "$("$LLIURE" user list --data "$T/r3" | grep -c admin) $(entries_of r3)" "1 0"
ok "verify finds nothing wrong" "$LLIURE" verify --data "$T/r1"

# --- what is refused ---
ok "no key" says 1 "two of its recovery sheets" "$LLIURE" restore "$T/old" --data "$T/x"
ok "a folder with a box in it is never touched" says 1 "There is a box" "$LLIURE" restore "$T/old" --sheets "$T/two" --data "$T/r1"
is "and is as it was" "$(digest_of r1)" "$DIGEST"
head -1 "$T/two" >"$T/one"
ok "one sheet" says 1 "Two sheets are needed" "$LLIURE" restore "$T/old" --sheets "$T/one" --data "$T/x"
"$LLIURE" sheets --data "$T/a" | grep '^LLIURE1:' | sed -n 2p >>"$T/one"
ok "sheets of different sets" says 1 "different sets" "$LLIURE" restore "$T/old" --sheets "$T/one" --data "$T/x"
make_box other
"$LLIURE" sheets --data "$T/other" | grep '^LLIURE1:' | head -2 >"$T/others"
ok "sheets of another box" says 1 "is a backup of the box ${KEY:0:8}" "$LLIURE" restore "$T/old" --sheets "$T/others" --data "$T/x"
echo 'vuit oques' >"$T/wrong"
ok "a wrong passphrase" says 1 "does not open" "$LLIURE" restore "$T/phrased" --passphrase-file "$T/wrong" --data "$T/x"
ok "after all that there is no box" [ ! -e "$T/x/key" ]
head -c 3000 "$T/old" >"$T/short"
ok "one that was cut off" says 1 "ends too early" "$LLIURE" restore "$T/short" --sheets "$T/two" --data "$T/x"
python3 - "$T/small" "$T/flipped" <<'END'
import sys
b = bytearray(open(sys.argv[1], "rb").read())
b[len(b) // 2] ^= 4
open(sys.argv[2], "wb").write(b)
END
ok "one with a flipped bit" says 1 "is damaged" "$LLIURE" restore "$T/flipped" --sheets "$T/two" --data "$T/x"
ok "and there is still no box" [ ! -e "$T/x/key" ]
ok "the same folder then takes a good one" "$LLIURE" restore "$T/old" --sheets "$T/two" --data "$T/x"

# --- the old format ---
ok "makes a backup as the first version did" python3 - "$T/r1" "$T/format1" "$LLIURE" <<'END'
import hashlib, os, sqlite3, subprocess, sys
data, out, lliure = sys.argv[1:]
bundle = subprocess.run([lliure, "bundle", "export", "-", "--data", data], check=True, capture_output=True).stdout
copy = out + ".db"
src, dst = sqlite3.connect(data + "/local.db"), sqlite3.connect(copy)
src.backup(dst)
dst.close()
local = open(copy, "rb").read()
head = b"lliure-backup-1\n" + open(data + "/key", "rb").read() + len(local).to_bytes(8, "little") + local
open(out, "wb").write(head + hashlib.blake2b(head, digest_size=32).digest() + bundle)
END
ok "format 1 is still restored" "$LLIURE" restore "$T/format1" --data "$T/r4"
is "with all that was in it" "$(digest_of r4)" "$DIGEST"

# --- an old backup on a live network ---
make_box b --join "$(sync_addr a)" "$KEY"
B=$(key_of b)
start_box b
"$LLIURE" peer add "$(sync_addr b)" "$B" --data "$T/a" >/dev/null
until_ok 20 eval "[ \"\$(digest_of b)\" = \"\$(digest_of a)\" ]"
"$LLIURE" backup "$T/before" --data "$T/a" >/dev/null
for i in 4 5 6; do write_topic a "$TOKEN" "after the backup $i" >/dev/null; done
ok "both hold what was written after the backup" until_ok 20 eval "[ \"\$(digest_of b)\" = \"\$(digest_of a)\" ]"
LAST=$(digest_of b)
stop_box a KILL
rm -rf "$T/a"
ok "the box died; the old backup is restored" "$LLIURE" restore "$T/before" --sheets "$T/two" --data "$T/a"
ok "it is behind" [ "$(digest_of a)" != "$LAST" ]
start_box a
ok "a program's key of before is good for nothing" not write_topic a "$TOKEN" "with the old key"
TOKEN=$(token_of a)
write_topic a "$TOKEN" "written before it met anybody" >/dev/null
"$LLIURE" peer add "$(sync_addr b)" "$B" --data "$T/a" >/dev/null
"$LLIURE" peer add "$(sync_addr a)" "$KEY" --data "$T/b" >/dev/null
ok "what came after the backup comes back from its peer" until_ok 20 eval "get a /forum/$(forum_of a).json | grep -q 'after the backup 6'"
ok "and what it wrote before that goes there" until_ok 20 eval "get b /forum/$(forum_of a).json | grep -q 'before it met'"
write_topic a "$TOKEN" "after the restore" >/dev/null
ok "it writes on, and its peer takes it" until_ok 20 eval "get b /forum/$(forum_of b).json | grep -q 'after the restore'"
ok "both agree" until_ok 20 eval "[ \"\$(digest_of b)\" = \"\$(digest_of a)\" ]"
is "in a new log: its peer holds two of it" "$(incarnations b "$KEY")" 2
is "and nobody holds a proof of a fork" "$(forks a) $(forks b)" "0 0"
ok "verify finds nothing wrong" "$LLIURE" verify --data "$T/a"
ok "the volunteer signs in as before" "$LLIURE" user token admin --password-file "$T/password" --data "$T/a"

# --- only two sheets are left: no backup at all ---
stop_box a KILL
ok "a small backup is restored, and nothing else is there" "$LLIURE" restore "$T/small" --sheets "$T/two" --data "$T/a2"
stop_box b
start_box b
"$LLIURE" peer add "$(sync_addr b)" "$B" --data "$T/a2" >/dev/null
start_box a2
ok "everything comes back from its peer" until_ok 20 eval "[ \"\$(digest_of a2)\" = \"\$(digest_of b)\" ]"
is "still without a fork" "$(forks a2) $(forks b)" "0 0"
finish
