/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/http/watch.h"
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>

enum { CLIENTS = 1024 };

/* Open connections, in the order in which they began to wait. */
struct watched {
	struct watched *prev, *next;
	struct limit_key client;
	void *owner;
	int fd;
	bool shed; /* shut down already */
	_Atomic enum { WAITS, WORKS, SENDS } state;
	_Atomic uint64_t held;	  /* bytes of memory */
	_Atomic int64_t deadline; /* monotonic ms; INT64_MAX: none */
};
struct lingering {
	int fd; /* -1: free */
	int64_t until;
};
struct watch {
	const struct env *env;
	const struct limits *limits;
	pthread_mutex_t mutex;
	struct watched *first, *last;
	size_t n;
	_Atomic uint64_t held;
	/* Connections of clients, counted by a part of their hash: two clients that share a place
	 * share the limit, which is generous. */
	uint16_t clients[CLIENTS];
	struct lingering lingering[WATCH_LINGERING];
	void (*tick)(void *ctx);
	void *tick_ctx;
	pthread_t thread;
	bool started;
	atomic_bool stop;
};

struct watch *watch_new(const struct env *env, const struct limits *l)
{
	struct watch *w = calloc(1, sizeof(*w));

	if (!w)
		abort();
	w->env = env;
	w->limits = l;
	pthread_mutex_init(&w->mutex, NULL);
	for (int i = 0; i < WATCH_LINGERING; i++)
		w->lingering[i].fd = -1;
	return w;
}

void watch_every_second(struct watch *w, void (*fn)(void *ctx), void *ctx)
{
	w->tick = fn;
	w->tick_ctx = ctx;
}

static void unlink_(struct watch *w, struct watched *c)
{
	*(c->prev ? &c->prev->next : &w->first) = c->next;
	*(c->next ? &c->next->prev : &w->last) = c->prev;
}

static void append(struct watch *w, struct watched *c)
{
	c->prev = w->last;
	c->next = NULL;
	*(w->last ? &w->last->next : &w->first) = c;
	w->last = c;
}

static uint16_t *client_count(struct watch *w, const struct watched *c)
{
	return &w->clients[c->client.v[1] % CLIENTS];
}

static void shed(struct watched *c)
{
	struct linger at_once = {1, 0};

	/* what was not read yet is not kept for it by the kernel either */
	if (c->state == SENDS)
		setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	c->shed = true;
	shutdown(c->fd, SHUT_RDWR);
}

/* For the newest: the longest waiting one of whom `count` counts (NULL: of the greediest); if all
 * get answers, the one that has longest not read its own. */
static void make_room(struct watch *w, const uint16_t *count)
{
	struct watched *sends = NULL;
	uint16_t most = 0;

	for (int i = 0; !count && i < CLIENTS; i++)
		most = w->clients[i] > most ? w->clients[i] : most;
	for (struct watched *c = w->first; c; c = c->next) {
		const uint16_t *its = client_count(w, c);

		if (c == w->last || c->shed || c->state == WORKS ||
		    (count ? its != count : *its < most))
			continue;
		if (c->state == WAITS) {
			shed(c);
			return;
		}
		if (!sends || c->deadline < sends->deadline)
			sends = c;
	}
	if (sends)
		shed(sends);
}

/* --- memory --- */

static void forget_held(struct watch *w, struct watched *c)
{
	w->held -= atomic_exchange(&c->held, 0);
}

/* False: there is none whose memory can be had back. */
static bool shed_heaviest(struct watch *w)
{
	struct watched *heaviest = NULL;

	for (struct watched *c = w->first; c; c = c->next) {
		if (!c->shed && c->state != WORKS && c->held &&
		    (!heaviest || c->held > heaviest->held))
			heaviest = c;
	}
	if (!heaviest)
		return false;
	shed(heaviest);
	forget_held(w, heaviest);
	return true;
}

void watch_hold(struct watch *w, struct watched *c, uint64_t bytes)
{
	uint64_t before = atomic_exchange(&c->held, bytes);
	bool more = true;

	w->held += bytes - before;
	if (bytes <= before || w->held <= WATCH_HELD)
		return;
	pthread_mutex_lock(&w->mutex);
	while (more && w->held > WATCH_HELD)
		more = shed_heaviest(w);
	pthread_mutex_unlock(&w->mutex);
}

uint64_t watch_held(struct watch *w)
{
	return w->held;
}

struct watched *watch_open(struct watch *w, int fd, struct limit_key client, void *owner)
{
	struct watched *c = calloc(1, sizeof(*c));

	if (!c)
		abort();
	c->fd = fd;
	c->client = client;
	c->owner = owner;
	c->deadline = env_mono(w->env) + WATCH_FIRST_MS;
	pthread_mutex_lock(&w->mutex);
	append(w, c);
	w->n++;
	if (++*client_count(w, c) > WATCH_CLIENT)
		make_room(w, client_count(w, c));
	else if (w->n > WATCH_ALL)
		make_room(w, NULL);
	pthread_mutex_unlock(&w->mutex);
	return c;
}

void watch_close(struct watch *w, struct watched *c)
{
	if (!c)
		return;
	pthread_mutex_lock(&w->mutex);
	unlink_(w, c);
	forget_held(w, c);
	w->n--;
	--*client_count(w, c);
	pthread_mutex_unlock(&w->mutex);
	free(c);
}

struct limit_key watched_client(const struct watched *c)
{
	return c->client;
}

void *watched_owner(const struct watched *c)
{
	return c->owner;
}

static void set(struct watched *c, int state, int64_t deadline)
{
	c->state = state;
	c->deadline = deadline;
}

void watch_head(struct watch *w, struct watched *c)
{
	set(c, WAITS, env_mono(w->env) + WATCH_FIRST_MS);
}

void watch_body(struct watch *w, struct watched *c, uint64_t bytes)
{
	int64_t ms = WATCH_BODY_MS + (int64_t)(bytes / WATCH_BYTES_PER_S) * 1000;

	set(c, WAITS, env_mono(w->env) + ms);
}

void watch_busy(struct watch *w, struct watched *c)
{
	set(c, WORKS, INT64_MAX);
}

void watch_send(struct watch *w, struct watched *c, uint64_t bytes)
{
	int64_t ms = WATCH_BODY_MS + (int64_t)(bytes / WATCH_BYTES_PER_S) * 1000;

	set(c, SENDS, env_mono(w->env) + ms);
}

/* Only when there is something to choose between is the order of waiting kept up: the lock of all
 * connections is not for every request of a quiet day. */
void watch_idle(struct watch *w, struct watched *c)
{
	set(c, WAITS, env_mono(w->env) + WATCH_KEEP_MS);
	pthread_mutex_lock(&w->mutex);
	if (w->n > WATCH_CLIENT / 2 && w->last != c) {
		unlink_(w, c);
		append(w, c);
	}
	pthread_mutex_unlock(&w->mutex);
}

void watch_linger(struct watch *w, int fd)
{
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);

	if (copy < 0)
		return;
	pthread_mutex_lock(&w->mutex);
	for (int i = 0; i < WATCH_LINGERING; i++) {
		if (w->lingering[i].fd >= 0)
			continue;
		w->lingering[i] = (struct lingering){copy, env_mono(w->env) + WATCH_LINGER_MS};
		copy = -1;
		break;
	}
	pthread_mutex_unlock(&w->mutex);
	if (copy >= 0)
		close(copy);
}

size_t watch_count(struct watch *w)
{
	size_t n;

	pthread_mutex_lock(&w->mutex);
	n = w->n;
	pthread_mutex_unlock(&w->mutex);
	return n;
}

static void end_overdue(struct watch *w)
{
	int64_t now = env_mono(w->env);

	pthread_mutex_lock(&w->mutex);
	for (struct watched *c = w->first; c; c = c->next) {
		if (!c->shed && c->deadline < now)
			shed(c);
	}
	pthread_mutex_unlock(&w->mutex);
}

/* True when there is somebody left to drain. */
static bool drain(struct watch *w, bool all)
{
	char bytes[65536];
	bool left = false;

	pthread_mutex_lock(&w->mutex);
	for (int i = 0; i < WATCH_LINGERING; i++) {
		struct lingering *l = &w->lingering[i];
		ssize_t n = 1;

		if (l->fd < 0)
			continue;
		for (int turn = 0; turn < 16 && n > 0; turn++)
			n = recv(l->fd, bytes, sizeof(bytes), MSG_DONTWAIT);
		if (n == 0 || all || env_mono(w->env) > l->until) {
			close(l->fd);
			l->fd = -1;
		}
		left |= l->fd >= 0;
	}
	pthread_mutex_unlock(&w->mutex);
	return left;
}

static void *watch_main(void *arg)
{
	struct watch *w = arg;
	int64_t next = 0;

	pthread_setname_np(pthread_self(), "http-watch");
	while (!w->stop) {
		bool lingers = drain(w, false);

		if (env_mono(w->env) >= next) {
			next = env_mono(w->env) + 1000;
			end_overdue(w);
			if (w->tick)
				w->tick(w->tick_ctx);
		}
		usleep(lingers ? 5000 : 100000);
	}
	return NULL;
}

struct error *watch_start(struct watch *w)
{
	ENSURE(pthread_create(&w->thread, NULL, watch_main, w) == 0,
	       error_new(ERR_NOMEM, N_("A thread of the web server could not be started.")));
	w->started = true;
	return NULL;
}

void watch_free(struct watch *w)
{
	if (!w)
		return;
	w->stop = true;
	if (w->started)
		pthread_join(w->thread, NULL);
	drain(w, true);
	pthread_mutex_destroy(&w->mutex);
	free(w);
}
