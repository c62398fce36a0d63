#!/usr/bin/env bash
# SPDX-License-Identifier: AGPL-3.0-or-later
# A partial box: it lets go of old messages only when another box has proved that it holds them, says on the page of a
# conversation what is not here, fetches it when somebody asks, and is killed in the middle of it.
. "$(dirname "$0")/lib.sh"

python3 - >"$T/old.jsonl" <<'PY'
import json
for t in range(30):
    posts=[{"id":t*100+n,"username":f"user{n}","created_at":f"2020-01-{t%28+1:02d}T10:{n:02d}:00.000Z","post_number":n+1,
            "cooked":f"<p>paraula{t}x{n} is an old word.</p>"} for n in range(40)]
    print(json.dumps({"id":t,"slug":f"topic-{t}","title":f"Topic number {t}","created_at":posts[0]["created_at"],"post_stream":{"posts":posts}}))
PY
act() { post_json "$1" "$2" "$(cat "$T/token.$1")" "$3"; }
run_is() { get_as b /admin/keep.json | python3 -c 'import json,sys
r=json.load(sys.stdin).get("run") or {}
sys.exit(not all(r.get(k) if v is None else r.get(k)==json.loads(v) for k,_,v in ((a.partition("=")[0],0,a.partition("=")[2] or None) for a in sys.argv[1:])))' "$@"; }
run_of() { get_as b /admin/keep.json | json "run.$1"; }
held_of() { "$LLIURE" status --json --data "$T/$1" | python3 -c 'import json,sys; d=json.load(sys.stdin); print(sum(s["entries"] for s in d["spaces"])-d.get("missing",0))'; }
topics_of() { get "$1" /forum/general.json | python3 -c 'import json,sys; print(len(json.load(sys.stdin)["topics"]))'; }
digests_alike() { local a; a=$(digest_of a); [ -n "$a" ] && [ "$a" = "$(digest_of b)" ]; }
reads() { get "$1" "$2" | grep -q "$3"; }

ok "box a is made" make_box a
ok "with old conversations" "$LLIURE" import discourse "$T/old.jsonl" --data "$T/a"
ok "a serves" start_box a
ok "b follows" make_box b --join "$(sync_addr a)" "$(key_of a)"
ok "b serves" start_box b
token_of a >"$T/token.a"
token_of b >"$T/token.b"
ok "a approves b" "$LLIURE" peer add "$(sync_addr b)" "$(key_of b)" --data "$T/a"
ok "b syncs" until_ok 10 "$LLIURE" sync --data "$T/b"
ok "and holds all" until_ok 20 digests_alike
ok "and its first page no longer says that something is on its way" not reads b / "have arrived"
entries_digest() { "$LLIURE" digest --entries --data "$T/$1" | sort; }
fresh=$(act a /forum/general/topics '{"title": "Fresh", "text": "written today"}' | python3 -c 'import json,sys; print(json.load(sys.stdin)["id"])')
old=$(get a "/forum/general.json?page=1" | python3 -c '
import json, sys
print(next(t["id"] for t in json.load(sys.stdin)["topics"] if t["title"] == "Topic number 13"))')

ok "a box that keeps everything has nothing to let go of" not act b /admin/keep/look '{}'
ok "b chooses to keep a year" act b /admin/keep '{"days_bound": "1", "days": "365", "blobs_bound": "1", "megabytes": "20"}'
is "and says so" "$("$LLIURE" keep --data "$T/b" | grep -c '365 days')" 1
ok "nothing went by that" reads b "/topic/$old" paraula13x5

a_port=$(sync_addr a)
stop_box a
ok "a is away: b looks" act b /admin/keep/look '{}'
ok "and says that nobody can be asked" until_ok 20 run_is problem looking
sign_in b
ok "what can't be proved does not go" not act_signed_in b /admin/keep/let-go '{}'
ok "a is back" start_box a --sync "$a_port"
ok "b looks again" act b /admin/keep/look '{}'
ok "and finds what would go" until_ok 30 run_is looked ops=1200 safe_ops=1200
is "all of it is at a" "$(run_of at.0.ops)" 1200
ok "nothing went yet" reads b "/topic/$old" paraula13x5

ok "the volunteer confirms" act_signed_in b /admin/keep/let-go '{}'
killed=0
for i in 1 2 3; do
	sleep 0.$((i * 3))
	run_is done && break
	stop_box b KILL
	killed=$((killed + 1))
	start_box b >/dev/null
done
note "killed $killed times"
ok "killed in the middle, it goes on to its end" until_ok 60 run_is done
ok "all that fell out went" run_is safe_ops=1200
ok "b syncs" until_ok 10 "$LLIURE" sync --data "$T/b"
ok "the fresh conversation stays" until_ok 10 reads b "/topic/$fresh" "written today"
is "the old ones are off the list" "$(topics_of b)" 1
ok "the entries are still all there" "$LLIURE" verify --data "$T/b"
is "a lost nothing" "$(topics_of a)" 30
is "the digest of the entries is that of a" "$(entries_digest b)" "$(entries_digest a)"
is "the page of backups says what they lack" "$(get_as b /admin/recovery.json | json lacks)" 1200
ok "the page of an old one says that it is not kept here" reads b "/topic/$old" "Not kept on this box"
ok "and offers it" reads b "/topic/$old" "/topic/$old/fetch"
ok "b syncs" until_ok 10 "$LLIURE" sync --data "$T/b"
is "and does not fetch it back by itself" "$(topics_of b)" 1

stop_box a
ok "a visitor asks for it while a is away" curl -sS --fail-with-body -d '' -o /dev/null "$(url b "/topic/$old/fetch")"
ok "the page says that it is waited for" reads b "/topic/$old" "asked for"
stop_box b KILL
ok "b was killed; it starts again" start_box b
ok "and keeps the wish" reads b "/topic/$old" "asked for"
ok "a comes back" start_box a --sync "$a_port"
ok "the conversation arrives by itself, or with the next exchange" until_ok 20 eval '"$LLIURE" sync --data "$T/b"; reads b "/topic/$old" paraula13x0'
ok "the whole of it" until_ok 20 eval '"$LLIURE" sync --data "$T/b"; reads b "/topic/$old?page=2" paraula13x39'
ok "nothing of it is missing any more" until_ok 20 not reads b "/topic/$old" "/fetch"
is "only this one came" "$(topics_of b)" 2
keeps_of() { get_as a /admin/peers.json | json peers.0.keeps_days; }
ok "a syncs" until_ok 10 "$LLIURE" sync --data "$T/a"
is "and shows that b keeps a year only" "$(keeps_of)" 365

ok "b looks again: what was fetched stays" act b /admin/keep/look '{}'
ok "nothing falls out" until_ok 30 run_is looked ops=0

space=$(get b /forums.json | json spaces.0.id)
ok "b keeps this community no more" act b /admin/keep "{\"days_bound\": \"0\", \"blobs_bound\": \"0\", \"asked-$space\": \"1\"}"
ok "its command says so" eval '"$LLIURE" keep --data "$T/b" | grep -q "Not kept since .*${space:0:8}"'
is "and not that it keeps everything" "$("$LLIURE" keep --data "$T/b" | grep -c everything)" 0
ok "visitors read it on the first page" reads b / "Not kept on this box since"
ok "and in the list of forums, with the house that has it" eval 'get b /forums | grep -q "Not kept on this box since.*These houses have it: a\."'
ok "a is told, and its page of b says so" until_ok 20 eval '"$LLIURE" sync --data "$T/a"; get_as a "/admin/peers/$(key_of b)" | grep -q "It no longer keeps"'
ok "b keeps it again" act b /admin/keep "{\"days_bound\": \"1\", \"days\": \"365\", \"blobs_bound\": \"0\", \"asked-$space\": \"1\", \"keep-$space\": \"1\"}"
ok "and nobody reads that it does not" not reads b /forums "Not kept on this box"
ok "b keeps everything again" act b /admin/keep '{"days_bound": "0", "blobs_bound": "0"}'
ok "and gets it" until_ok 40 eval '"$LLIURE" sync --data "$T/b"; digests_alike'
finish
