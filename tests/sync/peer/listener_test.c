/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Who comes to the listener without being a peer, or as one that misbehaves. */
#include "tests/lib/test.h"
#include "tests/lib/net_box.h"
#include "tests/sync/replicate/boxes.h"
#include "sync/peer/client.h"
#include "sync/peer/ledger.h"
#include "sync/peer/listener.h"
#include "sync/peer/pair.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <gnutls/x509.h>
#include <sys/socket.h>

#define PRIORITIES "NORMAL:-VERS-ALL:+VERS-TLS1.3"

/* --- a box that listens: A, whose peer is key 2 --- */
static char *dir;
static struct net_box box;
static struct hash space;

static struct pubkey key_of(unsigned n)
{
	_cleanup_(secret_freep) struct secret *s = test_key(n);

	return *secret_pubkey(s);
}

static void open_box(void)
{
	struct pubkey peer = key_of(2);

	dir = test_dir();
	net_box_open(&box, dir, "Ateneu", 1);
	space = net_box_found(&box);
	net_box_admit(&box, &space, &peer);
	net_box_peer(&box, &peer, NULL);
	net_box_start(&box, "127.0.0.1:0", false);
}

static void close_box(void)
{
	net_box_close(&box);
	test_dir_remove(dir);
}

/* --- a visitor --- */
struct visit {
	int fd;
	gnutls_session_t session;
	gnutls_certificate_credentials_t cred;
	bool shook; /* hands */
};

static int dial(int port)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	struct timeval patience = {.tv_sec = 20};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	return fd;
}

static void visit_with(struct visit *v, int port, const char *priorities, const char *cert,
		       const char *key)
{
	gnutls_datum_t c = {(unsigned char *)cert, cert ? (unsigned)strlen(cert) : 0};
	gnutls_datum_t k = {(unsigned char *)key, key ? (unsigned)strlen(key) : 0};

	v->fd = dial(port);
	gnutls_certificate_allocate_credentials(&v->cred);
	if (cert)
		assert_int_equal(
			gnutls_certificate_set_x509_key_mem(v->cred, &c, &k, GNUTLS_X509_FMT_PEM),
			0);
	gnutls_init(&v->session, GNUTLS_CLIENT | GNUTLS_NO_SIGNAL | GNUTLS_FORCE_CLIENT_CERT);
	gnutls_priority_set_direct(v->session, priorities, NULL);
	gnutls_credentials_set(v->session, GNUTLS_CRD_CERTIFICATE, v->cred);
	gnutls_transport_set_int(v->session, v->fd);
	v->shook = gnutls_handshake(v->session) == 0;
}

/* As the appliance with that test key; 0: without a certificate. */
static void visit_as(struct visit *v, unsigned number)
{
	_cleanup_(tls_identity_freep) struct tls_identity *t = NULL;
	_cleanup_(secret_freep) struct secret *key = test_key(number);

	if (number)
		assert_ok(tls_identity_new(key, &t));
	visit_with(v, sync_port(box.sync), PRIORITIES, t ? tls_cert_pem(t) : NULL,
		   t ? tls_key_pem(t) : NULL);
}

static bool say(struct visit *v, const void *p, size_t n)
{
	while (n) {
		ssize_t sent = gnutls_record_send(v->session, p, n < 16384 ? n : 16384);

		if (sent < 0)
			return false;
		p = (const char *)p + sent;
		n -= (size_t)sent;
	}
	return true;
}

/* What is answered until the other side closes or has said a whole small answer; terminated. */
static size_t hear(struct visit *v, char *out, size_t size)
{
	size_t n = 0;

	out[0] = 0;
	while (n + 1 < size) {
		ssize_t got = gnutls_record_recv(v->session, out + n, size - 1 - n);
		char *body, *length;

		if (got == GNUTLS_E_AGAIN || got == GNUTLS_E_INTERRUPTED)
			continue; /* a message of TLS itself */
		if (got <= 0)
			break;
		n += (size_t)got;
		out[n] = 0;
		body = strstr(out, "\r\n\r\n");
		length = strstr(out, "Content-Length: ");
		if (body && length && length < body &&
		    n >= (size_t)(body + 4 - out) + strtoul(length + 16, NULL, 10))
			break;
	}
	return n;
}

static void leave(struct visit *v)
{
	gnutls_deinit(v->session);
	gnutls_certificate_free_credentials(v->cred);
	close(v->fd);
}

/* Ask as that key; the answer begins with this status and holds this text. */
static void ask(unsigned number, const char *request, const char *status, const char *text)
{
	static char answer[65536];
	struct visit v;

	visit_as(&v, number);
	assert_true(v.shook);
	assert_true(say(&v, request, strlen(request)));
	hear(&v, answer, sizeof(answer));
	leave(&v);
	if (strncmp(answer, status, strlen(status)) != 0 || !strstr(answer, text))
		fail_msg("wanted %s and \"%s\", got: %s", status, text, answer);
}

#define SLOW	"POST /sync/1/push HTTP/1.1\r\nHost: x\r\nContent-Length: 9000000\r\n\r\nLLI"
#define CHUNKED "POST /sync/1/push HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
#define STATUS	"GET /sync/1/status HTTP/1.1\r\nHost: x\r\n"

/* The daemon goes on: its peer is served. */
static void still_serves(void)
{
	ask(2, STATUS "\r\n", "HTTP/1.1 200", "LLIURE");
}

static struct error *count_knock(void *ctx, const struct knock *k)
{
	struct knock *last = ctx;

	*last = *k;
	return NULL;
}

/* --- who is no peer --- */
static void a_stranger_is_told_so_and_noted(void **state)
{
	struct knock k = {.last_ms = 0};
	struct pubkey who = key_of(3);

	open_box();
	ask(3,
	    STATUS CLIENT_HEADER_NAME ": Bibl%C3%B2%E2%80%AE%0Ateca\r\n" CLIENT_HEADER_LISTEN
				      ": 9443\r\n\r\n",
	    "HTTP/1.1 403", "\"text\":\"Box ");
	for (int i = 0; i < 100 && !k.last_ms; i++) {
		usleep(50000);
		pthread_mutex_lock(&box.writing);
		assert_ok(knock_each(box.local, count_knock, &k));
		pthread_mutex_unlock(&box.writing);
	}
	assert_id_equal(&k.key, &who);
	assert_string_equal(k.name, "Biblòteca");
	assert_string_equal(k.address, "127.0.0.1:9443");
	ask(3, "POST /sync/1/push HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello",
	    "HTTP/1.1 403", "approve");
	ask(3, "GET /anything HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 403", "approve");
	still_serves();
	close_box();
}

static struct error *count_row(void *ctx, const struct ledger_row *r)
{
	++*(int *)ctx;
	return NULL;
}

/* The ledger has room for so many peers: who makes keys without an end must not fill it. */
static void a_stranger_has_no_row_in_the_ledger(void **state)
{
	struct pair_word w = {.form = PAIR_COMMITS, .commitment = {{1}}};
	_cleanup_(buf_release) struct buf body = {0}, text = {0};
	struct pubkey who = key_of(3), peer = key_of(2);
	int strangers = 0, peers = 0;
	char answer[3000];
	struct visit v;

	open_box();
	pair_write(&w, &body);
	buf_printf(&text, "POST /sync/1/pair HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n\r\n", body.n);
	buf_add_span(&text, buf_span(&body));
	visit_as(&v, 3);
	assert_true(say(&v, text.p, text.n));
	hear(&v, answer, sizeof(answer));
	leave(&v);
	assert_non_null(strstr(answer, "HTTP/1.1 200"));
	ask(3, "POST /sync/1/push HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello",
	    "HTTP/1.1 403", "approve");
	still_serves();
	net_box_stop(&box);
	assert_ok(ledger_each(box.local, &who, count_row, &strangers));
	assert_ok(ledger_each(box.local, &peer, count_row, &peers));
	assert_int_equal(strangers, 0);
	assert_true(peers > 0);
	close_box();
}

static void without_a_certificate_nothing_is_told(void **state)
{
	open_box();
	ask(0, STATUS "\r\n", "HTTP/1.1 403", "did not show the key");
	still_serves();
	close_box();
}

static void a_certificate_of_another_kind_is_refused(void **state)
{
	gnutls_x509_privkey_t key;
	gnutls_x509_crt_t crt;
	gnutls_datum_t cert_pem, key_pem;
	struct visit v;
	char answer[4096];

	gnutls_x509_privkey_init(&key);
	gnutls_x509_privkey_generate(key, GNUTLS_PK_RSA, 2048, 0);
	gnutls_x509_crt_init(&crt);
	gnutls_x509_crt_set_version(crt, 3);
	gnutls_x509_crt_set_key(crt, key);
	gnutls_x509_crt_set_serial(crt, "\1", 1);
	gnutls_x509_crt_set_activation_time(crt, 0);
	gnutls_x509_crt_set_expiration_time(crt, 4000000000);
	gnutls_x509_crt_sign2(crt, crt, key, GNUTLS_DIG_SHA256, 0);
	gnutls_x509_crt_export2(crt, GNUTLS_X509_FMT_PEM, &cert_pem);
	gnutls_x509_privkey_export2(key, GNUTLS_X509_FMT_PEM, &key_pem);
	open_box();
	visit_with(&v, sync_port(box.sync), PRIORITIES, (char *)cert_pem.data,
		   (char *)key_pem.data);
	if (v.shook && say(&v, STATUS "\r\n", strlen(STATUS "\r\n"))) {
		hear(&v, answer, sizeof(answer));
		assert_null(strstr(answer, "HTTP/1.1 200"));
	}
	leave(&v);
	still_serves();
	close_box();
	gnutls_free(cert_pem.data);
	gnutls_free(key_pem.data);
	gnutls_x509_crt_deinit(crt);
	gnutls_x509_privkey_deinit(key);
}

static void older_tls_and_no_tls_are_refused(void **state)
{
	struct visit v;
	char answer[256];
	int fd;

	open_box();
	visit_with(&v, sync_port(box.sync), "NORMAL:-VERS-ALL:+VERS-TLS1.2", NULL, NULL);
	assert_false(v.shook);
	leave(&v);
	fd = dial(sync_port(box.sync));
	assert_true(send(fd, STATUS "\r\n", strlen(STATUS "\r\n"), MSG_NOSIGNAL) > 0);
	while (recv(fd, answer, sizeof(answer) - 1, 0) > 0)
		assert_null(strstr(answer, "HTTP/"));
	close(fd);
	still_serves();
	close_box();
}

static void the_client_refuses_another_key_than_the_peers(void **state)
{
	_cleanup_(secret_freep) struct secret *key = test_key(2);
	_cleanup_(tls_identity_freep) struct tls_identity *t = NULL;
	_cleanup_(client_freep) struct client *c = NULL;
	struct client_options o;
	char address[40];
	int status;

	open_box();
	assert_ok(tls_identity_new(key, &t));
	snprintf(address, sizeof(address), "127.0.0.1:%d", sync_port(box.sync));
	o = (struct client_options){
		.tls = t, .env = &env_system, .peer = key_of(3), .address = address, .name = "B"};
	assert_ok(client_new(&o, &c));
	assert_ok(client_request(c, "GET", SYNC_PATH_STATUS, false, 0));
	assert_fails(client_result(c, &status), ERR_DENIED);
	assert_false(client_met(c));
	close_box();
}

/* --- a peer that misbehaves --- */
static void wrong_paths_and_methods_are_named(void **state)
{
	open_box();
	ask(2, "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 404", "nothing here");
	ask(2, "GET /sync/1/statusx HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 404", "nothing here");
	ask(2, "GET /sync/2/status HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 404", "nothing here");
	ask(2, "DELETE /sync/1/status HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 405", "Allow: GET");
	ask(2, "GET /sync/1/push HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 405", "Allow: POST");
	ask(2, "DELETE /sync/1/keep HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 405",
	    "Allow: GET, PUT");
	ask(2, "GET /sync/1/blob/../../key HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 404", "text");
	ask(2,
	    "GET /sync/1/blob/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa HTTP/1.1\r\n"
	    "Host: x\r\n\r\n",
	    "HTTP/1.1 404", "text");
	still_serves();
	close_box();
}

static void garbage_is_refused_and_the_box_goes_on(void **state)
{
	struct visit v;
	char answer[4096];

	open_box();
	ask(2, "POST /sync/1/push HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello",
	    "HTTP/1.1 400", "\"name\":\"malformed\"");
	ask(2, "POST /sync/1/pull HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 400",
	    "\"name\":\"malformed\"");
	/* a stream that ends before its end */
	visit_as(&v, 2);
	assert_true(say(&v, CHUNKED "8\r\nLLIURE\0\1\r\n0\r\n\r\n", sizeof(CHUNKED) + 17));
	hear(&v, answer, sizeof(answer));
	leave(&v);
	assert_memory_equal(answer, "HTTP/1.1 400", 12);
	/* bytes that are no HTTP */
	visit_as(&v, 2);
	assert_true(say(&v, "\0\1\2\3 nonsense\r\n\r\n", 17));
	leave(&v);
	still_serves();
	close_box();
}

static int64_t cpu_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* Who says hello and then nothing more costs the box no time. */
static void a_handshake_that_stops_is_waited_for_asleep(void **state)
{
	const struct timespec half = {.tv_nsec = 500000000};
	gnutls_certificate_credentials_t cred;
	gnutls_session_t session;
	int64_t before, used;
	int fd;

	open_box();
	fd = dial(sync_port(box.sync));
	gnutls_certificate_allocate_credentials(&cred);
	gnutls_init(&session, GNUTLS_CLIENT | GNUTLS_NO_SIGNAL | GNUTLS_NONBLOCK);
	gnutls_priority_set_direct(session, PRIORITIES, NULL);
	gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, cred);
	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	gnutls_transport_set_int(session, fd);
	assert_int_equal(gnutls_handshake(session), GNUTLS_E_AGAIN);
	nanosleep(&half, NULL); /* its answer is made meanwhile */
	before = cpu_us();
	nanosleep(&half, NULL);
	used = cpu_us() - before;
	gnutls_deinit(session);
	gnutls_certificate_free_credentials(cred);
	close(fd);
	close_box();
	if (used > 20000)
		fail_msg("half a second of waiting took %lld us", (long long)used);
}

static void a_push_of_a_gigabyte_is_refused(void **state)
{
	_cleanup_(freep) char *piece = calloc(1, 1 << 20);
	struct visit v;
	int sent = 0;

	open_box();
	ask(2, "POST /sync/1/push HTTP/1.1\r\nHost: x\r\nContent-Length: 1073741824\r\n\r\n",
	    "HTTP/1.1 413", "\"name\":\"too-large\"");
	/* one that does not say how long it is, and is garbage: cut long before its end */
	visit_as(&v, 2);
	say(&v, CHUNKED, sizeof(CHUNKED) - 1);
	while (sent < 1024 && say(&v, "100000\r\n", 8) && say(&v, piece, 1 << 20) &&
	       say(&v, "\r\n", 2))
		sent++;
	assert_true(sent < 64);
	leave(&v);
	still_serves();
	close_box();
}

static void one_address_can_t_take_all_places(void **state)
{
	int fds[LISTENER_PER_IP + 40], open = 0;
	char byte;

	open_box();
	for (size_t i = 0; i < ARRAY_LEN(fds); i++)
		fds[i] = dial(sync_port(box.sync));
	usleep(300000);
	for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
		ssize_t got = recv(fds[i], &byte, 1, MSG_DONTWAIT);

		open += got < 0; /* 0: closed on us */
	}
	assert_true(open <= LISTENER_PER_IP);
	for (size_t i = 0; i < ARRAY_LEN(fds); i++)
		close(fds[i]);
	usleep(300000);
	still_serves();
	close_box();
}

static void a_peer_that_is_removed_is_cut(void **state)
{
	struct pubkey peer = key_of(2);
	struct visit v;
	char answer[4096];

	open_box();
	visit_as(&v, 2);
	assert_true(say(&v, STATUS "\r\n", strlen(STATUS "\r\n")));
	assert_true(hear(&v, answer, sizeof(answer)) > 0);
	net_box_remove_peer(&box, &peer);
	assert_true(gnutls_record_recv(v.session, answer, sizeof(answer)) <= 0);
	leave(&v);
	ask(2, STATUS "\r\n", "HTTP/1.1 403", "approve");
	close_box();
}

static bool is_cut(int fd)
{
	char byte;

	for (int i = 0; i < 60; i++) {
		if (recv(fd, &byte, 1, MSG_DONTWAIT) >= 0 || errno != EAGAIN)
			return true;
		usleep(50000);
	}
	return false;
}

static void of_too_many_requests_of_one_peer_the_oldest_is_cut(void **state)
{
	struct visit v[LISTENER_PER_PEER + 1];

	open_box();
	for (size_t i = 0; i < ARRAY_LEN(v); i++) {
		visit_as(&v[i], 2);
		assert_true(say(&v[i], SLOW, sizeof(SLOW) - 1));
		usleep(50000);
	}
	assert_true(is_cut(v[0].fd));
	still_serves();
	for (size_t i = 0; i < ARRAY_LEN(v); i++)
		leave(&v[i]);
	close_box();
}

/* --- files --- */
static void a_file_is_given_whole_and_in_part(void **state)
{
	struct blob_store *blobs;
	struct blob_writer *w;
	struct hash hash;
	uint64_t size;
	char request[400];

	open_box();
	assert_ok(blob_open(box.blob_dir, &blobs));
	assert_ok(blob_writer_new(blobs, 100, &w));
	assert_ok(blob_write(w, span_str("0123456789")));
	assert_ok(blob_writer_finish(w, &hash, &size));
	blob_close(blobs);
#define ASK(range, status, text)                                                                   \
	do {                                                                                       \
		snprintf(request, sizeof(request),                                                 \
			 "GET /sync/1/blob/%s HTTP/1.1\r\nHost: x\r\n%s\r\n", ID(&hash), range);   \
		ask(2, request, status, text);                                                     \
	} while (0)
	ASK("", "HTTP/1.1 200", "\r\n\r\n0123456789");
	ASK("Range: bytes=4-\r\n", "HTTP/1.1 206", "\r\n\r\n456789");
	ASK("Range: bytes=4-\r\n", "HTTP/1.1 206", "Content-Range: bytes 4-9/10");
	ASK("Range: bytes=4-5\r\n", "HTTP/1.1 206", "Content-Range: bytes 4-5/10");
	ASK("Range: bytes=10-\r\n", "HTTP/1.1 416", "Content-Range: bytes */10");
	ASK("Range: bytes=5-4\r\n", "HTTP/1.1 200", "\r\n\r\n0123456789");
	ASK("Range: bytes=-5\r\n", "HTTP/1.1 200", "\r\n\r\n0123456789");
	ASK("Range: bytes=0-1,4-5\r\n", "HTTP/1.1 200", "\r\n\r\n0123456789");
	ASK("Range: lines=1-\r\n", "HTTP/1.1 200", "\r\n\r\n0123456789");
	close_box();
}

/* --- who takes his time, under a clock moved by hand --- */
static int64_t moved_clock(void *ctx)
{
	return atomic_load((atomic_llong *)ctx);
}

static bool is_peer(void *ctx, const struct pubkey *key)
{
	struct pubkey peer = key_of(2);

	return pubkey_eq(key, &peer);
}
static void no_knock(void *ctx, const struct knock *k)
{
}
static void no_meeting(void *ctx, const struct pubkey *key, const char *address)
{
}
static void nothing_stored(void *ctx)
{
}
static void no_end(void *ctx, const struct pubkey *key, const struct sync_report *report,
		   const char *error)
{
}

static atomic_uint noted;

static void note_misdeed(void *ctx, const struct pubkey *key, enum misdeed what, const char *words)
{
	atomic_fetch_or(&noted, 1u << what);
}

static void nothing_heard(void *ctx, const struct pubkey *peer, const struct ingest *run)
{
}

/* A listener that is at nobody's mercy but this clock's, and its peer. */
struct timed {
	char *folder, *log_path;
	struct secret *self, *peer;
	struct tls_identity *t, *pt;
	struct sync_host host;
	struct listener_options o;
	struct listener *l;
	atomic_llong clock;
	struct env env;
};

static void timed_open(struct timed *w)
{
	w->folder = test_dir();
	w->log_path = path_join(w->folder, "log.db");
	w->self = test_key(1);
	w->peer = test_key(2);
	atomic_store(&w->clock, 1000000);
	atomic_store(&noted, 0);
	w->env = (struct env){&w->clock, moved_clock, moved_clock, NULL};
	assert_ok(tls_identity_new(w->self, &w->t));
	assert_ok(tls_identity_new(w->peer, &w->pt));
	w->o = (struct listener_options){.tls = w->t,
					 .listen = "127.0.0.1:0",
					 .env = &w->env,
					 .self = w->self,
					 .name = "A",
					 .host = &w->host,
					 .approved = is_peer,
					 .knocked = no_knock,
					 .met = no_meeting,
					 .heard = nothing_heard,
					 .stored = nothing_stored,
					 .misdeed = note_misdeed,
					 .ended = no_end};
	w->o.readers = readers_new(w->log_path, &w->env, secret_pubkey(w->self));
	assert_ok(listener_start(&w->o, &w->l));
}

static void timed_close(struct timed *w)
{
	listener_stop(w->l);
	readers_free(w->o.readers);
	tls_identity_free(w->t);
	tls_identity_free(w->pt);
	secret_free(w->self);
	secret_free(w->peer);
	test_dir_remove(w->folder);
	free(w->log_path);
}

static void visit_timed(struct timed *w, struct visit *v)
{
	visit_with(v, listener_port(w->l), PRIORITIES, tls_cert_pem(w->pt), tls_key_pem(w->pt));
	assert_true(v->shook);
}

static void who_dribbles_is_cut(void **state)
{
	struct timed w = {.host = {.ctx = NULL}};
	struct visit stranger, slow, between;
	char answer[16];
	int mute;

	timed_open(&w);
	mute = dial(listener_port(w.l));
	visit_with(&stranger, listener_port(w.l), PRIORITIES, NULL, NULL);
	assert_true(say(&stranger, "GET /sync/1/st", 14));
	visit_timed(&w, &slow);
	say(&slow, "POST /sync/1/push HTTP/1.1\r\nHost: x\r\nContent-Length: 9000000\r\n\r\nLLI",
	    67);
	visit_timed(&w, &between);
	assert_true(say(&between, "GET /sync/1/status HTTP/1.1\r\nHost: x\r\n\r\n", 40));
	assert_true(gnutls_record_recv(between.session, answer, sizeof(answer)) > 12);
	usleep(300000);
	assert_true(recv(mute, &(char){0}, 1, MSG_DONTWAIT) < 0); /* not yet */
	w.clock += LISTENER_GREET_MS + 1;
	assert_true(is_cut(mute));
	assert_true(is_cut(stranger.fd));
	usleep(700000);
	assert_true(say(&slow, "U", 1)); /* a peer has more patience … */
	w.clock += 60000;
	assert_true(is_cut(slow.fd)); /* … but not for a byte a minute */
	for (int i = 0; i < 100 && !atomic_load(&noted); i++)
		usleep(50000);
	assert_int_equal(atomic_load(&noted), 1u << MISDEED_STALL);
	/* nor is a head that never ends a rest between two requests */
	atomic_store(&noted, 0);
	assert_true(say(&between, "GET /syn", 8));
	usleep(700000);
	assert_true(say(&between, "c", 1));
	w.clock += LISTENER_IDLE_S * 1000;
	for (int i = 0; i < 100 && !atomic_load(&noted); i++)
		usleep(50000);
	assert_int_equal(atomic_load(&noted), 1u << MISDEED_STALL);
	close(mute);
	leave(&stranger);
	leave(&slow);
	leave(&between);
	timed_close(&w);
}

/* A card on which a commit takes as long as somebody likes. */
static struct {
	pthread_mutex_t lock;
	pthread_cond_t moved;
	bool hangs, let_go;
} card = {.lock = PTHREAD_MUTEX_INITIALIZER, .moved = PTHREAD_COND_INITIALIZER};

static struct error *slow_write(void *ctx, sync_write_fn *fn, void *arg)
{
	pthread_mutex_lock(&card.lock);
	card.hangs = true;
	pthread_cond_broadcast(&card.moved);
	while (!card.let_go)
		pthread_cond_wait(&card.moved, &card.lock);
	pthread_mutex_unlock(&card.lock);
	return error_new(ERR_BUSY, "That took too long.");
}

static void say_push(struct timed *w, struct visit *v)
{
	struct test_env env;
	struct sender *s = sender_new();
	struct buf body = {0};
	struct hash founded;
	struct box theirs;
	char head[120];
	bool end;

	test_env_init(&env, 1764000000000, 7);
	box_init(&theirs, &env, w->folder, "theirs", 2);
	founded = box_found(&theirs, theirs.key);
	NEED(sender_plan(s, theirs.log, &founded, NULL, 0));
	NEED(sender_read(s, theirs.log, &body, &end));
	assert_true(end);
	snprintf(head, sizeof(head),
		 "POST /sync/1/push HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n\r\n", body.n);
	assert_true(say(v, head, strlen(head)));
	assert_true(say(v, body.p, body.n));
	buf_release(&body);
	sender_free(s);
	box_release(&theirs);
}

static void who_waits_for_us_is_not_blamed(void **state)
{
	enum { REST = 5 };
	struct timed w = {.host = {.write = slow_write}};
	struct visit pusher, others[REST + 1];
	struct log_open how = {.mode = DB_TEST_NOSYNC, .env = &env_system};
	static char answer[65536];
	struct log_store *log;

	timed_open(&w);
	how.path = w.log_path;
	how.self = *secret_pubkey(w.self);
	assert_ok(log_open(&how, &log));
	for (int i = 0; i <= REST; i++) {
		visit_timed(&w, &others[i]);
		assert_true(say(&others[i], STATUS "\r\n", strlen(STATUS "\r\n")));
		hear(&others[i], answer, sizeof(answer));
		assert_int_equal(strncmp(answer, "HTTP/1.1 200", 12), 0);
	}
	visit_timed(&w, &pusher);
	say_push(&w, &pusher);
	pthread_mutex_lock(&card.lock);
	while (!card.hangs)
		pthread_cond_wait(&card.moved, &card.lock);
	pthread_mutex_unlock(&card.lock);
	/* Some of these are of the thread that hangs: nobody reads what they ask; the last asks nothing. */
	for (int i = 0; i < REST; i++)
		assert_true(say(&others[i], STATUS "\r\n", strlen(STATUS "\r\n")));
	for (int i = 0; i < 3; i++) {
		usleep(700000);
		w.clock += (LISTENER_IDLE_S + 100) * 1000;
	}
	usleep(700000);
	assert_int_equal(atomic_load(&noted), 0);
	pthread_mutex_lock(&card.lock);
	card.let_go = true;
	pthread_cond_broadcast(&card.moved);
	pthread_mutex_unlock(&card.lock);
	hear(&pusher, answer, sizeof(answer));
	assert_non_null(strstr(answer, "too long"));
	for (int i = 0; i < REST; i++) {
		hear(&others[i], answer, sizeof(answer));
		assert_int_equal(strncmp(answer, "HTTP/1.1 200", 12), 0);
	}
	for (int i = 0; i <= REST; i++)
		leave(&others[i]);
	leave(&pusher);
	log_close(log);
	timed_close(&w);
	assert_int_equal(atomic_load(&noted), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_stranger_is_told_so_and_noted),
		cmocka_unit_test(a_stranger_has_no_row_in_the_ledger),
		cmocka_unit_test(without_a_certificate_nothing_is_told),
		cmocka_unit_test(a_certificate_of_another_kind_is_refused),
		cmocka_unit_test(older_tls_and_no_tls_are_refused),
		cmocka_unit_test(the_client_refuses_another_key_than_the_peers),
		cmocka_unit_test(wrong_paths_and_methods_are_named),
		cmocka_unit_test(garbage_is_refused_and_the_box_goes_on),
		cmocka_unit_test(a_handshake_that_stops_is_waited_for_asleep),
		cmocka_unit_test(a_push_of_a_gigabyte_is_refused),
		cmocka_unit_test(one_address_can_t_take_all_places),
		cmocka_unit_test(a_peer_that_is_removed_is_cut),
		cmocka_unit_test(of_too_many_requests_of_one_peer_the_oldest_is_cut),
		cmocka_unit_test(a_file_is_given_whole_and_in_part),
		cmocka_unit_test(who_dribbles_is_cut),
		cmocka_unit_test(who_waits_for_us_is_not_blamed),
	};

	return run_group(tests);
}
