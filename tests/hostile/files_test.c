/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Files from a hostile peer: one that never ends, and one that is another; and a receipt that never
 * ends. */
#include "tests/lib/test.h"
#include "tests/hostile/evil.h"
#include "sync/peer/receipt_talk.h"
#include "tests/lib/net_box.h"
#include <fcntl.h>

enum { ALLOWED = 8 << 20 };

/* --- a peer that answers --- */
struct peer_of_files {
	struct evil evil;
	int fd, port;
	pthread_t thread;
	bool endless, signs_for_ever;
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

static void answer_file(struct peer_of_files *p, struct line *l)
{
	if (p->endless)
		answer_without_end(p, l);
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
			answer_file(p, &l);
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

	evil_init(&p->evil, 2, NULL);
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
	tls_identity_free(p->evil.tls);
	secret_free(p->evil.self);
}

/* --- a box that wants a file --- */
static struct hash wanted;
static atomic_int asked;
static struct net_box box;
static char *dir;

static bool next_blob(void *ctx, const struct pubkey *peer, struct blob_walk *w, struct hash *ret,
		      uint64_t *ret_size)
{
	*ret = wanted;
	*ret_size = LIMIT_UPLOAD;
	return atomic_fetch_add(&asked, 1) == 0;
}

static struct error *terms_job(struct sync_writing *w, void *arg)
{
	struct peer_terms t;

	peer_terms_default(&t);
	t.take_bytes = ALLOWED;
	return peer_terms_put(w->local, arg, &t);
}

static void open_box(struct peer_of_files *p)
{
	const struct pubkey *peer = secret_pubkey(p->evil.self);
	struct sync_options o;
	char address[40];

	dir = test_dir();
	wanted = hash_bytes(span_str("what is wanted"));
	atomic_store(&asked, 0);
	net_box_open(&box, dir, "Ateneu", 1);
	snprintf(address, sizeof(address), "127.0.0.1:%d", p->port);
	net_box_peer(&box, peer, address);
	o = net_box_options(&box, NULL, false);
	o.host.next_blob = next_blob;
	assert_ok(o.host.write(o.host.ctx, terms_job, (void *)peer));
	assert_ok(sync_start(&o, &box.sync));
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

static void nothing_is_kept(void)
{
	_cleanup_(blob_closep) struct blob_store *s = NULL;
	uint64_t kept = 0;

	assert_ok(blob_open(box.blob_dir, &s));
	assert_ok(blob_each(s, add_size, &kept));
	assert_int_equal(kept, 0);
}

static void a_file_that_never_ends_costs_at_most_the_quota(void **state)
{
	struct peer_of_files p = {.endless = true};

	peer_start(&p);
	open_box(&p);
	error_free(sync_now(box.sync, secret_pubkey(p.evil.self), 20000));
	assert_true(misdeeds(&p) & (1u << MISDEED_QUOTA | 1u << MISDEED_BLOB));
	nothing_is_kept();
	peer_stop(&p);
	assert_true(p.gave < ALLOWED * 3);
	net_box_close(&box);
	test_dir_remove(dir);
}

static void another_file_than_the_one_asked_for_is_noted(void **state)
{
	struct peer_of_files p = {.endless = false};

	peer_start(&p);
	open_box(&p);
	assert_ok(sync_now(box.sync, secret_pubkey(p.evil.self), 20000));
	assert_true(misdeeds(&p) & 1u << MISDEED_BLOB);
	nothing_is_kept();
	peer_stop(&p);
	net_box_close(&box);
	test_dir_remove(dir);
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
		cmocka_unit_test(a_file_that_never_ends_costs_at_most_the_quota),
		cmocka_unit_test(another_file_than_the_one_asked_for_is_noted),
		cmocka_unit_test(a_receipt_that_never_ends_holds_nobody_up),
		cmocka_unit_test(a_peer_that_knows_no_receipts_is_no_failure_and_leaves_none),
	};

	return run_group(tests);
}
