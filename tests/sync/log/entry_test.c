/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "tests/lib/test.h"
#include "sync/log/entry.h"

static struct secret *author, *box;
static const uint8_t salt[ENTRY_SALT] = "sixteen bytes !";

static struct entry fields(void)
{
	return (struct entry){.seq = 7,
			      .time = -12345678901234,
			      .incarnation = 0xfedcba9876543210,
			      .space = {"a space"},
			      .rules = {"rules"},
			      .prev = {"previous"}};
}

static struct entry_bytes make(const struct entry *f, const struct secret *by)
{
	struct entry_bytes raw;

	entry_make(f, by, box, salt, span_str("{\"type\":\"post.create\"}"), &raw);
	return raw;
}

static void a_made_entry_checks_and_decodes_to_what_went_in(void **state)
{
	struct entry f = fields(), got;
	struct entry_bytes raw = make(&f, author), again;
	struct log_id id = entry_log(&raw);
	struct hash h = payload_hash(salt, span_str("{\"type\":\"post.create\"}"));

	(void)state;
	assert_ok(entry_check(&raw));
	assert_true(entry_verify_author(&raw));
	assert_true(entry_verify_appliance(&raw));
	entry_decode(&raw, &got);
	assert_int_equal(got.version, 1);
	assert_int_equal(got.flags, 0);
	assert_int_equal(got.payload_len, 22);
	assert_int_equal(got.seq, 7);
	assert_true(got.time == f.time);
	assert_true(got.incarnation == f.incarnation);
	assert_id_equal(&got.author, secret_pubkey(author));
	assert_id_equal(&got.appliance, secret_pubkey(box));
	assert_id_equal(&got.payload_hash, &h);
	assert_id_equal(&id.space, &f.space);
	assert_true(id.incarnation == f.incarnation);
	entry_encode(&got, &again);
	assert_memory_equal(&raw, &again, sizeof(raw));
}

static void every_flipped_bit_is_noticed(void **state)
{
	struct entry f = fields();
	struct entry_bytes raw = make(&f, author);
	struct hash hash = entry_hash(&raw);

	(void)state;
	for (int i = 0; i < ENTRY_HEADER; i++) {
		struct entry_bytes bad = raw;
		struct hash h;

		bad.b[i] ^= (uint8_t)(1 << i % 8);
		h = entry_hash(&bad);
		assert_false(hash_eq(&h, &hash));
		assert_false(entry_verify_appliance(&bad));
	}
}

static void the_op_id_is_what_the_author_signed_and_nothing_else(void **state)
{
	struct entry f = fields();
	struct entry_bytes raw = make(&f, author);
	struct hash id = entry_op_id(&raw);

	(void)state;
	for (int i = 0; i < ENTRY_HEADER; i++) {
		bool signed_by_author = i < 8 || (i >= 16 && i < 24) || (i >= 32 && i < 64) ||
					(i >= 96 && i < 160) || (i >= 192 && i < 224);
		struct entry_bytes bad = raw;
		struct hash h;

		bad.b[i] ^= 1;
		h = entry_op_id(&bad);
		assert_int_equal(hash_eq(&h, &id), !signed_by_author);
		if (i != 1) /* flag 1 turns into "sealed", still by the author */
			assert_int_equal(entry_verify_author(&bad),
					 !signed_by_author && (i < 224 || i >= 288));
	}
}

static void a_carried_op_keeps_its_id_and_its_author(void **state)
{
	struct entry f = fields();
	struct entry_bytes raw = make(&f, author), moved;
	struct hash prev = {"before"}, a = entry_op_id(&raw), b;
	struct entry got;

	(void)state;
	entry_carry(&raw, 3, 99, &prev, box, &moved);
	b = entry_op_id(&moved);
	assert_id_equal(&a, &b);
	assert_ok(entry_check(&moved));
	assert_true(entry_verify_author(&moved));
	assert_true(entry_verify_appliance(&moved));
	entry_decode(&moved, &got);
	assert_int_equal(got.seq, 3);
	assert_int_equal(got.incarnation, 99);
	assert_id_equal(&got.prev, &prev);
}

static void an_appliance_authors_without_a_second_signature(void **state)
{
	struct entry f = fields(), got;
	struct entry_bytes raw = make(&f, NULL);

	(void)state;
	assert_ok(entry_check(&raw));
	entry_decode(&raw, &got);
	assert_int_equal(got.flags, ENTRY_BY_APPLIANCE);
	assert_id_equal(&got.author, secret_pubkey(box));
	assert_true(entry_verify_author(&raw));
	assert_true(entry_verify_appliance(&raw));
}

static void a_founding_entry_gives_its_log_its_op_id_as_space(void **state)
{
	struct entry f = {.seq = 1, .time = 5, .incarnation = 3};
	struct entry_bytes raw = make(&f, author);
	struct hash op = entry_op_id(&raw);
	struct log_id id = entry_log(&raw);

	(void)state;
	assert_ok(entry_check(&raw));
	assert_id_equal(&id.space, &op);
}

static void log_ids_are_written_read_and_ordered_by_their_bytes(void **state)
{
	struct log_id a = {{"s"}, {"a"}, 1}, b = {{"s"}, {"a"}, 256}, c;
	uint8_t bytes[LOG_ID_BYTES];

	(void)state;
	log_id_write(&a, bytes);
	log_id_read(bytes, &c);
	assert_int_equal(log_id_cmp(&a, &c), 0);
	/* little-endian bytes: 256 is 00 01, before 01 00 */
	assert_true(log_id_cmp(&a, &b) > 0);
	assert_true(log_id_cmp(&b, &a) < 0);
}

static void check_changed(enum error_code want, void (*change)(struct entry *))
{
	struct entry f = fields(), e;
	struct entry_bytes raw = make(&f, author);

	entry_decode(&raw, &e);
	change(&e);
	entry_encode(&e, &raw);
	assert_fails(entry_check(&raw), want);
}

static void version_2(struct entry *e)
{
	e->version = 2;
}
static void strange_flag(struct entry *e)
{
	e->flags = 4;
}
static void epoch_unsealed(struct entry *e)
{
	e->epoch = 1;
}
static void too_long(struct entry *e)
{
	e->payload_len = LIMIT_PAYLOAD + 1;
}
static void seq_zero(struct entry *e)
{
	e->seq = 0;
}
static void seq_huge(struct entry *e)
{
	e->seq = 1ULL << 63;
}
static void late_founding(struct entry *e)
{
	memset(&e->space, 0, 32);
	memset(&e->rules, 0, 32);
}
static void no_rules(struct entry *e)
{
	memset(&e->rules, 0, 32);
}
static void no_prev(struct entry *e)
{
	memset(&e->prev, 0, 32);
}
static void first_with_prev(struct entry *e)
{
	e->seq = 1;
}
static void founding_with_rules(struct entry *e)
{
	e->seq = 1;
	memset(&e->prev, 0, 32);
	memset(&e->space, 0, 32);
}
static void flag_without_key(struct entry *e)
{
	e->flags = ENTRY_BY_APPLIANCE;
	memset(&e->author_sig, 0, 64);
}
static void flag_with_signature(struct entry *e)
{
	e->flags = ENTRY_BY_APPLIANCE;
	e->author = e->appliance;
}

static void refuses_each_malformed_header(void **state)
{
	(void)state;
	check_changed(ERR_VERSION, version_2);
	check_changed(ERR_MALFORMED, strange_flag);
	check_changed(ERR_MALFORMED, epoch_unsealed);
	check_changed(ERR_MALFORMED, too_long);
	check_changed(ERR_MALFORMED, seq_zero);
	check_changed(ERR_MALFORMED, seq_huge);
	check_changed(ERR_MALFORMED, late_founding);
	check_changed(ERR_MALFORMED, no_rules);
	check_changed(ERR_MALFORMED, no_prev);
	check_changed(ERR_MALFORMED, first_with_prev);
	check_changed(ERR_MALFORMED, founding_with_rules);
	check_changed(ERR_MALFORMED, flag_without_key);
	check_changed(ERR_MALFORMED, flag_with_signature);
}

static void a_payload_hash_is_the_same_by_either_way_of_hashing(void **state)
{
	static uint8_t bytes[4096];
	uint8_t both[ENTRY_SALT + sizeof(bytes)];

	(void)state;
	memcpy(both, salt, ENTRY_SALT);
	for (size_t n = 0; n < sizeof(bytes); n += 97) {
		struct hash a = payload_hash(salt, span_of(bytes, n)), b;

		memset(both + ENTRY_SALT, 0, n);
		b = hash_bytes(span_of(both, ENTRY_SALT + n));
		assert_id_equal(&a, &b);
	}
}

static int make_keys(void **state)
{
	(void)state;
	author = test_key(1);
	box = test_key(2);
	return 0;
}

static int free_keys(void **state)
{
	(void)state;
	secret_free(author);
	secret_free(box);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_made_entry_checks_and_decodes_to_what_went_in),
		cmocka_unit_test(every_flipped_bit_is_noticed),
		cmocka_unit_test(the_op_id_is_what_the_author_signed_and_nothing_else),
		cmocka_unit_test(a_carried_op_keeps_its_id_and_its_author),
		cmocka_unit_test(an_appliance_authors_without_a_second_signature),
		cmocka_unit_test(a_founding_entry_gives_its_log_its_op_id_as_space),
		cmocka_unit_test(log_ids_are_written_read_and_ordered_by_their_bytes),
		cmocka_unit_test(refuses_each_malformed_header),
		cmocka_unit_test(a_payload_hash_is_the_same_by_either_way_of_hashing),
	};
	test_init();
	return cmocka_run_group_tests(tests, make_keys, free_keys);
}
