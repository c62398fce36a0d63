/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Made tests/vectors/entry.json, once: entry_tool >tests/vectors/entry.json. With a folder as its
 * argument it writes seeds for the fuzz target `entry` there instead. The vectors are the protocol:
 * a change of their bytes is a new version.
 */
#define TEST_WITHOUT_CMOCKA
#include "tests/lib/test.h"
#include "sync/base/file.h"
#include "sync/log/entry.h"
#include <jansson.h>

enum { BOX, ANA, PAU, KEYS };
static const char *const key_names[KEYS] = {"box", "ana", "pau"};
static struct secret *keys[KEYS];

struct made {
	struct entry fields;
	int author; /* BOX: the appliance itself */
	uint8_t salt[ENTRY_SALT];
	const char *payload;
	struct entry_bytes raw;
};

static json_t *hex(const void *p, size_t n)
{
	struct buf b = {0};
	json_t *j;

	for (size_t i = 0; i < n; i++)
		buf_printf(&b, "%02x", ((const uint8_t *)p)[i]);
	j = json_string(buf_str(&b));
	buf_release(&b);
	return j;
}

static json_t *number(uint64_t v)
{
	char text[24];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)v);
	return json_string(text);
}

static json_t *seeds(void)
{
	json_t *all = json_array();

	for (int i = 0; i < KEYS; i++) {
		uint8_t seed[32];

		secret_seed(keys[i], seed);
		json_array_append_new(all, json_pack("{ss, so, so, ss}", "name", key_names[i],
						     "seed", hex(seed, 32), "public",
						     hex(secret_pubkey(keys[i]), 32), "text",
						     ID(secret_pubkey(keys[i]))));
	}
	return all;
}

static void make(struct made *m)
{
	entry_make(&m->fields, m->author == BOX ? NULL : keys[m->author], keys[BOX], m->salt,
		   span_str(m->payload), &m->raw);
}

static json_t *valid(const char *name, const struct made *m)
{
	struct hash h = entry_hash(&m->raw), op = entry_op_id(&m->raw);
	struct log_id id = entry_log(&m->raw);
	uint8_t log[LOG_ID_BYTES];
	struct entry e;

	entry_decode(&m->raw, &e);
	log_id_write(&id, log);
	return json_pack("{ss, ss, ss, so, sI, so, so, so, so, so, ss, so, so, so, so, ss}", "name",
			 name, "appliance", key_names[BOX], "author", key_names[m->author],
			 "sequence", number(e.seq), "time", (json_int_t)e.time, "incarnation",
			 number(e.incarnation), "space", hex(&e.space, 32), "rules",
			 hex(&e.rules, 32), "previous", hex(&e.prev, 32), "salt",
			 hex(m->salt, ENTRY_SALT), "payload", m->payload, "payload_hash",
			 hex(&e.payload_hash, 32), "header", hex(m->raw.b, ENTRY_HEADER), "hash",
			 hex(&h, 32), "log", hex(log, LOG_ID_BYTES), "op", ID(&op));
}

static json_t *invalid(const char *name, const char *error, const struct entry_bytes *raw)
{
	return json_pack("{ss, ss, so}", "name", name, "error", error, "header",
			 hex(raw->b, ENTRY_HEADER));
}

/* Change a field, sign as the appliance would. */
static json_t *changed(const char *name, const char *error, const struct made *m, int at,
		       const void *bytes, int n)
{
	struct entry_bytes raw = m->raw, out;
	struct entry e;

	memcpy(raw.b + at, bytes, (size_t)n);
	entry_decode(&raw, &e);
	entry_carry(&raw, e.seq, e.incarnation, &e.prev, keys[BOX], &out);
	return invalid(name, error, &out);
}

static json_t *all_invalid(const struct made *first, const struct made *second)
{
	static const uint8_t zero[64], one[8] = {1}, two[2] = {2}, four[1] = {4};
	static const uint8_t seven[8] = {7}, long_[4] = {1, 0, 4, 0};
	static const uint8_t high[8] = {0, 0, 0, 0, 0, 0, 0, 0x80}, by_box[1] = {2};
	struct entry_bytes raw;
	json_t *a = json_array();

	json_array_append_new(a, changed("version 2", "version", second, 0, two, 1));
	json_array_append_new(a, changed("an unknown flag", "malformed", second, 1, four, 1));
	json_array_append_new(a,
			      changed("an epoch without sealing", "malformed", second, 2, one, 2));
	json_array_append_new(
		a, changed("a payload of 262,145 bytes", "malformed", second, 4, long_, 4));
	json_array_append_new(a, changed("sequence 0", "malformed", second, 8, zero, 8));
	json_array_append_new(a, changed("sequence 2^63", "malformed", second, 8, high, 8));
	json_array_append_new(a, changed("a founding entry that is not the first", "malformed",
					 second, 32, zero, 32));
	json_array_append_new(a, changed("no rules", "malformed", second, 128, zero, 32));
	json_array_append_new(a, changed("no previous entry", "malformed", second, 160, zero, 32));
	json_array_append_new(
		a, changed("a first entry with a previous one", "malformed", first, 160, seven, 8));
	json_array_append_new(
		a, changed("a founding entry under rules", "malformed", first, 128, seven, 8));
	json_array_append_new(a, changed("by the appliance with another author's key", "malformed",
					 second, 1, by_box, 1));
	json_array_append_new(
		a, changed("the author signed something else", "author", second, 16, seven, 8));
	raw = second->raw;
	raw.b[8] ^= 1;
	json_array_append_new(a, invalid("the appliance signed something else", "appliance", &raw));
	raw = second->raw;
	raw.b[ENTRY_HEADER - 1] ^= 0x10;
	json_array_append_new(a, invalid("a signature above the group's order", "appliance", &raw));
	return a;
}

static struct made second_of(const struct made *first)
{
	struct made m = {.author = ANA,
			 .salt = "the second salt",
			 .payload = "{\"type\":\"post.create\",\"text\":\"Hola, món\"}"};

	m.fields =
		(struct entry){.seq = 2, .time = 1795471201000, .incarnation = 0xfedcba9876543210};
	m.fields.space = m.fields.rules = entry_op_id(&first->raw);
	m.fields.prev = entry_hash(&first->raw);
	return m;
}

static void write_seed(const char *dir, const char *name, const struct entry_bytes *raw, size_t n,
		       const char *payload)
{
	char *path = path_join(dir, name);
	struct buf b = {0};
	struct error *err;

	for (size_t i = 0; i < n; i++)
		buf_add(&b, raw[i].b, ENTRY_HEADER);
	buf_puts(&b, payload);
	err = file_write(path, buf_span(&b), 0644);
	if (err)
		fprintf(stderr, "%s\n", error_english(err));
	error_free(err);
	buf_release(&b);
	free(path);
}

static void write_seeds(const char *dir, const struct made *m)
{
	struct entry_bytes run[3] = {m[0].raw, m[1].raw, m[2].raw}, fork[2] = {m[1].raw, m[3].raw};

	write_seed(dir, "run", run, 3, m[0].payload);
	write_seed(dir, "fork", fork, 2, m[1].payload);
	write_seed(dir, "first", run, 1, m[0].payload);
	write_seed(dir, "carried", &m[4].raw, 1, m[1].payload);
	run[1].b[224] ^= 1;
	write_seed(dir, "broken", run, 3, "another payload");
}

int main(int argc, char **argv)
{
	struct made m[5] = {{.author = ANA,
			     .salt = "the first salt.",
			     .payload = "{\"type\":\"space.found\",\"name\":\"Ateneu\"}"}};
	json_t *doc, *entries = json_array();
	struct hash zero = {{0}};

	test_init();
	for (unsigned i = 0; i < KEYS; i++)
		keys[i] = test_key(1000 + i);
	m[0].fields =
		(struct entry){.seq = 1, .time = 1795471200000, .incarnation = 0xfedcba9876543210};
	make(&m[0]);
	m[1] = second_of(&m[0]);
	make(&m[1]);
	m[2] = m[1];
	m[2].author = BOX;
	m[2].payload = "";
	m[2].fields.seq = 3;
	m[2].fields.time = -1;
	m[2].fields.prev = entry_hash(&m[1].raw);
	make(&m[2]);
	m[3] = m[1]; /* the other branch of a fork */
	m[3].author = PAU;
	m[3].payload = "{\"type\":\"post.create\",\"text\":\"no\"}";
	make(&m[3]);
	m[4] = m[1]; /* the second entry again, in a log of its own */
	entry_carry(&m[1].raw, 1, 7, &zero, keys[BOX], &m[4].raw);
	if (argc > 1) {
		write_seeds(argv[1], m);
		return 0;
	}
	json_array_append_new(entries, valid("a founding entry", &m[0]));
	json_array_append_new(entries, valid("a member's post", &m[1]));
	json_array_append_new(entries, valid("by the appliance itself, empty, before 1970", &m[2]));
	json_array_append_new(entries, valid("the second entry carried over", &m[4]));
	doc = json_pack("{so, so, so, s{so, so}}", "keys", seeds(), "entries", entries, "invalid",
			all_invalid(&m[0], &m[1]), "fork", "a", hex(m[1].raw.b, ENTRY_HEADER), "b",
			hex(m[3].raw.b, ENTRY_HEADER));
	json_dumpf(doc, stdout, JSON_INDENT(1));
	printf("\n");
	json_decref(doc);
	for (int i = 0; i < KEYS; i++)
		secret_free(keys[i]);
	return 0;
}
