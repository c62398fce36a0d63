#!/usr/bin/env bash
# SPDX-License-Identifier: AGPL-3.0-or-later
# A new box beside one that has a community, each with its real Avahi. The first run lists the other by its name; who
# chooses it comes to the page of six digits, and when both houses have said that they are the same, posts go over.
SOURCE=${SOURCE:-$(cd "$(dirname "$0")/../.." && pwd)}
BUILD=${BUILD:-$SOURCE/build/release}
LLIURE=${LLIURE:-$BUILD/lliure}
. "$SOURCE/tests/net/lib.sh"
net_can || net_skip

declare -A token
phrase='una frase de pas llarga'
ask() { local b=$1 path=$2; shift 2; curl_in "$b" -b "$NET_DIR/$b.jar" -c "$NET_DIR/$b.jar" "$@" "http://localhost:8080$path"; }
csrf() { ask "$1" "$2" | csrf_in; }
leads() { ask "$@" -o /dev/null -w '%{redirect_url}' | sed 's|^http://localhost:8080||'; }
key_of() { "$LLIURE" status --data "$NET_DIR/$1.data" --json | json appliance; }
says() { local text=$1; shift; ask "$@" | grep -qF "$text"; }
digits() { ask "$1" "$2" | sed -n 's|.*<p class="number big">\([^<]*\)</p>.*|\1|p'; }
begin() { # BOX PATH KEY: its button
	ask "$1" "/admin/peers/$3/number" -o /dev/null --data-urlencode "csrf=$(csrf "$1" "$2")" -d begin=1
}
connect() { # BOX PATH
	ask "$1" "$2" -o /dev/null --data-urlencode "csrf=$(csrf "$1" "$2")" -d same=1 --data-urlencode "number=$number" -d addr=
}
lists_it() { says "Connect with Ateneu de Dalt" b /setup/join; }
shows() { curl_in "$1" http://localhost:8080/forum/general.json | grep -q "$2"; }
runs() { [ "$(leads b /setup/progress)" = /admin ]; }

net_up a b || net_fail "the network could not be made"
echo "$phrase" >"$NET_DIR/password"
ok "each has its Avahi" eval 'net_avahi a && net_avahi b'
ok "box a founds its community" "$LLIURE" init --data "$NET_DIR/a.data" --name "Ateneu de Dalt" --admin admin \
	--password-file "$NET_DIR/password"
serve a
ok "and serves" within 20 up a
token[a]=$("$LLIURE" user token admin --data "$NET_DIR/a.data" --password-file "$NET_DIR/password" | tail -1)
ok "somebody writes there" api a /forum/general/topics '{"title":"abans","text":"hola"}'

serve b
ok "the new box shows its first page" within 20 up b
code=$(sed -n 's|.*the code *\([a-z2-7-]*\)$|\1|p' "$NET_DIR/b.log" | head -1)
ok "which the code of its console opens" ask b /setup/code -d "code=$code"
ok "it lists the other house by its name" within 20 lists_it
key=$(key_of a)
ok "choosing it asks for no address" eval '! says "name=\"addr\"" b "/setup/join?box=$key"'
way=$(leads b /setup/join --data-urlencode "csrf=$(csrf b /setup/join)" -d "box=$key" --data-urlencode name=Nova -d admin=remei \
	--data-urlencode "password=$phrase" --data-urlencode "password2=$phrase")
ok "making the box begins" eval 'case $way in "/setup/progress?meet=$key&addr=10.77.0.1%3A8443") ;; *) echo "$way"; false ;; esac'
ok "and ends in the running box" within 30 runs
page=$(leads b "$way")
ok "which leads to the page of the six digits" eval 'case $page in "/admin/peers/$key/approve?addr="*) ;; *) echo "$page"; false ;; esac'
ok "nothing of the other house is here before" eval '! shows b abans'

# the other volunteer, at the same time
ask a /sign-in -o /dev/null --data-urlencode name=admin --data-urlencode "password=$phrase"
new=$(key_of b)
there=/admin/peers/$new/approve
ok "the other house sees the new one by its name" within 20 says Nova a /admin/peers
ok "one wants the digits" begin b "$page" "$key"
ok "there are none before both do" eval '[ -z "$(digits b "$page")" ]'
ok "the other does" begin a "$there" "$new"
there_are() { number=$(digits b "$page") && grep -qE '^[0-9]{3}.?[0-9]{3}$' <<<"$number" || { digits a "$there" >/dev/null; false; }; }
ok "then the digits are there" within 20 there_are
note "the digits: $number, after $took ms"
ok "and are the same on both" [ "$number" = "$(digits a "$there")" ]
ok "one says so" connect b "$page"
ok "the other, too" connect a "$there"
ok "and what was written there is here" within 20 shows b abans
note "after $took ms"
echo "1..$n"
exit $failed
