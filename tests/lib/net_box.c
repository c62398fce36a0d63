/* SPDX-License-Identifier: AGPL-3.0-or-later */
#define TEST_WITHOUT_CMOCKA
#include "tests/lib/test.h"
#include "tests/lib/net_box.h"

/* Nothing here may fail: the test is about something else. */
static void must(struct error *err)
{
	if (!err)
		return;
	fprintf(stderr, "%s\n", error_english(err));
	abort();
}

static struct error *box_write(void *ctx, sync_write_fn *fn, void *arg)
{
	struct net_box *b = ctx;
	struct sync_writing w = {b->log, b->local};
	struct error *err;

	if (atomic_load(&b->refuse_writes))
		return error_new(ERR_FULL, "The disk is full.");
	pthread_mutex_lock(&b->writing);
	must(log_begin(b->log));
	must(db_begin(b->local));
	err = fn(&w, arg);
	if (err) {
		log_rollback(b->log);
		db_rollback(b->local);
	} else {
		must(log_commit(b->log));
		must(db_commit(b->local));
		atomic_fetch_add(&b->commits, 1);
	}
	pthread_mutex_unlock(&b->writing);
	return err;
}

static struct error *keep_first(void *ctx, const struct receipt *r)
{
	struct receipt *to = ctx;

	if (!to->when_ms)
		*to = *r;
	return NULL;
}

struct receipt net_box_receipt(struct net_box *b)
{
	struct receipt r = {.when_ms = 0};

	pthread_mutex_lock(&b->writing);
	must(receipt_each(b->local, NULL, 1, keep_first, &r));
	pthread_mutex_unlock(&b->writing);
	return r;
}

const struct pubkey *net_box_key(const struct net_box *b)
{
	return secret_pubkey(b->self);
}

void net_box_open(struct net_box *b, const char *dir, const char *name, unsigned number)
{
	struct log_open how;

	memset(b, 0, sizeof(*b));
	b->dir = strdup(dir);
	b->log_path = path_join(dir, "log.db");
	b->local_path = path_join(dir, "local.db");
	b->blob_dir = path_join(dir, "blobs");
	snprintf(b->name, sizeof(b->name), "%s", name);
	must(dir_make(dir, 0700));
	b->self = test_key(number);
	pthread_mutex_init(&b->writing, NULL);
	how = (struct log_open){.path = b->log_path,
				.mode = DB_WRITER,
				.env = &env_system,
				.self = *secret_pubkey(b->self)};
	must(log_open(&how, &b->log));
	must(db_open(b->local_path, DB_WRITER, 1000, &b->local));
	must(db_migrate(b->local, "peer", peer_migrations, peer_migrations_n));
	must(db_migrate(b->local, "ledger", ledger_migrations, ledger_migrations_n));
	must(db_migrate(b->local, "conduct", conduct_migrations, conduct_migrations_n));
	must(db_migrate(b->local, "address", address_migrations, address_migrations_n));
	must(db_migrate(b->local, "uplink", uplink_migrations, uplink_migrations_n));
	must(db_migrate(b->local, "known", known_migrations, known_migrations_n));
	must(db_migrate(b->local, "receipt", receipt_migrations, receipt_migrations_n));
}

static void note_twin(void *ctx, enum twin_sign sign, const char *where)
{
	(void)where;
	atomic_fetch_or(&((struct net_box *)ctx)->twin_signs, (unsigned)sign);
}

struct sync_options net_box_options(struct net_box *b, const char *listen, bool mdns)
{
	return (struct sync_options){.log_path = b->log_path,
				     .local_path = b->local_path,
				     .blob_dir = b->blob_dir,
				     .env = &env_system,
				     .self = b->self,
				     .name = b->name,
				     .listen = listen,
				     .http_port = 8080,
				     .mdns = mdns,
				     .host = {.ctx = b, .write = box_write, .twin = note_twin}};
}

void net_box_start(struct net_box *b, const char *listen, bool mdns)
{
	struct sync_options o = net_box_options(b, listen, mdns);

	must(sync_start(&o, &b->sync));
}

void net_box_stop(struct net_box *b)
{
	sync_stop(b->sync);
	b->sync = NULL;
}

void net_box_close(struct net_box *b)
{
	net_box_stop(b);
	log_close(b->log);
	db_close(b->local);
	secret_free(b->self);
	pthread_mutex_destroy(&b->writing);
	free(b->dir);
	free(b->log_path);
	free(b->local_path);
	free(b->blob_dir);
}

/* --- reading --- */
struct counting {
	const struct hash *space;
	struct buf ops; /* struct hash */
};

static struct error *count_op(void *ctx, const struct stored *e)
{
	struct counting *c = ctx;
	const struct hash *ops = (const struct hash *)(void *)c->ops.p;
	struct log_id id = entry_log(&e->raw);

	if (!e->live || !hash_eq(&id.space, c->space))
		return NULL;
	for (size_t i = 0; i < c->ops.n / sizeof(*ops); i++)
		if (hash_eq(&ops[i], &e->op_id))
			return NULL;
	buf_add(&c->ops, &e->op_id, sizeof(e->op_id));
	return NULL;
}

size_t net_box_live_ops(struct net_box *b, const struct hash *space)
{
	struct counting c = {.space = space};
	size_t n;

	pthread_mutex_lock(&b->writing);
	must(log_arrivals(b->log, 0, 0, count_op, &c));
	pthread_mutex_unlock(&b->writing);
	n = c.ops.n / sizeof(struct hash);
	buf_release(&c.ops);
	return n;
}

/* --- writing --- */
struct founding {
	struct net_box *b;
	struct hash space;
};

static struct error *found_job(struct sync_writing *w, void *arg)
{
	struct founding *f = arg;
	struct secret *author = test_key(1000);
	struct log_append what = {.author = author,
				  .appliance = f->b->self,
				  .time = env_now(&env_system),
				  .payload = span_str("{\"type\":\"space.found\"}")};
	struct error *err = log_append(w->log, &what, &f->space);

	secret_free(author);
	return err;
}

struct hash net_box_found(struct net_box *b)
{
	struct founding f = {.b = b};

	must(box_write(b, found_job, &f));
	net_box_admit(b, &f.space, net_box_key(b));
	return f.space;
}

struct admitting {
	const struct hash *space;
	const struct pubkey *who;
};

static struct error *admit_job(struct sync_writing *w, void *arg)
{
	const struct admitting *a = arg;

	TRY(log_open_space(w->log, a->space));
	return log_admit(w->log, a->space, a->who, true);
}

void net_box_admit(struct net_box *b, const struct hash *space, const struct pubkey *who)
{
	struct admitting a = {space, who};

	must(box_write(b, admit_job, &a));
}

struct appending {
	struct net_box *b;
	const struct hash *space;
	unsigned n, authors;
	size_t bytes;
};

static struct error *append_job(struct sync_writing *w, void *arg)
{
	const struct appending *a = arg;
	_cleanup_(buf_release) struct buf text = {0};
	struct secret *authors[128];
	struct error *err = NULL;

	for (unsigned i = 0; i < a->authors; i++)
		authors[i] = test_key(1000 + i);
	for (unsigned i = 0; !err && i < a->n; i++) {
		struct log_append what = {.space = a->space,
					  .author = a->authors ? authors[i % a->authors] : NULL,
					  .appliance = a->b->self,
					  .rules = *a->space,
					  .time = env_now(&env_system)};
		struct hash op;
		uint64_t salt;

		crypto_random(&salt, sizeof(salt));
		buf_clear(&text);
		buf_printf(&text, "{\"type\":\"test\",\"n\":%u,\"salt\":\"%llx\",\"text\":\"", i,
			   (unsigned long long)salt);
		while (text.n + 2 < a->bytes)
			buf_putc(&text, (char)('a' + text.n % 26));
		buf_puts(&text, "\"}");
		what.payload = buf_span(&text);
		err = log_append(w->log, &what, &op);
	}
	for (unsigned i = 0; i < a->authors; i++)
		secret_free(authors[i]);
	return err;
}

void net_box_write(struct net_box *b, const struct hash *space, unsigned n, size_t bytes,
		   unsigned authors)
{
	struct appending a = {b, space, n, authors, bytes};

	must(box_write(b, append_job, &a));
	if (b->sync)
		sync_poke(b->sync);
}

/* --- peers --- */
static struct error *peer_job(struct sync_writing *w, void *arg)
{
	return peer_put(w->local, arg);
}

void net_box_peer(struct net_box *b, const struct pubkey *key, const char *address)
{
	struct peer p = {.key = *key, .added_ms = env_now(&env_system)};

	snprintf(p.address, sizeof(p.address), "%s", address ? address : "");
	must(box_write(b, peer_job, &p));
	if (b->sync)
		sync_peers_changed(b->sync);
}

static struct error *remove_job(struct sync_writing *w, void *arg)
{
	return peer_remove(w->local, arg, 5);
}

void net_box_remove_peer(struct net_box *b, const struct pubkey *key)
{
	must(box_write(b, remove_job, (void *)key));
	if (b->sync)
		sync_peers_changed(b->sync);
}

/* --- looking --- */
uint64_t net_box_entries(struct net_box *b, const struct hash *space)
{
	struct log_counts c;

	pthread_mutex_lock(&b->writing);
	must(log_count(b->log, space, &c));
	pthread_mutex_unlock(&b->writing);
	return c.entries;
}

struct hash net_box_digest(struct net_box *b, const struct hash *space)
{
	struct space_digest d;

	pthread_mutex_lock(&b->writing);
	must(heads_space_digest(b->log, space, &d));
	pthread_mutex_unlock(&b->writing);
	return d.heads;
}
