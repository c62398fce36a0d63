# SPDX-License-Identifier: AGPL-3.0-or-later
# What the end-to-end tests share beside tests/lib/tap.sh: boxes that come and go. Sourced by bash.
# Every box that a test starts ends with the test, however it ends. KEEP=1: the scratch folder stays.

: "${SOURCE:=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)}"
: "${BUILD:=$SOURCE/build/release}"
: "${LLIURE:=$BUILD/lliure}"
. "$SOURCE/tests/lib/tap.sh"
declare -A daemon
# A sanitizer keeps what was freed, and notes beside everything: so many times the memory is then allowed.
case $LLIURE in */asan/lliure | */tsan/lliure) SANITIZED=8 ;; *) SANITIZED=1 ;; esac

cleanup() {
	local b
	for b in "${!daemon[@]}"; do kill -9 "${daemon[$b]}" 2>/dev/null; done
	wait 2>/dev/null
	[ -n "${KEEP-}" ] || rm -rf "$T"
}
trap cleanup EXIT
trap 'exit 1' INT TERM

# until_ok SECONDS COMMAND...: try ten times a second. SECONDS is what a calm machine needs at the most; a busy one
# is given PATIENCE times as long. Who succeeds does not wait for it.
PATIENCE=${PATIENCE:-10}
until_ok() {
	local end=$((SECONDS + $1 * PATIENCE))
	shift
	while ! "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.1
	done
}

# make_box NAME [INIT ARGS...]: in $T/NAME, with the volunteer "admin" whose password is in $T/password.
echo 'una frase de pas llarga' >"$T/password"
make_box() {
	local b=$1
	shift
	"$LLIURE" init --data "$T/$b" --name "$b" --admin admin --password-file "$T/password" "$@" >"$T/$b.init" || {
		cat "$T/$b.init"
		return 1
	}
}
key_of() { "$LLIURE" status --json --data "$T/$1" | python3 -c 'import json,sys; print(json.load(sys.stdin)["appliance"])'; }
entries_of() { "$LLIURE" status --json --data "$T/$1" | python3 -c 'import json,sys; print(sum(s["entries"] for s in json.load(sys.stdin)["spaces"]))'; }

# reserve_port: sets $port to one that stays this test's until it ends, so that a box which is started again finds
# it free. The system's own choice (port 0) is free for others as soon as the box is down, and any connection that
# goes out may be given it; these lie outside the range that is chosen from. The lock goes with the processes that
# hold it, however they end.
port=
reserve_port() {
	local low high n fd dir=/tmp/lliure-test-ports
	read -r low high </proc/sys/net/ipv4/ip_local_port_range
	mkdir -p -m 1777 "$dir"
	for n in $(seq 500); do
		port=$((20000 + SRANDOM % 12000))
		[ $port -lt "$low" ] || [ $port -gt "$high" ] || continue
		exec {fd}>"$dir/$port" || continue
		if flock -n "$fd" && ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then return 0; fi
		exec {fd}>&-
	done
	return 1
}

# start_box NAME [SERVE ARGS...]: afterwards $T/NAME.http, .https, .sync hold its ports. Those of pages are the
# system's choice; that for other boxes is another each time, unless `--sync "$(sync_addr NAME)"` asks for the last.
start_box() {
	local b=$1 i
	shift
	: >"$T/$b.out" # what a run before this one said is not this one's
	case " $* " in *" --sync "*) ;; *) reserve_port && set -- --sync "127.0.0.1:$port" "$@" ;; esac
	"$LLIURE" serve --data "$T/$b" --http 127.0.0.1:0 --https 127.0.0.1:0 --no-mdns "$@" \
		>"$T/$b.out" 2>"$T/$b.err" &
	daemon[$b]=$!
	for i in $(seq $((150 * PATIENCE))); do
		if grep -q "this box's key" "$T/$b.out" 2>/dev/null; then
			sed -n 's|.*http://[^/]*:\([0-9]*\)$|\1|p' "$T/$b.out" | head -1 >"$T/$b.http"
			sed -n 's|.*https://[^/]*:\([0-9]*\)$|\1|p' "$T/$b.out" | head -1 >"$T/$b.https"
			sed -n 's|.*other boxes *port \([0-9]*\)$|\1|p' "$T/$b.out" | head -1 >"$T/$b.sync"
			return 0
		fi
		kill -0 "${daemon[$b]}" 2>/dev/null || break
		sleep 0.1
	done
	cat "$T/$b.out" "$T/$b.err"
	return 1
}
stop_box() { # stop_box NAME [SIGNAL]
	kill -"${2:-TERM}" "${daemon[$1]}" 2>/dev/null
	wait "${daemon[$1]}" 2>/dev/null
	unset "daemon[$1]"
}
url() { echo "http://127.0.0.1:$(cat "$T/$1.http")$2"; }
sync_addr() { echo "127.0.0.1:$(cat "$T/$1.sync")"; }
get() { curl -sS --max-time 180 "$(url "$1" "$2")"; } # get BOX PATH
jar() { curl -sS --max-time 180 -b "$T/jar" -c "$T/jar" "$@"; } # a browser that keeps its cookies
get_as() { # get_as BOX PATH: with the token in $T/token.BOX
	curl -sS --fail-with-body --max-time 180 -H "Authorization: Bearer $(cat "$T/token.$1")" "$(url "$1" "$2")"
}
token_of() { # a personal token of admin
	"$LLIURE" user token admin --password-file "$T/password" --data "$T/$1" | tail -1
}
post_json() { # post_json BOX PATH TOKEN JSON
	curl -sS --fail-with-body --max-time 180 -H 'Content-Type: application/json' -H "Authorization: Bearer $3" -d "$4" "$(url "$1" "$2")"
}
# Heavy acts need somebody who has just signed in: sign_in BOX, then act_signed_in BOX PATH JSON.
sign_in() {
	curl -sS --max-time 180 -o /dev/null -c "$T/jar.$1" --data-urlencode name=admin --data-urlencode "password=$(cat "$T/password")" "$(url "$1" /sign-in)"
}
csrf_of() { curl -sS --max-time 180 -b "$T/jar.$1" "$(url "$1" /me)" | csrf_in; }
act_signed_in() {
	curl -sS --fail-with-body --max-time 180 -b "$T/jar.$1" -H 'Content-Type: application/json' \
		-d "$(python3 -c 'import json,sys; print(json.dumps(json.loads(sys.argv[1]) | {"csrf": sys.argv[2]}))' "$3" "$(csrf_of "$1")")" "$(url "$1" "$2")"
}
agree() { [ "$(digest_of "$1")" = "$(digest_of "$2")" ]; }
digest_of() { "$LLIURE" digest --data "$T/$1" | sort; }
json() { python3 -c 'import json,sys
d=json.load(sys.stdin)
for k in sys.argv[1].split("."):
    d=d[int(k)] if isinstance(d,list) else d[k]
print(d)' "$1"; }
# join_box NAME PEER [ADD ARGS...]: a box that joins the community of another one, which calls it back.
join_box() {
	local b=$1 at=$2
	shift 2
	make_box "$b" --join "$(sync_addr "$at")" "$(key_of "$at")"
	start_box "$b"
	"$LLIURE" peer add "$(sync_addr "$b")" "$(key_of "$b")" "$@" --data "$T/$at" >/dev/null
}
