/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Who would like to choose the number that people compare (PROTOCOL.md section 10).
 *
 *   number_tool key NUMBER
 *   number_tool VERB NUMBER ADDR:PORT VICTIM'S-KEY
 *
 * The key is the test's key NUMBER; the verbs are the table at the end. Each prints what came of
 * it.
 */
#define TEST_WITHOUT_CMOCKA
#include "tests/lib/test.h"
#include "tests/hostile/evil.h"
#include "sync/peer/client.h"
#include "sync/peer/pair.h"
#include <signal.h>

struct act {
	struct evil evil;
	struct pubkey victim;
	struct client *client;
};

static void begin(struct act *a, const char *address)
{
	struct client_options o = {.tls = a->evil.tls,
				   .env = &env_system,
				   .peer = a->victim,
				   .address = address,
				   .name = "Ombra",
				   .knocks = true,
				   .listen_port = 9};

	evil_must(client_new(&o, &a->client));
}

/* 0: no answer. *ret_word only with 200. */
static int say(struct act *a, const struct pair_word *w, struct pair_word *ret_word)
{
	_cleanup_(buf_release) struct buf body = {0};
	int status = 0;

	pair_write(w, &body);
	error_free(client_ask(a->client, SYNC_PATH_PAIR, &body, CLIENT_ANSWER, &status));
	if (status == 200)
		evil_must(pair_read(buf_span(&body), ret_word));
	return status;
}

static struct pair_word word_of(const struct act *a, enum pair_form form, uint8_t nonce)
{
	struct pair_word w = {.form = form};

	memset(w.nonce, nonce, sizeof(w.nonce));
	w.commitment = pair_commitment(secret_pubkey(a->evil.self), &a->victim, w.nonce);
	return w;
}

static const char *name_of(const struct pair_word *w)
{
	static const char *const names[] = {"closed", "commits", "reveals"};

	return names[w->form];
}

/* What is said to whoever asks. */
static void ask(struct act *a)
{
	struct pair_word w = word_of(a, PAIR_COMMITS, 1), got;
	int status = say(a, &w, &got);

	printf("%d %s\n", status, status == 200 ? name_of(&got) : "-");
}

/* The nonce without a commitment, in every way that there is. */
static void beg(struct act *a)
{
	struct pair_word w = {.form = PAIR_CLOSED}, got, theirs;
	int status = say(a, &w, &theirs);

	printf("%d %s\n", status, name_of(&theirs));
	w = (struct pair_word){.form = PAIR_COMMITS, .heard = theirs.commitment};
	printf("%d without one\n", say(a, &w, &got));
	w = theirs; /* its own, handed back: it has to commit to it, too */
	w.heard = hash_bytes(span_str("another"));
	status = say(a, &w, &got);
	printf("%d %s for its own\n", status, name_of(&got));
}

/* Commit, learn the nonce, and then look for another one of ours that makes a number that begins as
 * somebody likes. */
static void grind(struct act *a)
{
	struct pair_word w = word_of(a, PAIR_COMMITS, 1), theirs, got;
	const struct pubkey *self = secret_pubkey(a->evil.self);
	char number[8] = "";
	unsigned tries = 0;
	int status;

	printf("%d first\n", say(a, &w, &theirs));
	w.heard = theirs.commitment;
	status = say(a, &w, &theirs);
	printf("%d %s\n", status, name_of(&theirs));
	w.form = PAIR_REVEALS;
	do {
		memcpy(w.nonce, &tries, sizeof(tries));
		pair_number(self, w.nonce, &a->victim, theirs.nonce, number);
	} while (++tries < 100000 && strncmp(number, "123", 3) != 0);
	w.commitment = pair_commitment(self, &a->victim, w.nonce);
	printf("%d the number would be %.3s\n", say(a, &w, &got), number);
}

/* Then say that nonce for the commitment that was made. */
static void swap(struct act *a)
{
	struct pair_word w = word_of(a, PAIR_REVEALS, 1), got;
	int status;

	w.nonce[0] = 2;
	status = say(a, &w, &got);
	printf("%d %s\n", status, name_of(&got));
}

/* As an honest one; prints the number. */
static void pair(struct act *a)
{
	struct pair_word w = word_of(a, PAIR_COMMITS, 7), theirs;
	char number[8];

	say(a, &w, &theirs);
	w.heard = theirs.commitment;
	w.form = PAIR_REVEALS;
	say(a, &w, &theirs);
	pair_number(secret_pubkey(a->evil.self), w.nonce, &a->victim, theirs.nonce, number);
	printf("%s\n", theirs.form == PAIR_REVEALS ? number : "none");
}

/* As fast as it goes, for three seconds: on one connection and on ever new ones. */
static void flood(struct act *a)
{
	struct pair_word w = word_of(a, PAIR_COMMITS, 1), got;
	int64_t until = env_mono(&env_system) + 3000;
	unsigned answered = 0;

	while (env_mono(&env_system) < until)
		answered += say(a, &w, &got) == 200;
	printf("%u answered\n", answered);
}

static const struct {
	const char *name;
	void (*run)(struct act *a);
} verbs[] = {
	{"ask", ask},	{"beg", beg},	{"grind", grind},
	{"swap", swap}, {"pair", pair}, {"flood", flood},
};

static void act_release(struct act *a)
{
	evil_release(&a->evil);
}

int main(int argc, char **argv)
{
	_cleanup_(act_release) struct act a = {.client = NULL};

	test_init();
	signal(SIGPIPE, SIG_IGN);
	if (argc < 3)
		return 2;
	evil_init(&a.evil, (unsigned)strtoul(argv[2], NULL, 10), NULL);
	if (strcmp(argv[1], "key") == 0) {
		printf("%s\n", ID(secret_pubkey(a.evil.self)));
		return 0;
	}
	if (argc < 5 || !id_parse(argv[4], a.victim.b))
		return 2;
	begin(&a, argv[3]);
	for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
		if (strcmp(argv[1], verbs[i].name) == 0)
			verbs[i].run(&a);
	client_free(a.client);
	return 0;
}
