/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/http/uploads.h"
#include "appliance/community/writer.h"
#include <pthread.h>
#include <sys/statvfs.h>

struct uploads {
	const struct env *env;
	char *dir;
	pthread_mutex_t lock;
	struct sending *first;
};

struct uploads *uploads_new(const struct env *env, const char *dir)
{
	struct uploads *u = calloc(1, sizeof(*u));

	if (!u)
		abort();
	u->env = env;
	u->dir = strdup(dir);
	pthread_mutex_init(&u->lock, NULL);
	return u;
}

void uploads_free(struct uploads *u)
{
	if (!u)
		return;
	pthread_mutex_destroy(&u->lock);
	free(u->dir);
	free(u);
}

/* A disk that can't be asked counts as free: what is written will say it. */
static uint64_t room_of(const struct uploads *u)
{
	struct statvfs v;

	return statvfs(u->dir, &v) ? UINT64_MAX : (uint64_t)v.f_bavail * v.f_frsize;
}

static bool same_client(const struct sending *a, const struct sending *b)
{
	return memcmp(&a->client, &b->client, sizeof(a->client)) == 0;
}

static bool is_large(const struct sending *s)
{
	return s->length > UPLOAD_LARGE;
}

/* Of what was promised, still to come. */
static uint64_t owed(const struct sending *s)
{
	uint64_t all = s->length * s->copies;

	return all > s->written ? all - s->written : 0;
}

static bool is_behind(const struct uploads *u, const struct sending *s)
{
	int64_t ms = env_mono(u->env) - s->began - UPLOAD_GRACE_MS;

	return ms > 0 &&
	       s->written < (uint64_t)ms * (s->stranger ? UPLOAD_STRANGER_PACE : UPLOAD_PACE);
}

struct sums {
	uint64_t client, strangers, all, owed;
	unsigned alike; /* of this client, as large or as small */
};

static struct sums add_up(const struct uploads *u, const struct sending *s)
{
	struct sums n = {.owed = owed(s), .all = s->length};

	n.client = s->length;
	n.strangers = s->stranger ? s->length : 0;
	for (const struct sending *o = u->first; o; o = o->next) {
		bool mine = same_client(o, s);

		if (o->late)
			continue;
		n.all += o->length;
		n.owed += owed(o);
		n.client += mine ? o->length : 0;
		n.strangers += o->stranger ? o->length : 0;
		n.alike += mine && is_large(o) == is_large(s);
	}
	return n;
}

static struct error *check(const struct uploads *u, const struct sending *s)
{
	struct sums n = add_up(u, s);
	uint64_t keep = s->length > LIMIT_FILE_INLINE + LIMIT_FORM ? LIMIT_FILE_ROOM : WRITER_ROOM;
	uint64_t room = room_of(u);

	ENSURE(n.alike < (is_large(s) ? UPLOADS_LARGE : UPLOADS_SMALL) &&
		       n.client <= UPLOADS_CLIENT,
	       error_new(ERR_BUSY,
			 N_("Other files are being sent from where you are. Wait until they have "
			    "arrived, and then send this one.")));
	ENSURE(room > keep && room - keep > owed(s),
	       error_new(ERR_FULL,
			 N_("There is too little room left on this box for this file. Ask a "
			    "volunteer.")));
	ENSURE((!s->stranger || n.strangers <= UPLOADS_STRANGERS) && n.all <= UPLOADS_ALL &&
		       room - keep > n.owed,
	       error_new(ERR_BUSY,
			 N_("Many people are sending files to this box. Try again in some "
			    "minutes.")));
	return NULL;
}

/* With the lock. False: all keep their pace. */
static bool pass_over_the_slow(struct uploads *u)
{
	bool any = false;

	for (struct sending *o = u->first; o; o = o->next) {
		if (o->late || !is_behind(u, o))
			continue;
		o->late = any = true;
	}
	return any;
}

struct error *uploads_begin(struct uploads *u, struct sending *s)
{
	struct error *e;

	s->written = 0;
	s->late = false;
	s->began = env_mono(u->env);
	pthread_mutex_lock(&u->lock);
	e = check(u, s);
	if (error_is(e, ERR_BUSY) && pass_over_the_slow(u))
		error_replace(&e, check(u, s));
	if (!e) {
		s->next = u->first;
		u->first = s;
		s->listed = true;
	}
	pthread_mutex_unlock(&u->lock);
	return e;
}

struct error *uploads_go_on(struct uploads *u, struct sending *s, size_t n)
{
	int64_t most = s->stranger ? UPLOAD_STRANGER_MS : UPLOAD_MS;
	bool late;

	pthread_mutex_lock(&u->lock);
	late = s->late || env_mono(u->env) - s->began > most;
	s->late = late;
	pthread_mutex_unlock(&u->lock);
	ENSURE(s->written + n <= s->length,
	       error_new(ERR_LIMIT, N_("What was sent is larger than this box accepts here.")));
	ENSURE(!late,
	       error_new(ERR_LIMIT,
			 N_("This file came too slowly, and others wait. Try again nearer to the "
			    "box, or on a better line.")));
	ENSURE(room_of(u) > WRITER_ROOM + n,
	       error_new(ERR_FULL, N_("There is too little room on this box to take this file now. "
				      "Try again later.")));
	pthread_mutex_lock(&u->lock);
	s->written += n;
	pthread_mutex_unlock(&u->lock);
	return NULL;
}

void uploads_end(struct uploads *u, struct sending *s)
{
	struct sending **at;

	if (!s->listed)
		return;
	pthread_mutex_lock(&u->lock);
	for (at = &u->first; *at != s; at = &(*at)->next)
		;
	*at = s->next;
	pthread_mutex_unlock(&u->lock);
	s->listed = false;
}
