/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The measured halves of `make bench` that are not another program: filling a box, the limits that
 * rows are compared with, and clients that load a daemon. Each verb prints one number (or a few) on
 * standard output.
 *
 *	fill DIR POSTS AUTHORS TOPICS   add posts of 300 bytes by so many authors to the box in DIR (no
 *	                                daemon runs)
 *	logs DIR LOGS POSTS TOPICS      add that many posts in the logs of so many other boxes, which are
 *	                                admitted first; prints a topic. Cut short, it goes on when it is
 *	                                called again with the same numbers
 *	each DIR LOGS TOPIC             add one short post to each of the first so many of those logs
 *	take DIR FROM                   take into the box in DIR what the box in FROM holds, as from an
 *	                                exchange without a network; prints seconds of this process
 *	text POSTS                      the same texts, one a line, for the programs we compare with
 *	verify-limit N                  seconds for N crypto_sign_verify_detached on all cores
 *	sign-limit                      signatures a second on all cores
 *	sqlite-limit FILE SECONDS       commits a second, one FULL commit per post
 *	fixed PORT BYTES                libmicrohttpd answering one body of that size, until killed
 *	post PORT TOPIC TOKEN WRITERS SECONDS   acknowledged posts a second
 *	hold PORT N                     open N idle keep-alive connections, until killed
 */
#include "appliance/community/community.h"
#include "appliance/community/idmap.h"
#include <arpa/inet.h>
#include <microhttpd.h>
#include <pthread.h>
#include <signal.h>
#include <sodium.h>
#include <stdatomic.h>
#include <time.h>

enum { TEXT_BYTES = 300, MAX_AUTHORS = 1000, BATCH = 2000 };

static void die(struct error *e)
{
	if (!e)
		return;
	fprintf(stderr, "bench: %s\n", error_english(e));
	exit(1);
}

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static long number(const char *s)
{
	return strtol(s, NULL, 10);
}

/* A text of 300 bytes that no compressor shrinks to nothing: words in a seeded order. */
static void make_text(unsigned n, char out[TEXT_BYTES + 1])
{
	static const char *const words[] = {"hort",  "piano",  "assemblea", "dissabte",
					    "claus", "cadira", "reg",	    "llibre",
					    "cuina", "porta",  "taula",	    "gent"};
	uint32_t x = n * 2654435761U + 12345;
	size_t at = (size_t)snprintf(out, TEXT_BYTES + 1, "%u", n);

	while (at < TEXT_BYTES) {
		x = x * 1664525U + 1013904223U;
		at += (size_t)snprintf(out + at, TEXT_BYTES + 1 - at, " %s%u",
				       words[(x >> 16) % 12], (x >> 8) % 97);
	}
	out[TEXT_BYTES] = 0;
}

/* --- fill ------------------------------------------------------------------------------------- */

struct fill {
	struct conn *c;
	struct hash space, forum, *topics;
	struct pubkey self;
	struct secret *authors[MAX_AUTHORS];
	unsigned nauthors, ntopics;
};

static struct error *keep_space(void *ctx, const struct space_info *s)
{
	struct fill *f = ctx;

	if (s->own || hash_is_zero(&f->space))
		f->space = s->id;
	return NULL;
}

static void submit(struct fill *f, const char *type, const struct hash *object,
		   const struct secret *author, json_t *take_body, struct hash *ret)
{
	die(community_submit(f->c,
			     &(struct draft){.type = type,
					     .space = f->space,
					     .object = object,
					     .author = author,
					     .take_body = take_body},
			     ret));
}

static void add_authors(struct fill *f)
{
	struct hash id;

	for (unsigned i = 0; i < f->nauthors; i++) {
		char name[32];

		f->authors[i] = secret_new();
		snprintf(name, sizeof(name), "author%u", i);
		submit(f, "member.add", NULL, NULL,
		       json_pack("{s:s, s:s, s:s, s:s}", "key", ID(secret_pubkey(f->authors[i])),
				 "name", name, "role", "member", "home", ID(&f->self)),
		       &id);
	}
}

static struct error *find_forum(void *ctx, const struct stored *e)
{
	struct fill *f = ctx;

	if (e->state == PAYLOAD_HELD && memmem(e->payload.p, e->payload.n, "\"forum.create\"", 14))
		f->forum = e->op_id;
	return NULL;
}

static void open_for_filling(const char *dir, struct fill *f, struct secret **ret_key)
{
	_cleanup_(freep) char *key_path = path_join(dir, "key");

	die(secret_load(key_path, ret_key));
	f->self = *secret_pubkey(*ret_key);
	die(conn_open(&(struct community_open){.dir = dir,
					       .env = &env_system,
					       .self = f->self,
					       .appliance = *ret_key,
					       .mode = DB_WRITER},
		      &f->c));
	die(space_each(f->c, keep_space, f));
	die(log_arrivals(f->c->log, 0, 0, find_forum, f));
}

static void fill(const char *dir, unsigned posts, unsigned authors, unsigned topics)
{
	struct fill f = {.nauthors = authors,
			 .ntopics = topics,
			 .topics = calloc(topics, sizeof(struct hash))};
	struct secret *key;
	struct hash id;
	char text[TEXT_BYTES + 1];

	if (!f.topics)
		abort();

	open_for_filling(dir, &f, &key);
	die(conn_begin(f.c));
	add_authors(&f);
	for (unsigned i = 0; i < topics; i++) {
		submit(&f, "topic.create", NULL, f.authors[i % authors],
		       json_pack("{s:s, s:s, s:s}", "forum", ID(&f.forum), "title", "Tema de prova",
				 "text", "Comencem."),
		       &f.topics[i]);
		if (i % BATCH == BATCH - 1) {
			die(conn_commit(f.c));
			die(conn_begin(f.c));
		}
	}
	for (unsigned i = 0; i < posts; i++) {
		make_text(i, text);
		submit(&f, "post.create", &f.topics[i % topics], f.authors[i % authors],
		       json_pack("{s:s}", "text", text), &id);
		if (i % BATCH == BATCH - 1) {
			die(conn_commit(f.c));
			die(conn_begin(f.c));
		}
	}
	die(conn_commit(f.c));
	printf("%s\n", ID(&f.topics[0]));
	free(f.topics);
	conn_close(f.c);
	secret_free(key);
}

/* --- many logs -------------------------------------------------------------------------------- */

enum { RUN = 256, COMMIT = 10000, MAX_TOPICS = 10000, MAX_LOGS = 10000 };

struct logs {
	struct fill f;
	struct secret *boxes[MAX_LOGS];
	unsigned nlogs, ntopics, begun; /* topics that are there */
	struct hash topics[MAX_TOPICS], newest[MAX_TOPICS]; /* of each topic */
	struct idmap topic_at;
	struct hash rules;
};

/* How far a log is. */
struct end {
	struct log_id id;
	uint64_t seq;
	struct hash prev;
};

/* Writing in one log: a run of entries, signed by its box for guests. */
struct writing {
	struct end at;
	struct entry_bytes headers[RUN];
	struct ingest_payload payloads[RUN];
	uint8_t salts[RUN][ENTRY_SALT];
	size_t n;
	struct arena texts;
};

static void ingest_run(struct logs *g, struct writing *w)
{
	struct ingest in = {&w->at.id, w->at.seq - w->n + 1, w->headers, w->payloads, w->n, false};
	struct ingest_result result;
	struct error *refused = NULL;
	bool more;

	if (!w->n)
		return;
	die(log_ingest(g->f.c->log, &in, &result, &refused));
	die(refused);
	die(community_catch_up(g->f.c, 0, &more));
	arena_release(&w->texts);
	w->n = 0;
}

static void write_text(struct logs *g, struct writing *w, struct secret *key, unsigned n,
		       const char *text)
{
	unsigned topic = n % g->ntopics;
	struct entry e = {.seq = ++w->at.seq,
			  .time = 1750000000000 + (int64_t)n * 60000,
			  .incarnation = w->at.id.incarnation,
			  .space = g->f.space,
			  .rules = g->rules,
			  .prev = w->at.prev};
	char *op;

	op = arena_printf(&w->texts,
			  "{\"type\":\"post.create\",\"object\":\"%s\",\"seen\":[\"%s\"],"
			  "\"text\":\"%s\",\"by\":{\"name\":\"Veina %u\",\"kind\":\"guest\"}}",
			  ID(&g->topics[topic]), ID(&g->newest[topic]), text, n % 50);
	memcpy(w->salts[w->n], &n, sizeof(n));
	entry_make(&e, NULL, key, w->salts[w->n], span_str(op), &w->headers[w->n]);
	w->payloads[w->n] =
		(struct ingest_payload){PAYLOAD_HELD, w->salts[w->n], span_str(op)};
	w->at.prev = entry_hash(&w->headers[w->n]);
	g->newest[topic] = entry_op_id(&w->headers[w->n]);
	if (++w->n == RUN)
		ingest_run(g, w);
}

static void write_post(struct logs *g, struct writing *w, struct secret *key, unsigned n)
{
	char text[TEXT_BYTES + 1];

	make_text(n, text);
	write_text(g, w, key, n, text);
}

static void write_short(struct logs *g, struct writing *w, struct secret *key, unsigned n)
{
	char text[32];

	snprintf(text, sizeof(text), "Sí, %u.", n);
	write_text(g, w, key, n, text);
}

static struct secret *key_of_box(unsigned i)
{
	uint8_t seed[32] = {77};

	memcpy(seed + 1, &i, sizeof(i));
	return secret_from_seed(seed);
}

static void admit_boxes(struct logs *g)
{
	for (unsigned i = 0; i < g->nlogs; i++) {
		char name[32];

		g->boxes[i] = key_of_box(i);
		if (log_admitted(g->f.c->log, &g->f.space, secret_pubkey(g->boxes[i])))
			continue;
		snprintf(name, sizeof(name), "Ateneu %u", i);
		submit(&g->f, "appliance.admit", NULL, NULL,
		       json_pack("{s:s, s:s, s:s}", "key", ID(secret_pubkey(g->boxes[i])), "name",
				 name, "mode", "write"),
		       &g->rules);
	}
}

static void begin_topics(struct logs *g)
{
	for (unsigned i = g->begun; i < g->ntopics; i++) {
		submit(&g->f, "topic.create", NULL, NULL,
		       json_pack("{s:s, s:s, s:s, s:{s:s, s:s}}", "forum", ID(&g->f.forum),
				 "title", "Tema de prova", "text", "Comencem.", "by", "name",
				 "Veina", "kind", "guest"),
		       &g->topics[i]);
		g->newest[i] = g->topics[i];
	}
}

static bool is_a(const struct stored *e, const char *type)
{
	return memmem(e->payload.p, e->payload.n, type, strlen(type));
}

/* What was written before a cut: the rules, the topics, and of each the newest post. */
static struct error *remember(void *ctx, const struct stored *e)
{
	static const char object[] = "\"object\":\"";
	struct logs *g = ctx;
	const char *at = memmem(e->payload.p, e->payload.n, object, strlen(object));
	char text[53] = "";
	struct hash id;
	uint32_t topic;

	if (is_a(e, "\"appliance.admit\""))
		g->rules = e->op_id;
	if (is_a(e, "\"topic.create\"") && g->begun < g->ntopics) {
		idmap_put(&g->topic_at, &e->op_id, g->begun);
		g->topics[g->begun] = g->newest[g->begun] = e->op_id;
		g->begun++;
	}
	if (!at || !is_a(e, "\"post.create\""))
		return NULL;
	memcpy(text, at + strlen(object), 52);
	topic = id_parse(text, id.b) ? idmap_get(&g->topic_at, &id) : (uint32_t)IDMAP_NONE;
	if (topic != IDMAP_NONE)
		g->newest[topic] = e->op_id;
	return NULL;
}

static struct end *ends_of_logs(struct logs *g)
{
	struct end *ends = calloc(g->nlogs, sizeof(*ends));

	if (!ends)
		abort();
	for (unsigned i = 0; i < g->nlogs; i++) {
		struct log_info info;
		struct error *err;

		ends[i].id = (struct log_id){g->f.space, *secret_pubkey(g->boxes[i]), 1 + i};
		err = log_info_get(g->f.c->log, &ends[i].id, &info);
		if (!err) {
			ends[i].seq = info.head;
			ends[i].prev = info.head_hash;
		}
		if (!error_is(err, ERR_NOT_FOUND))
			die(err);
		error_free(err);
	}
	return ends;
}

/* Every `turn`, all logs write a run: as boxes do that meet now and then. */
static void write_logs(struct logs *g, unsigned posts)
{
	struct writing *w = calloc(1, sizeof(*w));
	struct end *ends = ends_of_logs(g);
	unsigned each = posts / g->nlogs, n = 0, written = 0;

	if (!w)
		abort();
	for (unsigned from = 0; from < each; from += RUN) {
		for (unsigned i = 0; i < g->nlogs; i++) {
			w->at = ends[i];
			for (unsigned k = from; k < each && k < from + RUN; k++, n++) {
				if (k < ends[i].seq) /* before a cut */
					continue;
				write_post(g, w, g->boxes[i], n);
				written++;
			}
			ingest_run(g, w);
			ends[i] = w->at;
			if (written < COMMIT)
				continue;
			die(conn_commit(g->f.c));
			die(conn_begin(g->f.c));
			written = 0;
		}
	}
	free(ends);
	free(w);
}

static void logs(const char *dir, unsigned nlogs, unsigned posts, unsigned ntopics)
{
	struct logs *g = calloc(1, sizeof(*g));
	struct secret *key;

	if (!g || nlogs > MAX_LOGS || ntopics > MAX_TOPICS)
		abort();
	g->nlogs = nlogs;
	g->ntopics = ntopics;
	open_for_filling(dir, &g->f, &key);
	die(log_arrivals(g->f.c->log, 0, 0, remember, g));
	die(conn_begin(g->f.c));
	admit_boxes(g);
	begin_topics(g);
	die(conn_commit(g->f.c));
	die(conn_begin(g->f.c));
	write_logs(g, posts);
	die(conn_commit(g->f.c));
	printf("%s\n", ID(&g->topics[(posts - 1) % ntopics]));
	conn_close(g->f.c);
	secret_free(key);
	for (unsigned i = 0; i < nlogs; i++)
		secret_free(g->boxes[i]);
	idmap_release(&g->topic_at);
	free(g);
}

/* One more post in a log that `logs` began. */
static void write_one_more(struct logs *g, unsigned i, const struct hash *topic)
{
	struct secret *box = key_of_box(i);
	struct writing w = {.at.id = {g->f.space, *secret_pubkey(box), 1 + i}};
	struct log_info info;

	die(log_info_get(g->f.c->log, &w.at.id, &info));
	w.at.prev = info.head_hash;
	w.at.seq = info.head;
	g->ntopics = 1;
	g->topics[0] = g->newest[0] = *topic;
	write_short(g, &w, box, i);
	ingest_run(g, &w);
	secret_free(box);
}

static void each(const char *dir, unsigned nlogs, const char *topic)
{
	struct logs *g = calloc(1, sizeof(*g));
	struct secret *key;
	struct hash id;

	if (!g || !id_parse(topic, id.b))
		abort();
	open_for_filling(dir, &g->f, &key);
	g->rules = g->f.space;
	die(conn_begin(g->f.c));
	for (unsigned i = 0; i < nlogs; i++)
		write_one_more(g, i, &id);
	die(conn_commit(g->f.c));
	conn_close(g->f.c);
	secret_free(key);
	free(g);
}

/* --- ingest and fold alone -------------------------------------------------------------------- */

enum { FRAME = 4096, TAKE_BATCH = 8192 };

/* A run of one log, as a frame brings it: salt and payload in one piece. */
struct taking {
	struct conn *to;
	struct log_store *from;
	struct log_id id;
	uint64_t first;
	struct entry_bytes headers[FRAME];
	struct ingest_payload payloads[FRAME];
	struct arena bytes;
	size_t n, taken;
};

static struct error *take_one(void *ctx, const struct stored *e)
{
	struct taking *t = ctx;
	bool held = e->state == PAYLOAD_HELD;
	uint8_t *body = held ? arena_alloc(&t->bytes, ENTRY_SALT + e->payload.n) : NULL;

	t->first = t->n ? t->first : e->seq;
	t->headers[t->n] = e->raw;
	t->payloads[t->n] = (struct ingest_payload){.state = e->state, .salt = body};
	if (held) {
		memcpy(body, e->salt, ENTRY_SALT);
		memcpy(body + ENTRY_SALT, e->payload.p, e->payload.n);
		t->payloads[t->n].bytes = span_of(body + ENTRY_SALT, e->payload.n);
	}
	t->n++;
	return NULL;
}

static void take_run(struct taking *t)
{
	struct ingest in = {&t->id, t->first, t->headers, t->payloads, t->n, .looked = true};
	struct ingest_result result;
	struct error *refused = NULL;

	in.vouched = log_vouched(&in);
	die(log_ingest(t->to->log, &in, &result, &refused));
	die(refused);
	t->taken += t->n;
	t->n = 0;
	arena_release(&t->bytes);
	if (t->taken < TAKE_BATCH)
		return;
	die(community_take_in(t->to));
	die(conn_commit(t->to));
	die(conn_begin(t->to));
	t->taken = 0;
}

static struct error *take_log(void *ctx, const struct log_info *info)
{
	struct taking *t = ctx;

	t->id = info->id;
	for (uint64_t at = 1; at <= info->live; at += FRAME) {
		uint64_t last = at + FRAME - 1 < info->live ? at + FRAME - 1 : info->live;

		die(log_range(t->from, info->num, at, last, take_one, t));
		take_run(t);
	}
	return NULL;
}

static void take(const char *dir, const char *from)
{
	struct taking *t = calloc(1, sizeof(*t));
	_cleanup_(freep) char *path = path_join(from, "log.db");
	struct fill f = {0};
	struct secret *key;

	if (!t)
		abort();
	open_for_filling(dir, &f, &key);
	t->to = f.c;
	die(log_open(&(struct log_open){.path = path, .env = &env_system, .mode = DB_READER},
		     &t->from));
	die(conn_begin(t->to));
	die(log_each(t->from, NULL, take_log, t));
	die(community_take_in(t->to));
	die(conn_commit(t->to));
	printf("%.2f\n", (double)clock() / CLOCKS_PER_SEC);
	log_close(t->from);
	conn_close(f.c);
	secret_free(key);
	free(t);
}

/* --- limits ----------------------------------------------------------------------------------- */

struct verify_part {
	unsigned n;
	const unsigned char *key, *sig, *message;
};

static void *verify_thread(void *arg)
{
	struct verify_part *p = arg;

	for (unsigned i = 0; i < p->n; i++)
		if (crypto_sign_verify_detached(p->sig, p->message, TEXT_BYTES, p->key))
			abort();
	return NULL;
}

static void *sign_thread(void *arg)
{
	unsigned char pk[32], sk[64], sig[64], message[TEXT_BYTES] = {0};
	unsigned *count = arg;
	double end = seconds() + 1;

	crypto_sign_keypair(pk, sk);
	for (*count = 0; seconds() < end; (*count)++)
		crypto_sign_detached(sig, NULL, message, sizeof(message), sk);
	return NULL;
}

static void verify_limit(unsigned n)
{
	unsigned char pk[32], sk[64], sig[64], message[TEXT_BYTES] = {1};
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	struct verify_part part = {n / (unsigned)cores, pk, sig, message};
	pthread_t t[256];
	double start;

	crypto_sign_keypair(pk, sk);
	crypto_sign_detached(sig, NULL, message, sizeof(message), sk);
	start = seconds();
	for (long i = 0; i < cores && i < 256; i++)
		pthread_create(&t[i], NULL, verify_thread, &part);
	for (long i = 0; i < cores && i < 256; i++)
		pthread_join(t[i], NULL);
	printf("%.3f\n", seconds() - start);
}

static void sign_limit(void)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	unsigned count[256], all = 0;
	pthread_t t[256];

	for (long i = 0; i < cores && i < 256; i++)
		pthread_create(&t[i], NULL, sign_thread, &count[i]);
	for (long i = 0; i < cores && i < 256; i++) {
		pthread_join(t[i], NULL);
		all += count[i];
	}
	printf("%u\n", all);
}

static void sqlite_limit(const char *file, unsigned secs)
{
	sqlite3 *db;
	sqlite3_stmt *st;
	char text[TEXT_BYTES + 1];
	double end;
	unsigned n = 0;

	if (sqlite3_open(file, &db) ||
	    sqlite3_exec(db,
			 "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
			 "CREATE TABLE post(id INTEGER PRIMARY KEY, text TEXT)",
			 NULL, NULL, NULL) ||
	    sqlite3_prepare_v2(db, "INSERT INTO post(text) VALUES (?1)", -1, &st, NULL))
		exit(1);
	for (end = seconds() + secs; seconds() < end; n++) {
		make_text(n, text);
		sqlite3_bind_text(st, 1, text, -1, SQLITE_STATIC);
		if (sqlite3_step(st) != SQLITE_DONE)
			exit(1);
		sqlite3_reset(st);
	}
	sqlite3_finalize(st);
	sqlite3_close(db);
	printf("%.0f\n", (double)n / secs);
}

/* --- a fixed body ----------------------------------------------------------------------------- */

static enum MHD_Result answer_fixed(void *cls, struct MHD_Connection *c, const char *url,
				    const char *method, const char *version, const char *data,
				    size_t *n, void **con)
{
	struct span *body = cls;
	struct MHD_Response *r =
		MHD_create_response_from_buffer(body->n, (void *)body->p, MHD_RESPMEM_PERSISTENT);
	enum MHD_Result ok;

	MHD_add_response_header(r, "Content-Type", "text/html; charset=utf-8");
	ok = MHD_queue_response(c, 200, r);
	MHD_destroy_response(r);
	return ok;
}

static void fixed(int port, size_t bytes)
{
	struct span body = {memset(malloc(bytes), 'x', bytes), bytes};

	if (!MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_ITC, (uint16_t)port, NULL,
			      NULL, answer_fixed, &body, MHD_OPTION_THREAD_POOL_SIZE,
			      (unsigned)sysconf(_SC_NPROCESSORS_ONLN), MHD_OPTION_END))
		exit(1);
	pause();
}

/* --- clients ---------------------------------------------------------------------------------- */

static int dial(int port)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	int s = socket(AF_INET, SOCK_STREAM, 0);

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (s < 0 || connect(s, (struct sockaddr *)&a, sizeof(a))) {
		perror("connect");
		exit(1);
	}
	return s;
}

struct poster {
	int port;
	const char *topic, *token;
	unsigned who, acked, refused;
	double end;
};

/* Reads one answer (head and body by Content-Length) and returns its status, 0 when the server hung
 * up. */
static int read_answer(int s)
{
	char head[8192];
	size_t n = 0, length;
	char *body, *h;

	do {
		ssize_t got = recv(s, head + n, sizeof(head) - 1 - n, 0);

		if (got <= 0)
			return 0;
		n += (size_t)got;
		head[n] = 0;
		body = strstr(head, "\r\n\r\n");
	} while (!body && n < sizeof(head) - 1);
	h = strcasestr(head, "\r\ncontent-length:");
	length = h ? strtoul(h + 17, NULL, 10) : 0;
	for (size_t have = n - (size_t)(body + 4 - head); have < length;) {
		ssize_t got = recv(s, head, sizeof(head), 0);

		if (got <= 0)
			return 0;
		have += (size_t)got;
	}
	return (int)strtol(head + 9, NULL, 10);
}

static void *post_thread(void *arg)
{
	struct poster *p = arg;
	char text[TEXT_BYTES + 1], body[500], request[1500];
	int s = dial(p->port);

	for (unsigned i = 0; seconds() < p->end; i++) {
		int n, status;

		make_text(p->who * 1000000 + i, text);
		snprintf(body, sizeof(body), "{\"text\":\"%s\"}", text);
		n = snprintf(request, sizeof(request),
			     "POST /topic/%s/posts HTTP/1.1\r\nHost: localhost:%d\r\n"
			     "Authorization: Bearer %s\r\nContent-Type: application/json\r\n"
			     "Accept: application/json\r\nContent-Length: %zu\r\n\r\n%s",
			     p->topic, p->port, p->token, strlen(body), body);
		if (send(s, request, (size_t)n, MSG_NOSIGNAL) != n)
			status = 0;
		else
			status = read_answer(s);
		if (status >= 200 && status < 400)
			p->acked++;
		else
			p->refused++;
		if (!status) {
			close(s);
			s = dial(p->port);
		}
	}
	close(s);
	return NULL;
}

static void post(int port, const char *topic, const char *token, unsigned writers, unsigned secs)
{
	struct poster p[256];
	pthread_t t[256];
	unsigned acked = 0, refused = 0;
	double start = seconds();

	for (unsigned i = 0; i < writers && i < 256; i++) {
		p[i] = (struct poster){port, topic, token, i, 0, 0, start + secs};
		pthread_create(&t[i], NULL, post_thread, &p[i]);
	}
	for (unsigned i = 0; i < writers && i < 256; i++) {
		pthread_join(t[i], NULL);
		acked += p[i].acked;
		refused += p[i].refused;
	}
	if (refused)
		fprintf(stderr, "bench: %u posts were refused\n", refused);
	printf("%.0f\n", acked / (seconds() - start));
}

static void hold(int port, unsigned n)
{
	static const char request[] = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";

	for (unsigned i = 0; i < n; i++) {
		int s = dial(port);

		if (send(s, request, sizeof(request) - 1, 0) < 0 || !read_answer(s))
			exit(1);
	}
	printf("held\n");
	fflush(stdout);
	pause();
}

int main(int argc, char **argv)
{
	const char *verb = argc > 1 ? argv[1] : "";

	die(crypto_init());
	signal(SIGPIPE, SIG_IGN);
	if (!strcmp(verb, "logs") && argc == 6)
		logs(argv[2], (unsigned)number(argv[3]), (unsigned)number(argv[4]),
		     (unsigned)number(argv[5]));
	else if (!strcmp(verb, "each") && argc == 5)
		each(argv[2], (unsigned)number(argv[3]), argv[4]);
	else if (!strcmp(verb, "fill") && argc == 6)
		fill(argv[2], (unsigned)number(argv[3]), (unsigned)number(argv[4]),
		     (unsigned)number(argv[5]));
	else if (!strcmp(verb, "take") && argc == 4)
		take(argv[2], argv[3]);
	else if (!strcmp(verb, "text") && argc == 3)
		for (unsigned i = 0; i < (unsigned)number(argv[2]); i++) {
			char text[TEXT_BYTES + 1];

			make_text(i, text);
			puts(text);
		}
	else if (!strcmp(verb, "verify-limit") && argc == 3)
		verify_limit((unsigned)number(argv[2]));
	else if (!strcmp(verb, "sign-limit"))
		sign_limit();
	else if (!strcmp(verb, "sqlite-limit") && argc == 4)
		sqlite_limit(argv[2], (unsigned)number(argv[3]));
	else if (!strcmp(verb, "fixed") && argc == 4)
		fixed((int)number(argv[2]), (size_t)number(argv[3]));
	else if (!strcmp(verb, "post") && argc == 7)
		post((int)number(argv[2]), argv[3], argv[4], (unsigned)number(argv[5]),
		     (unsigned)number(argv[6]));
	else if (!strcmp(verb, "hold") && argc == 4)
		hold((int)number(argv[2]), (unsigned)number(argv[3]));
	else
		return 2;
	return 0;
}
