#!/usr/bin/env bash
# SPDX-License-Identifier: AGPL-3.0-or-later
# The main job: a forum is imported on one box, an empty box follows it, both are cut apart, both write,
# they meet again, and hold the same.
. "$(dirname "$0")/lib.sh"

sample=$SOURCE/../shared/data/discourse-sample.jsonl
if [ ! -e "$sample" ]; then
	note "no real sample here: importing topics made for the test"
	sample=$T/sample.jsonl
	python3 - >"$sample" <<'PY'
import json
for t in range(20):
    posts=[{"id":t*10+n,"username":f"user{n}","created_at":f"2020-01-{t+1:02d}T10:0{n}:00.000Z","post_number":n+1,
            "cooked":f"<p>Post <b>{n}</b> of topic {t}, 2*3 &lt; 7 &amp; so on.</p><ul><li>one</li><li>two</li></ul>"} for n in range(5)]
    print(json.dumps({"id":t,"slug":f"topic-{t}","title":f"Topic number {t}","created_at":posts[0]["created_at"],"post_stream":{"posts":posts}}))
PY
fi
topics=$(wc -l <"$sample")
posts=$(python3 -c 'import json,sys; print(sum(len(json.loads(l)["post_stream"]["posts"]) for l in open(sys.argv[1])))' "$sample")

ok "box a is made" make_box a
ok "the sample is imported" "$LLIURE" import discourse "$sample" --data "$T/a"
before=$(entries_of a)
ok "a second import of the same file" "$LLIURE" import discourse "$sample" --data "$T/a"
is "adds nothing" "$(entries_of a)" "$before"
ok "all topics and posts are there" [ "$before" -ge "$posts" ]
note "$topics topics, $posts posts, $before entries"

ok "box a serves" start_box a
ok "box b is made to follow a" make_box b --join "$(sync_addr a)" "$(key_of a)"
ok "box b serves" start_box b
ok "a approves b" "$LLIURE" peer add "$(sync_addr b)" "$(key_of b)" --data "$T/a"
ok "b syncs" until_ok 10 "$LLIURE" sync --data "$T/b"
same_digest() { local a; a=$(digest_of a); [ -n "$a" ] && [ "$a" = "$(digest_of b)" ]; }
ok "the digests are equal" until_ok 30 same_digest

get a /forum/general.json >"$T/a.forum"
get b /forum/general.json >"$T/b.forum"
is "the list of topics is the same" "$(json forum.title <"$T/b.forum")" "$(json forum.title <"$T/a.forum")"
# Every topic page of the first list, as a visitor sees it, is the same on both.
same_pages() {
	local id n=0
	for id in $(python3 -c 'import json,sys; [print(t["id"]) for t in json.load(open(sys.argv[1]))["topics"]]' "$T/a.forum"); do
		get a "/topic/$id.json" | python3 -c 'import json,sys; d=json.load(sys.stdin); print(json.dumps([d["topic"]["title"],[(p["author"],p["date"],p["html"]) for p in d["posts"]]]))' >"$T/a.page"
		get b "/topic/$id.json" | python3 -c 'import json,sys; d=json.load(sys.stdin); print(json.dumps([d["topic"]["title"],[(p["author"],p["date"],p["html"]) for p in d["posts"]]]))' >"$T/b.page"
		cmp "$T/a.page" "$T/b.page" || return 1
		n=$((n + 1))
	done
	[ $n -gt 5 ]
}
ok "the pages of b equal the pages of a" same_pages

topic=$(json topics.0.id <"$T/a.forum")
stop_box b
ta=$(token_of a)
ok "cut apart: a member writes on a" post_json a "/topic/$topic/posts" "$ta" '{"text":"Escrit a A mentre no ens veiem."}'
stop_box a
ok "box b serves alone" start_box b --sync "$(sync_addr b)"
tb=$(token_of b)
ok "a guest writes on b" curl -sS --fail-with-body -d 'name=Visitant&text=Escrit+a+B+mentre+no+ens+veiem.' "$(url b "/topic/$topic/posts")"
held=$(curl -sS -H "Authorization: Bearer $tb" "$(url b /admin/held.json)" | json held.0.id)
ok "and b's volunteer approves it" post_json b "/admin/held/$held/approve" "$tb" '{}'
is "they differ" "$([ "$(digest_of a)" = "$(digest_of b)" ] && echo same || echo differ)" differ
ok "box a is back" start_box a --sync "$(sync_addr a)"
ok "they meet again" until_ok 20 "$LLIURE" sync --data "$T/b"
ok "the digests are equal again" until_ok 30 same_digest
both_posts() { get "$1" "/topic/$topic.json" | grep -q 'Escrit a A' && get "$1" "/topic/$topic.json" | grep -q 'Escrit a B'; }
ok "a shows both posts" both_posts a
ok "b shows both posts" both_posts b
ok "a is clean" "$LLIURE" verify --data "$T/a"
ok "b is clean" "$LLIURE" verify --data "$T/b"
stop_box a
stop_box b
ok "rebuilding the views of b" "$LLIURE" rebuild --data "$T/b"
is "changes nothing" "$(digest_of a)" "$(digest_of b)"
finish
