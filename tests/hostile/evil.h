/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What a hostile peer is made of: lines of TLS, as client and as listener, that say anything at any
 * speed, and a pen that signs entries of any log without holding it. Nothing here checks what the
 * other side says. Include after tests/lib/test.h.
 */
#pragma once
#include "sync/base/buf.h"
#include "sync/peer/address.h"
#include "sync/replicate/session.h"
#include "sync/tls/tls.h"
#include <arpa/inet.h>
#include <gnutls/gnutls.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>

enum { EVIL_PATIENCE_S = 20 };

struct evil {
	struct secret *self;
	struct tls_identity *tls;
	char host[64];
	int port;	  /* of the victim */
	const char *from; /* our own address: in another house than the honest ones */
};

static inline void evil_must(struct error *err)
{
	if (!err)
		return;
	fprintf(stderr, "hostile: %s\n", error_english(err));
	exit(2);
}

static inline void evil_init(struct evil *e, unsigned number, const char *victim)
{
	struct address a = {.port = 0};

	memset(e, 0, sizeof(*e));
	e->self = test_key(number);
	evil_must(tls_identity_new(e->self, &e->tls));
	if (victim)
		evil_must(address_parse(victim, &a));
	snprintf(e->host, sizeof(e->host), "%.60s", a.host);
	e->port = a.port;
	e->from = "127.0.0.66";
}

static inline void evil_release(struct evil *e)
{
	tls_identity_free(e->tls);
	secret_free(e->self);
}

/* --- a line --- */
struct line {
	int fd;
	gnutls_session_t session;
	gnutls_certificate_credentials_t cred;
	bool up; /* hands were shaken */
};

/* A TCP connection; -1: refused. */
static inline int evil_dial(const struct evil *e)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)e->port)};
	struct sockaddr_in from = {.sin_family = AF_INET};
	struct timeval patience = {.tv_sec = EVIL_PATIENCE_S};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

	inet_pton(AF_INET, e->host, &to.sin_addr);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	inet_pton(AF_INET, e->from, &from.sin_addr);
	if (bind(fd, (struct sockaddr *)&from, sizeof(from)))
		perror("hostile: bind");
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0)
		return fd;
	close(fd);
	return -1;
}

static inline void line_begin(struct line *l, int fd, bool server, const char *cert,
			      const char *key, unsigned flags)
{
	gnutls_datum_t c = {(unsigned char *)cert, (unsigned)strlen(cert)};
	gnutls_datum_t k = {(unsigned char *)key, (unsigned)strlen(key)};

	memset(l, 0, sizeof(*l));
	l->fd = fd;
	gnutls_certificate_allocate_credentials(&l->cred);
	if (flags)
		gnutls_certificate_set_flags(l->cred, flags);
	gnutls_certificate_set_x509_key_mem(l->cred, &c, &k, GNUTLS_X509_FMT_PEM);
	gnutls_init(&l->session,
		    server ? GNUTLS_SERVER | GNUTLS_NO_SIGNAL
			   : GNUTLS_CLIENT | GNUTLS_NO_SIGNAL | GNUTLS_FORCE_CLIENT_CERT);
	gnutls_priority_set_direct(l->session,
				   server ? tls_priorities : "NORMAL:-VERS-ALL:+VERS-TLS1.3", NULL);
	gnutls_credentials_set(l->session, GNUTLS_CRD_CERTIFICATE, l->cred);
	if (server)
		gnutls_certificate_server_set_request(l->session, GNUTLS_CERT_REQUEST);
	gnutls_transport_set_int(l->session, fd);
	l->up = gnutls_handshake(l->session) == 0;
}

/* false: it did not let us in. The line is to be closed in any case. */
static inline bool line_dial(struct line *l, const struct evil *e)
{
	int fd = evil_dial(e);

	memset(l, 0, sizeof(*l));
	l->fd = fd;
	if (fd < 0)
		return false;
	line_begin(l, fd, false, tls_cert_pem(e->tls), tls_key_pem(e->tls), 0);
	return l->up;
}

static inline void line_close(struct line *l)
{
	if (l->session)
		gnutls_deinit(l->session);
	if (l->cred)
		gnutls_certificate_free_credentials(l->cred);
	if (l->fd >= 0)
		close(l->fd);
}

static inline bool line_say(struct line *l, const void *p, size_t n)
{
	while (n) {
		ssize_t sent = gnutls_record_send(l->session, p, n < 16000 ? n : 16000);

		if (sent < 0)
			return false;
		p = (const char *)p + sent;
		n -= (size_t)sent;
	}
	return true;
}

static inline bool line_text(struct line *l, const char *text)
{
	return line_say(l, text, strlen(text));
}

/* The status of the answer, its body passed over (as far as its length is said, or its last piece
 * comes); 0: none came. */
static inline int line_status(struct line *l)
{
	static _Thread_local char text[70000];
	size_t n = 0;
	int status = 0;

	for (;;) {
		char *body, *length;
		ssize_t got = gnutls_record_recv(l->session, text + n, sizeof(text) - 1 - n);

		if (got == GNUTLS_E_INTERRUPTED)
			continue;
		if (got <= 0)
			return status;
		n += (size_t)got;
		text[n] = 0;
		if (!status && n >= 12)
			status = (int)strtol(text + 9, NULL, 10);
		body = strstr(text, "\r\n\r\n");
		length = strstr(text, "Content-Length: ");
		if (body && length && length < body &&
		    n >= (size_t)(body + 4 - text) + strtoul(length + 16, NULL, 10))
			return status;
		if (n >= 5 && memcmp(text + n - 5, "0\r\n\r\n", 5) == 0)
			return status;
		if (n > sizeof(text) - 20000) { /* keep the end, and the head */
			memmove(text + 2000, text + n - 100, 100);
			n = 2100;
		}
	}
}

/* Has the other side not closed? */
static inline bool line_is_open(struct line *l)
{
	struct timeval moment = {.tv_usec = 1000};
	char byte;

	setsockopt(l->fd, SOL_SOCKET, SO_RCVTIMEO, &moment, sizeof(moment));
	return gnutls_record_recv(l->session, &byte, 1) == GNUTLS_E_AGAIN;
}

/* One request with a body, on that line. The status, 0 when there was no answer. */
static inline int line_post(struct line *l, const char *path, struct span body)
{
	char head[200];

	snprintf(head, sizeof(head), "POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n\r\n",
		 path, body.n);
	if (line_text(l, head))
		line_say(l, body.p, body.n); /* it may refuse before the end: listen all the same */
	return line_status(l);
}

/* On a line of its own. */
static inline int evil_post(const struct evil *e, const char *path, struct span body)
{
	struct line l;
	int status = line_dial(&l, e) ? line_post(&l, path, body) : 0;

	line_close(&l);
	return status;
}

/* --- a pen --- */
struct pen {
	struct secret *appliance; /* borrowed: who signs as the appliance */
	struct log_id id;
	uint64_t seq;
	struct hash prev;
};

/* Begin a log. space NULL: found a new one with the first entry. */
static inline struct pen pen_new(struct secret *appliance, const struct hash *space,
				 uint64_t incarnation)
{
	struct pen p = {.appliance = appliance};

	p.id.appliance = *secret_pubkey(appliance);
	p.id.incarnation = incarnation;
	if (space)
		p.id.space = *space;
	return p;
}

/* The next entry, by the appliance itself; author: who claims to have written it (NULL: itself). */
static inline void pen_write(struct pen *p, const struct secret *author, struct span payload,
			     const uint8_t salt[ENTRY_SALT], struct entry_bytes *ret)
{
	static const struct hash zero;
	bool founds = hash_eq(&p->id.space, &zero);
	struct entry f = {.seq = ++p->seq,
			  .time = env_now(&env_system),
			  .incarnation = p->id.incarnation,
			  .prev = p->prev};

	if (!founds)
		f.space = f.rules = p->id.space;
	entry_make(&f, author, p->appliance, salt, payload, ret);
	if (founds)
		p->id = entry_log(ret);
	p->prev = entry_hash(ret);
}

/* n entries of `bytes` bytes each, as frames of the stream. */
static inline void pen_stream(struct pen *p, struct stream_writer *w, unsigned n, size_t bytes)
{
	_cleanup_(freep) char *text = malloc(bytes + 64);
	uint8_t salt[ENTRY_SALT];
	bool open = false;

	for (unsigned i = 0; i < n; i++) {
		struct stored e = {.state = PAYLOAD_HELD};
		int at = snprintf(text, 64, "{\"type\":\"x\",\"n\":%u,\"t\":\"", i);

		memset(text + at, 'a' + i % 26, bytes);
		memcpy(text + bytes - 2, "\"}", 2);
		crypto_random(salt, sizeof(salt));
		e.payload = span_of(text, bytes);
		memcpy(e.salt, salt, sizeof(salt));
		pen_write(p, NULL, e.payload, salt, &e.raw);
		e.seq = p->seq;
		if (!open)
			stream_entries_begin(w, &p->id);
		open = true;
		if (!stream_entries_add(w, &e, false)) {
			stream_entries_end(w);
			stream_entries_begin(w, &p->id);
			if (!stream_entries_add(w, &e, false))
				abort();
		}
	}
	if (open)
		stream_entries_end(w);
}
