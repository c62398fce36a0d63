/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * libmicrohttpd's timeout counts only inactivity: who sends one byte now and then stays for ever.
 * Here every connection has a deadline that only a known key and real progress move.
 */
#include "sync/peer/listener_priv.h"
#include "sync/base/cond.h"
#include <arpa/inet.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <net/if.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

enum {
	REQUEST_GRACE_MS = 60000,
	LEAST_SPEED = 1024, /* bytes a second, after the grace */
	GUARD_EVERY_MS = 500,
};

static void cut(struct visitor *v)
{
	v->cut = true;
	/* The descriptor is libmicrohttpd's until guard_leave, which needs our lock. */
	shutdown(v->fd, SHUT_RDWR);
}

static bool too_late(const struct visitor *v, int64_t now)
{
	int64_t spent = now - v->began_ms;
	uint64_t moved = atomic_load(&v->bytes);

	if (!v->known)
		return spent > LISTENER_GREET_MS;
	/* Between two requests libmicrohttpd ends what stands still; what is longer there says a byte now
	 * and then of a request whose head never ends. */
	if (!v->busy)
		return spent > LISTENER_IDLE_S * 1000 + REQUEST_GRACE_MS;
	return spent > REQUEST_GRACE_MS + (int64_t)(moved / LEAST_SPEED) * 1000;
}

/* Bytes that the other side has sent so far, read here or not. */
static uint64_t came_so_far(int fd)
{
	struct tcp_info info = {.tcpi_bytes_received = 0};
	socklen_t n = sizeof(info);

	return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &n) ? 0 : info.tcpi_bytes_received;
}

/* A rest between two requests, in which nothing came. */
static bool rests(const struct visitor *v)
{
	return !v->busy && came_so_far(v->fd) <= v->came;
}

/* Does it wait for us? A worker hangs behind a slow card for as long as that takes, and all its
 * connections with it: what lies there unread is on time. Who is owed an answer has taken what was sent,
 * or it is its turn, whatever else it sends. */
static bool is_our_turn(const struct visitor *v)
{
	int n = 0;

	if (atomic_load(&v->working))
		return true;
	if (v->busy && atomic_load(&v->answering))
		return ioctl(v->fd, SIOCOUTQ, &n) == 0 && n == 0;
	return ioctl(v->fd, FIONREAD, &n) == 0 && n > 0;
}

/* The other side is gone and everything it sent was read, but libmicrohttpd waits on: over TLS it
 * can miss the end of a connection that broke in the middle of a request, until the idle time is
 * over. */
static bool hung_up(const struct visitor *v)
{
	struct pollfd p = {v->fd, POLLRDHUP, 0};
	int unread = 0;

	return v->busy && poll(&p, 1, 0) == 1 && (p.revents & (POLLRDHUP | POLLHUP | POLLERR)) &&
	       ioctl(v->fd, FIONREAD, &unread) == 0 && unread == 0;
}

/* One look at a connection, `spent` after the last. With the lock. */
static void look_at(struct visitor *v, int64_t now, int64_t spent)
{
	bool late;

	if (v->cut)
		return;
	if (v->known && is_our_turn(v))
		v->began_ms += spent;
	late = too_late(v, now);
	v->stalled |= late && v->known && !rests(v);
	if (late || hung_up(v))
		cut(v);
}

static void *guard(void *arg)
{
	struct listener *l = arg;
	int64_t last = env_mono(l->o.env);

	pthread_mutex_lock(&l->lock);
	while (!l->stop) {
		int64_t now = env_mono(l->o.env);
		struct timespec until;

		for (struct visitor *v = l->visitors; v; v = v->next)
			look_at(v, now, now - last);
		last = now;
		until = cond_in_ms(GUARD_EVERY_MS);
		pthread_cond_timedwait(&l->wake, &l->lock, &until);
	}
	pthread_mutex_unlock(&l->lock);
	return NULL;
}

struct error *guard_start(struct listener *l)
{
	pthread_mutex_init(&l->lock, NULL);
	cond_init_monotonic(&l->wake);
	l->guarded = pthread_create(&l->guard, NULL, guard, l) == 0;
	ENSURE(l->guarded, error_new(ERR_INTERNAL, N_("A thread could not be started.")));
	return NULL;
}

void guard_stop(struct listener *l)
{
	if (l->guarded) {
		pthread_mutex_lock(&l->lock);
		l->stop = true;
		pthread_cond_broadcast(&l->wake);
		pthread_mutex_unlock(&l->lock);
		pthread_join(l->guard, NULL);
	}
	pthread_cond_destroy(&l->wake);
	pthread_mutex_destroy(&l->lock);
}

/* --- how fast they come --- */
static void net_of(const struct sockaddr *a, uint8_t net[16])
{
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)a;

	memset(net, 0, 16);
	if (a->sa_family == AF_INET)
		memcpy(net + 12, &((const struct sockaddr_in *)(const void *)a)->sin_addr, 4);
	else if (a->sa_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr))
		memcpy(net + 12, &v6->sin6_addr.s6_addr[12], 4);
	else if (a->sa_family == AF_INET6) /* one house has a whole /64 */
		memcpy(net, &v6->sin6_addr, 8);
}

static struct arrivals *arrivals_of(struct listener *l, const uint8_t net[16], int64_t now)
{
	struct arrivals *oldest = &l->arrivals[0];

	for (size_t i = 0; i < LISTENER_ARRIVALS; i++) {
		struct arrivals *a = &l->arrivals[i];

		if (a->at && memcmp(a->net, net, 16) == 0)
			return a;
		if (a->at < oldest->at)
			oldest = a;
	}
	memcpy(oldest->net, net, 16);
	oldest->left = LISTENER_BURST * 1000;
	oldest->at = now;
	return oldest;
}

bool guard_accepts(struct listener *l, const struct sockaddr *from)
{
	int64_t now = env_mono(l->o.env);
	struct arrivals *a;
	uint8_t net[16];
	bool ok;

	net_of(from, net);
	pthread_mutex_lock(&l->lock);
	a = arrivals_of(l, net, now);
	a->left += (uint64_t)(now - a->at) * LISTENER_RATE;
	if (a->left > LISTENER_BURST * 1000)
		a->left = LISTENER_BURST * 1000;
	a->at = now;
	ok = a->left >= 1000;
	if (ok)
		a->left -= 1000;
	pthread_mutex_unlock(&l->lock);
	return ok;
}

/* Strangers never take the last places: of too many the oldest goes. With the lock. */
static void bound_strangers(struct listener *l)
{
	struct visitor *oldest = NULL;
	int strangers = 0;

	for (struct visitor *o = l->visitors; o; o = o->next) {
		if (o->known || o->cut)
			continue;
		strangers++;
		oldest = o; /* new ones are put in front */
	}
	if (strangers > LISTENER_STRANGERS)
		cut(oldest);
}

struct visitor *guard_enter(struct listener *l, int fd)
{
	struct visitor *v = calloc(1, sizeof(*v));

	if (!v)
		abort();
	v->l = l;
	v->fd = fd;
	v->began_ms = env_mono(l->o.env);
	pthread_mutex_lock(&l->lock);
	v->next = l->visitors;
	if (v->next)
		v->next->prev = v;
	l->visitors = v;
	bound_strangers(l);
	pthread_mutex_unlock(&l->lock);
	return v;
}

bool guard_leave(struct visitor *v)
{
	struct listener *l = v->l;
	bool stalled;

	pthread_mutex_lock(&l->lock);
	stalled = v->stalled;
	if (v->next)
		v->next->prev = v->prev;
	if (v->prev)
		v->prev->next = v->next;
	else
		l->visitors = v->next;
	pthread_mutex_unlock(&l->lock);
	free(v);
	return stalled;
}

/* The peer's requests in hand, and the oldest of them. With the lock. */
static int busy_of(struct listener *l, const struct pubkey *key, struct visitor **ret_oldest)
{
	int busy = 0;

	for (struct visitor *o = l->visitors; o; o = o->next) {
		if (!o->busy || o->cut || !pubkey_eq(&o->key, key))
			continue;
		if (!busy++ || o->began_ms < (*ret_oldest)->began_ms)
			*ret_oldest = o;
	}
	return busy;
}

/* A key may come from many addresses at once. With the lock. */
static void bound_idle(struct listener *l, const struct visitor *but, const struct pubkey *key)
{
	struct visitor *oldest = NULL;
	int idle = 0;

	for (struct visitor *o = l->visitors; o; o = o->next) {
		if (o == but || !o->known || o->busy || o->cut || !pubkey_eq(&o->key, key))
			continue;
		if (!idle++ || o->began_ms < oldest->began_ms)
			oldest = o;
	}
	if (idle > LISTENER_IDLE_PER_PEER)
		cut(oldest);
}

void guard_request(struct visitor *v, const struct pubkey *key)
{
	struct listener *l = v->l;
	struct visitor *oldest = NULL;

	pthread_mutex_lock(&l->lock);
	if (busy_of(l, key, &oldest) >= LISTENER_PER_PEER)
		cut(oldest); /* most likely one whose connection died without telling us */
	bound_idle(l, v, key);
	v->known = v->busy = true;
	v->key = *key;
	v->began_ms = env_mono(l->o.env);
	atomic_store(&v->bytes, 0);
	atomic_store(&v->answering, false);
	pthread_mutex_unlock(&l->lock);
}

void guard_done(struct visitor *v)
{
	pthread_mutex_lock(&v->l->lock);
	v->busy = false;
	v->came = came_so_far(v->fd);
	v->began_ms = env_mono(v->l->o.env);
	pthread_mutex_unlock(&v->l->lock);
}

void guard_works(struct visitor *v, bool begins)
{
	atomic_fetch_add(&v->working, begins ? 1 : -1);
}

void guard_answers(struct visitor *v)
{
	atomic_store(&v->answering, true);
}

void listener_recheck(struct listener *l)
{
	pthread_mutex_lock(&l->lock);
	for (struct visitor *v = l->visitors; v; v = v->next)
		if (!v->cut && v->known && !l->o.approved(l->o.ctx, &v->key))
			cut(v);
	pthread_mutex_unlock(&l->lock);
}

void guard_address(const struct sockaddr *a, int port, char *out, size_t size)
{
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)a;
	char text[INET6_ADDRSTRLEN], interface[IF_NAMESIZE] = "";

	*out = 0;
	if (!a || !port)
		return;
	if (a->sa_family == AF_INET) {
		inet_ntop(AF_INET, &((const struct sockaddr_in *)(const void *)a)->sin_addr, text,
			  sizeof(text));
		snprintf(out, size, "%s:%d", text, port);
	} else if (a->sa_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr)) {
		inet_ntop(AF_INET, &v6->sin6_addr.s6_addr[12], text, sizeof(text));
		snprintf(out, size, "%s:%d", text, port);
	} else if (a->sa_family == AF_INET6) {
		inet_ntop(AF_INET6, &v6->sin6_addr, text, sizeof(text));
		if (IN6_IS_ADDR_LINKLOCAL(&v6->sin6_addr))
			if_indextoname(v6->sin6_scope_id, interface);
		snprintf(out, size, "[%s%s%s]:%d", text, interface[0] ? "%" : "", interface, port);
	}
}
