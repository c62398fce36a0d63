/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/box/clock.h"
#include "appliance/box/box.h"

#define AHEAD_MS INT64_C(60000)

struct newest {
	struct app *app;
	struct log_store *log;
	int64_t time;
};

static struct error *note_time(void *ctx, const struct stored *e)
{
	struct newest *n = ctx;
	struct entry entry;

	entry_decode(&e->raw, &entry);
	if (entry.time > n->time)
		n->time = entry.time;
	return NULL;
}

static struct error *look_at_log(void *ctx, const struct log_info *info)
{
	struct newest *n = ctx;
	struct error *e = NULL;

	if (pubkey_eq(&info->id.appliance, secret_pubkey(n->app->self)) && info->head)
		e = log_range(n->log, info->num, info->head, info->head, note_time, n);
	if (error_is(e, ERR_CORRUPT)) { /* verify tells of it */
		error_free(e);
		e = NULL;
	}
	return e;
}

struct error *box_clock_begin(struct app *a)
{
	_cleanup_(conn_closep) struct conn *c = NULL;
	_cleanup_(freep) char *path = path_join(a->dir, "clock");
	struct newest n = {.app = a};
	struct clock_state was;
	int64_t known;

	/* What the file remembers is later, and was judged: an entry that a clock gone mad has
	 * dated must not be known for ever after. */
	if (!a->clock || clock_file_read(path, &was, &known))
		return NULL;
	TRY(app_conn(a, &c));
	n.log = c->log;
	TRY(log_each(c->log, NULL, look_at_log, &n));
	if (n.time > 0)
		clock_env_seen(a->clock, n.time);
	return NULL;
}

struct clock_state box_clock_state(struct app *a)
{
	_cleanup_(freep) char *path = path_join(a->dir, "clock");
	struct clock_state s = {.quality = CLOCK_UNSURE};
	int64_t known;

	if (a->clock)
		return clock_env_state(a->clock);
	return clock_file_read(path, &s, &known) ? s : (struct clock_state){.quality = CLOCK_UNSURE};
}

bool box_clock_due(enum clock_quality q, int64_t offset_ms, int64_t now_ms)
{
	/* Nobody can set the system's clock back, so that a year mistyped must not get there. */
	if (q == CLOCK_TOLD && offset_ms > CLOCK_LEAP_MS && now_ms >= LIMIT_TIME_FIRST)
		return false;
	return (q == CLOCK_FROM_PEERS || q == CLOCK_FROM_SEEN || q == CLOCK_TOLD) &&
	       offset_ms > AHEAD_MS;
}

struct error *box_clock_push(struct app *a)
{
	struct clock_state s;
	char text[24];

	if (!a->clock || !box_has_helper(a->box.helper))
		return NULL;
	s = clock_env_state(a->clock);
	/* Nor is it set by what fewer peers say than agree: it would be known for ever after. */
	if (s.quality == CLOCK_FROM_PEERS && !s.agreed)
		return NULL;
	if (!box_clock_due(s.told ? CLOCK_TOLD : s.quality, s.offset_ms, env_now(&env_system)))
		return NULL;
	snprintf(text, sizeof(text), "%lld", (long long)(env_now(&env_system) + s.offset_ms));
	return BOX_ASK(a->box.helper, NULL, "clock", text);
}
