#!/usr/bin/env bash
# SPDX-License-Identifier: AGPL-3.0-or-later
# Sticks and phones on running boxes that never meet on a network: folders are treated as sticks, and curl is
# the visitor's phone.
. "$(dirname "$0")/lib.sh"

same_digest() { local a; a=$(digest_of a); [ -n "$a" ] && [ "$a" = "$(digest_of b)" ]; }
admin() { # admin BOX: the volunteer's page as JSON
	curl -sS --max-time 180 -H "Authorization: Bearer $(cat "$T/$1.token")" "$(url "$1" /admin/carry.json)"
}
stick() { # stick BOX LABEL FIELD: of the stick with that label
	admin "$1" | python3 -c 'import json,sys
for s in json.load(sys.stdin)["sticks"]:
    if s["label"] == sys.argv[1]:
        v = s
        for k in sys.argv[2].split("."):
            v = v[int(k)] if isinstance(v, list) else v[k]
        print(v)' "$2" "$3"
}
press() { # press BOX LABEL BUTTON [JSON]
	local id n
	id=$(stick "$1" "$2" id)
	[ -n "$id" ] || return 1
	for n in $(seq 100); do
		post_json "$1" "/admin/carry/$id/$3" "$(cat "$T/$1.token")" "${4-{\}}" >"$T/pressed" && return 0
		cat "$T/pressed"
		# Busy: it is looked at again just now, for something on it changed.
		grep -q '"status": *503' "$T/pressed" || return 1
		sleep 0.3
	done
	return 1
}
idle() { [ "$(stick "$1" "$2" idle)" = True ]; }
wait_idle() { until_ok 20 idle "$1" "$2"; }
bring() { curl -sS --max-time 180 -o /dev/null -w '%{redirect_url}' -F "file=@$2;filename=${3:-news.lliure}" "$(url "$1" /carry)"; }
brought() { # brought BOX FILE: bring it, wait, and print what was said
	local where
	where=$(bring "$1" "$2")
	[ -n "$where" ] || return 1
	until_ok 20 eval "curl -sS '$where.json' | grep -qE '\"(done|failed)\":true'" || return 1
	curl -sS "$where.json"
}

mkdir -p "$T/usb-a" "$T/usb-b"
make_box a >/dev/null
make_box b --join 127.0.0.1:9 "$(key_of a)" >/dev/null
A=$(key_of a) B=$(key_of b)
token_of a >"$T/a.token"
token_of b >"$T/b.token"
ok "a serves, and looks for sticks" start_box a --sticks "$T/usb-a"
ok "b serves" start_box b --sticks "$T/usb-b"
ok "a approves b" "$LLIURE" peer add 127.0.0.1:9 "$B" --data "$T/a"

# --- a stick there and back ---
ok "the page says that none is plugged in" eval '[ "$(admin a | json sticks)" = "[]" ]'
mkdir "$T/usb-a/Kingston"
ok "a stick is found" until_ok 10 idle a Kingston
is "with nothing on it" "$(stick a Kingston nothing)" True
ok "news is written onto it" press a Kingston write
ok "until it is done" until_ok 20 eval '[ "$(stick a Kingston safe)" = True ]'
is "one file, by our own grammar" "$(ls "$T/usb-a/Kingston/lliure" | grep -cE '^a-[0-9]{8}-[0-9]{4}\.lliure$')" 1
is "and nothing unfinished" "$(ls -A "$T/usb-a/Kingston/lliure" | wc -l)" 1
ok "pulled out, it is gone from the page" eval 'mv "$T/usb-a/Kingston" "$T/usb-b/Kingston"; until_ok 10 eval "[ \"\$(admin a | json sticks)\" = \"[]\" ]"'
ok "at b it is found" until_ok 10 idle b Kingston
ok "and says how much is new" until_ok 10 eval '[ "$(stick b Kingston news)" -ge 3 ]'
is "and from whom" "$(stick b Kingston files.0.from)" a
care() { curl -sS -H "Authorization: Bearer $(cat "$T/b.token")" "$(url b /admin)"; }
ok "the page of care says that it is there" eval 'care | grep -q "A stick with [0-9]* new messages and other entries is plugged in"'
ok "it is taken in" press b Kingston take
ok "both hold the same" until_ok 20 same_digest
ok "and the page of care is silent about it" until_ok 10 eval '! care | grep -q "A stick with"'
ok "nothing on it is new any more" until_ok 10 eval '[ "$(stick b Kingston news)" = 0 ]'
ok "b writes for a what it lacks" eval 'wait_idle b Kingston && press b Kingston write "{\"for\":\"$A\"}" && until_ok 20 eval "[ \"\$(stick b Kingston safe)\" = True ]"'
is "in a file that says for whom" "$(ls "$T/usb-b/Kingston/lliure" | grep -c "^b-for-${A:0:8}-")" 1
ok "the record tells of both" eval '[ "$(admin b | json records.0.wrote)" = True ] && [ "$(admin b | json records.1.took)" = True ]'
paper() { # paper BOX RECORD FIELD: of the receipt of a record
	local where
	where=$(admin "$1" | json "records.$2.receipt_url")
	[ "$where" != None ] && curl -sS -H "Authorization: Bearer $(cat "$T/$1.token")" "$(url "$1" "$where.json")" | json "$3"
}
is "what was written has a receipt, for a" "$(paper b 0 written) $(paper b 0 answerer.key)" "True $A"
is "which b signed" "$(paper b 0 asker.valid) $(paper b 0 asker.key)" "True $B"
is "what was taken has one, from a" "$(paper b 1 taken) $(paper b 1 answerer.key)" "True $A"
ok "it says in words what was in the file" eval 'paper b 1 spaces.0.sentences.0 | grep -qxE "Entries in the file: [1-9][0-9,]*\."'
ok "how long it was" eval 'paper b 1 moved.0 | grep -qxE "The file had [1-9][0-9,]* bytes\."'
ok "and what was new" eval 'paper b 1 own_words.0.sentences | grep -qE "New at b: [1-9][0-9,]* entries\."'
is "a's own says for anybody" "$(paper a 0 written) $(paper a 0 anybody)" "True True"
ok "what a wrote and what b took from it hold the same entries" eval '[ "$(paper a 0 spaces.0.sentences.0 | grep -oE "[0-9]+")" = "$(paper b 1 spaces.0.sentences.0 | grep -oE "[0-9]+")" ]'
ok "it can be printed" eval 'curl -sS -H "Authorization: Bearer $(cat "$T/b.token")" "$(url b "$(admin b | json records.1.receipt_url)")" | grep -q "<code>${B:0:8}<"'
mv "$T/usb-b/Kingston" "$T/usb-a/Kingston"
ok "a takes it in, and learns what b holds" eval 'wait_idle a Kingston; press a Kingston take; until_ok 10 eval "\"$LLIURE\" bundle export \"$T/x\" --for $B --since-receipt --data \"$T/a\""'
had_already() { local i; for i in 0 1 2; do paper a $i own_words.0.sentences | grep -q "At a already: [1-9]" && return 0; done; return 1; }
ok "whose receipt says that it had these entries" eval 'wait_idle a Kingston; until_ok 10 had_already'
ok "a second time the older file gives way" eval 'wait_idle a Kingston; press a Kingston write; until_ok 20 eval "[ \"\$(stick a Kingston safe)\" = True ]"; [ "$(ls "$T/usb-a/Kingston/lliure" | grep -c "^a-2")" = 1 ]'

# --- a hostile stick ---
bad=$T/usb-b/bad
mkdir -p "$T/bad/lliure"
cp "$T/x" "$T/bad/lliure/torn-20261125-1200.lliure"
truncate -s -40 "$T/bad/lliure/torn-20261125-1200.lliure"
mkfifo "$T/bad/lliure/fifo-20261125-1201.lliure"
ln -s /dev/zero "$T/bad/lliure/zero-20261125-1202.lliure"
ln -s /etc/passwd "$T/bad/lliure/link-20261125-1203.lliure"
truncate -s 200G "$T/bad/lliure/huge-20261125-1204.lliure" 2>/dev/null || truncate -s 80G "$T/bad/lliure/huge-20261125-1204.lliure"
head -c 300000 /dev/urandom >"$T/bad/lliure/noise-20261125-1205.lliure"
mkdir "$T/bad/lliure/dir-20261125-1206.lliure"
touch "$T/bad/lliure/empty-20261125-1207.lliure" "$T/bad/lliure/..-%2e%2e.lliure"
python3 - "$T/bad/lliure" <<'PY'
import sys, os
for n in range(20000):
    os.close(os.open(f"{sys.argv[1]}/n{n}.txt", os.O_CREAT | os.O_WRONLY))
PY
mv "$T/bad" "$bad"
before=$(digest_of b)
ok "a stick full of traps is looked at, and the box goes on" until_ok 30 idle b bad
ok "at most eight files of it" eval '[ "$(admin b | python3 -c "import json,sys; print(max(len(s[\"files\"]) for s in json.load(sys.stdin)[\"sticks\"]))")" -le 8 ]'
ok "it says that there is more" until_ok 10 eval '[ "$(stick b bad more)" = True ]'
ok "no link, FIFO or folder is among them" eval '! admin b | grep -qE "fifo-|zero-|link-|dir-|empty-"'
press b bad take >/dev/null 2>&1
ok "taking it in ends" wait_idle b bad
is "and changes nothing" "$(digest_of b)" "$before"
ok "a link in place of the folder is not followed" eval 'mkdir "$T/usb-b/linked" && ln -s "$T/usb-a/Kingston/lliure" "$T/usb-b/linked/lliure"; until_ok 10 idle b linked; until_ok 10 eval "[ \"\$(stick b linked nothing)\" = True ]"'
ok "nor written through" eval 'press b linked write; until_ok 10 eval "[ \"\$(stick b linked job.failed)\" = True ]"'

# --- a visitor's phone ---
ta=$(cat "$T/a.token")
forum=$(get a /forums.json | json spaces.0.forums.0.slug)
ok "somebody writes on a" post_json a "/forum/$forum/topics" "$ta" '{"title":"Diumenge","text":"Calçotada al pati."}'
ready() { get "$1" /carry.json | grep -q '"ready":true'; }
ok "a page for everybody offers its news" until_ok 20 ready a
get a /carry >"$T/carry.html"
ok "with the size in words" grep -qE 'photo|foto' "$T/carry.html"
ok "and needs no script" eval '! grep -q "<script" "$T/carry.html"'
stop_box a
ok "a starts again" start_box a --sticks "$T/usb-a"
ok "the file is made anew" until_ok 20 ready a
link=$(get a /carry.json | json download.url)
curl -sS -o "$T/phone.lliure" "$(url a "$link")"
is "it is as long as it was said to be" "$(stat -c %s "$T/phone.lliure")" "$(get a /carry.json | json download.size)"
curl -sS -r 500- -o "$T/rest" "$(url a "$link")"
ok "and can be resumed" eval 'tail -c +501 "$T/phone.lliure" | cmp - "$T/rest"'
head -c $(($(stat -c %s "$T/phone.lliure") - 30)) "$T/phone.lliure" >"$T/cut.lliure"
ok "a torn one gives what is whole in it, and that is said" eval 'brought b "$T/cut.lliure" | grep -qE "new here.*(cut off|damaged)"'
ok "both hold the same" until_ok 10 same_digest
ok "the whole one adds nothing, and is thanked for" eval 'brought b "$T/phone.lliure" | grep -q "Nothing in it was new"'
ok "a picture is no news" eval 'head -c 50000 /dev/urandom >"$T/cat.jpg"; brought b "$T/cat.jpg" | grep -q "\"failed\":true"'
make_box stranger >/dev/null
"$LLIURE" bundle export "$T/stranger.lliure" --data "$T/stranger" 2>/dev/null
before=$(digest_of b)
ok "a stranger's news is not taken" eval 'brought b "$T/stranger.lliure" | grep -q "not known here"'
is "and changes nothing" "$(digest_of b)" "$before"
ok "who brings nothing is told so" eval ': >"$T/nothing"; curl -sS -F "file=@$T/nothing;filename=x.lliure" "$(url b /carry)" | grep -q "Choose the file first"'
truncate -s 300M "$T/large"
ok "what is too large is refused before it is sent" eval '[ "$(curl -sS -o /dev/null -w "%{http_code}" -F "file=@$T/large;filename=x.lliure" "$(url b /carry)")" = 413 ]'
ok "too often is too often" until_ok 20 eval 'curl -sS -o "$T/often" -w "%{http_code}" -F "file=@$T/cat.jpg" "$(url b /carry)" | grep -q 429'
ok "the volunteer sees what was brought, and nobody's address" eval 'admin b | grep -q "\"phone\":true" && ! admin b | grep -q "127\.0\.0\.1"'
ok "nothing of it lies about" eval '! ls -A "$T/b" | grep -q spool'
ok "strangers do not see the volunteer's page" eval '[ "$(curl -sS -o /dev/null -w "%{http_code}" "$(url b /admin/carry.json)")" = 401 ]'

# --- files of the library in a pocket ---
(printf '%%PDF-1.7\n'; head -c 3000000 /dev/urandom) >"$T/report.pdf"
report=$(curl -sS --fail-with-body --max-time 180 -H 'Accept: application/json' -H "Authorization: Bearer $ta" -F title=Report \
	-F "file=@$T/report.pdf" "$(url a /files)" | json id)
stop_box a
stop_box b
ok "a starts again" start_box a --sticks "$T/usb-a"
ok "b starts again" start_box b --sticks "$T/usb-b"
more() { get a /carry.json | json "more.0.$1"; }
offers() { [ "$(more choice)" = some ]; }
ok "a file with files is offered" until_ok 20 offers
is "and not made before somebody asks" "$(more make)" True
is "its size is said before" "$(more size_text)" "$(get a /carry | grep -o 'About [0-9.]* MB' | cut -d' ' -f2-)"
ok "the words have no file in them" eval 'ready a && [ "$(get a /carry.json | json download.size)" -lt 1000000 ]'
# Every browser, also an old one, sends this form.
is "a button asks for it" "$(curl -sS -o /dev/null -w '%{http_code}' -d choice=some "$(url a /carry/make)")" 303
ok "it is made" until_ok 20 eval '[ "$(more ready)" = True ]'
link=$(more url)
curl -sS -o "$T/pocket.lliure" "$(url a "$link")"
is "as long as it was said to be" "$(stat -c %s "$T/pocket.lliure")" "$(more size)"
curl -sS -r 2000000- -o "$T/rest" "$(url a "$link")"
ok "and can be resumed" eval 'tail -c +2000001 "$T/pocket.lliure" | cmp - "$T/rest"'
ok "news comes in meanwhile" post_json a "/forum/$forum/topics" "$ta" '{"title":"Dilluns","text":"Tanquem."}'
is "it can still be resumed then" "$(curl -sS -r 2000000- -o /dev/null -w '%{http_code}' "$(url a "$link")")" 206
is "what is no choice is refused" "$(curl -sS -o /dev/null -w '%{http_code}' -d choice=nothing "$(url a /carry/make)")" 400
head -c 2000000 "$T/pocket.lliure" >"$T/cut.lliure"
ok "a torn one brings the words" eval 'brought b "$T/cut.lliure" | grep -q "cut off"'
same_file() { curl -sS --fail --max-time 180 -H "Authorization: Bearer $(cat "$T/b.token")" -o "$T/got" "$(url b "/file/$report/get")" && cmp "$T/got" "$T/report.pdf"; }
ok "the whole one the file" eval 'brought b "$T/pocket.lliure" | grep -q "One file came along"'
ok "which is to be had at b" until_ok 10 same_file
last_receipt() { admin "$1" | json records.0.receipt_url; }
ok "b signed for it as for a stick" eval 'curl -sS -H "Authorization: Bearer $(cat "$T/b.token")" "$(url b "$(last_receipt b)")" | grep -q "took in"'

# --- what was erased ---
id=$(get a "/forum/$forum.json" | python3 -c 'import json,sys; print([t["id"] for t in json.load(sys.stdin)["topics"] if t["title"] == "Diumenge"][0])')
link=$(get a /carry.json | json download.url)
ok "the news is in the file" eval 'curl -sS "$(url a "$link")" | grep -q Cal'
post=$(get a "/topic/$id.json" | json posts.0.id)
ok "its author takes it out" post_json a "/post/$post/erase" "$ta" '{"reason":"prova"}'
is "the file is not handed out any more" "$(curl -sS -o /dev/null -w "%{http_code}" "$(url a "$link")")" 404
anew() { ready a && curl -sS --fail -o "$T/anew" "$(url a "$(get a /carry.json | json download.url)")"; }
ok "but made anew" until_ok 20 anew
ok "without it" eval '! grep -qa Cal "$T/anew"'
# The daemon cuts its write-ahead logs when no reader is in the way.
ok "no byte of it is in the folder" until_ok 20 eval '! grep -rqa "ada al pati" "$T/a"'

# --- what is private stays out of everybody's file ---
ok "a private space is founded on a" "$LLIURE" space add "Consell" --private --as admin --password-file "$T/password" --data "$T/a"
"$LLIURE" bundle export "$T/all" --data "$T/a" 2>/dev/null
stop_box a
ok "a starts again" start_box a --sticks "$T/usb-a"
ok "the file is made anew" until_ok 20 ready a
curl -sS -o "$T/public.lliure" "$(url a "$(get a /carry.json | json download.url)")"
spaces_in() { "$LLIURE" bundle check "$1" --json --data "$T/a" | json spaces; }
is "a stick for anybody does not carry it" "$(spaces_in "$T/all")" 1
is "nor does a phone" "$(spaces_in "$T/public.lliure")" 1
ok "b, which is not admitted to it, does not get it either" eval '"$LLIURE" bundle export "$T/forb" --for "$B" --data "$T/a" && ! "$LLIURE" bundle check "$T/forb" --json --data "$T/a" | grep -q "\"spaces\": 2"'

consell=$("$LLIURE" space list --data "$T/a" | grep Consell | grep -oE "^[a-z2-7]{8,52}" | head -1)
ok "once it is admitted" "$LLIURE" space admit "$consell" "$B" --data "$T/a"
ok "it does" eval '"$LLIURE" bundle export "$T/forb" --for "$B" --data "$T/a" && "$LLIURE" bundle check "$T/forb" --json --data "$T/a" | grep -q "\"spaces\": 2"'
spaces_of() { "$LLIURE" status --json --data "$T/$1" | python3 -c 'import json,sys; print(len(json.load(sys.stdin)["spaces"]))'; }
ok "a stick for b in a visitor's hands gives b no new space" eval 'brought b "$T/forb" >/dev/null; [ "$(spaces_of b)" = 1 ]'
ok "in a volunteer's it does" eval '"$LLIURE" bundle import "$T/forb" --data "$T/b"; [ "$(spaces_of b)" = 2 ]'
# (of that space: in the other one b says, when it has done so, that it let go of what was erased)
same_of_it() { local x; x=$(digest_of a | grep "^$consell"); [ -n "$x" ] && [ "$x" = "$(digest_of b | grep "^$consell")" ]; }
ok "and both hold the same of it" until_ok 10 same_of_it

# --- full, locked, pulled out ---
if unshare -rm true 2>/dev/null && [ "$(id -u)" = 0 ]; then
	stop_box b
	mkdir -p "$T/usb-b/full" "$T/usb-b/locked"
	cat >"$T/serve" <<E
#!/bin/sh
mount -t tmpfs -o size=64k none "$T/usb-b/full" && mkdir "$T/usb-b/full/lliure" &&
	head -c 62000 /dev/zero >"$T/usb-b/full/holidays.jpg" &&
	mount -t tmpfs -o ro none "$T/usb-b/locked" && exec "$LLIURE" "\$@"
E
	printf '#!/bin/sh\nexec unshare -m "%s" "$@"\n' "$T/serve" >"$T/boxed"
	chmod +x "$T/serve" "$T/boxed"
	real=$LLIURE
	LLIURE=$T/boxed
	ok "b serves with a full stick and a locked one" start_box b --sticks "$T/usb-b"
	LLIURE=$real
	ok "they are found" eval 'until_ok 20 idle b full && until_ok 20 idle b locked'
	press b full write >/dev/null
	ok "a full one is said to be full" until_ok 20 eval 'stick b full job.error | grep -q "is full"'
	is "a locked one can only be read" "$(stick b locked writable)" False
	press b locked write >/dev/null
	ok "and writing to it is refused in words" until_ok 20 eval 'stick b locked job.error | grep -q "written to"'
	ok "both can be used again" wait_idle b full
fi
ok "a is clean" "$LLIURE" verify --data "$T/a"
ok "b is clean" "$LLIURE" verify --data "$T/b"
finish
