/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "tests/lib/test.h"
#include "sync/base/buf.h"
#include "sync/base/file.h"
#include "sync/peer/invite.h"
#include <ctype.h>

#define DAY_MS	     (24LL * 3600 * 1000)
#define VECTOR_TEXT                                                                                \
	"afoqbbkxbfd4vdmtgbct54ofpgosl2pf35yfgujguzangq4hus732vgta4dqobyha4dqobyha4dqobyha4af4vxo" \
	"ueaqaaaninqxgylmebsgkicemfwhiairge4telrrgy4c4mjogiyduobugqz7kdxcby"
#define VECTOR_PROOF "7wc3jlfenh5odqwemb6bvpecnljv5ad2cm7jyemrfcejtdiyuxaq"

static struct pubkey key_of(unsigned n)
{
	_cleanup_(secret_freep) struct secret *s = test_key(n);

	return *secret_pubkey(s);
}

static struct invitation an_invitation(void)
{
	struct invitation i = {
		.key = key_of(1),
		.secret = "0123456789abcde",
		.until_ms = 1795000000000,
		.name = "Casal de Dalt",
		.address = {"192.168.1.20:8443", "[2001:db8::1]:8443", "casal.example.org:443"},
		.addresses = 3};

	return i;
}

static void same(const struct invitation *a, const struct invitation *b)
{
	assert_true(pubkey_eq(&a->key, &b->key));
	assert_memory_equal(a->secret, b->secret, INVITE_SECRET);
	assert_int_equal(a->until_ms, b->until_ms);
	assert_string_equal(a->name, b->name);
	assert_int_equal(a->addresses, b->addresses);
	for (size_t i = 0; i < a->addresses; i++)
		assert_string_equal(a->address[i], b->address[i]);
}

/* --- the text --- */
static void an_invitation_is_read_as_it_was_written(void **state)
{
	struct invitation i = an_invitation(), got;
	char text[INVITE_TEXT + 1];

	invitation_write(&i, text);
	assert_ok(invitation_read(span_str(text), &got));
	same(&got, &i);
	i.addresses = 0;
	i.name[0] = 0;
	invitation_write(&i, text);
	assert_ok(invitation_read(span_str(text), &got));
	same(&got, &i);
}

static void the_longest_one_fits(void **state)
{
	struct invitation i = an_invitation(), got;
	char text[INVITE_TEXT + 1];

	memset(i.name, 'n', LIMIT_NAME);
	i.addresses = INVITE_ADDRESSES;
	for (size_t k = 0; k < i.addresses; k++) {
		memset(i.address[k], 'a', PEER_ADDRESS - 6);
		snprintf(i.address[k] + PEER_ADDRESS - 6, 6, ":8443");
	}
	invitation_write(&i, text);
	assert_ok(invitation_read(span_str(text), &got));
	same(&got, &i);
	assert_true(strlen(text) <= INVITE_TEXT);
}

static void it_is_found_in_a_link_in_capitals_and_in_a_mail(void **state)
{
	struct invitation i = an_invitation(), got;
	char text[INVITE_TEXT + 1], link[1024], *c;
	_cleanup_(buf_release) struct buf mail = {0};

	invitation_write(&i, text);
	snprintf(link, sizeof(link), "http://192.168.1.20:8080/pair/%s", text);
	assert_ok(invitation_read(span_str(link), &got));
	same(&got, &i);
	for (c = link; *c; c++)
		*c = (char)toupper((unsigned char)*c);
	assert_ok(invitation_read(span_str(link), &got));
	same(&got, &i);
	buf_puts(&mail, "Hola! Us convidem; obriu l'enllaç:\r\n\r\nhttp://192.168.1.20:8080/pair/");
	for (size_t k = 0; text[k]; k++) {
		buf_putc(&mail, text[k]);
		if (k % 60 == 59)
			buf_puts(&mail, "\r\n");
	}
	buf_puts(&mail, "\r\nFins aviat\r\n");
	assert_ok(invitation_read(buf_span(&mail), &got));
	same(&got, &i);
	snprintf(link, sizeof(link), "  \n%s\n", text);
	assert_ok(invitation_read(span_str(link), &got));
	same(&got, &i);
}

static void what_is_torn_or_mistyped_is_refused(void **state)
{
	struct invitation i = an_invitation(), got;
	char text[INVITE_TEXT + 1], bad[INVITE_TEXT + 1];

	invitation_write(&i, text);
	for (size_t n = 0; n < strlen(text); n++)
		assert_fails(invitation_read(span_of(text, n), &got), ERR_MALFORMED);
	for (size_t k = 8; k < strlen(text); k++) {
		snprintf(bad, sizeof(bad), "%s", text);
		bad[k] = bad[k] == 'b' ? 'c' : 'b';
		assert_fails(invitation_read(span_str(bad), &got), ERR_MALFORMED);
	}
	assert_fails(invitation_read(span_str(""), &got), ERR_MALFORMED);
	assert_fails(invitation_read(span_str("http://x/pair/"), &got), ERR_MALFORMED);
	assert_fails(invitation_read(span_str("Bon dia"), &got), ERR_MALFORMED);
	assert_fails(invitation_read(span_str("00000000"), &got), ERR_MALFORMED);
	snprintf(bad, sizeof(bad), "%s", text);
	bad[1] = 'a'; /* version 0 */
	bad[0] = 'a';
	assert_fails(invitation_read(span_str(bad), &got), ERR_VERSION);
}

static void a_text_that_is_too_long_is_not_looked_through(void **state)
{
	_cleanup_(buf_release) struct buf text = {0};
	struct invitation got;

	memset(buf_reserve(&text, INVITE_FILE + 1), 'a', INVITE_FILE + 1);
	text.n = INVITE_FILE + 1;
	assert_fails(invitation_read(buf_span(&text), &got), ERR_MALFORMED);
}

static void a_hostile_name_is_cleaned_and_a_hostile_address_refused(void **state)
{
	struct invitation i = an_invitation(), got;
	char text[INVITE_TEXT + 1];

	snprintf(i.name, sizeof(i.name),
		 "Casal\r\n\xe2\x80\xae"
		 "evil\x01<b>");
	invitation_write(&i, text);
	assert_ok(invitation_read(span_str(text), &got));
	assert_string_equal(got.name, "Casalevil<b>");
	snprintf(i.address[0], PEER_ADDRESS, "evil host/?x=:8443");
	invitation_write(&i, text);
	assert_fails(invitation_read(span_str(text), &got), ERR_MALFORMED);
	snprintf(i.address[0], PEER_ADDRESS, "-oProxyCommand=x:8443");
	invitation_write(&i, text);
	assert_fails(invitation_read(span_str(text), &got), ERR_MALFORMED);
	snprintf(i.address[0], PEER_ADDRESS, ":8443");
	invitation_write(&i, text);
	assert_fails(invitation_read(span_str(text), &got), ERR_MALFORMED);
	snprintf(i.address[0], PEER_ADDRESS, "10.0.0.1:0");
	invitation_write(&i, text);
	assert_fails(invitation_read(span_str(text), &got), ERR_MALFORMED);
}

/* By hand, for invitation_write makes none such: with a name of that many letters, and all else right. */
static void write_with_name(const struct invitation *i, unsigned letters, char out[INVITE_TEXT * 2])
{
	_cleanup_(buf_release) struct buf b = {0}, said = {0};
	struct hash check;

	buf_u8(&b, 1);
	buf_u16(&b, (uint16_t)(32 + INVITE_SECRET + 8 + 1 + letters + 1 + 4));
	buf_add(&b, i->key.b, 32);
	buf_add(&b, i->secret, INVITE_SECRET);
	buf_u64(&b, (uint64_t)i->until_ms);
	buf_u8(&b, (uint8_t)letters);
	memset(buf_reserve(&b, letters), 'n', letters);
	b.n += letters;
	buf_u8(&b, 0); /* addresses */
	buf_puts(&said, "lliure-invitation-1");
	buf_add_span(&said, buf_span(&b));
	check = hash_bytes(buf_span(&said));
	buf_add(&b, check.b, 4);
	base32_encode(b.p, b.n, out);
}

static void a_name_that_is_too_long_makes_it_malformed(void **state)
{
	struct invitation i = an_invitation(), got;
	char text[INVITE_TEXT * 2];

	write_with_name(&i, LIMIT_NAME, text);
	assert_ok(invitation_read(span_str(text), &got));
	assert_int_equal(strlen(got.name), LIMIT_NAME);
	write_with_name(&i, LIMIT_NAME + 1, text);
	assert_fails(invitation_read(span_str(text), &got), ERR_MALFORMED);
}

static void the_proof_is_for_one_pair_of_boxes_and_one_secret(void **state)
{
	struct invitation i = an_invitation();
	struct pubkey other = key_of(2), third = key_of(3);
	uint8_t a[INVITE_PROOF], b[INVITE_PROOF];

	invite_proof(i.secret, &i.key, &other, a);
	invite_proof(i.secret, &i.key, &other, b);
	assert_memory_equal(a, b, INVITE_PROOF);
	invite_proof(i.secret, &i.key, &third, b);
	assert_memory_not_equal(a, b, INVITE_PROOF);
	invite_proof(i.secret, &other, &i.key, b);
	assert_memory_not_equal(a, b, INVITE_PROOF);
	i.secret[0] ^= 1;
	invite_proof(i.secret, &i.key, &other, b);
	assert_memory_not_equal(a, b, INVITE_PROOF);
}

/* The numbers of PROTOCOL.md section 10. */
static void the_text_and_the_proof_are_those_of_the_protocol(void **state)
{
	struct invitation i = an_invitation();
	struct pubkey other = key_of(2);
	char text[INVITE_TEXT + 1];
	uint8_t proof[INVITE_PROOF];

	memset(i.secret, 7, INVITE_SECRET);
	i.addresses = 1;
	invitation_write(&i, text);
	invite_proof(i.secret, &i.key, &other, proof);
	assert_string_equal(text, VECTOR_TEXT);
	assert_string_equal(ID(proof), VECTOR_PROOF);
}

/* --- the table --- */
static struct db *open_local(const char *dir)
{
	_cleanup_(freep) char *path = path_join(dir, "local.db");
	struct db *db;

	assert_ok(db_open(path, DB_TEST_NOSYNC, 1000, &db));
	assert_ok(db_migrate(db, "invite", invite_migrations, invite_migrations_n));
	return db;
}

static struct invite an_invite(unsigned n)
{
	struct invite i = {.made_ms = 1000,
			   .until_ms = 1000 + DAY_MS,
			   .label = "for the library",
			   .address = "10.0.0.1:8443 10.0.0.2:8443",
			   .read_only = true};

	memcpy(i.secret, &n, sizeof(n));
	peer_terms_default(&i.terms);
	return i;
}

static struct error *count(void *ctx, const struct invite *i)
{
	++*(int *)ctx;
	return NULL;
}

static void an_invite_is_kept_with_its_terms(void **state)
{
	_cleanup_(test_dir_removep) char *dir = test_dir();
	_cleanup_(db_closep) struct db *db = open_local(dir);
	struct invite i = an_invite(1), got;
	int n = 0;

	i.terms = (struct peer_terms){.others = PEER_TAKE,
				      .space = {{{{3}}, PEER_GIVE}, {{{4}}, 0}},
				      .n = 2,
				      .take_bytes = 1 << 20,
				      .give_bytes = 1 << 21,
				      .until_ms = 77};
	assert_ok(invite_add(db, &i, 1000));
	assert_ok(invite_get(db, i.num, &got));
	assert_memory_equal(got.secret, i.secret, INVITE_SECRET);
	assert_string_equal(got.label, "for the library");
	assert_string_equal(got.address, i.address);
	assert_true(got.read_only);
	assert_int_equal(got.terms.others, PEER_TAKE);
	assert_int_equal(got.terms.n, 2);
	assert_int_equal(peer_terms_ways(&got.terms, &(struct hash){{3}}), PEER_GIVE);
	assert_int_equal(peer_terms_ways(&got.terms, &(struct hash){{4}}), 0);
	assert_int_equal(got.terms.take_bytes, 1 << 20);
	assert_int_equal(got.terms.give_bytes, 1 << 21);
	assert_int_equal(got.terms.until_ms, 77);
	assert_int_equal(got.used_ms, 0);
	assert_ok(invite_each(db, count, &n));
	assert_int_equal(n, 1);
	assert_ok(invite_remove(db, i.num));
	assert_fails(invite_remove(db, i.num), ERR_NOT_FOUND);
	assert_fails(invite_get(db, i.num, &got), ERR_NOT_FOUND);
}

static void it_is_good_once_until_its_end_and_for_who_knows_its_secret(void **state)
{
	_cleanup_(test_dir_removep) char *dir = test_dir();
	_cleanup_(db_closep) struct db *db = open_local(dir);
	struct pubkey self = key_of(1), who = key_of(2), thief = key_of(3);
	struct invite a = an_invite(1), b = an_invite(2), got;
	uint8_t proof[INVITE_PROOF];

	assert_ok(invite_add(db, &a, 1000));
	assert_ok(invite_add(db, &b, 1000));
	invite_proof(b.secret, &self, &who, proof);
	assert_ok(invite_match(db, &self, &who, proof, 2000, &got));
	assert_int_equal(got.num, b.num);
	assert_fails(invite_match(db, &self, &thief, proof, 2000, &got), ERR_NOT_FOUND);
	assert_fails(invite_match(db, &self, &who, proof, b.until_ms, &got), ERR_NOT_FOUND);
	proof[0] ^= 1;
	assert_fails(invite_match(db, &self, &who, proof, 2000, &got), ERR_NOT_FOUND);
	proof[0] ^= 1;
	assert_ok(invite_use(db, b.num, &who, 2000));
	assert_fails(invite_match(db, &self, &who, proof, 2001, &got), ERR_NOT_FOUND);
	assert_ok(invite_get(db, b.num, &got));
	assert_true(pubkey_eq(&got.used_by, &who));
	assert_int_equal(got.used_ms, 2000);
	invite_proof(a.secret, &self, &who, proof);
	assert_ok(invite_remove(db, a.num));
	assert_fails(invite_match(db, &self, &who, proof, 2000, &got), ERR_NOT_FOUND);
}

static void there_are_not_more_open_ones_than_the_limit_and_old_ones_go(void **state)
{
	_cleanup_(test_dir_removep) char *dir = test_dir();
	_cleanup_(db_closep) struct db *db = open_local(dir);
	struct invite i;
	int n = 0;

	for (unsigned k = 0; k < LIMIT_INVITES; k++) {
		i = an_invite(k);
		assert_ok(invite_add(db, &i, 1000));
	}
	i = an_invite(1000);
	assert_fails(invite_add(db, &i, 1000), ERR_LIMIT);
	i.made_ms = 1000 + 40 * DAY_MS;
	i.until_ms = i.made_ms + DAY_MS;
	assert_ok(invite_add(db, &i, i.made_ms));
	assert_ok(invite_each(db, count, &n));
	assert_int_equal(n, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_invitation_is_read_as_it_was_written),
		cmocka_unit_test(the_longest_one_fits),
		cmocka_unit_test(it_is_found_in_a_link_in_capitals_and_in_a_mail),
		cmocka_unit_test(what_is_torn_or_mistyped_is_refused),
		cmocka_unit_test(a_text_that_is_too_long_is_not_looked_through),
		cmocka_unit_test(a_name_that_is_too_long_makes_it_malformed),
		cmocka_unit_test(a_hostile_name_is_cleaned_and_a_hostile_address_refused),
		cmocka_unit_test(the_proof_is_for_one_pair_of_boxes_and_one_secret),
		cmocka_unit_test(the_text_and_the_proof_are_those_of_the_protocol),
		cmocka_unit_test(an_invite_is_kept_with_its_terms),
		cmocka_unit_test(it_is_good_once_until_its_end_and_for_who_knows_its_secret),
		cmocka_unit_test(there_are_not_more_open_ones_than_the_limit_and_old_ones_go),
	};

	return run_group(tests);
}
