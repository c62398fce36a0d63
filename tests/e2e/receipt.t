#!/usr/bin/env bash
# SPDX-License-Identifier: AGPL-3.0-or-later
# One receipt in two houses: the same bytes, signed by both, which OpenSSL checks without our program.
. "$(dirname "$0")/lib.sh"

write() { post_json "$1" /forum/general/topics "$(cat "$T/token.$1")" "{\"title\": \"$2\", \"text\": \"$2\"}"; }
newest() { # newest BOX: the address of its newest receipt that both signed
	get_as "$1" /admin/receipts.json | python3 -c '
import json, sys
print(next(r["receipt_url"] for r in json.load(sys.stdin)["reports"] if r["agreed"]))'
}
reads() { get "$1" /forum/general.json | grep -q "$2"; }

ok "box a is made" make_box a
ok "and serves" start_box a
token_of a >"$T/token.a"
ok "a topic" write a one
ok "box b follows it" make_box b --join "$(sync_addr a)" "$(key_of a)"
ok "b serves" start_box b
token_of b >"$T/token.b"
ok "a approves b" "$LLIURE" peer add "$(sync_addr b)" "$(key_of b)" --data "$T/a"
ok "b syncs" until_ok 10 "$LLIURE" sync --data "$T/b"
ok "and reads" until_ok 10 reads b one
ok "another topic" write a two
ok "and one more" write a three
ok "b syncs" "$LLIURE" sync --data "$T/b"
ok "b has a receipt that both signed" until_ok 5 newest b
at=$(newest b)
ok "a has the same one" until_ok 5 get_as a "$at.json"
field() { python3 -c '
import json, sys
d = json.load(open(sys.argv[1]))
for k in sys.argv[2].split("."):
    d = d[int(k)] if isinstance(d, list) else d[k]
print(json.dumps(d) if isinstance(d, (list, dict)) else d)' "$1" "$2"; }
# A sentence names both boxes as each knows them, and a name travels by itself.
named() {
	local f
	get_as a "$at.json" >"$T/at.a" && get_as b "$at.json" >"$T/at.b" || return 1
	for f in asker.name answerer.name; do [ "$(field "$T/at.a" $f)" = "$(field "$T/at.b" $f)" ] || return 1; done
}
ok "both know the other's name" until_ok 10 named
for f in word asker.statement asker.signature answerer.statement answerer.signature spaces moved own_words equal; do
	is "$f is the same in both houses" "$(field "$T/at.a" $f)" "$(field "$T/at.b" $f)"
done
is "both agreed" "$(field "$T/at.a" agreed)" True
is "and hold the same" "$(field "$T/at.a" equal)" True
ok "it can be read" sh -c "curl -sS -H 'Authorization: Bearer $(cat "$T/token.a")' '$(url a "$at")' | grep -q 'Signed by'"

# Without this program: PROTOCOL.md section 7.1.
check() { # check FILE SIDE
	printf lliure-receipt-1 >"$T/message"
	field "$1" "$2.statement" | base64 -d >>"$T/message"
	python3 - "$1" "$2" "$T/key" "$T/sig" <<'PY'
import base64, json, sys
d = json.load(open(sys.argv[1]))[sys.argv[2]]
key = d["key"].upper()
open(sys.argv[3], "wb").write(bytes.fromhex("302a300506032b6570032100") + base64.b32decode(key + "=" * (-len(key) % 8)))
open(sys.argv[4], "wb").write(base64.b64decode(d["signature"]))
PY
	openssl pkeyutl -verify -pubin -keyform DER -inkey "$T/key" -rawin -in "$T/message" -sigfile "$T/sig"
}
ok "OpenSSL checks the asker's signature" check "$T/at.a" asker
ok "and the answerer's" check "$T/at.b" answerer
sed 's/"statement": *"A/"statement":"B/' "$T/at.a" >"$T/forged"
ok "and finds a forged one" not check "$T/forged" asker
# And by the second implementation, which knows the whole statement.
second() { /usr/bin/python3 "$SOURCE/tests/interop/reader.py" receipt "$1" >"$T/read"; }
if /usr/bin/python3 -c "import nacl" 2>/dev/null; then # Debian's own has PyNaCl
	ok "another program reads it whole and finds it signed by both" second "$T/at.a"
	is "with the same word" "$(json asker.word <"$T/read")" "$(field "$T/at.a" asker.word)"
	is "both signed the same" "$(json asker.says <"$T/read")" "$(json answerer.says <"$T/read")"
	is "entries came from a" "$(json asker.says.spaces.0.entries.1 <"$T/read")" "$(json asker.says.new.0 <"$T/read")"
	is "and both hold the same" "$(json asker.says.spaces.0.heads.0 <"$T/read")" "$(json asker.says.spaces.0.heads.1 <"$T/read")"
	ok "the forged one is refused there, too" not second "$T/forged"
fi
count() { get_as b /admin/receipts.json | python3 -c 'import json,sys; print(len(json.load(sys.stdin)["reports"]))'; }
alike() { [ -n "$(digest_of a)" ] && [ "$(digest_of a)" = "$(digest_of b)" ]; }
# Both hold the same, and whatever exchange was under way is over: then nothing new comes while they ask each other by
# themselves. (A busy machine may still be at the last one; one that always leaves a receipt never passes.)
quiet() {
	local n
	alike && n=$(count) && sleep 3 && alike && [ "$n" = "$(count)" ]
}
ok "an exchange with nothing to do leaves none" until_ok 20 quiet
ok "the receipts of one house" sh -c "curl -sS --fail -H 'Authorization: Bearer $(cat "$T/token.a")' '$(url a "/admin/peers/$(key_of b)/receipts.json")' | grep -q receipt_url"
finish
