/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * A box that is sync/ alone, led by lines on its standard input; each is answered by one line.
 *
 *   node_tool DIR NUMBER NAME
 *
 * The appliance's key is the test's key NUMBER. See the table of commands at the end.
 */
#define TEST_WITHOUT_CMOCKA
#include "tests/lib/test.h"
#include "tests/lib/net_box.h"

struct node {
	struct net_box box;
	char *word[4]; /* of the line: the command and what follows it */
	int words;
};

static void say_key(struct node *n)
{
	printf("%s\n", ID(net_box_key(&n->box)));
}

static void do_serve(struct node *n)
{
	net_box_start(&n->box, n->word[1], true);
	printf("%d\n", sync_port(n->box.sync));
}

static void do_stop(struct node *n)
{
	net_box_stop(&n->box);
	puts("stopped");
}

static void do_found(struct node *n)
{
	struct hash space = net_box_found(&n->box);

	printf("%s\n", ID(&space));
}

static bool id_of(const struct node *n, int word, void *ret)
{
	if (word < n->words && id_parse(n->word[word], ret))
		return true;
	puts("that is no key and no id");
	return false;
}

static void do_admit(struct node *n)
{
	struct hash space;
	struct pubkey who;

	if (!id_of(n, 1, &space) || !id_of(n, 2, &who))
		return;
	net_box_admit(&n->box, &space, &who);
	puts("admitted");
}

static void do_peer(struct node *n)
{
	struct pubkey who;

	if (!id_of(n, 1, &who))
		return;
	net_box_peer(&n->box, &who, n->words > 2 ? n->word[2] : NULL);
	puts("approved");
}

static void do_remove(struct node *n)
{
	struct pubkey who;

	if (!id_of(n, 1, &who))
		return;
	net_box_remove_peer(&n->box, &who);
	puts("removed");
}

static void say_number(struct node *n)
{
	struct pubkey who;
	struct pair_view view;

	if (!id_of(n, 1, &who))
		return;
	error_free(sync_pair_begin(n->box.sync, &who, n->words > 2 ? n->word[2] : NULL, false));
	sync_pair_look(n->box.sync, &who, &view);
	puts(view.state == PAIR_SHOWN ? view.number : "none yet");
}

static void do_write(struct node *n)
{
	struct hash space;

	if (!id_of(n, 1, &space))
		return;
	net_box_write(&n->box, &space, n->words > 2 ? (unsigned)strtoul(n->word[2], NULL, 10) : 1,
		      300, 10);
	puts("written");
}

static void say_state(struct node *n)
{
	struct hash space, digest;

	if (!id_of(n, 1, &space))
		return;
	digest = net_box_digest(&n->box, &space);
	printf("%llu %s\n", (unsigned long long)net_box_entries(&n->box, &space), ID(&digest));
}

/* KEY,ADDRESS,URL,approved,NAME;… */
static void say_seen(struct node *n)
{
	struct found_box found[16];
	size_t count = sync_found(n->box.sync, found, ARRAY_LEN(found));

	for (size_t i = 0; i < count; i++)
		printf("%s,%s,%s,%d,%s;", ID(&found[i].key), found[i].address, found[i].http_url,
		       found[i].approved, found[i].name);
	putchar('\n');
}

static struct error *say_knock(void *ctx, const struct knock *k)
{
	printf("%s,%s,%s;", ID(&k->key), k->address, k->name);
	return NULL;
}

static void say_knocks(struct node *n)
{
	pthread_mutex_lock(&n->box.writing);
	error_free(knock_each(n->box.local, say_knock, NULL));
	pthread_mutex_unlock(&n->box.writing);
	putchar('\n');
}

static void say_audited(struct node *n)
{
	puts(sync_audited(n->box.sync) ? "yes" : "no");
}

static void do_sync(struct node *n)
{
	struct error *err = sync_now(n->box.sync, NULL, 30000);

	puts(err ? error_english(err) : "ok");
	error_free(err);
}

static const struct {
	const char *name;
	void (*run)(struct node *n);
} commands[] = {
	{"key", say_key},	  /* our key */
	{"serve", do_serve},	  /* ADDR:PORT: start the engine; the port */
	{"stop", do_stop},	  /* stop the engine */
	{"found", do_found},	  /* found a space; its id */
	{"admit", do_admit},	  /* SPACE KEY */
	{"peer", do_peer},	  /* KEY [ADDR:PORT]: approve */
	{"remove", do_remove},	  /* KEY */
	{"number", say_number},	  /* KEY [ADDR:PORT]: the six digits, once they are there */
	{"write", do_write},	  /* SPACE [N]: append N entries */
	{"state", say_state},	  /* SPACE: entries and digest */
	{"seen", say_seen},	  /* boxes on the network */
	{"knocks", say_knocks},	  /* strangers who came */
	{"sync", do_sync},	  /* with all peers, now */
	{"audited", say_audited}, /* is every author's signature checked? */
};

static void run_line(struct node *n, char *line)
{
	char *rest = line;

	n->words = 0;
	while (n->words < (int)ARRAY_LEN(n->word) && (n->word[n->words] = strsep(&rest, " ")))
		n->words++;
	for (size_t i = 0; i < ARRAY_LEN(commands); i++)
		if (strcmp(commands[i].name, n->word[0]) == 0) {
			commands[i].run(n);
			fflush(stdout);
			return;
		}
	puts("no such command");
	fflush(stdout);
}

int main(int argc, char **argv)
{
	struct node n = {.words = 0};
	char line[512];

	if (argc != 4) {
		fputs("usage: node_tool DIR NUMBER NAME\n", stderr);
		return 2;
	}
	test_init();
	net_box_open(&n.box, argv[1], argv[3], (unsigned)strtoul(argv[2], NULL, 10));
	while (fgets(line, sizeof(line), stdin)) {
		line[strcspn(line, "\n")] = 0;
		run_line(&n, line);
	}
	net_box_close(&n.box);
	return 0;
}
