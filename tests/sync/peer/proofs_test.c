/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* How often the record is asked about logs that ended: an appliance can have very many. */
#include "tests/sync/replicate/boxes.h"
#include "sync/peer/proofs.h"

enum { LOGS = 2000, AT_ONCE = 256 };

struct fixture {
	char *dir;
	struct test_env env;
	struct box box;
	struct db *local;
	struct secret *h;
	struct hash space;
	struct proofs proofs;
	int64_t stops;
};

static void open_local(struct fixture *f)
{
	char *path;

	assert_true(asprintf(&path, "%s/local.db", f->dir) > 0);
	NEED(db_open(path, DB_TEST_NOSYNC, 500, &f->local));
	NEED(db_migrate(f->local, "conduct", conduct_migrations, conduct_migrations_n));
	free(path);
}

static int open_all(void **state)
{
	static struct fixture f;

	f = (struct fixture){.dir = test_dir(), .h = test_key(9), .stops = -1};
	test_env_init(&f.env, 1764000000000, 7);
	box_init(&f.box, &f.env, f.dir, "a", 1);
	f.space = box_found(&f.box, f.box.key);
	box_admit(&f.box, &f.space, secret_pubkey(f.h));
	open_local(&f);
	*state = &f;
	return 0;
}

static int close_all(void **state)
{
	struct fixture *f = *state;

	proofs_release(&f->proofs);
	db_close(f->local);
	box_release(&f->box);
	secret_free(f->h);
	test_dir_remove(f->dir);
	return 0;
}

/* So many logs of h, whose first entry its author did not sign. */
static void end_logs(struct fixture *f, uint64_t from, unsigned many)
{
	static const uint8_t salt[ENTRY_SALT];
	struct secret *author = test_key(10);

	NEED(log_begin(f->box.log));
	for (unsigned i = 0; i < many; i++) {
		struct log_id id = {f->space, *secret_pubkey(f->h), from + i};
		struct entry e = {.seq = 1,
				  .incarnation = id.incarnation,
				  .space = f->space,
				  .rules = f->space};
		struct ingest_payload payload = {PAYLOAD_HELD, salt, span_str("{}")};
		static const struct hash zero;
		struct entry_bytes made, raw;
		struct ingest_result r;
		struct error *refused = NULL;

		entry_make(&e, author, f->h, salt, span_str("{}"), &made);
		made.b[230] ^= 1;
		entry_carry(&made, 1, id.incarnation, &zero, f->h, &raw);
		NEED(log_ingest(f->box.log, &(struct ingest){&id, 1, &raw, &payload, 1, true}, &r,
				&refused));
		error_free(refused);
		assert_int_equal(r.added, 1);
	}
	NEED(log_commit(f->box.log));
	secret_free(author);
}

static bool is_h(void *ctx, const struct pubkey *key)
{
	const struct fixture *f = ctx;

	return pubkey_eq(key, secret_pubkey(f->h));
}

/* One look, as the engine does it. How many were noted. */
static size_t look(struct fixture *f)
{
	_cleanup_(buf_release) struct buf found = {0};
	const struct proof *all;
	bool more;

	if (log_stops(f->box.log) == f->stops)
		return 0;
	f->stops = log_stops(f->box.log);
	NEED(proofs_find(&f->proofs, f->box.log, is_h, f, &found));
	NEED(proofs_leave_out(&f->proofs, f->local, AT_ONCE, &found, &more));
	if (more)
		f->stops = -1;
	all = (const struct proof *)(const void *)found.p;
	NEED(db_begin(f->local));
	for (size_t i = 0; i < found.n / sizeof(*all); i++) {
		struct conduct c = {.peer = all[i].log.appliance, .what = all[i].what, .count = 1};
		bool is_new;

		assert_int_equal(all[i].what, MISDEED_AUTHOR);
		assert_int_equal(all[i].seq, 1);
		NEED(conduct_note_proof(f->local, &c, &all[i].log, &is_new));
		assert_true(is_new);
	}
	NEED(db_commit(f->local));
	proofs_noted(&f->proofs, &found);
	return found.n / sizeof(*all);
}

static void each_is_asked_for_once_and_noted_once(void **state)
{
	struct fixture *f = *state;
	size_t noted = 0, looks = 0;
	uint64_t asked;

	end_logs(f, 1, LOGS);
	while (f->stops != log_stops(f->box.log)) {
		noted += look(f);
		assert_true(++looks < 100);
	}
	assert_int_equal(noted, LOGS);
	assert_true(f->proofs.asked < 2 * LOGS);
	/* What is written now is nothing that was frozen or ended. */
	asked = f->proofs.asked;
	for (int i = 0; i < 50; i++) {
		box_write(&f->box, &f->space, NULL, "{\"n\":1}");
		assert_int_equal(look(f), 0);
	}
	assert_int_equal(f->proofs.asked, asked);
	/* One more: that one is asked for. */
	end_logs(f, LOGS + 1, 1);
	assert_int_equal(look(f), 1);
	assert_int_equal(f->proofs.asked, asked + 1);
	f->stops = -1; /* the peers changed */
	assert_int_equal(look(f), 0);
	assert_int_equal(f->proofs.asked, asked + 1);
}

static void after_a_restart_none_is_noted_again(void **state)
{
	struct fixture *f = *state;

	end_logs(f, 1, LOGS);
	while (f->stops != log_stops(f->box.log))
		look(f);
	proofs_release(&f->proofs);
	f->stops = -1;
	assert_int_equal(look(f), 0);
	assert_int_equal(f->proofs.asked, LOGS);
	f->stops = -1;
	assert_int_equal(look(f), 0);
	assert_int_equal(f->proofs.asked, LOGS);
}

static void a_log_that_ends_or_forks_later_is_found(void **state)
{
	struct fixture *f = *state;
	struct log_id id = {f->space, *secret_pubkey(f->h), 1};
	struct log_info info;

	boxes_write_logs(f->box.log, &f->space, f->h, 1, 3, 10);
	assert_int_equal(look(f), 0);
	NEED(log_info_get(f->box.log, &id, &info));
	NEED(log_begin(f->box.log));
	NEED(log_audit_bad(f->box.log, info.num, 1));
	NEED(log_commit(f->box.log));
	assert_int_equal(look(f), 1);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, open_all, close_all)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(each_is_asked_for_once_and_noted_once),
		T(after_a_restart_none_is_noted_again),
		T(a_log_that_ends_or_forks_later_is_found),
	};

	return run_group(tests);
}
