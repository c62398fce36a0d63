#!/usr/bin/env bash
# SPDX-License-Identifier: AGPL-3.0-or-later
# A box that is only ever called learns of the spaces of the one who calls, and of a private one nothing until it is
# admitted, whoever asks.
. "$(dirname "$0")/lib.sh"

spaces_of() { "$LLIURE" status --json --data "$T/$1" | python3 -c 'import json,sys; print(" ".join(sorted(s["name"] for s in json.load(sys.stdin)["spaces"])))'; }
calls() { "$LLIURE" sync "$kb" --data "$T/a"; }
asks() { "$LLIURE" sync "$ka" --data "$T/b"; }
carries() { [ "$(spaces_of b)" = "$1" ]; }
holds() { # holds FOLDER ID: do its 32 bytes, or its letters, stand in any file?
	python3 - "$1" "$2" <<'PY'
import base64, os, sys
raw = base64.b32decode(sys.argv[2].upper() + "====")
for folder, _, names in os.walk(sys.argv[1]):
    for name in names:
        try:
            data = open(os.path.join(folder, name), "rb").read()
        except OSError: # a socket, or gone already
            continue
        if raw in data or sys.argv[2].encode() in data:
            sys.exit(0)
sys.exit(1)
PY
}
same() { local x; x=$(digest_of a | grep "^$1"); [ -n "$x" ] && [ "$x" = "$(digest_of b | grep "^$1")" ]; }

for b in a b; do
	ok "box $b is made" make_box $b
	ok "box $b serves" start_box $b
done
ka=$(key_of a) kb=$(key_of b)
# b can't call a: that is no address at which anybody answers.
ok "b approves a, whom it can't reach" "$LLIURE" peer add 127.0.0.1:9 "$ka" --data "$T/b"
ok "a approves b" "$LLIURE" peer add "$(sync_addr b)" "$kb" --data "$T/a"
ok "a calls" until_ok 10 calls
ok "b carries a's space" until_ok 10 carries "a b"
is "and a b's" "$(spaces_of a)" "a b"
ok "a founds another" "$LLIURE" space add Segon --as admin --password-file "$T/password" --data "$T/a"
ok "a calls again" calls
ok "b has it, too" until_ok 10 carries "Segon a b"
second=$("$LLIURE" space list --data "$T/a" | awk '/Segon/ {print $1}')
ok "all of it" until_ok 10 same "$second"
is "none of this was refused" "$("$LLIURE" sync "$kb" --data "$T/a" | grep -ciE 'refus|denied|not admitted')" 0

# --- what b does not want ---
ok "b takes nothing else of a from now on" "$LLIURE" peer terms "$ka" --others give --data "$T/b"
ok "a founds a third" "$LLIURE" space add Tercer --as admin --password-file "$T/password" --data "$T/a"
ok "a calls once more" calls
is "b does not have it" "$(spaces_of b | grep -c Tercer)" 0
is "and a is not told that this is wrong" "$("$LLIURE" sync "$kb" --data "$T/a" | grep -ciE 'refus|denied|not admitted')" 0
ok "b takes what is new again" "$LLIURE" peer terms "$ka" --others both --data "$T/b"
ok "b has it after the next call" until_ok 10 eval 'calls; spaces_of b | grep -q Tercer'

# --- a private space: nothing of it to a peer that it did not admit ---
ok "a founds a private space" "$LLIURE" space add Consell --private --as admin --password-file "$T/password" --data "$T/a"
private=$("$LLIURE" space list --data "$T/a" | sed -n 's/^\([a-z2-7]*\) private .*/\1/p')
is "with its id" "${#private}" 52
ok "a calls" calls
"$LLIURE" peer add "$(sync_addr a)" "$ka" --data "$T/b" >/dev/null
ok "b asks, now that it can" until_ok 10 asks
is "b does not list it" "$(spaces_of b | grep -c Consell)" 0
ok "no file of b names it" not holds "$T/b" "$private"
ok "a's files do" holds "$T/a" "$private"
"$LLIURE" peer add 127.0.0.1:9 "$ka" --data "$T/b" >/dev/null
ok "the space admits b" "$LLIURE" space admit "$private" "$kb" --carry --name b --data "$T/a"
ok "then a's call brings it" until_ok 10 eval 'calls; holds "$T/b" "$private"'
ok "a is clean" "$LLIURE" verify --data "$T/a"
ok "b is clean" "$LLIURE" verify --data "$T/b"
finish
