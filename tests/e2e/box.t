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
ok "who stands before it gets a code" eval '"$LLIURE" claim --data "$T/a" | grep -q "/claim/[a-z2-7]\{26\}$"'
if [ -e /sys/kernel/security/landlock ] || grep -qs landlock /sys/kernel/security/lsm; then
	ok "the kernel's wall stands" eval '! grep -q Landlock "$T/a.err"'
fi

stop_box a KILL
ok "after the plug was pulled it starts again" serve_box
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
finish
