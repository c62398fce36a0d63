/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * How long taking in and folding lasts: posts by a hundred authors in one log, then live posts in a
 * long topic, then many changes of the rules. Prints one line each, in
 * milliseconds of the processor; for eyes, not for tests.
 *
 *   fold_tool [POSTS [no-rules | private]]
 */
#define TEST_WITHOUT_CMOCKA
#include "tests/appliance/community/boxes.h"
#include <time.h>

#define NEED(expr)                                                                                 \
	do {                                                                                       \
		struct error *need_ = (expr);                                                      \
		if (need_) {                                                                       \
			fprintf(stderr, "%s: %s\n", #expr, error_english(need_));                  \
			exit(1);                                                                   \
		}                                                                                  \
	} while (0)

static double now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1000 + (double)t.tv_nsec / 1e6;
}

enum { AUTHORS = 100, TOPICS = 2500 };
struct world {
	struct box a, b;
	struct hash space, topic[TOPICS];
	struct secret *people[AUTHORS];
	bool is_private;
};

static struct hash submit(struct world *w, const char *type, const struct hash *object,
			  const struct secret *author, json_t *body)
{
	struct hash id;

	NEED(community_submit(w->a.c,
			      &(struct draft){.type = type,
					      .space = w->space,
					      .object = object,
					      .author = author,
					      .take_body = body},
			      &id));
	return id;
}

static void found(struct world *w)
{
	struct hash forum;

	box_init(&w->a, 1, 1764000000000);
	box_init(&w->b, 2, 1764000000000);
	NEED(box_open(&w->a));
	NEED(box_open(&w->b));
	for (unsigned i = 0; i < AUTHORS; i++)
		w->people[i] = test_key(1 + i);
	if (w->is_private)
		NEED(box_found_private(&w->a, w->people[0], &w->space));
	else
		NEED(box_found(&w->a, w->people[0], &w->space));
	NEED(conn_begin(w->a.c));
	if (w->is_private)
		NEED(community_admit(w->a.c, &w->space, secret_pubkey(w->b.key), "b", ADMIT_READ,
				     w->people[0]));
	for (unsigned i = 1; i < AUTHORS; i++)
		submit(w, "member.add", NULL, w->people[0],
		       json_pack("{s:s,s:s,s:s}", "key", ID(secret_pubkey(w->people[i])), "name",
				 "somebody", "role", "member"));
	forum = submit(w, "forum.create", NULL, w->people[0],
		       json_pack("{s:s,s:s}", "slug", "general", "title", "General"));
	for (int i = 0; i < TOPICS; i++)
		w->topic[i] = submit(w, "topic.create", NULL, w->people[i % AUTHORS],
				     json_pack("{s:s,s:s,s:s}", "forum", ID(&forum), "title", "T",
					       "text", "first"));
	NEED(conn_commit(w->a.c));
}

static void write_posts(struct world *w, int posts)
{
	char text[200];
	double t = now_ms();

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = 0;
	NEED(conn_begin(w->a.c));
	for (int i = 0; i < posts; i++)
		submit(w, "post.create", &w->topic[i % TOPICS], w->people[i % AUTHORS],
		       json_pack("{s:s}", "text", text));
	NEED(conn_commit(w->a.c));
	printf("%d posts submitted: %.0f ms\n", posts, now_ms() - t);
}

static struct error *ingest_all(struct world *w, double *ret_fold)
{
	struct logs_of logs = {.n = 0};
	double t;
	bool more;

	TRY(log_each(w->a.c->log, NULL, collect_info, &logs));
	for (size_t i = 0; i < logs.n; i++)
		for (uint64_t at = 1; at <= logs.info[i].live; at += 4096) {
			TRY(carry_range(&w->a, &w->b, &logs.info[i], at,
					at + 4095 < logs.info[i].live ? at + 4095
								      : logs.info[i].live));
			t = now_ms();
			TRY(community_catch_up(w->b.c, 0, &more));
			*ret_fold += now_ms() - t;
		}
	return NULL;
}

static void first_sync(struct world *w)
{
	double t, fold = 0;

	NEED(conn_begin(w->b.c));
	t = now_ms();
	NEED(ingest_all(w, &fold));
	printf("ingest %.0f ms, fold %.0f ms\n", now_ms() - t - fold, fold);
	NEED(conn_commit(w->b.c));
	t = now_ms();
	NEED(community_rebuild(w->b.c));
	printf("rebuild %.0f ms\n", now_ms() - t);
	t = now_ms();
	conn_close(w->b.c);
	NEED(box_open(&w->b));
	printf("open %.0f ms\n", now_ms() - t);
}

static void live_posts(struct world *w)
{
	double t;

	NEED(conn_begin(w->a.c));
	for (int i = 0; i < 1000; i++)
		submit(w, "post.create", &w->topic[0], w->people[1],
		       json_pack("{s:s}", "text", "x"));
	t = now_ms();
	for (int i = 0; i < 1000; i++)
		submit(w, "post.create", &w->topic[0], w->people[1],
		       json_pack("{s:s}", "text", "x"));
	printf("a post in a topic of 1000: %.3f ms\n", (now_ms() - t) / 1000);
	NEED(conn_commit(w->a.c));
}

static void many_rules(struct world *w)
{
	double t = now_ms();

	NEED(conn_begin(w->a.c));
	for (unsigned i = 0; i < 5000; i++) {
		struct secret *s = test_key(10000 + i);

		submit(w, "member.add", NULL, w->people[0],
		       json_pack("{s:s,s:s,s:s}", "key", ID(secret_pubkey(s)), "name", "somebody",
				 "role", "member"));
		secret_free(s);
	}
	NEED(conn_commit(w->a.c));
	printf("5000 members: %.0f ms\n", now_ms() - t);
	t = now_ms();
	conn_close(w->a.c);
	NEED(box_open(&w->a));
	NEED(conn_begin(w->a.c));
	submit(w, "post.create", &w->topic[0], w->people[1], json_pack("{s:s}", "text", "x"));
	NEED(conn_commit(w->a.c));
	printf("opened again, first post: %.0f ms\n", now_ms() - t);
	first_sync(w);
}

int main(int argc, char **argv)
{
	static struct world w;

	test_init();
	setenv("TMPDIR", "/dev/shm", 0);
	w.is_private = argc > 2 && strcmp(argv[2], "private") == 0;
	found(&w);
	write_posts(&w, argc > 1 ? (int)strtol(argv[1], NULL, 10) : 50000);
	first_sync(&w);
	live_posts(&w);
	if (argc < 3)
		many_rules(&w);
	for (unsigned i = 0; i < AUTHORS; i++)
		secret_free(w.people[i]);
	box_release(&w.a);
	box_release(&w.b);
	return 0;
}
