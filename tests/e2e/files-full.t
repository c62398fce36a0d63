#!/usr/bin/env bash
# SPDX-License-Identifier: AGPL-3.0-or-later
# Files on a box whose disk is nearly full: what can't be taken is refused or left where it is, in words, nothing half
# is shown, and all of it comes when there is room. The disks are small ones in memory, in a mount namespace of the test's own.
if [ -z "${IN_NAMESPACE-}" ]; then
	unshare -m true 2>/dev/null || { echo "1..0 # SKIP mounting a small disk needs root"; exit 0; }
	IN_NAMESPACE=1 exec unshare -m "$0" "$@"
fi
. "$(dirname "$0")/lib.sh"

send() { # send BOX PATH FILE TITLE: the answer in $T/answer, its status is printed
	curl -sS --max-time 300 -H "Accept: ${ACCEPT:-application/json}" -H "Authorization: Bearer $(cat "$T/token.$1")" -o "$T/answer" \
		-w '%{http_code}' -F "title=$4" -F "file=@$3" "$(url "$1" "$2")"
}
state_of() { get_as "$1" "/file/$2.json" | python3 -c 'import json,sys
v=json.load(sys.stdin)["heads"][0]
print(next((k for k in ("here","coming","no_room") if v[k]), "?"))'; }
state_is() { [ "$(state_of "$1" "$2")" = "$3" ]; }
synced() { "$LLIURE" sync --data "$T/b" && "$@"; }
left_of() { find "$T/$1/blobs" -type f | wc -l; }
same_at() { curl -sS --fail --max-time 180 -o "$T/got" "$(url "$1" "/file/$2/get")" && cmp "$T/got" "$3"; }

# Leaves less than a file and what is kept for the people of the box, and more than entries need.
fill() { fallocate -l $(($(df --output=avail -B1 "$T/$1" | tail -1) - 200000000)) "$T/$1/fill"; }

for b in a b; do
	mkdir -p "$T/$b"
	ok "box $b has a small disk" mount -t tmpfs -o size=600m,mode=700 none "$T/$b"
done
ok "box a is made" make_box a
ok "it serves" start_box a
ok "b follows" make_box b --join "$(sync_addr a)" "$(key_of a)"
ok "it serves" start_box b
for b in a b; do token_of $b >"$T/token.$b"; done
ok "a approves b" "$LLIURE" peer add "$(sync_addr b)" "$(key_of b)" --data "$T/a"
(printf '%%PDF-1.7\n'; head -c 3000000 /dev/urandom) >"$T/one.pdf"
(printf '%%PDF-1.7\n'; head -c 3000000 /dev/urandom) >"$T/two.pdf"

is "where there is room a file is taken" "$(send a /files "$T/one.pdf" One)" 201
one=$(json id <"$T/answer")
ok "and b fetches it" until_ok 30 synced state_is b "$one" here
ok "its disk fills up" fill a
is "where there is too little it is refused" "$(send a /files "$T/two.pdf" Two)" 507
ok "in words" grep -q "too little room left on this box for this file" "$T/answer"
is "so is a browser's form" "$(ACCEPT=text/html send a /files "$T/two.pdf" Two)" 507
ok "in a page with the same words" eval 'grep -q "<html" "$T/answer" && grep -q "too little room left on this box for this file" "$T/answer"'
ok "nothing of it is shown" not grep -q Two <(get a /library.json)
is "and nothing is left of it" "$(left_of a)" 1
is "a message and a small file are still taken" "$(send a /files /etc/hostname Small)" 201
rm "$T/a/fill"
is "when there is room again it is taken" "$(send a /files "$T/two.pdf" Two)" 201
two=$(json id <"$T/answer")
ok "the very same" same_at a "$two" "$T/two.pdf"

# The same for what comes from elsewhere.
ok "b fetches it" until_ok 30 synced state_is b "$two" here
ok "its disk fills up" fill b
(printf '%%PDF-1.7\n'; head -c 3000000 /dev/urandom) >"$T/three.pdf"
is "one more is sent" "$(send a /files "$T/three.pdf" Three)" 201
three=$(json id <"$T/answer")
ok "b hears of it, and has no room for it" until_ok 30 synced state_is b "$three" no_room
ok "its page says so" eval 'get b "/file/$three" | grep -q "too little room left on this box for it"'
is "nobody gets a half of it" "$(curl -sS -o "$T/answer" -w '%{http_code}' "$(url b "/file/$three/get")")" 404
ok "but why" grep -q "too little room" "$T/answer"
is "who asks for it is told so, too" "$(curl -sS -d '' -o "$T/answer" -w '%{http_code}' "$(url b "/file/$three/fetch")")" 507
is "no part of it is there" "$(left_of b)" 2
rm "$T/b/fill"
ok "when there is room it comes" until_ok 30 synced state_is b "$three" here
ok "the very same" same_at b "$three" "$T/three.pdf"
for b in a b; do stop_box $b; umount "$T/$b"; done
finish
