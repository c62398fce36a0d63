/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Files from a hostile peer: one that never ends, one that is another, ones that are more than it may
 * bring, in all and in one space; a peer that asks for more than it is given; and a receipt that never
 * ends. */
#include "tests/lib/test.h"
#include "tests/hostile/evil.h"
#include "sync/peer/client.h"
#include "sync/peer/receipt_talk.h"
#include "sync/engine_priv.h"
#include "tests/lib/net_box.h"
#include <fcntl.h>

enum { ALLOWED = 8 << 20, FILES = 20, FILE_SIZE = 1 << 20, ONE = 3 };

/* --- files that are what they are said to be: the n-th begins with n --- */
static uint8_t content[FILE_SIZE];
static struct hash files[FILES];

static void make_file(unsigned n)
{
	content[0] = (uint8_t)n;
}

static void name_files(void)
{
	for (unsigned i = 0; i < FILES; i++) {
		make_file(i);
		files[i] = hash_bytes(span_of(content, sizeof(content)));
	}
}

/* --- a peer that answers --- */
struct peer_of_files {
	struct evil evil;
	int fd, port;
	pthread_t thread;
	bool endless, honest, signs_for_ever;
	bool other; /* than the first, with a key of its own */
	size_t tears; /* it breaks off after so many bytes of an answer; 0: never */
	bool wrong_rest; /* which are not the file's */
	size_t part;	 /* files[ONE] alone is wanted, and so much of it is here */
	bool part_wrong; /* that is rubbish of somebody else */
	atomic_int asked; /* for files */
	uint64_t gave;
};

static void answer_status(struct line *l)
{
	_cleanup_(buf_release) struct buf b = {0};
	struct stream_writer w;
	char head[100];

	stream_begin(&w, &b);
	stream_put_hello(&w, 0, "Files");
	stream_put_digests(&w, NULL, 0);
	stream_put_end(&w);
	snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", b.n);
	line_text(l, head);
	line_say(l, b.p, b.n);
}

static void answer_without_end(struct peer_of_files *p, struct line *l)
{
	static const uint8_t piece[16000];

	line_text(l, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
	while (line_text(l, "3e80\r\n") && line_say(l, piece, sizeof(piece)) &&
	       line_text(l, "\r\n"))
		p->gave += sizeof(piece);
}

/* From where it was asked, by Range. */
static size_t range_from(const char *request)
{
	const char *at = strstr(request, "Range: bytes=");

	return at ? (size_t)strtoul(at + strlen("Range: bytes="), NULL, 10) : 0;
}

static void answer_honestly(struct peer_of_files *p, struct line *l, const char *request)
{
	const char *id = request + strlen("GET " SYNC_PATH_BLOB);
	size_t from = range_from(request), n = FILE_SIZE - from;
	bool torn = p->tears && p->tears < n;
	char head[200];

	for (unsigned i = 0; i < FILES; i++)
		if (strncmp(id, ID(&files[i]), 52) == 0)
			make_file(i);
	snprintf(head, sizeof(head),
		 "HTTP/1.1 %s\r\nContent-Length: %zu\r\nContent-Range: bytes %zu-%d/%d\r\n\r\n",
		 from ? "206 Partial Content" : "200 OK", n, from, FILE_SIZE - 1, FILE_SIZE);
	if (torn)
		n = p->tears;
	if (p->wrong_rest)
		memset(content + from, 'x', n);
	if (line_text(l, head) && line_say(l, content + from, n))
		p->gave += n;
	memset(content, 0, sizeof(content));
	if (torn) {
		p->tears = 0;
		l->up = false;
	}
}

static void answer_file(struct peer_of_files *p, struct line *l, const char *request)
{
	atomic_fetch_add(&p->asked, 1);
	if (p->endless)
		answer_without_end(p, l);
	else if (p->honest)
		answer_honestly(p, l, request);
	else
		line_text(l, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nother");
}

static void answer_line(struct peer_of_files *p, int fd)
{
	char text[8192];
	struct line l;

	line_begin(&l, fd, true, tls_cert_pem(p->evil.tls), tls_key_pem(p->evil.tls), 0);
	while (l.up) {
		ssize_t n = gnutls_record_recv(l.session, text, sizeof(text) - 1);

		if (n == GNUTLS_E_INTERRUPTED)
			continue;
		if (n <= 0)
			break;
		text[n] = 0;
		if (strncmp(text, "GET " SYNC_PATH_STATUS, 18) == 0)
			answer_status(&l);
		else if (strncmp(text, "GET " SYNC_PATH_BLOB, 17) == 0)
			answer_file(p, &l, text);
		else if (p->signs_for_ever &&
			 strncmp(text, "POST " SYNC_PATH_RECEIPT, 20) == 0)
			answer_without_end(p, &l);
		else
			line_text(&l, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
	}
	line_close(&l);
}

static void *answer(void *arg)
{
	struct peer_of_files *p = arg;
	int fd;

	while ((fd = accept4(p->fd, NULL, NULL, SOCK_CLOEXEC)) >= 0)
		answer_line(p, fd);
	return NULL;
}

static void peer_start(struct peer_of_files *p)
{
	struct address any;

	evil_init(&p->evil, p->other ? 3 : 2, NULL);
	assert_ok(address_parse("127.0.0.1:0", &any));
	assert_ok(address_listen(&any, &p->fd, &p->port));
	fcntl(p->fd, F_SETFL, 0);
	assert_int_equal(pthread_create(&p->thread, NULL, answer, p), 0);
}

static void peer_stop(struct peer_of_files *p)
{
	shutdown(p->fd, SHUT_RDWR);
	pthread_join(p->thread, NULL);
	close(p->fd);
	evil_release(&p->evil);
}

/* --- a box that wants a file --- */
static struct hash wanted;
static uint64_t wanted_size;
static atomic_int asked;
static struct net_box box;
static char *dir;

/* Names a file once, as often as it is asked; or, with `many`, one file after the other, by turns in
 * two spaces, and heeds what there is room for. */
static bool many;

/* Or to one peer at a time. */
static bool in_turn;
static struct pubkey turn;

static struct hash space_of(unsigned n)
{
	return (struct hash){{(uint8_t)(1 + n % 2)}};
}

static bool next_blob(void *ctx, const struct pubkey *peer, struct blob_walk *w, struct hash *ret,
		      uint64_t *ret_size)
{
	unsigned n;

	if (in_turn && !pubkey_eq(peer, &turn))
		return false;
	n = (unsigned)atomic_fetch_add(&asked, 1);
	*ret = wanted;
	*ret_size = wanted_size;
	w->space = space_of(0);
	if (!many)
		return n == 0;
	for (; n < FILES; n = (unsigned)atomic_fetch_add(&asked, 1)) {
		*ret = files[n];
		*ret_size = FILE_SIZE;
		w->space = space_of(n);
		if (w->room(w->room_ctx, &w->space, ret, FILE_SIZE))
			return true;
	}
	return false;
}

static struct error *terms_job(struct sync_writing *w, void *arg)
{
	struct peer_terms t;

	peer_terms_default(&t);
	t.take_bytes = ALLOWED;
	t.give_bytes = ALLOWED;
	return peer_terms_put(w->local, arg, &t);
}

/* What it brought before in one space: nearly all that it may. */
static uint64_t brought;

static struct error *brought_job(struct sync_writing *w, void *arg)
{
	_cleanup_(ledger_freep) struct ledger *l = ledger_new(&env_system);
	struct hash space = space_of(0);

	ledger_charge_in(l, arg, &space, LEDGER_BYTES, brought);
	return ledger_save(l, w->local);
}

static struct error *no_terms(struct sync_writing *w, void *arg)
{
	struct peer_terms t;

	peer_terms_default(&t);
	return peer_terms_put(w->local, arg, &t);
}

static uint64_t part_here(void)
{
	_cleanup_(blob_closep) struct blob_store *s = NULL;

	assert_ok(blob_open(box.blob_dir, &s));
	return blob_part(s, &wanted);
}

/* What came of it from somebody before. */
static void begin_part(const struct peer_of_files *p)
{
	_cleanup_(blob_closep) struct blob_store *s = NULL;
	struct blob_writer *w;
	uint64_t have;

	many = false;
	wanted = files[ONE];
	make_file(p->part_wrong ? ONE + 1 : ONE);
	assert_ok(blob_open(box.blob_dir, &s));
	assert_ok(blob_writer_resume(s, &wanted, p->part, &w, &have));
	assert_ok(blob_write(w, span_of(content, p->part)));
	blob_writer_free(w);
}

static void open_box(struct peer_of_files *p)
{
	const struct pubkey *peer = secret_pubkey(p->evil.self);
	struct sync_options o;
	char address[40];

	dir = test_dir();
	wanted = hash_bytes(span_str("what is wanted"));
	atomic_store(&asked, 0);
	many = p->honest;
	net_box_open(&box, dir, "Ateneu", 1);
	if (p->part)
		begin_part(p);
	snprintf(address, sizeof(address), "127.0.0.1:%d", p->port);
	net_box_peer(&box, peer, address);
	o = net_box_options(&box, NULL, false);
	o.host.next_blob = next_blob;
	assert_ok(o.host.write(o.host.ctx, brought ? no_terms : terms_job, (void *)(uintptr_t)peer));
	if (brought)
		assert_ok(o.host.write(o.host.ctx, brought_job, (void *)(uintptr_t)peer));
	assert_ok(sync_start(&o, &box.sync));
}

static void open_two_boxes(struct peer_of_files *p, const struct peer_of_files *second)
{
	char address[40];

	in_turn = true;
	open_box(p);
	many = false;
	wanted = files[ONE];
	snprintf(address, sizeof(address), "127.0.0.1:%d", second->port);
	net_box_peer(&box, secret_pubkey(second->evil.self), address);
}

static struct error *see(void *ctx, const struct conduct *c)
{
	*(unsigned *)ctx |= 1u << c->what;
	return NULL;
}

/* After it was stopped everything is written. */
static unsigned misdeeds(struct peer_of_files *p)
{
	unsigned set = 0;

	net_box_stop(&box);
	assert_ok(conduct_each(box.local, secret_pubkey(p->evil.self), see, &set));
	return set;
}

static struct error *add_size(void *ctx, const struct hash *h, uint64_t size)
{
	*(uint64_t *)ctx += size;
	return NULL;
}

static uint64_t kept(void)
{
	_cleanup_(blob_closep) struct blob_store *s = NULL;
	uint64_t bytes = 0;

	assert_ok(blob_open(box.blob_dir, &s));
	assert_ok(blob_each(s, add_size, &bytes));
	return bytes;
}

static void close_both(struct peer_of_files *p)
{
	peer_stop(p);
	net_box_close(&box);
	test_dir_remove(dir);
	brought = 0;
	in_turn = false;
}

static void a_file_that_never_ends_costs_at_most_what_it_was_said_to_have(void **state)
{
	struct peer_of_files p = {.endless = true};

	wanted_size = ALLOWED;
	peer_start(&p);
	open_box(&p);
	error_free(sync_now(box.sync, secret_pubkey(p.evil.self), 20000));
	assert_true(misdeeds(&p) & 1u << MISDEED_BLOB);
	assert_int_equal(kept(), 0);
	assert_int_equal(part_here(), 0);
	close_both(&p);
	assert_in_range(p.gave, 1, ALLOWED * 3);
}

/* Of what would come of it nothing could be used. */
static void a_file_that_is_said_to_be_beyond_the_quota_is_not_asked_for(void **state)
{
	struct peer_of_files p = {.endless = true};

	wanted_size = ALLOWED + 1;
	peer_start(&p);
	open_box(&p);
	assert_ok(sync_now(box.sync, secret_pubkey(p.evil.self), 20000));
	assert_int_equal(misdeeds(&p), 0); /* another may have written that op */
	assert_int_equal(atomic_load(&p.asked), 0);
	close_both(&p);
	wanted_size = ALLOWED;
}

/* Its op says that a file of a MiB has 70,000 bytes: that is its author's lie, and the honest peer, what came
 * of the file already and all other files don't pay for it. */
static void what_an_op_lies_about_is_not_the_peers_guilt(void **state)
{
	struct peer_of_files p = {.honest = true, .part = 900000};

	wanted_size = 70000;
	peer_start(&p);
	open_box(&p);
	assert_ok(sync_now(box.sync, secret_pubkey(p.evil.self), 20000));
	assert_int_equal(atomic_load(&p.asked), 1);
	assert_int_equal(misdeeds(&p), 0);
	assert_int_equal(part_here(), 900000);
	assert_int_equal(kept(), 0);
	close_both(&p);
	wanted_size = ALLOWED;
}

/* Also where it says more, and where nothing is here yet. */
static void an_op_may_say_more_than_there_is(void **state)
{
	struct peer_of_files p = {.honest = true, .part = 1};

	wanted_size = 2 * FILE_SIZE;
	peer_start(&p);
	open_box(&p);
	assert_ok(sync_now(box.sync, secret_pubkey(p.evil.self), 20000));
	assert_int_equal(misdeeds(&p), 0);
	assert_int_equal(kept(), FILE_SIZE);
	close_both(&p);
	wanted_size = ALLOWED;
}

/* Whoever gives the rest of what another began with rubbish is asked for the whole, and is not blamed. */
static void who_gives_the_rest_is_not_blamed_for_the_beginning(void **state)
{
	struct peer_of_files p = {.honest = true, .part = 900000, .part_wrong = true};

	wanted_size = FILE_SIZE;
	peer_start(&p);
	open_box(&p);
	assert_ok(sync_now(box.sync, secret_pubkey(p.evil.self), 20000));
	assert_int_equal(atomic_load(&p.asked), 2);
	assert_int_equal(misdeeds(&p), 0);
	assert_int_equal(kept(), FILE_SIZE);
	close_both(&p);
	wanted_size = ALLOWED;
}

static unsigned misdeeds_of(const struct peer_of_files *p)
{
	unsigned set = 0;

	assert_ok(conduct_each(box.local, secret_pubkey(p->evil.self), see, &set));
	return set;
}

static void fetch_from(const struct peer_of_files *p)
{
	static const struct pubkey nobody;

	atomic_store(&asked, 0);
	turn = *secret_pubkey(p->evil.self);
	error_free(sync_now(box.sync, &turn, 20000));
	assert_true(atomic_load(&asked) > 0);
	turn = nobody;
}

static void begin_with_two(struct peer_of_files *honest, struct peer_of_files *evil)
{
	wanted_size = FILE_SIZE;
	peer_start(honest);
	peer_start(evil);
	open_two_boxes(honest, evil);
}

static void end_with_evil_found_out(struct peer_of_files *honest, struct peer_of_files *evil)
{
	net_box_stop(&box);
	assert_int_equal(misdeeds_of(honest) & 1u << MISDEED_BLOB, 0);
	assert_true(misdeeds_of(evil) & 1u << MISDEED_BLOB);
	peer_stop(evil);
	close_both(honest);
	wanted_size = ALLOWED;
}

/* An honest peer's line breaks, another goes on with rubbish and breaks off, and the first gives the rest.
 * What it had given is not begun anew, and when the file is here the other has been found out. */
static void who_goes_on_with_rubbish_is_found_out(void **state)
{
	struct peer_of_files honest = {.honest = true, .tears = 900000};
	struct peer_of_files evil = {
		.honest = true, .other = true, .tears = 50000, .wrong_rest = true};

	begin_with_two(&honest, &evil);
	fetch_from(&honest);
	assert_int_equal(part_here(), 900000);
	fetch_from(&evil);
	assert_int_equal(part_here(), 950000);
	fetch_from(&honest);
	assert_int_equal(kept(), FILE_SIZE);
	assert_int_equal(part_here(), 0);
	/* all once, and the rest behind the rubbish for nothing */
	assert_int_equal(honest.gave, FILE_SIZE + FILE_SIZE - 950000);
	end_with_evil_found_out(&honest, &evil);
}

/* Who begins with rubbish costs the others one file, once; then each goes on with its own. */
static void who_begins_with_rubbish_costs_one_file(void **state)
{
	struct peer_of_files honest = {.honest = true};
	struct peer_of_files evil = {
		.honest = true, .other = true, .tears = 50000, .wrong_rest = true};

	begin_with_two(&honest, &evil);
	fetch_from(&evil);
	honest.tears = FILE_SIZE - 50001;
	fetch_from(&honest); /* all but one byte */
	honest.tears = 1000000;
	fetch_from(&honest); /* which makes it another file: asked anew, and the line breaks */
	assert_int_equal(kept(), 0);
	evil.tears = 10;
	fetch_from(&evil);
	honest.tears = 0;
	fetch_from(&honest);
	assert_int_equal(kept(), FILE_SIZE);
	assert_int_equal(honest.gave, FILE_SIZE - 50000 + FILE_SIZE);
	end_with_evil_found_out(&honest, &evil);
}

/* Rubbish that is longer than the file holds nothing up: what the peer gives comes apart. */
static void rubbish_longer_than_the_file_holds_nothing_up(void **state)
{
	struct peer_of_files p = {.honest = true, .part = FILE_SIZE, .part_wrong = true};

	wanted_size = FILE_SIZE;
	peer_start(&p);
	open_box(&p);
	{
		_cleanup_(freep) char *parts = path_join(box.blob_dir, "part");
		_cleanup_(freep) char *path = path_join(parts, ID(&wanted));

		assert_int_equal(truncate(path, FILE_SIZE + 1), 0);
	}
	assert_ok(sync_now(box.sync, secret_pubkey(p.evil.self), 20000));
	assert_int_equal(misdeeds(&p), 0);
	assert_int_equal(kept(), FILE_SIZE);
	assert_int_equal(part_here(), 0);
	close_both(&p);
	wanted_size = ALLOWED;
}

/* Of what never ends nothing stays, and all that was here before. */
static void who_answers_without_end_spoils_nothing(void **state)
{
	struct peer_of_files p = {.endless = true, .part = 900000};

	wanted_size = FILE_SIZE;
	peer_start(&p);
	open_box(&p);
	error_free(sync_now(box.sync, secret_pubkey(p.evil.self), 20000));
	assert_true(misdeeds(&p) & 1u << MISDEED_BLOB);
	assert_int_equal(part_here(), 900000);
	close_both(&p);
	wanted_size = ALLOWED;
}

static void many_files_cost_at_most_the_quota(void **state)
{
	struct peer_of_files p = {.honest = true};
	struct ledger_row row = {.day = 0};

	peer_start(&p);
	open_box(&p);
	assert_ok(sync_now(box.sync, secret_pubkey(p.evil.self), 20000));
	ledger_get(box.sync->ledger, secret_pubkey(p.evil.self), &row);
	assert_int_equal(row.total.n[LEDGER_BYTES], ALLOWED);
	assert_int_equal(row.total.n[LEDGER_BLOBS], ALLOWED / FILE_SIZE);
	assert_int_equal(misdeeds(&p), 0);
	assert_int_equal(kept(), ALLOWED);
	assert_int_equal(atomic_load(&p.asked), ALLOWED / FILE_SIZE);
	close_both(&p);
}

/* One space is full, of which somebody writes without end: the files of the other come all the same. */
static void what_is_over_in_one_space_leaves_the_others_their_room(void **state)
{
	struct peer_of_files p = {.honest = true};

	brought = ledger_most_in(LEDGER_BYTES, false, 1) - 3 * FILE_SIZE - 1;
	peer_start(&p);
	open_box(&p);
	assert_ok(sync_now(box.sync, secret_pubkey(p.evil.self), 20000));
	assert_int_equal(misdeeds(&p), 0);
	assert_int_equal(kept(), (FILES / 2 + 3) * (uint64_t)FILE_SIZE);
	assert_int_equal(atomic_load(&p.asked), FILES / 2 + 3);
	close_both(&p);
}

/* --- a peer that asks --- */
static void put_file(void)
{
	_cleanup_(blob_closep) struct blob_store *s = NULL;
	struct blob_writer *w;
	struct hash got;

	make_file(0);
	assert_ok(blob_open(box.blob_dir, &s));
	assert_ok(blob_writer_new(s, FILE_SIZE, &w));
	assert_ok(blob_write(w, span_of(content, sizeof(content))));
	assert_ok(blob_writer_finish(w, &got, NULL));
	assert_id_equal(&got, &files[0]);
}

/* One file, again and again: so many bytes came until the box had enough. *ret_last: what it said. */
static uint64_t ask_for_ever(struct peer_of_files *p, int *ret_last)
{
	_cleanup_(client_freep) struct client *c = NULL;
	_cleanup_(buf_release) struct buf bytes = {0};
	char address[40], path[128];
	uint64_t came = 0;

	snprintf(address, sizeof(address), "127.0.0.1:%d", sync_port(box.sync));
	snprintf(path, sizeof(path), "%s%s", SYNC_PATH_BLOB, ID(&files[0]));
	assert_ok(client_new(&(struct client_options){.tls = p->evil.tls,
						      .env = &env_system,
						      .peer = *net_box_key(&box),
						      .address = address,
						      .name = "Evil"},
			     &c));
	*ret_last = 200;
	for (int i = 0; i < 3 * FILES && *ret_last == 200; i++) {
		struct error *err = client_request(c, "GET", path, false, 0);

		while (!err && client_receive(c, true, &bytes))
			came += bytes.n;
		if (!err)
			err = client_result(c, ret_last);
		error_free(err); /* cut off where the quota ended: asked again */
	}
	return came;
}

static void who_asks_without_end_is_given_at_most_its_quota(void **state)
{
	struct peer_of_files p = {.endless = true};
	struct sync_options o;
	struct ledger_row row;
	uint64_t came;
	int last;

	peer_start(&p);
	dir = test_dir();
	net_box_open(&box, dir, "Ateneu", 1);
	net_box_peer(&box, secret_pubkey(p.evil.self), NULL);
	o = net_box_options(&box, "127.0.0.1:0", false);
	assert_ok(o.host.write(o.host.ctx, terms_job, (void *)(uintptr_t)secret_pubkey(p.evil.self)));
	put_file();
	assert_ok(sync_start(&o, &box.sync));
	came = ask_for_ever(&p, &last);
	assert_int_equal(last, 413);
	assert_in_range(came, ALLOWED - FILE_SIZE, ALLOWED);
	ledger_get(box.sync->ledger, secret_pubkey(p.evil.self), &row);
	assert_in_range(row.today.n[LEDGER_OUT], came, ALLOWED + 64 * 1024);
	close_both(&p);
}

/* Asked so often, as fast as it goes, or until another answer comes than `status`. */
static int ask_often(const char *of, int most, int status)
{
	_cleanup_(client_freep) struct client *c = NULL;
	struct peer_of_files p = {.endless = true};
	char address[40], path[128];
	int got = status, n = 0;

	peer_start(&p);
	dir = test_dir();
	net_box_open(&box, dir, "Ateneu", 1);
	net_box_peer(&box, secret_pubkey(p.evil.self), NULL);
	put_file();
	net_box_start(&box, "127.0.0.1:0", false);
	snprintf(address, sizeof(address), "127.0.0.1:%d", sync_port(box.sync));
	snprintf(path, sizeof(path), "%s%s", of, ID(&files[status == 404]));
	assert_ok(client_new(&(struct client_options){.tls = p.evil.tls,
						      .env = &env_system,
						      .peer = *net_box_key(&box),
						      .address = address,
						      .name = "Evil"},
			     &c));
	for (; n < most; n++) {
		assert_ok(client_request(c, "GET", path, false, FILE_SIZE - 1));
		assert_ok(client_result(c, &got));
		if (got != status)
			break;
	}
	client_free(STEAL(c));
	close_both(&p);
	return n;
}

/* More than 300 ordinary requests at once are too many; of files it is ten times as many, and an update
 * of the system is one. */
static void an_update_counts_as_a_file(void **state)
{
	assert_int_equal(ask_often(SYNC_PATH_UPDATE, 700, 404), 700);
}

/* Whether a peer may have one is asked of every space that names it. */
static void a_file_that_is_not_given_counts_as_any_request(void **state)
{
	assert_int_equal(ask_often(SYNC_PATH_BLOB, 700, 206), 700);
	assert_in_range(ask_often(SYNC_PATH_BLOB, 3000, 404), 300, 2999);
}

static void another_file_than_the_one_asked_for_is_noted(void **state)
{
	struct peer_of_files p = {.endless = false};

	peer_start(&p);
	open_box(&p);
	assert_ok(sync_now(box.sync, secret_pubkey(p.evil.self), 20000));
	assert_true(misdeeds(&p) & 1u << MISDEED_BLOB);
	assert_int_equal(kept(), 0);
	close_both(&p);
}

/* The exchange is over all the same, and its thread is free for others. */
static void a_receipt_that_never_ends_holds_nobody_up(void **state)
{
	struct peer_of_files p = {.signs_for_ever = true};

	peer_start(&p);
	open_box(&p);
	assert_ok(sync_now(box.sync, secret_pubkey(p.evil.self), 20000));
	net_box_close(&box);
	peer_stop(&p);
	assert_true(p.gave > 0);
	test_dir_remove(dir);
}

static struct error *count_signed(void *ctx, const struct receipt *r)
{
	*(int *)ctx += r->state != RECEIPT_UNSIGNED;
	return NULL;
}

/* 404: a box from before there were receipts. The exchange went well, and no half paper is kept. */
static void a_peer_that_knows_no_receipts_is_no_failure_and_leaves_none(void **state)
{
	struct peer_of_files p = {.endless = false};
	int lines = 0;

	peer_start(&p);
	open_box(&p);
	assert_ok(sync_now(box.sync, secret_pubkey(p.evil.self), 20000));
	net_box_stop(&box);
	assert_ok(receipt_each(box.local, NULL, 100, count_signed, &lines));
	assert_int_equal(lines, 0);
	net_box_close(&box);
	peer_stop(&p);
	test_dir_remove(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_file_that_never_ends_costs_at_most_what_it_was_said_to_have),
		cmocka_unit_test(a_file_that_is_said_to_be_beyond_the_quota_is_not_asked_for),
		cmocka_unit_test(what_an_op_lies_about_is_not_the_peers_guilt),
		cmocka_unit_test(an_op_may_say_more_than_there_is),
		cmocka_unit_test(who_gives_the_rest_is_not_blamed_for_the_beginning),
		cmocka_unit_test(who_goes_on_with_rubbish_is_found_out),
		cmocka_unit_test(who_begins_with_rubbish_costs_one_file),
		cmocka_unit_test(rubbish_longer_than_the_file_holds_nothing_up),
		cmocka_unit_test(who_answers_without_end_spoils_nothing),
		cmocka_unit_test(many_files_cost_at_most_the_quota),
		cmocka_unit_test(what_is_over_in_one_space_leaves_the_others_their_room),
		cmocka_unit_test(who_asks_without_end_is_given_at_most_its_quota),
		cmocka_unit_test(an_update_counts_as_a_file),
		cmocka_unit_test(a_file_that_is_not_given_counts_as_any_request),
		cmocka_unit_test(another_file_than_the_one_asked_for_is_noted),
		cmocka_unit_test(a_receipt_that_never_ends_holds_nobody_up),
		cmocka_unit_test(a_peer_that_knows_no_receipts_is_no_failure_and_leaves_none),
	};

	name_files();
	return run_group(tests);
}
