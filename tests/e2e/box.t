#!/usr/bin/env bash
# SPDX-License-Identifier: AGPL-3.0-or-later
# The daemon as a box of the image starts it: behind its wall, fed by nobody but itself, on a machine that was cut
# off, and on one whose disk can't be read.
. "$(dirname "$0")/lib.sh"

mkdir -p "$T/root/etc" "$T/root/run/lliure" "$T/root/state/lliure" "$T/root/sys" "$T/root/proc"
echo 'VERSION_ID=2026.11.25' >"$T/root/etc/os-release"

# What systemd would hear.
python3 -c 'import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
with open(sys.argv[2], "w", buffering=1) as f:
    while True:
        f.write(s.recv(4096).decode() + "\n")' "$T/notify" "$T/heard" &
daemon[systemd]=$!
until_ok 20 test -S "$T/notify"
export NOTIFY_SOCKET=$T/notify WATCHDOG_USEC=2000000
serve_box() { start_box a --box "$T/root" "$@"; }

ok "a box starts behind its wall" eval 'make_box a && serve_box'
ok "systemd hears that its doors are open" until_ok 20 grep -q '^READY=1' "$T/heard"
ok "and, again and again, that it lives" until_ok 20 eval '[ "$(grep -c "^WATCHDOG=1" "$T/heard")" -ge 2 ]'
token=$(token_of a)
ok "what people write is taken" post_json a /forum/general/topics "$token" '{"title":"Bon dia","text":"Des de la caixa."}'
ok "a file goes out of it and comes in" eval '"$LLIURE" bundle export "$T/news" --data "$T/a" &&
	[ "$(curl -sS -o /dev/null -w "%{http_code}" -F "file=@$T/news;filename=news.lliure" "$(url a /carry)")" = 303 ]'
ok "it says how it is" eval '"$LLIURE" health --json --data "$T/a" | json lights.7.name | grep -q updates'
echo ateneu-nou >"$T/root/state/lliure/hostname"
ok "who stands before it gets a code" eval '"$LLIURE" claim --data "$T/a" | grep -q "/claim/[a-z2-7]\{26\}$"'
ok "with the name that the machine has now" eval '"$LLIURE" claim --data "$T/a" | grep -q "^http://ateneu-nou\.local:"'
if [ -e /sys/kernel/security/landlock ] || grep -qs landlock /sys/kernel/security/lsm; then
	ok "the kernel's walls stand" eval '! grep -q "does without that wall" "$T/a.err"'
fi


# The daemon that runs is made to try what an intruder would: inject_tool has its main thread ask the kernel.
inject="$BUILD/tests/e2e/inject_tool ${daemon[a]}"
out=$BUILD/walls.$$
tries() { # tries NAME WANTED CALL PATH...
	local name=$1 wanted=$2
	shift 2
	is "$name" "$($inject "$@" 2>&1 | sed 's/.* //' | sort -u | tr '\n' ' ')" "$wanted "
}
if grep -qs '^Seccomp:.2' "/proc/${daemon[a]}/status" && $inject read "$T/a/log.db" >"$T/said" 2>&1; then
	is "it can read its own data" "$(cat "$T/said")" "read $T/a/log.db 0"
	tries "and write beside it" 0 write "$T/a/new" "$T/new-file"
	tries "it can't read who may sign in, nor other programs' files" EACCES read /etc/shadow /etc/fstab "$SOURCE/Makefile"
	tries "it can't list the machine's folders" EACCES list / /etc /root /var
	tries "it can't write outside its folders" EACCES write "$out" /etc/passwd /usr/bin/lliure "$SOURCE/Makefile"
	tries "it can't remove there" EACCES remove /etc/passwd "$SOURCE/Makefile"
	tries "it can't run a shell" EACCES run /bin/sh /usr/bin/env
	tries "it can't look into another process" EPERM trace $$ 1
	tries "it can't mount" EPERM mount "$T" /tmp
	ok "and it goes on as if nothing had been" eval '! test -e "$out" && get a /forum/general.json | grep -q "Bon dia"'
	ok "its helper for foreign files still runs" eval '"$LLIURE" bundle export "$T/news-2" --data "$T/a" &&
		[ "$(curl -sS -o /dev/null -w "%{http_code}" -F "file=@$T/news-2;filename=news.lliure" "$(url a /carry)")" = 303 ]'
else
	note "the daemon is not tried from within: no seccomp (a sanitizer, an old kernel), or nobody may look into a process here"
fi

stop_box a KILL
mkdir -p "$T/root/run/lliure-label"
ok "after the plug was pulled it starts again" serve_box
ok "its screen says where it is" grep -q '^  its pages  *http://ateneu-nou\.local:' "$T/a.out"
is "and speaks to nobody at a keyboard" "$(grep -c 'localhost\|Ctrl-C' "$T/a.out")" 0
printf 'ssid Ateneu\npassword una-clau\ncode WIFI:T:WPA;S:Ateneu;P:una-clau;;\n' >"$T/root/run/lliure-label/wifi"
ok "its Wi-Fi, too, when that is there" until_ok 20 grep -q '^  the password  *una-clau$' "$T/a.out"
rm -r "$T/root/run/lliure-label"
ok "what was written is there" eval 'get a /forum/general.json | grep -q "Bon dia"'
is "it remembers that it was cut off" "$(wc -l <"$T/a/sudden-ends")" 1
stop_box a
ok "it says that it stops" until_ok 20 grep -q '^STOPPING=1' "$T/heard"
ok "which is no sudden end" test ! -e "$T/a/running"

: >"$T/root/run/lliure/data-lost"
reserve_port
lost=127.0.0.1:$port
"$LLIURE" serve --data "$T/new" --box "$T/root" --http "$lost" >"$T/lost.out" 2>&1 &
daemon[lost]=$!
ok "a box without its disk says so" until_ok 20 eval 'curl -sS "http://$lost/" | grep -q "recovery sheets"'
ok "and begins nothing" test ! -e "$T/new"
stop_box lost
rm "$T/root/run/lliure/data-lost"

# A daemon that is stopped says nothing, and nobody feeds the watchdog for it.
fed() { grep -c '^WATCHDOG=1' "$T/heard"; }
ok "it is well again" serve_box
ok "and fed" until_ok 20 eval '[ "$(fed)" -gt 2 ]'
kill -STOP "${daemon[a]}"
sleep 0.2
before=$(fed)
sleep 2.5
is "a daemon that hangs is not fed" "$(fed)" "$before"
kill -CONT "${daemon[a]}"
ok "one that goes on is" until_ok 20 eval '[ "$(fed)" -gt "$before" ]'
stop_box a

# A disk that is full to the last byte when the box starts, and while it runs.
if [ "$(id -u)" = 0 ] && mkdir -p "$T/disk" && mount -t tmpfs -o size=96m tmpfs "$T/disk" 2>/dev/null; then
	trap 'umount -l "$T/disk"; cleanup' EXIT
	fill() { dd if=/dev/zero of="$T/disk/$1" bs=64k 2>/dev/null; dd if=/dev/zero of="$T/disk/$1-end" bs=1 2>/dev/null; true; }
	mkdir "$T/disk/d"
	ln -s "disk/d" "$T/d"
	ok "a box on a small disk" eval 'make_box d && start_box d --box "$T/root" && stop_box d'
	ok "keeps some room" test -s "$T/disk/d/ballast"
	fill one
	is "the disk is full" "$(df --output=avail "$T/disk" | tail -1 | tr -d ' ')" 0
	ok "the box starts all the same" start_box d --box "$T/root"
	ok "and serves" eval 'get d / | grep -q "<h1"'
	is "its health says act" "$("$LLIURE" health --json --data "$T/d" | json lights.3.state)" act
	ok "what to do, too" eval '"$LLIURE" health --data "$T/d" | grep -q "larger card or disk"'
	fill two
	before=$(fed)
	ok "a full disk is no reason to start again" until_ok 20 eval '[ "$(fed)" -gt $((before + 1)) ]'
	ok "and pages are served" eval 'get d /forums | grep -q "<h1"'
	stop_box d
	rm "$T/disk/one" "$T/disk/two"
	ok "with room again it starts as ever" start_box d --box "$T/root"
	ok "and keeps some again" test -s "$T/disk/d/ballast"
	# A plug is pulled, and what is left is enough to open everything and too little for a start to write.
	kill -KILL "${daemon[d]}"
	wait "${daemon[d]}" 2>/dev/null || true
	fill one
	truncate -s -64K "$T/disk/one"
	ok "with a little room left it starts, too" start_box d --box "$T/root"
	ok "for it threw out what it kept" test ! -e "$T/disk/d/ballast"
	stop_box d
else
	note "nothing can be mounted here: the full disk was not tried"
fi

# A new box: what its screen and its label say.
mkdir -p "$T/root/run/lliure-label"
reserve_port
"$LLIURE" serve --data "$T/fresh" --box "$T/root" --http "127.0.0.1:$port" --https 127.0.0.1:0 >"$T/fresh.out" 2>&1 &
daemon[fresh]=$!
ok "a new box shows its code" until_ok 20 grep -q 'the code *[a-z2-7]\{5\}-[a-z2-7]\{5\}$' "$T/fresh.out"
printf 'ssid Ateneu\npassword una-clau\n' >"$T/root/run/lliure-label/wifi"
sleep 0.3
is "a network that is not ready is not shown" "$(grep -c una-clau "$T/fresh.out")" 0
printf 'ssid Ateneu \033[2J\npassword una-clau\ncode WIFI:T:WPA;S:Ateneu;P:una-clau;;\n' >"$T/root/run/lliure-label/wifi"
ok "one that is, with its password" until_ok 20 grep -q 'the password *una-clau$' "$T/fresh.out"
ok "the label has the same" until_ok 20 eval 'tail -4 "$T/fresh.out" | cmp - "$T/root/run/lliure-label/sheet.txt"'
is "for nobody else" "$(stat -c %a "$T/root/run/lliure-label/sheet.txt")" 600
is "a name can't command the screen" "$(grep -c "$(printf '\033')" "$T/fresh.out")" 0
code=$(sed -n 's/.*the code *//p' "$T/fresh.out" | head -1)
stop_box fresh
"$LLIURE" serve --data "$T/fresh" --box "$T/root" --http "127.0.0.1:$port" --https 127.0.0.1:0 >"$T/fresh.out" 2>&1 &
daemon[fresh]=$!
ok "after a restart the label still holds" until_ok 20 grep -q "the code *$code\$" "$T/fresh.out"
stop_box fresh

# An older system over newer data.
python3 -c 'import sqlite3, sys
d = sqlite3.connect(sys.argv[1])
d.execute("UPDATE schema_version SET version=version+1")
d.commit()' "$T/a/local.db"
"$LLIURE" serve --data "$T/a" --box "$T/root" --http "$lost" >"$T/lost.out" 2>&1 &
daemon[lost]=$!
ok "a system that is older than the data says so" until_ok 20 eval 'curl -sS "http://$lost/" | grep -q "older than its data"'
stop_box lost
finish
