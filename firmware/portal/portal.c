/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "firmware/portal/portal.h"
#include <arpa/inet.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum state { STRANGER, LET_GO, STATES };

static const struct move {
	enum state next;
	enum portal_answer answer;
} moves[STATES][PORTAL_EVENTS] = {
	[STRANGER] =
		{[PORTAL_ASKS] = {STRANGER, PORTAL_PAGE}, [PORTAL_TAPS] = {LET_GO, PORTAL_WELL}},
	[LET_GO] = {[PORTAL_ASKS] = {LET_GO, PORTAL_WELL}, [PORTAL_TAPS] = {LET_GO, PORTAL_WELL}},
};

struct portal {
	const struct env *env;
	pthread_mutex_t lock;
	bool is_open;
	struct portal_place place;
	/* Those that were let go; who is not here is a stranger. */
	struct known {
		struct portal_device device;
		int64_t until; /* env_mono; 0: free */
	} known[PORTAL_DEVICES];
};

bool portal_address_good(const char *address)
{
	struct in_addr four;

	return inet_pton(AF_INET, address, &four) == 1;
}

struct portal *portal_new(const struct env *env)
{
	struct portal *p = calloc(1, sizeof(*p));

	if (!p)
		abort();
	p->env = env;
	pthread_mutex_init(&p->lock, NULL);
	return p;
}

void portal_free(struct portal *p)
{
	if (!p)
		return;
	pthread_mutex_destroy(&p->lock);
	free(p);
}

void portal_open(struct portal *p, const struct portal_place *place)
{
	pthread_mutex_lock(&p->lock);
	p->is_open = true;
	p->place = *place;
	pthread_mutex_unlock(&p->lock);
}

void portal_close(struct portal *p)
{
	pthread_mutex_lock(&p->lock);
	p->is_open = false;
	memset(p->known, 0, sizeof(p->known));
	pthread_mutex_unlock(&p->lock);
}

bool portal_where(struct portal *p, struct portal_place *ret)
{
	bool is_open;

	pthread_mutex_lock(&p->lock);
	is_open = p->is_open;
	if (is_open)
		*ret = p->place;
	pthread_mutex_unlock(&p->lock);
	return is_open;
}

/* Where it is kept; or, for a new one, the place that is free or becomes so first. */
static struct known *find(struct portal *p, struct portal_device d, int64_t now, bool *ret_there)
{
	struct known *room = &p->known[0];

	for (size_t i = 0; i < PORTAL_DEVICES; i++) {
		struct known *k = &p->known[i];

		*ret_there = k->until > now && memcmp(&k->device, &d, sizeof(d)) == 0;
		if (*ret_there)
			return k;
		if (k->until < room->until)
			room = k;
	}
	return room;
}

enum portal_answer portal_event(struct portal *p, struct portal_device d, enum portal_event event)
{
	int64_t now = env_mono(p->env);
	enum portal_answer answer = PORTAL_NOTHING;
	struct move m;
	bool there;

	pthread_mutex_lock(&p->lock);
	if (p->is_open) {
		struct known *k = find(p, d, now, &there);

		m = moves[there ? LET_GO : STRANGER][event];
		if (m.next == LET_GO && !there)
			*k = (struct known){d, now + PORTAL_HOURS * INT64_C(3600000)};
		answer = m.answer;
	}
	pthread_mutex_unlock(&p->lock);
	return answer;
}

bool portal_knows(struct portal *p, struct portal_device d)
{
	int64_t now = env_mono(p->env);
	bool there;

	pthread_mutex_lock(&p->lock);
	find(p, d, now, &there);
	pthread_mutex_unlock(&p->lock);
	return there;
}
