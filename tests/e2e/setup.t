#!/usr/bin/env bash
# SPDX-License-Identifier: AGPL-3.0-or-later
# The first run in the browser: the four doors, the code, and a power cut in the middle of it.
. "$(dirname "$0")/lib.sh"

# new_box NAME: serve an empty folder; $T/NAME.http, .https, .code, and $T/NAME.jar for its cookie.
new_box() {
	local b=$1
	shift
	: >"$T/$b.out"
	rm -f "$T/$b.jar"
	"$LLIURE" serve --data "$T/$b" --http 127.0.0.1:0 --https 127.0.0.1:0 --sync 127.0.0.1:0 --no-mdns "$@" \
		>"$T/$b.out" 2>"$T/$b.err" &
	daemon[$b]=$!
	until_ok 30 grep -q 'Ctrl-C' "$T/$b.out" || { cat "$T/$b.out" "$T/$b.err"; return 1; }
	sed -n 's|.*http://localhost:\([0-9]*\)$|\1|p' "$T/$b.out" | head -1 >"$T/$b.http"
	sed -n 's|.*the code *\([a-z2-7-]*\)$|\1|p' "$T/$b.out" | head -1 >"$T/$b.code"
}
ask() { # ask BOX PATH [CURL ARGS]
	local b=$1 p=$2
	shift 2
	curl -sS --max-time 180 -b "$T/$b.jar" -c "$T/$b.jar" "$@" "$(url "$b" "$p")"
}
status() { ask "$@" -o "$T/body" -w '%{http_code}'; }
enter() { ask "$1" /setup/code --data-urlencode "code=$(cat "$T/$1.code")" -o /dev/null; }
csrf() { ask "$1" "$2" | csrf_in; }
runs() { grep -q "this box's key" "$T/$1.out"; } # the box itself, after the first run
ready() { # the same ports, now with the box behind them
	until_ok 30 runs "$1" || { cat "$T/$1.out" "$T/$1.err"; return 1; }
	sed -n 's|.*other boxes *port \([0-9]*\)$|\1|p' "$T/$1.out" | head -1 >"$T/$1.sync"
}
PASS=(--data-urlencode "password@$T/phrase" --data-urlencode "password2@$T/phrase")
printf 'una frase de pas llarga' >"$T/phrase"

# --- who may ---
new_box a
is "a stranger sees where the code is" "$(status a /)" 200
ok "in words" grep -q "The code" "$T/body"
is "and no door is open to them" "$(status a /setup/found)" 303
is "nor does a form work" "$(status a /setup/found --data-urlencode name=x)" 401
is "a wrong code is refused" "$(status a /setup/code --data-urlencode code=aaaaa-bbbbb)" 403
ok "in words, too" grep -q "This is not the code" "$T/body"
for i in $(seq 60); do last=$(status a /setup/code --data-urlencode "code=aaaaa-bbbb$i"); [ "$last" != 429 ] || break; done
is "who tries many gets no more tries" "$last" 429
stop_box a
ok "stopping it leaves no box" [ ! -e "$T/a/key" ]
new_box a
enter a
is "the code opens the doors" "$(status a /)" 200
ok "all four" eval 'for w in found join replace restore; do grep -q "href=\"/setup/$w\"" "$T/body" || exit 1; done'
is "a form without the token is refused" "$(status a /setup/found --data-urlencode name=x)" 403

# --- found ---
is "passwords that differ are refused" "$(status a /setup/found --data-urlencode "csrf=$(csrf a /setup/found)" \
	--data-urlencode name=Ateneu --data-urlencode admin=admin --data-urlencode "password=una frase llarga" \
	--data-urlencode "password2=una altra frase")" 400
ok "what was typed is still there" grep -q 'value="Ateneu"' "$T/body"
is "founding begins" "$(status a /setup/found --data-urlencode "csrf=$(csrf a /setup/found)" --data-urlencode name=Ateneu \
	--data-urlencode admin=admin "${PASS[@]}")" 303
ok "and ends in the running box, on the same port" ready a
ok "with its name" eval 'get a / | grep -q Ateneu'
is "the page of the first run leads into it" "$(ask a /setup/progress -o /dev/null -w '%{redirect_url}')" "$(url a /admin)"
is "where who made the box is signed in" "$(status a /admin)" 200
ok "and told so" grep -q "you are signed in" "$T/body"
ok "by name" grep -q ">admin<" "$T/body"
is "a stranger is asked to sign in" "$(curl -sS -o /dev/null -w '%{redirect_url}' "$(url a /setup/progress)")" "$(url a /sign-in)"
cp "$T/phrase" "$T/password"
ok "the first volunteer is there" "$LLIURE" user token admin --password-file "$T/password" --data "$T/a"
ok "nothing of the first run is left" [ ! -e "$T/a/setup.tmp" ]
KEY=$(key_of a)
TOKEN=$(token_of a)
post_json a /forum/general/topics "$TOKEN" '{"title":"primer tema","text":"hola"}' >/dev/null
"$LLIURE" sheets --data "$T/a" >"$T/sheets"
grep '^LLIURE1:' "$T/sheets" >"$T/codes"
mkdir -p "$T/disk/in" "$T/sticks/Kingston"
"$LLIURE" backup "$T/disk/in/whole" --data "$T/a" >/dev/null
"$LLIURE" backup "$T/small" --small --data "$T/a" >/dev/null
DIGEST=$(digest_of a)

# --- join ---
new_box b
enter b
is "joining begins" "$(status b /setup/join --data-urlencode "csrf=$(csrf b /setup/join)" --data-urlencode name=Segon \
	--data-urlencode admin=admin --data-urlencode "addr=$(sync_addr a)" --data-urlencode "key=$KEY" "${PASS[@]}")" 303
ok "and ends in a running box, though the other has not approved it" ready b
"$LLIURE" peer add "$(sync_addr b)" "$(key_of b)" --data "$T/a" >/dev/null
ok "which then fetches everything" until_ok 20 eval "[ \"\$(digest_of b)\" = \"\$(digest_of a)\" ]"

# --- join by an invitation: the other box approves by itself ---
"$LLIURE" peer invite "$(sync_addr a)" --data "$T/a" >"$T/invitation"
new_box i
enter i
is "a broken invitation is refused" "$(status i /setup/join --data-urlencode "csrf=$(csrf i /setup/join)" --data-urlencode name=Tercer \
	--data-urlencode admin=neus --data-urlencode "invitation=http://x/pair/abcdef" "${PASS[@]}")" 400
is "joining by invitation begins" "$(status i /setup/join --data-urlencode "csrf=$(csrf i /setup/join)" --data-urlencode name=Tercer \
	--data-urlencode admin=neus --data-urlencode "invitation@$T/invitation" -d language=es "${PASS[@]}")" 303
ok "and ends in the running box" ready i
ok "which speaks the language that was chosen, to who asks for none" eval 'curl -sS -H "Accept-Language:" "$(url i /)" | grep -q "<html lang=\"es\""'
ok "with everything, and nobody had to approve it" until_ok 20 eval "[ \"\$(digest_of i)\" = \"\$(digest_of a)\" ]"
ok "its volunteer may write at once" until_ok 5 eval 'post_json i /forum/general/topics "$("$LLIURE" user token neus --password-file "$T/password" --data "$T/i" | tail -1)" "{\"title\":\"convidada\",\"text\":\"hola\"}"'
stop_box i

# --- replace: box A died, two sheets are left ---
stop_box a KILL
"$LLIURE" user add joan --password-file "$T/password" --data "$T/b" >/dev/null
JOAN=$("$LLIURE" user token joan --password-file "$T/password" --data "$T/b" | tail -1)
post_json b /forum/general/topics "$JOAN" '{"title":"mentrestant","text":"hola"}' >/dev/null
new_box r
enter r
CSRF=$(csrf r /setup/replace)
replace() { # replace SHEET SHEET
	status r /setup/replace --data-urlencode "csrf=$CSRF" --data-urlencode "sheet1=$1" --data-urlencode "sheet2=$2" \
		--data-urlencode name=Ateneu --data-urlencode admin=admin --data-urlencode "addr=$(sync_addr b)" \
		--data-urlencode "key=$(key_of b)" "${PASS[@]}"
}
is "the same sheet twice is refused" "$(replace "$(sed -n 1p "$T/codes")" "$(sed -n 1p "$T/codes")")" 400
ok "in words" grep -q "same sheet twice" "$T/body"
ok "and the sheet is not shown again" not grep -q "$(sed -n 1p "$T/codes" | cut -c9-40)" "$T/body"
is "two of three begin" "$(replace "$(sed -n 1p "$T/codes")" "$(sed -n '/sheet 3 of/,/LLIURE1/p' "$T/sheets" | grep '^[1-6]  ')")" 303
ok "and end in the running box" ready r
is "it is the box that died" "$(key_of r)" "$KEY"
ok "everything came back" until_ok 20 eval "[ \"\$(digest_of r)\" = \"\$(digest_of b)\" ]"
ok "what others wrote meanwhile, too" eval 'get r /forum/general.json | grep -q mentrestant'
post_json r /forum/general/topics "$(token_of r)" \
	'{"title":"de nou","text":"hola"}' >/dev/null
"$LLIURE" peer add "$(sync_addr r)" "$KEY" --data "$T/b" >/dev/null
ok "it writes on, and others take it" until_ok 20 eval "get b /forum/general.json | grep -q 'de nou'"
stop_box r

# --- restore: found in a folder, or sent by the browser ---
new_box f --backups "$T/disk" --sticks "$T/sticks"
enter f
ask f /setup/restore >"$T/body"
ok "a backup in the folder is offered" grep -q "value=\"$T/disk/in/whole\"" "$T/body"
CSRF=$(csrf f /setup/restore)
cp "$T/small" "$T/sticks/Kingston/small.backup"
ask f /setup/restore >"$T/body"
ok "and one on a stick that is plugged in" grep -q "value=\"$T/sticks/Kingston/small.backup\"" "$T/body"
is "no other file is opened" "$(status f /setup/restore -F "csrf=$CSRF" -F "source=$T/small" -F "sheet1=<$T/codes")" 404
sed -n 1p "$T/codes" >"$T/one"
sed -n 2p "$T/codes" >"$T/two"
is "restoring it begins" "$(status f /setup/restore -F "csrf=$CSRF" -F "source=$T/disk/in/whole" -F "sheet1=<$T/one" -F "sheet2=<$T/two")" 303
ok "and ends in the running box" ready f
is "with all that was in it" "$(digest_of f)" "$DIGEST"
stop_box f
new_box u
enter u
head -c 2000 "$T/disk/in/whole" >"$T/cut"
CSRF=$(csrf u /setup/restore)
printf 'lliure-backup-1\n%064d' 0 >"$T/format1"
is "one that is not sealed is not taken from anybody" "$(status u /setup/restore -F "csrf=$CSRF" -F "file=@$T/format1")" 400
is "but by who says that it is theirs" "$(status u /setup/restore -F "csrf=$CSRF" -F "file=@$T/format1" -F "unsealed=1")" 303
ok "and is refused in words where it is none" until_ok 10 eval 'ask u /setup/progress | grep -q "/setup/restore"'
is "one that was cut off is taken" "$(status u /setup/restore -F "csrf=$CSRF" -F "file=@$T/cut" -F "sheet1=<$T/one" -F "sheet2=<$T/two")" 303
ok "and refused in words" until_ok 10 eval 'ask u /setup/progress | grep -q "ends too early"'
is "which are for who has the code alone" "$(curl -sS -o "$T/body" -w '%{http_code}' "$(url u /setup/progress)")" 303
ok "nothing of them is told to others" eval '! grep -q "ends too early" "$T/body"'
ok "without leaving a box" [ ! -e "$T/u/key" ]
is "a small one is sent" "$(status u /setup/restore -F "csrf=$CSRF" -F "file=@$T/small" -F "sheet1=<$T/one" -F "sheet2=<$T/two")" 303
ok "and ends in the running box" ready u
ok "with its accounts" eval '"$LLIURE" user list --data "$T/u" | grep -q admin'
stop_box u
stop_box b

# --- the power goes out at any moment ---
lived=0
for i in $(seq 8); do
	rm -rf "$T/k"
	new_box k --backups "$T/disk" || break
	enter k
	CSRF=$(csrf k /setup/restore)
	ask k /setup/restore -F "csrf=$CSRF" -F "source=$T/disk/in/whole" -F "sheet1=<$T/one" -F "sheet2=<$T/two" -o /dev/null
	sleep "0.$((i * 37 % 70 + 10))"
	stop_box k KILL
	if [ -e "$T/k/key" ]; then
		lived=$((lived + 1))
		[ "$(digest_of k)" = "$DIGEST" ] || { ok "a box that is there is whole" false; break; }
	else
		new_box k --backups "$T/disk" || { ok "it begins again" false; break; }
		stop_box k
	fi
done
ok "after each of 8 power cuts it is a whole box ($lived) or as new as before" [ "$i" = 8 ]

# --- the plain door, as a visitor on the Wi-Fi sees it ---
IP=$(hostname -I 2>/dev/null | awk '{print $1}')
if [ -n "$IP" ]; then
	new_box p --http "$IP:0" --https "$IP:0"
	plain() { curl -sS --max-time 180 -o "$T/body" -w '%{http_code}' "$@" "http://$IP:$(cat "$T/p.http")$P"; }
	P=/
	is "the plain door leads to the safe one" "$(plain)" 200
	ok "and asks for nothing" eval 'grep -q "https://$IP:" "$T/body" && ! grep -q "<input" "$T/body"'
	P=/setup/code
	is "nor does it take the code" "$(plain --data-urlencode "code=$(cat "$T/p.code")")" 403
	stop_box p
fi

# --- what is never touched ---
mkdir "$T/full"
echo mine >"$T/full/letter.txt"
ok "a folder with somebody's files is refused" eval '! "$LLIURE" serve --data "$T/full" --http 127.0.0.1:0 --https 127.0.0.1:0 --sync 127.0.0.1:0 --no-mdns'
is "and nothing is put into it" "$(ls "$T/full")" letter.txt
finish
