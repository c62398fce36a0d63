#!/usr/bin/env bash
# SPDX-License-Identifier: AGPL-3.0-or-later
# Backups by themselves: to a disk, to a peer that agreed, tried out, and a box that comes back from what
# its peer kept.
. "$(dirname "$0")/lib.sh"

post() { # post BOX PATH FIELDS...: as the volunteer, by a token
	local b=$1 p=$2
	shift 2
	curl -sS --max-time 180 -o "$T/body" -w '%{http_code}' -H "Authorization: Bearer ${token[$b]}" "$@" "$(url "$b" "$p")"
}
state() { curl -sS --max-time 180 -H "Authorization: Bearer ${token[$1]}" "$(url "$1" /admin/recovery.json)"; }
state_is() { [ "$(state "$1" | json "$2" 2>/dev/null)" = "$3" ]; }
declare -A token

mkdir -p "$T/disks/one" "$T/disks/two"
make_box a
make_box b
start_box a --backups "$T/disks"
start_box b --backups "$T/disks"
KEY=$(key_of a)
B=$(key_of b)
token[a]=$(token_of a)
token[b]=$(token_of b)
for i in 1 2 3; do post_json a /forum/general/topics "${token[a]}" "{\"title\":\"tema $i\",\"text\":\"hola\"}" >/dev/null; done

# --- to a disk ---
ok "says that backups go nowhere yet" eval 'curl -sS -H "Authorization: Bearer ${token[a]}" "$(url a /admin/recovery)" | grep -q "Nowhere yet"'
is "none is made while they go nowhere" "$(post a /admin/recovery/now -d '')" 409
ok "and none is said to be on its way" eval '! state a | grep -q backing_up'
ok "there is no button for it" eval '! curl -sS -H "Authorization: Bearer ${token[a]}" "$(url a /admin/recovery)" | grep -q "/admin/recovery/now"'
is "a folder that is not offered is refused" "$(post a /admin/recovery/places --data-urlencode "folder=$T")" 404
is "one that is offered becomes a place" "$(post a /admin/recovery/places --data-urlencode "folder=$T/disks/one")" 303
echo mine >"$T/disks/one/letter.txt"
echo mine >"$T/disks/one/lliure-other.backup"
for p in .lliure-backup.part ".lliure-backup-${B:0:8}.part"; do echo theirs >"$T/disks/one/$p"; done
is "a backup is asked for" "$(post a /admin/recovery/now -d '')" 303
ok "both are made" until_ok 30 eval '[ $(ls "$T/disks/one" | grep -cE "^lliure-${KEY:0:8}-(small|whole)-[0-9]{8}-[0-9]{6}.backup$") = 2 ]'
ok "the page says when" until_ok 10 eval 'state a | grep -q "\"whole\":\"20"'
ok "nothing half-written is left" until_ok 10 eval '[ -z "$(find "$T/disks/one" -name "*${KEY:0:8}*part*")" ]'
is "what another box is writing there stays" "$(cat "$T"/disks/one/.lliure-backup*.part)" "$(printf 'theirs\ntheirs')"
rm -f "$T"/disks/one/.lliure-backup*.part
is "in clear there is nothing of it" "$(cat "$T"/disks/one/lliure-${KEY:0:8}-* | grep -aciE 'tema 1|SQLite|admin')" 0
rm -f "$T"/disks/one/lliure-"${KEY:0:8}"-whole-*
for d in 01 02 03 04 05 06; do for s in small whole; do echo old >"$T/disks/one/lliure-${KEY:0:8}-$s-202501$d-030000.backup"; done; done
post a /admin/recovery/now -d '' >/dev/null
ok "old ones go: four whole ones stay" until_ok 30 eval '[ $(ls "$T/disks/one" | grep -c whole) = 4 ] && ! ls "$T/disks/one" | grep -q whole-20250103'
until_ok 10 eval '! state a | grep -q backing_up'
is "and what is not ours stays" "$(cat "$T/disks/one/letter.txt" "$T/disks/one/lliure-other.backup")" "$(printf 'mine\nmine')"

# --- a clock that once was wrong, or a stick with forged names ---
YEAR=$(date -u +%Y)
at_rest() { until_ok 30 eval '! state a | grep -qE "backing_up|proving"'; }
rm -f "$T"/disks/one/lliure-"${KEY:0:8}"-whole-2025*
for d in 01 02 03 04 05 06 07; do for s in small whole; do echo later >"$T/disks/one/lliure-${KEY:0:8}-$s-210601$d-030000.backup"; done; done
sleep 1.1 # their names have seconds
post a /admin/recovery/now -d '' >/dev/null
at_rest
ok "what is made stays beside names of the year 2106" eval 'for s in small whole; do ls "$T/disks/one" | grep -q "$s-$YEAR" || exit 1; done'
is "which are as few as ever" "$(ls "$T/disks/one" | grep -cE -- '-(whole|small)-')" 11
mkdir "$T/hidden"
mv "$T"/disks/one/lliure-"${KEY:0:8}"-*-"$YEAR"* "$T/hidden"
echo old >"$T/disks/one/lliure-${KEY:0:8}-small-20250106-030000.backup"
post a /admin/recovery/prove -d '' >/dev/null
ok "that the newest is gone is found out" until_ok 30 state_is a proof.ok False
ok "and said in words" eval 'state a | grep -q "a newer one was made there"'
mv "$T"/hidden/* "$T/disks/one"
rm -f "$T"/disks/one/lliure-"${KEY:0:8}"-*-2106*

# --- tried out ---
post a /admin/recovery/prove -d '' >/dev/null
ok "the newest is tried out, and is right" until_ok 30 state_is a proof.ok True
ok "with its date, there and at its place" eval 'state a | grep -q "\"made\":\"$YEAR" && state a | grep -q "\"proved\":\"$YEAR"'
ok "its digests were compared" state_is a proof.compared True
ok "nothing of the trial is left" until_ok 10 [ ! -e "$T/a/proof.tmp" ]

# --- erased words go out of the backups, too ---
id=$(post_json a /forum/general/topics "${token[a]}" '{"title":"te","text":"paraules que no hi haurien de ser"}' | json id)
sleep 1.1
post a /admin/recovery/now -d '' >/dev/null
at_rest
held_by() { curl -sS -H "Authorization: Bearer ${token[a]}" "$(url a "/erased/$id.json")" | json backups; }
whole() { ls "$T/disks/one" | grep -c -- -whole-; }
ok "it is erased" post_json a "/post/$id/erase" "${token[a]}" '{}'
ok "and gone from here" until_ok 20 eval 'curl -sS -H "Authorization: Bearer ${token[a]}" "$(url a "/erased/$id.json")" | json gone.0.own | grep -q True'
is "its page says that a backup still holds it" "$(held_by)" 1
is "of several" "$([ "$(whole)" -gt 1 ] && echo yes)" yes
sleep 1.1
post a /admin/recovery/now -d '' >/dev/null
ok "a new one is made, tried out, and the older ones go" until_ok 30 eval '[ "$(whole)" = 1 ] && [ "$(held_by)" = 0 ]'
at_rest
ok "it was right" state_is a proof.ok True
NEWEST=$(ls "$T"/disks/one/lliure-"${KEY:0:8}"-whole-2026* "$T"/disks/one/lliure-"${KEY:0:8}"-small-2026* 2>/dev/null | sed 's/.*-\([0-9]*-[0-9]*\).backup/\1 &/' | sort | tail -1 | cut -d' ' -f2)
[ -n "$NEWEST" ] || NEWEST=$(ls -t "$T"/disks/one/lliure-"${KEY:0:8}"-* | head -1)
for f in "$T"/disks/one/lliure-"${KEY:0:8}"-*; do [ "$(stat -c %s "$f")" -gt 100 ] && python3 - "$f" <<'END'
import sys
b = bytearray(open(sys.argv[1], "rb").read())
b[len(b) * 2 // 3] ^= 1
open(sys.argv[1], "wb").write(b)
END
done
post a /admin/recovery/prove -d '' >/dev/null
ok "a damaged one is found out" until_ok 30 state_is a proof.ok False
ok "at its place, too" eval '[[ $(state a | json places.0.wrong) == *damaged* ]]'
ok "and said in words, with what to do" eval 'curl -sS -H "Authorization: Bearer ${token[a]}" "$(url a /admin/recovery)" | grep -q "is damaged" && curl -sS -H "Authorization: Bearer ${token[a]}" "$(url a /admin/recovery)" | grep -q "Make another backup now"'
ok "the volunteer is told on the first page" eval 'curl -sS -H "Authorization: Bearer ${token[a]}" "$(url a /admin)" | grep -q "could not be restored"'
mv "$T/disks/one" "$T/disks/gone"
post a /admin/recovery/now -d '' >/dev/null
ok "a disk that is not there is said in words" until_ok 20 eval 'state a | grep -q "plugged in"'
mv "$T/disks/gone" "$T/disks/one"

# --- a disk that is full, and one that fills up in the middle ---
full_disk() { # full_disk SIZE: a box in a mount namespace of its own, whose disk has SIZE bytes
	make_box "full$1" || return 1
	mkdir -p "$T/small/$1"
	cat >"$T/in-space" <<END
#!/bin/sh
exec unshare -m sh -c 'mount -t tmpfs -o size=\$SIZE none "\$DISK" && exec "\$@"' sh "$LLIURE" "\$@"
END
	chmod +x "$T/in-space"
	SIZE=$1 DISK="$T/small/$1" LLIURE="$T/in-space" start_box "full$1" --backups "$T/small" || return 1
	token[full$1]=$(token_of "full$1")
	post "full$1" /admin/recovery/places --data-urlencode "folder=$T/small/$1" >/dev/null
	post "full$1" /admin/recovery/now -d '' >/dev/null
	until_ok 20 eval 'state full'"$1"' | grep -q "disk is full"'
}
if unshare -m sh -c 'mount -t tmpfs -o size=4096 none "$0"' "$T/disks/two" 2>/dev/null; then
	ok "a full disk is said in words" full_disk 4096
	# (the whole one is still being tried when the small one has failed)
	ok "nothing half-written is left on it" until_ok 10 eval '[ -z "$(find "/proc/${daemon[full4096]}/root$T/small/4096" -type f)" ]'
	ok "one that fills up in the middle, too" full_disk 98304
	ok "and nothing half-written is left" until_ok 10 eval '[ -z "$(find "/proc/${daemon[full98304]}/root$T/small/98304" -name "*part*")" ]'
	stop_box full4096
	stop_box full98304
else
	note "skipped: no file system can be mounted here"
fi

# --- at a peer ---
"$LLIURE" peer add "$(sync_addr b)" "$B" --data "$T/a" >/dev/null
"$LLIURE" peer add "$(sync_addr a)" "$KEY" --data "$T/b" >/dev/null
until_ok 20 eval "[ \"\$(digest_of b)\" = \"\$(digest_of a)\" ]"
is "a peer becomes a place" "$(post a /admin/recovery/places -d "peer=$B")" 303
post a /admin/recovery/now -d '' >/dev/null
ok "it refuses until its volunteers allow it" until_ok 20 eval 'state a | grep -q "does not keep backups for this one yet"'
is "they allow it" "$(post b /admin/recovery/keep -d "key=$KEY" -d allow=1)" 303
post a /admin/recovery/now -d '' >/dev/null
ok "it keeps it" until_ok 20 [ -s "$T/b/kept/$KEY" ]
is "sealed" "$(head -c 15 "$T/b/kept/$KEY")" lliure-backup-2
is "only its owner may read the file" "$(stat -c %a "$T/b/kept/$KEY")" 600
ok "what the peer keeps is tried out, too, beside a disk that can be reached" until_ok 30 eval '[[ $(state a | json places.1.proved) == $YEAR* ]]'
at_rest
is "it was right" "$(state a | json proof.ok) $(state a | json proof.name)" "True b"
post a /admin/recovery/prove -d '' >/dev/null
ok "then it is the disk's turn, whose damage is over" until_ok 30 state_is a places.0.wrong ""
ok "each with its own date" eval '[[ $(state a | json places.0.proved) == $YEAR* ]] && [ ! "$(state a | json places.0.proved)" \< "$(state a | json places.1.proved)" ]'
at_rest

# --- over a line that is counted ---
hour=$(date +%-H) kept=$(sha256sum <"$T/b/kept/$KEY")
# as if a tunnel ended on this machine: else no line would be between the two
ok "a's line is counted, and closed at this hour" "$LLIURE" reach --metered yes --tunnel yes --from $(((hour + 2) % 24)) --to $(((hour + 3) % 24)) --data "$T/a"
post a /admin/recovery/now -d '' >/dev/null
ok "the backup waits for it, and the page says so" until_ok 20 eval 'state a | grep -q "counted, and closed for now"'
is "nothing of it went" "$(sha256sum <"$T/b/kept/$KEY")" "$kept"
"$LLIURE" reach --metered yes --megabytes 1000 --from 0 --to 0 --data "$T/a" >/dev/null
line() { curl -sS -H "Authorization: Bearer ${token[a]}" "$(url a /admin/reach.json)" | json used; }
before=$(line)
post a /admin/recovery/now -d '' >/dev/null
ok "it goes when the line is open" until_ok 20 eval '[ "$(sha256sum <"$T/b/kept/$KEY")" != "$kept" ]'
until_ok 10 eval '! state a | grep -q backing_up'
ok "and is counted" until_ok 20 eval '[ $(($(line) - before)) -ge "$(stat -c %s "$T/b/kept/$KEY")" ]'
"$LLIURE" reach --metered no --data "$T/a" >/dev/null
"$LLIURE" sheets --data "$T/a" | grep '^LLIURE1:' >"$T/codes"
head -2 "$T/codes" >"$T/two"

# --- what is kept, when its house is not wanted any more ---
cp "$T/b/kept/$KEY" "$T/kept.saved"
kept_json() { curl -sS -H "Authorization: Bearer ${token[b]}" "$(url b /admin/recovery.json)"; }
is "no more of it is taken" "$(post b /admin/recovery/keep -d "key=$KEY" -d allow=0)" 303
ok "what is here stays" [ -s "$T/b/kept/$KEY" ]
is "and can be removed" "$(kept_json | json peers.0.remove_url)" "/admin/recovery/kept/$KEY/remove"
is "not by a program's token" "$(post b "/admin/recovery/kept/$KEY/remove" -d '')" 401
ok "and it stays" [ -s "$T/b/kept/$KEY" ]
sign_in b
ok "who asks is told what that means" eval 'curl -sS -b "$T/jar.b" "$(url b "/admin/recovery/kept/$KEY/remove")" | grep -q "has no other backup"'
"$LLIURE" peer remove "$KEY" --data "$T/b" >"$T/removed"
ok "to disconnect leaves it, and says so" eval 'grep -q "is kept here" "$T/removed" && [ -s "$T/b/kept/$KEY" ]'
ok "and that nothing was signed, and what would" grep -q "becomes void: lliure peer remove $KEY --revoke" "$T/removed"
is "the page still names it" "$(kept_json | json left.0.key)" "$KEY"
ok "it is removed" act_signed_in b "/admin/recovery/kept/$KEY/remove" '{}'
ok "and gone" [ ! -e "$T/b/kept/$KEY" ]
ok "once" not act_signed_in b "/admin/recovery/kept/$KEY/remove" '{}'
"$LLIURE" peer add "$(sync_addr a)" "$KEY" --data "$T/b" >/dev/null
cp "$T/kept.saved" "$T/b/kept/$KEY"
ok "or with the house" "$LLIURE" peer remove "$KEY" --drop-backup --data "$T/b"
ok "gone, too" [ ! -e "$T/b/kept/$KEY" ]
"$LLIURE" peer add "$(sync_addr a)" "$KEY" --data "$T/b" >/dev/null
post a /admin/recovery/now -d '' >/dev/null
ok "who is connected again is not allowed by that" until_ok 20 eval 'state a | grep -q "does not keep backups for this one yet"'
post b /admin/recovery/keep -d "key=$KEY" -d allow=1 >/dev/null
post a /admin/recovery/now -d '' >/dev/null
ok "until it is" until_ok 20 [ -s "$T/b/kept/$KEY" ]
until_ok 10 eval '! state a | grep -q backing_up'

# --- the box dies: two sheets and the address of its peer are left ---
stop_box a KILL
post_json b /forum/general/topics "${token[b]}" '{"title":"mentrestant","text":"hola"}' >/dev/null
: >"$T/r.out"
"$LLIURE" serve --data "$T/r" --http 127.0.0.1:0 --https 127.0.0.1:0 --sync 127.0.0.1:0 --no-mdns >"$T/r.out" 2>"$T/r.err" &
daemon[r]=$!
until_ok 30 grep -q 'Ctrl-C' "$T/r.out"
sed -n 's|.*http://localhost:\([0-9]*\)$|\1|p' "$T/r.out" | head -1 >"$T/r.http"
CODE=$(sed -n 's|.*the code *\([a-z2-7-]*\)$|\1|p' "$T/r.out")
jar -o /dev/null --data-urlencode "code=$CODE" "$(url r /setup/code)"
CSRF=$(jar "$(url r /setup/replace)" | csrf_in)
printf 'una altra frase llarga' >"$T/other"
is "two sheets, and what the square code says of its peers" "$(jar -o "$T/body" -w '%{http_code}' --data-urlencode "csrf=$CSRF" \
	--data-urlencode "sheet1=$(sed -n 1p "$T/codes")/$(sync_addr b)/$(echo "$B" | tr a-z A-Z)" --data-urlencode "sheet2=$(sed -n 3p "$T/codes")" \
	--data-urlencode name=a --data-urlencode admin=neus --data-urlencode "password@$T/other" --data-urlencode "password2@$T/other" \
	"$(url r /setup/replace)")" 303
ok "end in the running box" until_ok 40 grep -q "this box's key" "$T/r.out"
is "it is the box that died" "$(key_of r)" "$KEY"
ok "its accounts came back from its peer" "$LLIURE" user token admin --password-file "$T/password" --data "$T/r"
ok "and everything else, too" until_ok 30 eval "[ \"\$(digest_of r)\" = \"\$(digest_of b)\" ]"
token[r]=$(token_of r)
ok "it knows where its backups went" state_is r places.0.name "$T/disks/one"
finish
