/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* tests/vectors/entry.json: bytes on which every implementation agrees. */
#include "tests/lib/test.h"
#include "sync/log/entry.h"
#include <jansson.h>

static json_t *doc;

static void unhex(const json_t *o, const char *field, void *out, size_t n)
{
	test_unhex(json_string_value(json_object_get(o, field)), out, n);
}

static const char *text_of(const json_t *o, const char *field)
{
	const char *s = json_string_value(json_object_get(o, field));

	assert_non_null(s);
	return s;
}

static struct secret *key_named(const char *name)
{
	json_t *all = json_object_get(doc, "keys"), *one;
	uint8_t seed[32];
	size_t i;

	json_array_foreach(all, i, one)
	{
		if (strcmp(text_of(one, "name"), name) == 0) {
			unhex(one, "seed", seed, 32);
			return secret_from_seed(seed);
		}
	}
	fail_msg("no key %s", name);
	return NULL;
}

static void keys_follow_from_their_seeds(void **state)
{
	json_t *all = json_object_get(doc, "keys"), *one;
	size_t i;

	(void)state;
	json_array_foreach(all, i, one)
	{
		struct secret *s = key_named(text_of(one, "name"));
		struct pubkey want, parsed;

		unhex(one, "public", &want, 32);
		assert_id_equal(secret_pubkey(s), &want);
		assert_string_equal(ID(&want), text_of(one, "text"));
		assert_true(id_parse(text_of(one, "text"), &parsed));
		assert_id_equal(&parsed, &want);
		secret_free(s);
	}
}

static void check_fields(const json_t *o, const struct entry_bytes *raw)
{
	struct entry e;
	struct hash h;

	entry_decode(raw, &e);
	assert_true(e.seq == strtoull(text_of(o, "sequence"), NULL, 10));
	assert_true(e.time == json_integer_value(json_object_get(o, "time")));
	assert_true(e.incarnation == strtoull(text_of(o, "incarnation"), NULL, 10));
	unhex(o, "space", &h, 32);
	assert_id_equal(&e.space, &h);
	unhex(o, "rules", &h, 32);
	assert_id_equal(&e.rules, &h);
	unhex(o, "previous", &h, 32);
	assert_id_equal(&e.prev, &h);
	unhex(o, "payload_hash", &h, 32);
	assert_id_equal(&e.payload_hash, &h);
	assert_int_equal(e.payload_len, strlen(text_of(o, "payload")));
}

static void check_valid(const json_t *o)
{
	struct secret *box = key_named(text_of(o, "appliance"));
	struct secret *author = key_named(text_of(o, "author"));
	bool by_box = strcmp(text_of(o, "appliance"), text_of(o, "author")) == 0;
	uint8_t salt[ENTRY_SALT], log[LOG_ID_BYTES], want_log[LOG_ID_BYTES];
	struct entry_bytes raw, made;
	struct hash h, got;
	struct log_id id;
	struct entry e;

	unhex(o, "header", raw.b, ENTRY_HEADER);
	unhex(o, "salt", salt, ENTRY_SALT);
	assert_ok(entry_check(&raw));
	assert_true(entry_verify_author(&raw));
	assert_true(entry_verify_appliance(&raw));
	check_fields(o, &raw);
	entry_decode(&raw, &e);
	entry_make(&e, by_box ? NULL : author, box, salt, span_str(text_of(o, "payload")), &made);
	assert_memory_equal(&made, &raw, sizeof(raw));
	unhex(o, "hash", &h, 32);
	got = entry_hash(&raw);
	assert_id_equal(&got, &h);
	got = entry_op_id(&raw);
	assert_string_equal(ID(&got), text_of(o, "op"));
	id = entry_log(&raw);
	log_id_write(&id, log);
	unhex(o, "log", want_log, LOG_ID_BYTES);
	assert_memory_equal(log, want_log, LOG_ID_BYTES);
	secret_free(box);
	secret_free(author);
}

static void valid_entries_are_made_again_byte_by_byte(void **state)
{
	json_t *all = json_object_get(doc, "entries"), *one;
	size_t i;

	(void)state;
	assert_int_equal(json_array_size(all), 4);
	json_array_foreach(all, i, one) check_valid(one);
}

static void invalid_entries_fail_as_they_should(void **state)
{
	json_t *all = json_object_get(doc, "invalid"), *one;
	size_t i;

	(void)state;
	assert_int_equal(json_array_size(all), 15);
	json_array_foreach(all, i, one)
	{
		const char *want = text_of(one, "error");
		struct entry_bytes raw;
		struct error *err;

		unhex(one, "header", raw.b, ENTRY_HEADER);
		err = entry_check(&raw);
		if (strcmp(want, "author") == 0 || strcmp(want, "appliance") == 0) {
			assert_null(err);
			assert_int_equal(entry_verify_author(&raw), strcmp(want, "author") != 0);
			assert_int_equal(entry_verify_appliance(&raw),
					 strcmp(want, "appliance") != 0);
		} else {
			assert_string_equal(error_name(error_code(err)), want);
			assert_true(entry_verify_appliance(&raw));
		}
		error_free(err);
	}
}

static void the_fork_proof_proves(void **state)
{
	json_t *fork = json_object_get(doc, "fork");
	struct entry_bytes a, b;
	struct log_id x, y;
	struct entry ea, eb;

	(void)state;
	unhex(fork, "a", a.b, ENTRY_HEADER);
	unhex(fork, "b", b.b, ENTRY_HEADER);
	x = entry_log(&a);
	y = entry_log(&b);
	entry_decode(&a, &ea);
	entry_decode(&b, &eb);
	assert_int_equal(log_id_cmp(&x, &y), 0);
	assert_true(ea.seq == eb.seq);
	assert_memory_not_equal(&a, &b, sizeof(a));
	assert_true(entry_verify_appliance(&a) && entry_verify_appliance(&b));
}

static int load(void **state)
{
	size_t n;
	char *text = test_source_file("tests/vectors/entry.json", &n);

	(void)state;
	doc = json_loadb(text, n, 0, NULL);
	free(text);
	return doc ? 0 : -1;
}

static int unload(void **state)
{
	(void)state;
	json_decref(doc);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_follow_from_their_seeds),
		cmocka_unit_test(valid_entries_are_made_again_byte_by_byte),
		cmocka_unit_test(invalid_entries_fail_as_they_should),
		cmocka_unit_test(the_fork_proof_proves),
	};
	test_init();
	return cmocka_run_group_tests(tests, load, unload);
}
