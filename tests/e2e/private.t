#!/usr/bin/env bash
# SPDX-License-Identifier: AGPL-3.0-or-later
# A private space travels from box a, which founded it, over box c, which may only carry it, to box b, which
# may read it and never meets a. Box d is connected with a and c and is not admitted.
. "$(dirname "$0")/lib.sh"

canary=kanarienvogel
# holds FOLDER TEXT: does any file below hold these bytes? id:LETTERS stands for the id's 32 bytes.
holds() {
	python3 - "$1" "$2" <<'PY'
import base64, os, sys
what = sys.argv[2]
raw = base64.b32decode(what[3:].upper() + "====") if what.startswith("id:") else what.encode()
for folder, _, names in os.walk(sys.argv[1]):
    for name in names:
        try:
            data = open(os.path.join(folder, name), "rb").read()
        except OSError:
            continue
        if raw in data or (what.startswith("id:") and what[3:].encode() in data):
            print(os.path.join(folder, name))
            sys.exit(0)
sys.exit(1)
PY
}
# Each asks the other once.
meet() {
	"$LLIURE" sync "$(key_of "$2")" --data "$T/$1" && "$LLIURE" sync "$(key_of "$1")" --data "$T/$2"
}
friends() { # both approve each other
	"$LLIURE" peer add "$(sync_addr "$2")" "$(key_of "$2")" --data "$T/$1" &&
		"$LLIURE" peer add "$(sync_addr "$1")" "$(key_of "$1")" --data "$T/$2"
}
digest_here() { "$LLIURE" digest --data "$T/$1" | grep "^$space"; }
same_digest() { local x; x=$(digest_here a); [ -n "$x" ] && [ "$x" = "$(digest_here b)" ]; }

for b in a b c d; do ok "box $b is made" make_box $b; done
for b in a b c d; do ok "box $b serves" start_box $b; done
ok "a and c approve each other" friends a c
ok "c and b approve each other" friends c b
ok "a and d approve each other" friends a d
ok "c and d approve each other" friends c d

ok "a founds a private space" "$LLIURE" space add "$canary" --private --as admin --password-file "$T/password" --data "$T/a"
space=$("$LLIURE" space list --data "$T/a" | sed -n 's/^\([a-z2-7]*\) private .*/\1/p')
short=${space:0:8}
ok "c may carry it" "$LLIURE" space admit "$short" "$(key_of c)" --carry --name c --data "$T/a"
ok "b may read it" "$LLIURE" space admit "$short" "$(key_of b)" --name b --data "$T/a"
token=$(token_of a)
ok "somebody writes in it" post_json a "/forum/general@$short/topics" "$token" "{\"title\":\"$canary\",\"text\":\"$canary one\"}"
is "a visitor of a does not find it" "$(get a "/forum/general@$short.json" | json error.status)" 404
ok "nor a word of it" not grep -q "$canary" <(get a /forums; get a /; get a "/search.json?q=one")

ok "a and c meet" until_ok 20 meet a c
ok "c and b meet" until_ok 20 meet c b
ok "b reads what a wrote" until_ok 30 same_digest
ok "b holds it in clear" holds "$T/b" "$canary"
ok "c holds it" holds "$T/c" "id:$space"
ok "and no word of it" not holds "$T/c" "$canary"
ok "d meets a" until_ok 20 meet d a
ok "d meets c" until_ok 20 meet d c
ok "d does not hold it" not holds "$T/d" "id:$space"
is "nor does d list it" "$("$LLIURE" space list --data "$T/d" | grep -c "$short")" 0

mkdir -p "$T/bundle"
ok "a bundle for anybody is written" "$LLIURE" bundle export "$T/bundle/all" --data "$T/a"
ok "without a trace of the space" not holds "$T/bundle" "id:$space"

ok "a removes b" "$LLIURE" space remove "$short" "$(key_of b)" --data "$T/a"
ok "somebody writes again" post_json a "/forum/general@$short/topics" "$token" "{\"title\":\"t\",\"text\":\"gallina later\"}"
ok "a and c meet again" until_ok 20 meet a c
ok "c and b meet again" until_ok 20 meet c b
ok "b does not read it" not holds "$T/b" "gallina later"
ok "a does" holds "$T/a" "gallina later"

stop_box a
ok "a is made anew from its logs" "$LLIURE" rebuild --data "$T/a"
ok "and says the same" [ -n "$(digest_here a)" ]
ok "everything checks" "$LLIURE" verify --data "$T/c"
finish
