#!/usr/bin/env bash
# SPDX-License-Identifier: AGPL-3.0-or-later
# A box is lost without sheets and without a backup: a steward signs its successor in and its key out, and what a
# thief writes with it counts nowhere. And the page that prints sheets, once, to who has just signed in.
. "$(dirname "$0")/lib.sh"

send() { # send PATH FIELDS...
	local p=$1
	shift
	jar -o "$T/body" -w '%{http_code}' --data-urlencode "csrf=$(jar "$(url a "$p")" | csrf_in)" "$@" "$(url a "$p")"
}

make_box a
start_box a
A=$(key_of a)
join_box b a
B=$(key_of b)
ok "two boxes of one community" until_ok 30 agree a b
until_ok 20 eval '"$LLIURE" user add joan --password-file "$T/password" --data "$T/b"'
JOAN=$("$LLIURE" user token joan --password-file "$T/password" --data "$T/b" | tail -1)
post_json b /forum/general/topics "$JOAN" '{"title":"abans de perdre-la","text":"hola"}' >/dev/null
ok "what is written there comes here" until_ok 20 eval 'get a /forum/general.json | grep -q "abans de"'
"$LLIURE" peer terms "$B" --until 2099-12-31 --take-bytes 77M --data "$T/a" >/dev/null
cp -a "$T/b" "$T/stolen"
stop_box b KILL

make_box c --join "$(sync_addr a)" "$A"
C=$(key_of c)
start_box c
"$LLIURE" sync --data "$T/c" >/dev/null 2>&1

# --- the volunteer's page ---
jar -o /dev/null --data-urlencode name=admin --data-urlencode "password=$(cat "$T/password")" "$(url a /sign-in)"
ok "the new box has knocked" until_ok 20 eval 'jar "$(url a /admin/recovery/replace)" | grep -q "value=\"$C\""'
ok "the lost one is in the list" eval 'jar "$(url a /admin/recovery/replace)" | grep -q "value=\"$B\""'
is "without comparing it is refused" "$(send /admin/recovery/replace -d "lost=$B" -d "successor=$C")" 400
is "this box can't be the lost one" "$(send /admin/recovery/replace -d "lost=$A" -d "successor=$C" -d same=1)" 400
is "a program's token is not enough" "$(curl -sS -o /dev/null -w '%{http_code}' -H "Authorization: Bearer $(token_of a)" -d "lost=$B" -d "successor=$C" -d same=1 "$(url a /admin/recovery/replace)")" 401
is "a steward does it" "$(send /admin/recovery/replace -d "lost=$B" -d "successor=$C" -d same=1)" 200
ok "who lost their key is named" grep -q joan "$T/body"
ok "and how they come back is said" grep -q "under the same name" "$T/body"
is "the lost box is no peer any more" "$("$LLIURE" peer list --data "$T/a" | grep -c "${B:0:8}")" 0
ok "the successor is one on the same terms" eval '"$LLIURE" peer terms "$C" --data "$T/a" | grep -q 2099-12-31'
ok "the successor fetches everything" until_ok 30 agree a c
ok "what the lost box wrote before stays" eval 'get c /forum/general.json | grep -q "abans de"'
"$LLIURE" user add joan --password-file "$T/password" --data "$T/c" >/dev/null
post_json c /forum/general/topics "$("$LLIURE" user token joan --password-file "$T/password" --data "$T/c" | tail -1)" '{"title":"torno a escriure","text":"hola"}' >/dev/null
ok "its people write again under their names, and it counts" until_ok 20 eval 'get a /forum/general.json | grep -q "torno a escriure"'

# --- the thief ---
start_box stolen
post_json stolen /forum/general/topics "$JOAN" '{"title":"del lladre","text":"hola"}' >/dev/null
ok "somebody writes on the lost box" eval 'get stolen /forum/general.json | grep -q "del lladre"'
"$LLIURE" bundle export "$T/bundle" --data "$T/stolen" >/dev/null 2>&1
stop_box stolen
"$LLIURE" bundle import "$T/bundle" --data "$T/a" >/dev/null 2>&1
ok "it counts nowhere, even carried in by hand" eval '! get a /forum/general.json | grep -q "del lladre"'
"$LLIURE" sync --data "$T/c" >/dev/null 2>&1
ok "and both boxes agree" until_ok 20 agree a c

# --- sheets on the page ---
ok "the page says what sheets are, and shows none" eval 'jar "$(url a /admin/recovery/sheets)" >"$T/body" && grep -q "Three sheets of paper" "$T/body" && ! grep -q "LLIURE1\|class=\"codes\"" "$T/body"'
is "they are shown once" "$(send /admin/recovery/sheets)" 200
is "three of them" "$(grep -c 'class="codes"' "$T/body")" 3
ok "never kept by a browser" eval 'jar -D - -o /dev/null --data-urlencode "csrf=$(jar "$(url a /admin/recovery/sheets)" | csrf_in)" "$(url a /admin/recovery/sheets)" | grep -qi "cache-control: no-store"'
python3 - "$T/body" "$T/typed" <<'END'
import re, sys
page = open(sys.argv[1]).read()
sheets = re.findall(r'<ol class="codes">(.*?)</ol>', page, re.S)
lines = [re.findall(r"<li>([A-Z2-7 ]+)</li>", s) for s in sheets]
open(sys.argv[2], "w").write("\n".join(lines[2]) + "\n\n" + "\n".join(lines[0]) + "\n")
END
"$LLIURE" backup "$T/backup" --data "$T/a" >/dev/null
ok "and what they say opens a backup" "$LLIURE" restore "$T/backup" --sheets "$T/typed" --data "$T/r"
is "of this box" "$(key_of r)" "$A"
ok "nothing of them is in the data folder" python3 - "$T/typed" "$T/a" <<'END'
import os, sys
lines = [l.strip() for l in open(sys.argv[1]) if l.strip()]
for at, _, names in os.walk(sys.argv[2]):
    for n in names:
        p = os.path.join(at, n)
        if os.path.isfile(p):
            data = open(p, "rb").read()
            for l in lines:
                assert l.encode() not in data and l.replace(" ", "").encode() not in data, (p, l)
END
ok "nor in what the box says" eval '! grep -qF "$(head -1 "$T/typed")" "$T/a.out" "$T/a.err"'
is "the page knows when, and no more" "$(curl -sS -H "Authorization: Bearer $(token_of a)" "$(url a /admin/recovery.json)" | json sheets.date_text | grep -c 20)" 1
finish
