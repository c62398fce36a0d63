/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Into a private space: any bytes in clear, any bytes as if they were sealed, any bytes sealed as
 * they should be, and as the sealed words of an op on the rules (the first byte says which). The
 * box goes on, and shows the same after a rebuild. $S, $T, $K, $N stand for the space, a topic, a
 * key, and the name of the key of the space. */
#define TEST_WITHOUT_CMOCKA
#include "tests/fuzz/fuzz.h"
#include "tests/appliance/community/anew.h"
#include "tests/appliance/community/boxes.h"

static struct world {
	struct box box;
	struct secret *author;
	struct hash space, topic;
} * w; /* a fuzz target has no other place to keep it */

static void must(struct error *err)
{
	if (err)
		fprintf(stderr, "%s\n", error_english(err));
	FUZZ_CHECK(!err);
}

static void set_up(void)
{
	struct hash forum;

	w = calloc(1, sizeof(*w));
	FUZZ_CHECK(w);
	if (access("/dev/shm", W_OK) == 0)
		setenv("TMPDIR", "/dev/shm", 0);
	test_init();
	w->author = test_key(1);
	box_init(&w->box, 1, 1764000000000);
	must(box_open(&w->box));
	must(box_found_private(&w->box, w->author, &w->space));
	must(box_submit(&w->box, &w->space, "forum.create", NULL, w->author,
			json_pack("{s:s,s:s}", "slug", "general", "title", "General"), &forum));
	must(box_submit(
		&w->box, &w->space, "topic.create", NULL, w->author,
		json_pack("{s:s,s:s,s:s}", "forum", ID(&forum), "title", "T", "text", "first"),
		&w->topic));
}

static void tear_down(void)
{
	box_release(&w->box);
	secret_free(w->author);
	free(w);
}

static struct space_key newest(void)
{
	struct space *s = space_of(w->box.c, &w->space);
	struct space_key key;
	struct hash name;
	uint16_t epoch;

	FUZZ_CHECK(rules_key_now(s->rules, &name, &epoch));
	FUZZ_CHECK(keyring_find(&s->ring, &name, &key));
	return key;
}

static void expand(struct buf *out, const uint8_t *data, size_t n)
{
	struct space_key key = newest();

	for (size_t i = 0; i < n && out->n < SEALED_LONGEST / 2; i++) {
		uint8_t letter = data[i] == '$' && i + 1 < n ? data[i + 1] : 0;
		const void *id = letter == 'S'	 ? (const void *)&w->space
				 : letter == 'T' ? (const void *)&w->topic
				 : letter == 'K' ? (const void *)secret_pubkey(w->author)
				 : letter == 'N' ? (const void *)&key.name
						 : NULL;

		if (id) {
			buf_puts(out, ID(id));
			i++;
		} else {
			buf_add(out, &data[i], 1);
		}
	}
}

static void seal_as(const char *type, struct span plain, struct buf *out)
{
	const struct space_key key = newest();
	const struct seal_for f = {w->space, *secret_pubkey(w->author), type};
	struct buf again = {0};

	seal_text(&key, &f, plain, out);
	FUZZ_CHECK(unseal_text(&key, &f, buf_span(out), &again));
	FUZZ_CHECK(again.n >= plain.n && (!plain.n || !memcmp(again.p, plain.p, plain.n)));
	buf_release(&again);
}

/* An op on the rules whose words are sealed. */
static void seal_words(struct span plain, struct buf *out)
{
	struct buf sealed = {0};
	char *letters;

	seal_as("space.set", plain, &sealed);
	letters = malloc(BASE32_LEN(sealed.n) + 1);
	FUZZ_CHECK(letters);
	base32_encode(sealed.p, sealed.n, letters);
	buf_printf(out, "{\"type\":\"space.set\",\"object\":\"%s\",\"sealed\":\"%s\"}",
		   ID(&w->space), letters);
	free(letters);
	buf_release(&sealed);
}

/* Into the box, and out again. */
static void takes(struct span payload, bool sealed, bool rebuild)
{
	struct hash id, before, after;
	bool more;

	must(conn_begin(w->box.c));
	must(log_append(w->box.c->log,
			&(struct log_append){.space = &w->space,
					     .author = w->author,
					     .appliance = w->box.key,
					     .rules = w->space,
					     .time = 1764000000000,
					     .sealed = sealed,
					     .epoch = 1,
					     .payload = payload},
			&id));
	must(community_catch_up(w->box.c, 0, &more));
	must(community_digest(w->box.c, &w->space, &before));
	if (rebuild) {
		must(digest_anew(w->box.c, &w->space, &after));
		FUZZ_CHECK(hash_eq(&before, &after));
	}
	conn_rollback(w->box.c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf text = {0}, payload = {0};
	unsigned mode = size ? data[0] & 3 : 0;
	bool more;

	if (!w) {
		set_up();
		atexit(tear_down);
	}
	/* What a rollback dropped is read again. */
	must(conn_begin(w->box.c));
	must(community_catch_up(w->box.c, 0, &more));
	must(conn_commit(w->box.c));
	expand(&text, data + (size > 0), size - (size > 0));
	if (mode == 2)
		seal_as(NULL, buf_span(&text), &payload);
	else if (mode == 3)
		seal_words(buf_span(&text), &payload);
	else
		buf_add_span(&payload, buf_span(&text));
	if (payload.n && payload.n <= LIMIT_PAYLOAD)
		takes(buf_span(&payload), mode == 1 || mode == 2, size % 4 == 0);
	buf_release(&text);
	buf_release(&payload);
	return 0;
}
