/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What is sealed opens for those whom it is meant for, and as nothing else. */
#include "tests/lib/test.h"
#include "appliance/community/seal.h"
#include <jansson.h>

struct given {
	uint8_t bytes[2][SPACE_KEY];
	struct space_key old, new;
	struct hash space, other;
	struct secret *box, *author;
	struct seal_for payload, words;
};

static void give(struct given *g)
{
	*g = (struct given){.bytes = {"one", "two"}};
	g->space = hash_bytes(span_str("space"));
	g->other = hash_bytes(span_str("another"));
	g->old = (struct space_key){space_key_name(&g->space, 1, g->bytes[0]), 1, g->bytes[0]};
	g->new = (struct space_key){space_key_name(&g->space, 2, g->bytes[1]), 2, g->bytes[1]};
	g->box = test_key(1);
	g->author = test_key(2);
	g->payload = (struct seal_for){g->space, *secret_pubkey(g->author), NULL};
	g->words = (struct seal_for){g->space, *secret_pubkey(g->author), "member.add"};
}

static void take(struct given *g)
{
	secret_free(g->box);
	secret_free(g->author);
}

static bool opens(const struct space_key *key, const struct seal_for *f, struct span sealed)
{
	_cleanup_(buf_release) struct buf out = {0};

	return unseal_text(key, f, sealed, &out);
}

static void what_is_sealed_opens_again_with_its_padding(void **state)
{
	_cleanup_(buf_release) struct buf sealed = {0}, plain = {0};
	struct given g;

	give(&g);
	seal_text(&g.new, &g.payload, span_str("{\"a\":1}"), &sealed);
	assert_int_equal(sealed.n, SEALED_OVERHEAD + SEAL_LEAST);
	assert_true(unseal_text(&g.new, &g.payload, buf_span(&sealed), &plain));
	assert_int_equal(plain.n, SEAL_LEAST);
	assert_memory_equal(plain.p, "{\"a\":1}  ", 9);
	assert_int_equal(plain.p[plain.n - 1], ' ');
	take(&g);
}

static void it_opens_as_nothing_else(void **state)
{
	_cleanup_(buf_release) struct buf sealed = {0};
	struct given g;
	struct seal_for f;
	struct space_key k;

	give(&g);
	seal_text(&g.new, &g.words, span_str("{}"), &sealed);
	assert_true(opens(&g.new, &g.words, buf_span(&sealed)));
	assert_false(opens(&g.old, &g.words, buf_span(&sealed)));
	assert_false(opens(&g.new, &g.payload, buf_span(&sealed)));
	f = g.words;
	f.space = g.other;
	assert_false(opens(&g.new, &f, buf_span(&sealed)));
	f = g.words;
	f.author = *secret_pubkey(g.box);
	assert_false(opens(&g.new, &f, buf_span(&sealed)));
	f = g.words;
	f.type = "appliance.admit";
	assert_false(opens(&g.new, &f, buf_span(&sealed)));
	k = g.new;
	k.epoch = 3;
	assert_false(opens(&k, &g.words, buf_span(&sealed)));
	take(&g);
}

static void not_with_any_bit_turned_nor_any_byte_less(void **state)
{
	_cleanup_(buf_release) struct buf sealed = {0};
	struct given g;

	give(&g);
	seal_text(&g.new, &g.payload, span_str("{}"), &sealed);
	for (size_t i = 0; i < sealed.n; i++) {
		sealed.p[i] ^= (uint8_t)(1 << i % 8);
		assert_false(opens(&g.new, &g.payload, buf_span(&sealed)));
		sealed.p[i] ^= (uint8_t)(1 << i % 8);
		assert_false(opens(&g.new, &g.payload, span_of(sealed.p, i)));
	}
	take(&g);
}

static void lengths_are_those_of_padme(void **state)
{
	size_t last = 0;

	assert_int_equal(seal_padded(0), 256);
	assert_int_equal(seal_padded(256), 256);
	assert_int_equal(seal_padded(257), 272);
	assert_int_equal(seal_padded(1000), 1024);
	assert_int_equal(seal_padded(SEALED_LONGEST), SEALED_LONGEST);
	for (size_t n = 257; n < 200000; n += 7) {
		size_t padded = seal_padded(n);

		assert_true(padded >= n && padded >= last);
		assert_true((padded - n) * 100 < n * 12);
		last = padded;
	}
}

static void a_key_comes_in_a_box_or_under_another(void **state)
{
	uint8_t boxed[BOXED_KEY], wrapped[WRAPPED_KEY], out[SPACE_KEY];
	struct given g;

	give(&g);
	assert_true(box_key(secret_pubkey(g.box), &g.new, boxed));
	assert_true(unbox_key(g.box, &g.space, &g.new.name, 2, boxed, out));
	assert_memory_equal(out, g.bytes[1], SPACE_KEY);
	assert_false(unbox_key(g.author, &g.space, &g.new.name, 2, boxed, out));
	wrap_key(&g.new, &g.space, &g.old, wrapped);
	assert_true(unwrap_key(&g.new, &g.space, &g.old.name, 1, wrapped, out));
	assert_memory_equal(out, g.bytes[0], SPACE_KEY);
	assert_false(unwrap_key(&g.old, &g.space, &g.old.name, 1, wrapped, out));
	take(&g);
}

static void a_key_that_is_not_the_one_named_is_refused(void **state)
{
	uint8_t boxed[BOXED_KEY], out[SPACE_KEY];
	struct given g;

	give(&g);
	assert_true(box_key(secret_pubkey(g.box), &g.old, boxed));
	assert_false(unbox_key(g.box, &g.space, &g.new.name, 2, boxed, out));
	assert_false(unbox_key(g.box, &g.space, &g.old.name, 2, boxed, out));
	assert_false(unbox_key(g.box, &g.other, &g.old.name, 1, boxed, out));
	take(&g);
}

static void nothing_is_sealed_to_what_is_no_key(void **state)
{
	uint8_t boxed[BOXED_KEY];
	struct pubkey none = {{0}}, low = {{1}}, odd = {{2}};
	struct given g;

	give(&g);
	assert_false(pubkey_can_open(&none));
	assert_false(pubkey_can_open(&low));
	assert_false(pubkey_can_open(&odd));
	assert_false(box_key(&low, &g.new, boxed));
	assert_true(pubkey_can_open(secret_pubkey(g.box)));
	take(&g);
}

/* --- tests/vectors/seal.json --- */
static void check_sealed(const json_t *v, const struct hash *space, const struct space_key *key)
{
	_cleanup_(buf_release) struct buf plain = {0};
	struct seal_for f = {.space = *space,
			     .type = json_string_value(json_object_get(v, "type"))};
	const char *text = json_string_value(json_object_get(v, "text"));
	uint8_t sealed[1000];
	size_t n = json_string_length(json_object_get(v, "sealed")) / 2;

	assert_in_range(n, 1, sizeof(sealed));
	test_unhex(json_string_value(json_object_get(v, "sealed")), sealed, n);
	test_unhex(json_string_value(json_object_get(v, "author")), f.author.b, 32);
	assert_true(unseal_text(key, &f, span_of(sealed, n), &plain));
	assert_memory_equal(plain.p, text, strlen(text));
}

static void the_vectors_open(void **state)
{
	_cleanup_(freep) char *text = test_source_file("tests/vectors/seal.json", NULL);
	json_t *doc = json_loads(text, 0, NULL), *row;
	struct space_key keys[2];
	uint8_t bytes[2][SPACE_KEY];
	struct hash space, name;
	size_t i;

	assert_non_null(doc);
	test_unhex(json_string_value(json_object_get(doc, "space")), space.b, 32);
	for (i = 0; i < 2; i++) {
		row = json_array_get(json_object_get(doc, "keys"), i);
		test_unhex(json_string_value(json_object_get(row, "key")), bytes[i], SPACE_KEY);
		test_unhex(json_string_value(json_object_get(row, "name")), name.b, 32);
		keys[i] = (struct space_key){space_key_name(&space, (uint16_t)(i + 1), bytes[i]),
					     (uint16_t)(i + 1), bytes[i]};
		assert_id_equal(&keys[i].name, &name);
	}
	check_sealed(json_object_get(doc, "payload"), &space, &keys[1]);
	check_sealed(json_object_get(doc, "words"), &space, &keys[1]);
	json_array_foreach(json_object_get(doc, "lengths"), i, row) assert_int_equal(
		seal_padded((size_t)json_integer_value(json_object_get(row, "plain"))),
		json_integer_value(json_object_get(row, "padded")));
	json_decref(doc);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_sealed_opens_again_with_its_padding),
		cmocka_unit_test(it_opens_as_nothing_else),
		cmocka_unit_test(not_with_any_bit_turned_nor_any_byte_less),
		cmocka_unit_test(lengths_are_those_of_padme),
		cmocka_unit_test(a_key_comes_in_a_box_or_under_another),
		cmocka_unit_test(a_key_that_is_not_the_one_named_is_refused),
		cmocka_unit_test(nothing_is_sealed_to_what_is_no_key),
		cmocka_unit_test(the_vectors_open),
	};

	return run_group(tests);
}
