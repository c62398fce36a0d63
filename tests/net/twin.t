#!/usr/bin/env bash
# SPDX-License-Identifier: AGPL-3.0-or-later
# Two boxes with one key on one network, each with its Avahi. First a copied card: both go on from the same place, so
# their logs contradict each other. Then two boxes that were restored from one backup, which begin anew and do not. Either
# pair hears the other's announcement and notices within one sync, nobody else needed; nothing is lost and both are told.
SOURCE=${SOURCE:-$(cd "$(dirname "$0")/../.." && pwd)}
BUILD=${BUILD:-$SOURCE/build/release}
LLIURE=${LLIURE:-$BUILD/lliure}
. "$SOURCE/tests/net/lib.sh"
net_can || net_skip

box_in() { local b=$1; shift; net_in "$b" "$LLIURE" "$@" --data "$NET_DIR/here"; }
token_of() { box_in "$1" user token admin --password-file "$NET_DIR/password" | tail -1; }
write_on() { api "$1" /forum/general/topics "{\"title\":\"$2\",\"text\":\"$2, in full\"}"; }
shows() { curl_in "$1" http://localhost:8080/forum/general.json | grep -q "$2"; }
shows_all() { local b; for b in a b; do shows $b "$1" && shows $b "$2" || return 1; done; }
warned() { api "$1" /admin.json | grep -q 'Another box has the key of this one'; }
both() { "$@" a && "$@" b; }
same() { local x; x=$(box_in a digest | sort); [ -n "$x" ] && [ "$x" = "$(box_in b digest | sort)" ]; }
serve_here() { net_bg "$1" "$LLIURE" serve --data "$NET_DIR/here" --http '[::]:8080' --https '[::]:8444' --sync '[::]:8443'; }
logs_of() { python3 -c 'import sqlite3,sys
print(sqlite3.connect("file:"+sys.argv[1]+"/log.db?mode=ro",uri=True).execute("SELECT count(*) FROM fork").fetchone()[0])' "$NET_DIR/$1.data"; }
# A card that was copied bit for bit is, for who looks at it, the same disk: file system and folder have the same numbers.
# Here there is one file system, so the copy is told that it always was where it is.
looks_the_same() {
	python3 - "$1" <<-'PY'
	import os, sqlite3, sys
	fs, folder = os.statvfs(sys.argv[1]).f_fsid, os.stat(sys.argv[1]).st_ino
	log = sqlite3.connect(sys.argv[1] + "/log.db")
	was, = log.execute("SELECT value FROM meta WHERE key = 'whereabouts'").fetchone()
	now = "%s %08x%08x %d" % (was[:was.index(" ")], fs & 0xffffffff, fs >> 32, folder)
	assert now.rsplit(" ", 1)[0] == was.rsplit(" ", 1)[0], (now, was)
	log.execute("UPDATE meta SET value = ? WHERE key = 'whereabouts'", (now,))
	log.commit()
	PY
}
power_off() { # ends the box's program, as in the end of a power cut
	local p
	for p in $(net_in "$1" pgrep -x lliure); do net_in "$1" kill -9 "$p"; done
	within 10 eval '! up '"$1"
}

declare -A token
net_up a b || { echo "Bail out! the network could not be made"; exit 1; }
echo 'una frase de pas llarga' >"$NET_DIR/password"
mkdir "$NET_DIR/here" "$NET_DIR/a.data" "$NET_DIR/b.data"
for b in a b; do net_in $b mount --bind "$NET_DIR/$b.data" "$NET_DIR/here"; done
ok "each has its Avahi" both net_avahi

# --- a copied card ---
ok "box a founds its community" box_in a init --name Ateneu --admin admin --password-file "$NET_DIR/password"
serve_here a
ok "and serves" within 20 up a
token[a]=$(token_of a) token[b]=${token[a]}
ok "somebody writes" write_on a before
box_in a sheets >"$NET_DIR/sheets"
grep '^LLIURE1:' "$NET_DIR/sheets" | sed -n '1p;3p' >"$NET_DIR/two"
ok "a backup is made" box_in a backup "$NET_DIR/backup"
power_off a
cp -a "$NET_DIR/a.data/." "$NET_DIR/b.data"
ok "its card is copied" looks_the_same "$NET_DIR/b.data"
net_cut b
both serve_here
ok "the card and its copy serve, apart" eval 'within 20 up a && within 20 up b'
is_same=$([ "$(box_in a status --json | json appliance)" = "$(box_in b status --json | json appliance)" ] && echo yes)
ok "with one key" [ "$is_same" = yes ]
ok "a writes" write_on a of-a
ok "b writes in the same place" write_on b of-b
net_join b
ok "on one network both notice it by themselves" within 20 both warned
note "${took:-?} ms after the cable was put back"
ok "both have what either wrote" within 20 shows_all of-a of-b
ok "and hold the same" within 20 same
ok "the log in which they contradict each other is proved on both" eval '[ "$(logs_of a)" -ge 1 ] && [ "$(logs_of b)" -ge 1 ]'
ok "a writes on" write_on a later-a
ok "b writes on" write_on b later-b
ok "and each reads the other" within 20 shows_all later-a later-b
ok "a is clean" box_in a verify
ok "b is clean" box_in b verify

# --- two boxes from one backup ---
both power_off
for b in a b; do find "$NET_DIR/$b.data" -mindepth 1 -delete; done
net_cut b
for b in a b; do ok "$b is restored from the backup" box_in $b restore "$NET_DIR/backup" --sheets "$NET_DIR/two"; done
both serve_here
ok "both serve, apart" eval 'within 20 up a && within 20 up b'
token[a]=$(token_of a) token[b]=$(token_of b)
ok "with what was there" eval 'shows a before && shows b before'
ok "a writes" write_on a again-a
ok "b writes" write_on b again-b
net_join b
ok "on one network both notice it" within 20 both warned
note "${took:-?} ms after the cable was put back"
ok "both have what either wrote" within 20 shows_all again-a again-b
ok "and hold the same" within 20 same
ok "nothing contradicts itself: each began anew" eval '[ "$(logs_of a)$(logs_of b)" = 00 ]'
ok "a is clean" box_in a verify
ok "b is clean" box_in b verify
echo "1..$n"
[ $failed = 0 ]
