/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "sync/peer/address.h"
#include "sync/peer/listener_priv.h"

enum {
	THREADS = 4,	    /* a write makes its thread wait; the others go on */
	MEMORY = 32 * 1024, /* one connection's headers and bytes on their way in */
};

static void noticed(void *cls, struct MHD_Connection *c, void **socket_context,
		    enum MHD_ConnectionNotificationCode what)
{
	struct listener *l = cls;
	struct visitor *v = *socket_context;

	if (what == MHD_CONNECTION_NOTIFY_STARTED) {
		const union MHD_ConnectionInfo *fd =
			MHD_get_connection_info(c, MHD_CONNECTION_INFO_CONNECTION_FD);

		*socket_context = guard_enter(l, fd ? fd->connect_fd : -1);
	} else if (v) {
		struct sync_report sum = v->sum;
		struct pubkey key = v->key;
		bool known = v->known, stalled;
		/* They come every minute: a closed door is no news. */
		bool in_vain = v->closed && !sum.received && !sum.filled && !sum.sent;
		char error[PEER_ERROR];

		memcpy(error, v->error, sizeof(error));
		*socket_context = NULL;
		stalled = guard_leave(v);
		if (stalled && l->o.misdeed)
			l->o.misdeed(l->o.ctx, &key, MISDEED_STALL, "");
		if (known && !in_vain)
			l->o.ended(l->o.ctx, &key, &sum, error[0] ? error : NULL);
	}
}

static enum MHD_Result accepts(void *cls, const struct sockaddr *from, socklen_t n)
{
	return guard_accepts(cls, from) ? MHD_YES : MHD_NO;
}

static struct error *start_daemon(struct listener *l, int fd)
{
	/* Not epoll: with it libmicrohttpd 0.9.75 asks again and again, without a pause, while a
	 * handshake waits for its client. */
	unsigned flags = MHD_USE_POLL_INTERNAL_THREAD | MHD_USE_ITC | MHD_USE_TLS |
			 MHD_USE_SUPPRESS_DATE_NO_CLOCK;
	const struct tls_identity *tls = l->o.tls;

	/* Asked for a trust list, libmicrohttpd asks clients for a certificate. What they show is
	 * judged by its key alone, in listener_answer.c. */
	l->daemon = MHD_start_daemon(
		flags, 0, accepts, l, answer_request, l, MHD_OPTION_LISTEN_SOCKET, (MHD_socket)fd,
		MHD_OPTION_HTTPS_MEM_KEY, tls_key_pem(tls), MHD_OPTION_HTTPS_MEM_CERT,
		tls_cert_pem(tls), MHD_OPTION_HTTPS_MEM_TRUST, tls_cert_pem(tls),
		MHD_OPTION_HTTPS_PRIORITIES, tls_priorities, MHD_OPTION_TLS_NO_ALPN, 1,
		MHD_OPTION_THREAD_POOL_SIZE, (unsigned)THREADS, MHD_OPTION_CONNECTION_LIMIT,
		(unsigned)LISTENER_CONNECTIONS, MHD_OPTION_PER_IP_CONNECTION_LIMIT,
		(unsigned)LISTENER_PER_IP, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)LISTENER_IDLE_S,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)MEMORY, MHD_OPTION_STRICT_FOR_CLIENT, 1,
		MHD_OPTION_NOTIFY_CONNECTION, noticed, l, MHD_OPTION_NOTIFY_COMPLETED,
		answer_completed, l, MHD_OPTION_END);
	ENSURE(l->daemon, error_new(ERR_INTERNAL, N_("The listener for other boxes could not "
						     "start.")));
	return NULL;
}

static void listener_free(struct listener *l)
{
	if (l->daemon)
		MHD_stop_daemon(l->daemon);
	guard_stop(l);
	tallies_free(l->tallies);
	free(l->name);
	free(l);
}

struct error *listener_start(const struct listener_options *o, struct listener **ret)
{
	struct listener *l;
	struct address where;
	struct error *err;
	int fd, port;

	TRY(address_parse(o->listen, &where));
	TRY(address_listen(&where, &fd, &port));
	l = calloc(1, sizeof(*l));
	if (!l || !(l->name = strdup(o->name)))
		abort();
	l->o = *o;
	l->o.name = l->name;
	l->o.listen = NULL;
	l->port = port;
	l->tallies = tallies_new();
	err = guard_start(l);
	if (err)
		close(fd);
	else
		err = start_daemon(l, fd); /* the socket is libmicrohttpd's from here on */
	if (err) {
		listener_free(l);
		return err;
	}
	*ret = l;
	return NULL;
}

void listener_stop(struct listener *l)
{
	if (l)
		listener_free(l);
}

int listener_port(const struct listener *l)
{
	return l->port;
}
