#!/usr/bin/env bash
# SPDX-License-Identifier: AGPL-3.0-or-later
# A house approves a box that writes without measure, takes its share, and passes it on: evil -> a - b - c. Nobody
# honest is blamed for it, and what the honest write, found and carry gets through.
. "$(dirname "$0")/../e2e/lib.sh"
EVIL=$BUILD/tests/hostile/hostile_tool
number=$((RANDOM % 1000 + 5000))
evil=$("$EVIL" key $number)

list() { "$LLIURE" space list --data "$T/$1"; }
swap() { "$LLIURE" sync --data "$T/$1"; }
# did BOX KEY [WHAT]: does its record say that it did that, or anything
did() {
	"$LLIURE" peer conduct "$2" --data "$T/$1" |
		grep -qE "^$2 (${3:-flood|lies|rubbish|stall|many-logs|file|replay|quota|forged}) "
}
found() { "$LLIURE" space add "$2" "${@:3}" --as admin --password-file "$T/password" --data "$T/$1"; }
of_evil() { # of_evil BOX: logs of it in the space that all share, and the spaces that it founded
	python3 - "$T/$1/log.db" "$evil" "$space" <<'END'
import base64, sqlite3, sys
key, space = (base64.b32decode(x.upper() + "====") for x in sys.argv[2:4])
db = sqlite3.connect(f"file:{sys.argv[1]}?mode=ro", uri=True, timeout=10)
one = lambda sql, *a: db.execute(sql, a).fetchone()[0]
print(one("SELECT count(*) FROM log WHERE appliance=? AND space=?", key, space),
      one("SELECT count(DISTINCT space) FROM log WHERE appliance=? AND space<>?", key, space))
END
}

ok "three houses in a row" eval '
	make_box a && start_box a && make_box b --join "$(sync_addr a)" "$(key_of a)" && start_box b &&
	"$LLIURE" peer add "$(sync_addr b)" "$(key_of b)" --data "$T/a" && until_ok 20 swap b &&
	make_box c --join "$(sync_addr b)" "$(key_of b)" && start_box c &&
	"$LLIURE" peer add "$(sync_addr c)" "$(key_of c)" --data "$T/b" && until_ok 20 swap c'
A=$(key_of a) B=$(key_of b) C=$(key_of c)
space=$("$LLIURE" status --json --data "$T/a" | json spaces.0.id)
for x in a b c; do token_of $x >"$T/token.$x"; done
title='{"title":"Before","text":"One."}'
topic=$(post_json a /forum/general/topics "$(cat "$T/token.a")" "$title" | json id)
ok "what a writes is read at c" until_ok 30 get_as c "/topic/$topic.json"
ok "a approves one more" "$LLIURE" peer add 127.0.0.1:9 "$evil" --name Ombra --data "$T/a"

ok "it offers communities and logs without end" eval '
	"$EVIL" communities $number "$(sync_addr a)" "$space" 20 && "$EVIL" million-logs $number "$(sync_addr a)" "$space" 30'
ok "that is on its record at a" until_ok 20 did a "$evil" many-logs
read -r logs spaces <<<"$(of_evil a)"
note "a holds $logs logs of it, and $spaces communities"
ok "a took its share of the logs" [ "$logs" -ge 1 -a "$logs" -le 64 ]
ok "and of the communities" [ "$spaces" -ge 1 -a "$spaces" -le 65 ]

# --- and b and c theirs, of a ---
has_some() { read -r logs spaces <<<"$(of_evil "$1")"; [ "$logs" -ge 1 ] && [ "$spaces" -ge 1 ]; }
ok "some of it comes to b" until_ok 30 eval 'swap b >/dev/null; has_some b'
ok "and to c" until_ok 30 eval 'swap c >/dev/null; has_some c'
for _ in 1 2 3; do swap b && swap a && swap c; done >/dev/null 2>&1
for x in b c; do
	read -r logs spaces <<<"$(of_evil $x)"
	note "$x holds $logs logs of it, and $spaces communities"
	ok "$x: no more of its logs than of one box" [ "$logs" -le 64 ]
	ok "$x: of a founder that it does not know, few communities" [ "$spaces" -le 9 ]
done
ok "b blames nobody honest" eval '! did b "$A" && ! did b "$C"'
ok "nor does a blame b" not did a "$B"
ok "nor does c" not did c "$B"

# --- what is honest gets through ---
title='{"title":"Behind it","text":"Two."}'
topic=$(post_json a /forum/general/topics "$(cat "$T/token.a")" "$title" | json id)
ok "what a writes comes to c" until_ok 20 get_as c "/topic/$topic.json"
ok "a founds a community" found a "Nova de a"
lists() { list "$1" | grep -qF "$2"; }
ok "it comes to b" until_ok 20 lists b "Nova de a"
ok "and to c" until_ok 20 lists c "Nova de a"
ok "b founds a private one" found b "Secret de b" --private
secret=$(list b | sed -n 's/^\([a-z2-7]*\) private .*/\1/p')
ok "for c" "$LLIURE" space admit "${secret:0:8}" "$C" --name c --data "$T/b"
ok "it comes to c" until_ok 20 lists c "${secret:0:8}"
ok "and not to a" not lists a "${secret:0:8}"
shared_digest() { digest_of "$1" | grep -E "^($space|$(list a | sed -n 's/^\([a-z2-7]*\) .*Nova de a.*/\1/p'))"; }
same() { [ "$(shared_digest a)" = "$(shared_digest b)" ] && [ "$(shared_digest b)" = "$(shared_digest c)" ]; }
ok "what all three carry is the same" until_ok 20 same
ok "b still blames nobody honest" eval '! did b "$A" && ! did b "$C"'

# --- a volunteer lets go of what came through a ---
strange_of() { get_as "$1" "/admin/strangers.json?through=$2" | python3 -c 'import json,sys
print(json.dumps({"space-" + r["id"]: "1" for r in json.load(sys.stdin)["rows"] if r["ticked"]} | {"act": "sure"}))'; }
ticks=$(strange_of b "$A")
n=$(grep -o 'space-' <<<"$ticks" | wc -l)
note "$n communities came to b through a that nobody chose"
ok "b lists them" [ "$n" -ge 1 -a "$n" -le 9 ]
count() { list "$1" | grep -cE "^[a-z2-7]{8,} "; }
before=$(count b)
ok "and lets go of them" post_json b /admin/strangers "$(cat "$T/token.b")" "$ticks"
is "they are on no list of b any more" "$(count b)" "$((before - n))"
ok "what is kept is on the list" lists b "Nova de a"
is "b says how many it let go of" "$("$LLIURE" keep --data "$T/b" | sed -n 's/^Communities of strangers.*: \([0-9]*\)\.$/\1/p')" "$n"
for _ in 1 2; do swap a && swap b && swap c; done >/dev/null 2>&1
is "they do not come again" "$(count b)" "$((before - n))"
ok "what all three carry is the same still" until_ok 20 same
ok "and nobody is blamed for it" eval '! did a "$B" && ! did b "$A" && ! did c "$B"'
one=$(grep -o 'space-[a-z2-7]*' <<<"$ticks" | head -1)
ok "one is wanted after all" post_json b "/admin/strangers/${one#space-}/again" "$(cat "$T/token.b")" '{}'
is "and there again" "$(count b)" "$((before - n + 1))"
for x in a b c; do
	stop_box $x
	ok "$x: everything that is stored is right" "$LLIURE" verify --data "$T/$x"
done
finish
