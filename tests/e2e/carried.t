#!/usr/bin/env bash
# SPDX-License-Identifier: AGPL-3.0-or-later
# Files of a private space on a box that only carries it: the box that can read dies, and has only that one to
# get them back from, over the network and on a stick.
. "$(dirname "$0")/lib.sh"

upload() { # upload BOX FILE FIELD=VALUE...
	local b=$1 f=$2 a=()
	shift 2
	for x in "$@"; do a+=(-F "$x"); done
	curl -sS --fail-with-body --max-time 600 -H 'Accept: application/json' -H "Authorization: Bearer $(cat "$T/token.$b")" \
		"${a[@]}" -F "file=@$f" "$(url "$b" /files)"
}
same_at() { curl -sS --fail --max-time 180 -H "Authorization: Bearer $(cat "$T/token.$1")" -o "$T/got" "$(url "$1" "/file/$2/get")" && cmp "$T/got" "$3"; }
blobs_of() { find "$T/$1/blobs" -type f ! -path "$T/$1/blobs/tmp/*" -printf '%f\n' | sort; }
holds_as_many() { "$LLIURE" sync --data "$T/$1"; [ "$(blobs_of "$1" | wc -l)" = "$2" ]; }
friends() {
	"$LLIURE" peer add "$(sync_addr "$2")" "$(key_of "$2")" --data "$T/$1" &&
		"$LLIURE" peer add "$(sync_addr "$1")" "$(key_of "$1")" --data "$T/$2"
}

for b in a c d; do ok "box $b is made" make_box $b; done
for b in a c d; do ok "box $b serves" start_box $b; done
token_of a >"$T/token.a"
ok "a and c approve each other" friends a c
ok "c and d approve each other" friends c d
ok "a founds a private space" "$LLIURE" space add Keys --private --as admin --password-file "$T/password" --data "$T/a"
space=$("$LLIURE" space list --data "$T/a" | sed -n 's/^\([a-z2-7]*\) private .*/\1/p')
"$LLIURE" sheets --data "$T/a" | grep '^LLIURE1:' | sed -n '1p;3p' >"$T/sheets"

yes 'canary-of-the-keys-committee' | head -c 400000 >"$T/canary.txt"
yes 'canary-of-what-is-erased' | head -c 300000 >"$T/erased.txt"
ok "before anybody carries the space, a file is sent" test -n "$(upload a "$T/canary.txt" title=Codes "space=$space" | json id | tee "$T/codes")"
ok "c may carry it, and so may d" eval '"$LLIURE" space admit "$space" "$(key_of c)" --carry --name c --data "$T/a" && "$LLIURE" space admit "$space" "$(key_of d)" --carry --name d --data "$T/a"'
ok "then c comes to hold the file" until_ok 30 holds_as_many c 1
ok "and d, which knows c alone" until_ok 30 holds_as_many d 1
ok "another one is sent" test -n "$(upload a "$T/erased.txt" title=Gone "space=$space" | json id | tee "$T/gone")"
ok "c holds both" until_ok 30 holds_as_many c 2
ok "so does d" until_ok 30 holds_as_many d 2
ok "and neither a word of them" not grep -rlaE 'canary-of|Codes|Gone' "$T/c" "$T/d"
is "a carrier shows none" "$(curl -sS -o /dev/null -w '%{http_code}' "$(url c "/file/$(cat "$T/codes")")")" 404
token_of c >"$T/token.c"
carries() { [ "$(get_as c "/admin/spaces/$(get_as c /admin/spaces.json | python3 -c 'import json,sys
print([s["url"] for s in json.load(sys.stdin)["spaces"] if s["keyless"]][0].split("/")[-1])').json" | json "space.carried.$1")" = "$2" ]; }
ok "but how many it carries" carries files 2
ok "all of them" carries missing 0
ok "c's files are what they are named" "$LLIURE" verify --data "$T/c"

rev=$(get_as a "/file/$(cat "$T/gone").json" | json heads.0.rev)
ok "the second is erased" post_json a "/file/$(cat "$T/gone")/erase" "$(cat "$T/token.a")" "{\"rev\": \"$rev\"}"
ok "c lets it go" until_ok 30 holds_as_many c 1
ok "so does d" until_ok 30 holds_as_many d 1
ok "a writes a small backup" "$LLIURE" backup "$T/small" --small --data "$T/a"

A=$(key_of a)
cp "$T/a/key" "$T/key"
stop_box a KILL
rm -rf "$T/a"
ok "a dies, and comes back with nothing but its key and its book of peers" "$LLIURE" restore "$T/small" --sheets "$T/sheets" --data "$T/a"
is "it has no file" "$(blobs_of a | wc -l)" 0
ok "it serves" start_box a
ok "its peer is still one" eval '"$LLIURE" peer still "$(key_of c)" --data "$T/a"; "$LLIURE" peer add "$(sync_addr c)" "$(key_of c)" --data "$T/a"'
ok "c hears where it is" "$LLIURE" peer add "$(sync_addr a)" "$A" --data "$T/c"
ok "the file comes back from who could never read it" until_ok 60 holds_as_many a 1
token_of a >"$T/token.a"
ok "the very same bytes" until_ok 20 same_at a "$(cat "$T/codes")" "$T/canary.txt"
stop_box a KILL
rm -rf "$T/a"

ok "d, which never met a, writes a stick for it" eval '"$LLIURE" peer add 127.0.0.1:9 "$A" --data "$T/d" && "$LLIURE" bundle export "$T/stick" --for "$A" --data "$T/d"'
if /usr/bin/python3 -c 'import nacl.bindings' 2>/dev/null; then
	# A second implementation: what the stick says to carriers, and with a's key what is in it.
	/usr/bin/python3 "$SOURCE/tests/interop/reader.py" carried "$T/stick" "$T/key" >"$T/read"
	is "another program finds the file on it" "$(json "$space.came.0" <"$T/read" | cut -c3-)" "$(blobs_of d)"
	is "told by its sealed name alone" "$(json "$space.told" <"$T/read" | grep -c ,)" 1
	is "and opens it with a's key" "$(json "$space.contents" <"$T/read")" "['$(sha256sum <"$T/canary.txt" | cut -d' ' -f1)']"
fi
ok "a comes back again, with a stick alone" "$LLIURE" restore "$T/small" --sheets "$T/sheets" --data "$T/a"
ok "takes it in" "$LLIURE" bundle import "$T/stick" --data "$T/a"
is "with the file" "$(blobs_of a | wc -l)" 1
ok "it serves" start_box a
token_of a >"$T/token.a"
ok "the very same bytes" until_ok 20 same_at a "$(cat "$T/codes")" "$T/canary.txt"
finish
