#!/usr/bin/env bash
# SPDX-License-Identifier: AGPL-3.0-or-later
# An update that one box has goes to another: two real daemons over real TLS, each with the real root helper and
# updater on a machine that is a folder. RAUC itself looks at bundles, where it is installed; writing them and the
# restart are played (box_tool).
. "$(dirname "$0")/lib.sh"
command -v rauc >/dev/null && command -v openssl >/dev/null || skip_all "there is no rauc here"
case $(uname -m) in x86_64) machine=lliure-amd64 ;; aarch64) machine=lliure-arm64 ;; *) skip_all "no image is for this machine" ;; esac

# --- bundles ---
key() { openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 3650 -subj "/CN=$1" \
	-keyout "$T/$1.key" -out "$T/$1.crt" 2>/dev/null; }
bundle() { # bundle KEY VERSION KIB: in $T/VERSION.raucb
	mkdir "$T/content" && head -c "${3}k" /dev/urandom >"$T/content/root.img" &&
		printf '[update]\ncompatible=%s\nversion=%s\nbuild=format-9999\n\n[bundle]\nformat=verity\n\n[image.rootfs]\nfilename=root.img\n' \
			$machine "$2" >"$T/content/manifest.raucm" &&
		rauc --cert "$T/$1.crt" --key "$T/$1.key" bundle "$T/content" "$T/$2.raucb" >/dev/null 2>&1
	local status=$?
	rm -rf "$T/content"
	return $status
}
key ours && key stranger
bundle ours 2026.12.1 1500 && bundle stranger 2026.12.5 64 && bundle ours 2026.12.8 64 ||
	skip_all "this rauc makes no bundles"

# --- machines ---
folder() { echo "$T/root-$1"; }
runs() { echo "VERSION_ID=$2" >"$(folder "$1")/etc/os-release"; } # runs BOX VERSION
trusts() { # trusts BOX KEY: whose bundles it takes
	printf '[system]\ncompatible=%s\nbootloader=custom\nbundle-formats=verity\n\n[keyring]\npath=%s\nuse-bundle-signing-time=true\n\n[handlers]\nbootloader-custom-backend=/bin/true\n' \
		$machine "$T/$2.crt" >"$(folder "$1")/etc/rauc/system.conf"
}
machine() { # machine BOX VERSION
	local root
	root=$(folder "$1")
	mkdir -p "$root"/{etc/rauc,run/lliure,run/lliure-update,state/lliure,sys,proc,var/lib/lliure/updates}
	runs "$1" "$2"
	trusts "$1" ours
	"$BUILD/tests/e2e/box_tool" "$root" "$root/var/lib/lliure/updates" "$T/$1" 2>"$T/tool-$1" &
	daemon[tool-$1]=$!
	until_ok 20 test -S "$root/run/lliure-helper.sock"
}
serve_box() { local b=$1; shift; start_box "$b" --box "$(folder "$b")" "$@"; }
helper() { # helper BOX WORD: as the daemon would
	python3 -c 'import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
s.connect(sys.argv[1])
s.send(sys.argv[2].encode() + b"\0")
sys.exit(not s.recv(65536).startswith(b"ok\0"))' "$(folder "$1")/run/lliure-helper.sock" "$2"
}
restarted() { rm "$(folder "$1")/restarted" 2>/dev/null; }
# The new system starts, and is well: restart BOX VERSION.
restart() { stop_box "$1" && runs "$1" "$2" && serve_box "$1" --sync "$(sync_addr "$1")" && helper "$1" healthy; }
stage() { sed -n 's/^stage=//p' "$(folder "$1")/state/lliure/update"; }
page() { get_as "$1" /admin/update.json; }
offer() { page "$1" | python3 -c 'import json, sys
for o in json.load(sys.stdin)["offers"]:
    if o["version"] == sys.argv[1]: print(o[sys.argv[2]])' "$2" "$3"; } # offer BOX VERSION FIELD
state_is() { [ "$(offer "$1" "$2" state)" = "$3" ]; }
upload() { curl -sS -o /dev/null -w '%{http_code}' -b "$T/jar.$1" -F "csrf=$(csrf_of "$1")" -F "file=@$2;filename=x.raucb" "$(url "$1" /admin/update)"; }
act() { act_signed_in a "/admin/update/$1" "{\"blob\":\"$(offer a "$2" blob)\"}"; } # act WHAT VERSION
plan() { act_signed_in a /admin/update/plan "{\"how\":\"$1\",\"peers\":\"1\",\"days\":\"$2\",\"hour\":\"$(date +%-H)\",\"tells\":\"1\"}"; }
meet() { "$LLIURE" sync --data "$T/$1" >/dev/null; }
b_is_well_with() { # the bundle of that version goes into b, and is well there
	[ "$(upload b "$T/$1.raucb")" = 303 ] && until_ok 20 restarted b && restart b "$1" && sign_in b
}

# A line between them whose speed the file $T/rate says, in bytes a second.
reserve_port
line=$port
echo 100000000 >"$T/rate"
cat >"$T/line.py" <<'P'
import socket, sys, threading, time
there, rate = int(sys.argv[2]), sys.argv[3]
def pump(a, b, slow):
    try:
        while True:
            d = a.recv(16384)
            if not d: break
            b.sendall(d)
            if slow: time.sleep(len(d) / float(open(rate).read()))
    except OSError: pass
    for s in (a, b):
        try: s.shutdown(socket.SHUT_RDWR)
        except OSError: pass
l = socket.create_server(("127.0.0.1", int(sys.argv[1])))
while True:
    a = l.accept()[0]
    try: b = socket.create_connection(("127.0.0.1", there))
    except OSError: a.close(); continue
    threading.Thread(target=pump, args=(a, b, False), daemon=True).start()
    threading.Thread(target=pump, args=(b, a, True), daemon=True).start()
P

ok "two boxes that trust each other" eval 'machine a 2026.11.20 && machine b 2026.11.20 && make_box b && serve_box b &&
	make_box a --join "$(sync_addr b)" "$(key_of b)" --name a && serve_box a &&
	"$LLIURE" peer add "$(sync_addr a)" "$(key_of a)" --data "$T/b" && until_ok 20 meet a'
python3 "$T/line.py" "$line" "$(cat "$T/b.sync")" "$T/rate" 2>/dev/null &
daemon[line]=$!
"$LLIURE" peer add "127.0.0.1:$line" "$(key_of b)" --data "$T/a" >/dev/null
for b in a b; do sign_in $b; token_of $b >"$T/token.$b"; done
elsewhere() { page a | json elsewhere.0."$1"; }
# Each tells the other by itself. (Who is called all the time does not call back meanwhile: nothing here hurries them.)
ok "say which system they run" until_ok 20 eval '[ "$(elsewhere version)" = 2026.11.20 ]'

ok "a volunteer updates one" b_is_well_with 2026.12.1
is "which is well with it" "$(stage b)" done
ok "the other hears of it, and that it can be had" until_ok 20 eval 'state_is a 2026.12.1 offered && [ "$(elsewhere version)" = 2026.12.1 ]'
is "nothing was fetched by itself" "$(du -sk "$T/a/update" | awk '{print ($1 < 64)}')" 1

part() { find "$T/a/update" -type f -size +150k | grep -q .; }
echo 300000 >"$T/rate"
ok "it is fetched when a volunteer says so" act fetch 2026.12.1
ok "and comes" until_ok 20 part
is "with its progress" "$(offer a 2026.12.1 state)" wanted
stop_box a KILL
before=$(find "$T/a/update" -type f -size +150k -printf %s)
echo 100000000 >"$T/rate"
ok "after the plug was pulled it goes on by itself, and is found good" eval 'serve_box a && until_ok 20 state_is a 2026.12.1 ready'
ok "from where it was" test "$before" -lt "$(stat -c %s "$T/2026.12.1.raucb")"
ok "its health says that it waits" eval '"$LLIURE" health --data "$T/a" | grep -q "found good: version 2026.12.1"'
is "nothing is installed by itself" "$(test -e "$(folder a)/installed"; echo $?)" 1
sign_in a
ok "a volunteer installs it" eval 'act install 2026.12.1 && until_ok 20 restarted a'
ok "which is the same file" cmp "$T/2026.12.1.raucb" "$(find "$T/a/update" -type f -size +1000k)"
ok "the new system is well" restart a 2026.12.1
ok "the page has it among the earlier ones" until_ok 20 eval '[ "$(page a | json history.0.to)" = 2026.12.1 ]'
ok "and now both pass it on" until_ok 20 eval '[ "$(page b | json elsewhere.0.version)" = 2026.12.1 ]'

# A peer whose machine takes what strangers sign, and passes it on.
trusts b stranger
sign_in a
ok "a peer has an update of a stranger" eval 'b_is_well_with 2026.12.5 && until_ok 20 eval "state_is a 2026.12.5 offered"'
ok "what a stranger signed is fetched, and refused" eval 'act fetch 2026.12.5 && until_ok 20 state_is a 2026.12.5 bad'
ok "with its reason" eval 'offer a 2026.12.5 text | grep -q "not signed by those who make this system"'
ok "in the peer'\''s record" until_ok 20 eval '"$LLIURE" peer conduct "$(key_of b)" --data "$T/a" | grep -q " update "'
is "nothing of it is kept" "$(find "$T/a/update" -type f | wc -l)" 1
is "nor can it be installed" "$(act install 2026.12.5 >/dev/null 2>&1; echo $?)" 22

# By itself, where the volunteers chose that: at this hour, when it has run well at one house.
forgive() { act_signed_in a "/admin/peers/$(key_of b)/forgive" '{}'; }
trusts b ours
ok "volunteers choose to wait for one house" plan after 0
ok "which is well with a new one" eval 'b_is_well_with 2026.12.8 && until_ok 20 eval "state_is a 2026.12.8 offered"'
is "from who gave rubbish nothing is fetched by itself" "$(offer a 2026.12.8 well)" 1
ok "once that is forgiven" forgive
ok "it is fetched and installed" eval 'plan after 0 && until_ok 20 restarted a'
finish
