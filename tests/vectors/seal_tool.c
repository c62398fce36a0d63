/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Prints tests/vectors/seal.json: a key of a private space, and everything that is sealed with it.
 * Sealing draws random numbers, so the file is made once; it is read by seal.t, without our code,
 * and by tests/appliance/community/seal_test.c. */
#define TEST_WITHOUT_CMOCKA
#include "tests/lib/test.h"
#include "appliance/community/seal.h"
#include <jansson.h>

static json_t *hex(const void *p, size_t n)
{
	_cleanup_(buf_release) struct buf text = {0};

	for (size_t i = 0; i < n; i++)
		buf_printf(&text, "%02x", ((const uint8_t *)p)[i]);
	return json_string(buf_str(&text));
}

static json_t *lengths(void)
{
	static const size_t n[] = {0,	 1,    255,   256,   257,    272,    273,    300,
				   1000, 4097, 65535, 65537, 200000, 250000, 262000, 262072};
	json_t *list = json_array();

	for (size_t i = 0; i < ARRAY_LEN(n); i++)
		json_array_append_new(list, json_pack("{s:i, s:i}", "plain", (int)n[i], "padded",
						      (int)seal_padded(n[i])));
	return list;
}

static json_t *sealed(const struct space_key *key, const struct seal_for *f, const char *text)
{
	_cleanup_(buf_release) struct buf out = {0};

	seal_text(key, f, span_str(text), &out);
	return json_pack("{s:o, s:s, s:s?, s:o}", "author", hex(f->author.b, 32), "text", text,
			 "type", f->type, "sealed", hex(out.p, out.n));
}

int main(void)
{
	static uint8_t one[SPACE_KEY] = "the first key of a private space";
	static uint8_t two[SPACE_KEY] = "and the second, which wraps it.";
	struct space_key old = {.epoch = 1, .bytes = one}, new = {.epoch = 2, .bytes = two};
	struct hash space;
	struct secret *box, *author;
	struct seal_for f = {.type = NULL};
	uint8_t boxed[BOXED_KEY], wrapped[WRAPPED_KEY], seed[32];
	json_t *doc = json_object();

	test_init();
	box = test_key(1);
	author = test_key(2);
	space = hash_bytes(span_str("a space"));
	f = (struct seal_for){.space = space, .author = *secret_pubkey(author)};
	old.name = space_key_name(&space, 1, one);
	new.name = space_key_name(&space, 2, two);
	if (!box_key(secret_pubkey(box), &new, boxed))
		return 1;
	wrap_key(&new, &space, &old, wrapped);
	secret_seed(box, seed);
	json_object_set_new(doc, "space", hex(space.b, 32));
	json_object_set_new(doc, "keys",
			    json_pack("[{s:i,s:o,s:o},{s:i,s:o,s:o}]", "epoch", 1, "key",
				      hex(one, 32), "name", hex(old.name.b, 32), "epoch", 2, "key",
				      hex(two, 32), "name", hex(new.name.b, 32)));
	json_object_set_new(doc, "box",
			    json_pack("{s:o, s:o, s:i, s:o}", "seed", hex(seed, 32), "public",
				      hex(secret_pubkey(box)->b, 32), "holds", 1, "box",
				      hex(boxed, sizeof(boxed))));
	json_object_set_new(doc, "wrapped",
			    json_pack("{s:i, s:i, s:o}", "key", 0, "under", 1, "box",
				      hex(wrapped, sizeof(wrapped))));
	json_object_set_new(doc, "payload",
			    sealed(&new, &f, "{\"type\":\"post.create\",\"text\":\"Bon dia\"}"));
	f.type = "member.add";
	json_object_set_new(doc, "words", sealed(&new, &f, "{\"name\":\"Anna\"}"));
	json_object_set_new(doc, "lengths", lengths());
	json_dumpf(doc, stdout, JSON_INDENT(1));
	putchar('\n');
	json_decref(doc);
	secret_free(box);
	secret_free(author);
	return 0;
}
