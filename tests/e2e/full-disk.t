#!/usr/bin/env bash
# SPDX-License-Identifier: AGPL-3.0-or-later
# A disk that is full to the last byte while the box runs: nobody can write any more, but its volunteers come in and make
# room; what is kept for them is used by nobody else, is not used up by coming in, and is whole again when there is room.
# The disk is a small one in memory, in a mount namespace of the test's own.
if [ -z "${IN_NAMESPACE-}" ]; then
	unshare -m true 2>/dev/null || { echo "1..0 # SKIP mounting a small disk needs root"; exit 0; }
	IN_NAMESPACE=1 exec unshare -m "$0" "$@"
fi
. "$(dirname "$0")/lib.sh"

MB=1048576
avail() { df --output=avail -B1 "$T/a" | tail -1 | tr -d ' '; }
# To the last byte: again until a look finds nothing, for the box itself lets logs go when it wants to write.
fill() {
	local i=0
	until [ "$(avail)" = 0 ]; do
		dd if=/dev/zero of="$T/a/fill-$((i += 1))" bs=64k 2>/dev/null
		[ $i -lt 100 ] || return 1
	done
}
reserve() { stat -c %s "$T/a/reserve" 2>/dev/null || echo 0; }
# in_as NAME PASSWORD: signs in with a form; its cookies are in $T/jar.a, where it leads to is printed
in_as() { curl -sS --max-time 180 -c "$T/jar.a" -o "$T/answer" -w '%{http_code} %{redirect_url}' --data-urlencode "name=$1" --data-urlencode "password=$2" "$(url a /sign-in)"; }
admin_in() { in_as admin "$(cat "$T/password")"; }
page() { curl -sS --max-time 180 -b "$T/jar.a" -o "$T/answer" "$(url a "$1")"; }
write() { curl -sS --max-time 180 -o "$T/answer" -w '%{http_code}' -H 'Content-Type: application/json' -H "Authorization: Bearer $(cat "$T/token.a")" -d "{\"text\":\"$1\"}" "$(url a "/topic/$topic/posts")"; }
send() { curl -sS --max-time 180 -H 'Accept: application/json' -H "Authorization: Bearer $(cat "$T/token.a")" -F "title=$1" -F "file=@$2" "$(url a /files)"; }

mkdir -p "$T/a" "$T/root"
ok "a small disk" mount -t tmpfs -o size=400m,mode=700 none "$T/a"
ok "a box on it" make_box a
ok "serves" start_box a --box "$T/root"
is "it keeps a reserve for its volunteers" "$(reserve)" $((8 * MB))
token_of a >"$T/token.a"
printf 'una altra frase llarga\n' >"$T/other"
ok "a member who is no volunteer" "$LLIURE" user add berta --password-file "$T/other" --data "$T/a"
topic=$(post_json a /forum/general/topics "$(cat "$T/token.a")" '{"title":"Ple","text":"Abans."}' | json id)
(printf '%%PDF-1.7\n'; head -c 40000000 /dev/urandom) >"$T/big.pdf"
send Gros "$T/big.pdf" >"$T/sent"
file=$(json id <"$T/sent")
rev=$(get_as a "/file/$file.json" | json heads.0.rev)

ok "the disk fills up" fill
is "nobody writes any more" "$(write 'No hi cap')" 507
ok "in words" grep -q "no room left on this box" "$T/answer"
get a / >"$T/front"
ok "the front page says so before anybody types" grep -q "The disk of this box is full: nothing new can be written until a volunteer" "$T/front"
ok "what is there is read" eval 'get a "/topic/$topic" | grep -q Abans'
case "$(in_as berta "$(cat "$T/other")")" in 507*) ok "what is kept is not for members" true ;; *) ok "what is kept is not for members" false ;; esac
ok "they are told why" grep -q "no room left on this box" "$T/answer"
is "a volunteer signs in, and is led to what to do" "$(admin_in)" "303 $(url a /admin/health)"
page /admin/health
ok "the page says that the disk is full" grep -q "The disk is full: nobody can write any more" "$T/answer"
ok "and what to do" grep -q 'Erase files that nobody needs.*href="/admin/keep#largest"' "$T/answer"
ok "room was given, less than others may use" eval '[ "$(avail)" -gt 0 ] && [ "$(avail)" -lt $((4 * MB)) ]'
is "nobody else gets it" "$(write 'Encara no')" 507
for i in 1 2 3 4 5; do admin_in >/dev/null; done
ok "coming in again and again does not use it up" eval '[ "$(reserve)" -ge $((4 * MB)) ]'
ok "it fills up again" fill
is "and they come in again" "$(admin_in)" "303 $(url a /admin/health)"
page /admin/keep
ok "they see what could go, and the largest file" grep -q "href=\"/file/$file\">Gros" "$T/answer"
ok "they choose what the box keeps" act_signed_in a /admin/keep '{"days_bound":"1","days":"30","blobs_bound":"0","megabytes":""}'
ok "and have it looked for" act_signed_in a /admin/keep/look '{}'

fill
ok "they erase a file" act_signed_in a "/file/$file/erase" "{\"rev\":\"$rev\"}"
ok "it goes from the disk" until_ok 20 eval '[ -z "$(find "$T/a/blobs" -type f -size +1000k)" ]'
get a / >"$T/front"
ok "the front page is as ever, also the one that was kept" not grep -q "The disk of this box is full" "$T/front"
is "and everybody writes again" "$(write 'Ja hi cap')" 201
rm "$T/a"/fill-*
write 'I encara més' >/dev/null
ok "when there is plenty of room the reserve is whole again" until_ok 15 eval 'write "Un altre"; [ "$(reserve)" = '$((8 * MB))' ]'

# Without it, and over a start.
rm "$T/a/reserve"
ok "a disk that is full with no reserve" fill
# How much the logs still need of the last bytes decides whether there is room for that.
case "$(admin_in)" in
303*) ok "a volunteer gets in even so" true ;;
*) ok "a volunteer who does not get in is told what to do" grep -q "Switch the box off and on again" "$T/answer" ;;
esac
stop_box a
ok "it starts" start_box a --box "$T/root"
case "$(admin_in)" in 303*) ok "and lets them in, for it kept something for its start, too" true ;; *) ok "and lets them in, for it kept something for its start, too" false ;; esac
stop_box a

# What was kept for a start is used by one; the next has what is kept for the volunteers.
rm "$T/a"/fill-*
ok "with room, both are kept again" start_box a --box "$T/root"
is "the ballast" "$(stat -c %s "$T/a/ballast")" $((8 * MB))
is "and the reserve" "$(reserve)" $((8 * MB))
stop_box a KILL
rm "$T/a/ballast"
ok "a start has used the ballast, and the disk fills up again" fill
ok "it starts all the same" start_box a --box "$T/root"
case "$(admin_in)" in 303*) ok "and lets them in" true ;; *) ok "and lets them in" false ;; esac
stop_box a
ok "all that was written is whole" "$LLIURE" verify --data "$T/a"
umount "$T/a"
finish
