/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "sync/clock/clock_env.h"
#include "sync/base/buf.h"
#include "sync/base/file.h"
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/timex.h>
#include <unistd.h>

enum {
	KEEP_EVERY_MS = 600000, /* a card is not worn out for it */
	WROTE_BEYOND_MS = 2 * KEEP_EVERY_MS,
	ASK_EVERY_MS = 10000,
};

struct clock_env {
	struct env env; /* ours */
	const struct env *under;
	bool (*synced)(void);
	char *path;
	pthread_mutex_t lock;
	struct clock clock;
	enum clock_quality quality;
	bool agreed;	      /* several peers say so */
	int64_t last, offset; /* last told */
	int64_t asked_mono, kept_mono;
};

static bool system_synced(void)
{
	struct timex t = {.modes = 0};
	int state = adjtimex(&t);

	return state >= 0 && state != TIME_ERROR && !(t.status & STA_UNSYNC);
}

/* --- the file: known, quality, offset; and, perhaps, what a person told --- */
bool clock_file_read(const char *path, struct clock_state *ret, int64_t *ret_known)
{
	_cleanup_(buf_release) struct buf text = {0};
	struct error *e = file_read(path, 200, &text);
	char quality[16] = "";
	int64_t known, offset;
	bool ok = !e && sscanf(buf_str(&text), "%" SCNd64 " %15s %" SCNd64, &known, quality,
			       &offset) == 3;

	error_free(e);
	if (!ok)
		return false;
	*ret = (struct clock_state){.quality = CLOCK_UNSURE, .offset_ms = offset};
	for (int q = CLOCK_SURE; q <= CLOCK_TOLD; q++)
		if (strcmp(quality, clock_quality_name((enum clock_quality)q)) == 0)
			ret->quality = (enum clock_quality)q;
	*ret_known = known;
	return true;
}

static int64_t told_in_file(const char *path)
{
	_cleanup_(buf_release) struct buf text = {0};
	struct error *e = file_read(path, 200, &text);
	int64_t told = 0;

	if (e || sscanf(buf_str(&text), "%*d %*s %*d %" SCNd64, &told) != 1)
		told = 0;
	error_free(e);
	return told;
}

/* With the lock. A full disk: what was kept before stays. now: the guess itself, not what was told last. */
static void keep(struct clock_env *c, int64_t now, int64_t mono)
{
	_cleanup_(buf_release) struct buf text = {0};
	bool by_few = c->quality == CLOCK_FROM_PEERS && !c->agreed;
	int64_t told = !c->clock.told ? 0 : !by_few ? now : clock_of_told(&c->clock, mono);

	/* Nor may what a person said, who can mistype, nor what one peer said, who could say it again after
	 * each start. */
	if (told || by_few)
		now = clock_floor(&c->clock, mono);
	/* What nothing confirms may be a clock gone mad: it must not be known for ever after. */
	if (c->quality == CLOCK_UNSURE && c->clock.known && now - c->clock.known > CLOCK_LEAP_MS)
		now = c->clock.known;
	buf_printf(&text, "%" PRId64 " %s %" PRId64, now, clock_quality_name(c->quality),
		   c->offset);
	if (told)
		buf_printf(&text, " %" PRId64, told);
	buf_puts(&text, "\n");
	error_free(file_write(c->path, buf_span(&text), 0600));
	c->kept_mono = mono;
}

static int64_t tell(struct clock_env *c)
{
	int64_t system = env_now(c->under), mono = env_mono(c->under), now, guess;
	enum clock_quality before = c->quality;
	bool was_agreed = c->agreed, better;

	if (mono - c->asked_mono >= ASK_EVERY_MS || !c->asked_mono) {
		clock_synced(&c->clock, c->synced());
		c->asked_mono = mono;
	}
	guess = now = clock_now(&c->clock, system, mono, &c->quality);
	c->agreed = c->quality == CLOCK_FROM_PEERS && clock_agreed(&c->clock, mono);
	better = (c->quality == CLOCK_SURE && before != CLOCK_SURE) || (c->agreed && !was_agreed);
	if (now < c->last && !better)
		now = c->last;
	c->last = now;
	c->offset = now - system;
	if (c->quality == CLOCK_SURE || c->agreed) {
		clock_seen(&c->clock, guess, mono);
		clock_forget_told(&c->clock);
	}
	if (c->quality != before || c->agreed != was_agreed || mono - c->kept_mono >= KEEP_EVERY_MS)
		keep(c, guess, mono);
	return now;
}

static int64_t now_ms(void *ctx)
{
	struct clock_env *c = ctx;
	int64_t now;

	pthread_mutex_lock(&c->lock);
	now = tell(c);
	pthread_mutex_unlock(&c->lock);
	return now;
}

static int64_t mono_ms(void *ctx)
{
	return env_mono(((struct clock_env *)ctx)->under);
}

static void random_bytes(void *ctx, void *out, size_t n)
{
	env_random(((struct clock_env *)ctx)->under, out, n);
}

/* One that can't be read counts as one that goes: then one peer alone moves nothing. Kernels that know such
 * clocks have the folder, also on a board without one; where it is not there, the machine is a guest of one
 * that shows nothing. */
static int64_t hardware_clock(void)
{
	_cleanup_(buf_release) struct buf text = {0};
	int64_t s = 0;
	struct error *e;

	if (access("/sys/class/rtc", F_OK) == 0 && access("/sys/class/rtc/rtc0", F_OK) && errno == ENOENT)
		return 0;
	e = file_read("/sys/class/rtc/rtc0/since_epoch", 40, &text);
	if (!e && sscanf(buf_str(&text), "%" SCNd64, &s) == 1 && s < INT64_MAX / 1000)
		return s * 1000;
	error_free(e);
	return CLOCK_HARDWARE_UNKNOWN;
}

/* With what the system says at the start: later one may have been set and the other not. The machine's own
 * tells whole seconds, and is not quite as fast: a little behind what is known is no sign of anything. */
static void compare_hardware(struct clock_env *c, int64_t rtc, int64_t known)
{
	int64_t system = env_now(c->under);
	bool stood = !rtc || rtc < known - CLOCK_APART_MS;

	clock_stood(&c->clock, stood);
	if (!stood && rtc != CLOCK_HARDWARE_UNKNOWN && llabs(rtc - system) <= CLOCK_APART_MS)
		clock_backed(&c->clock);
}

struct clock_env *clock_env_new(const char *path, const struct env *under, bool (*synced)(void),
				int64_t (*hardware)(void))
{
	struct clock_env *c = calloc(1, sizeof(*c));
	struct clock_state state;
	int64_t known = 0, rtc = hardware ? hardware() : hardware_clock();

	if (!c || !(c->path = strdup(path)))
		abort();
	c->under = under;
	c->synced = synced ? synced : system_synced;
	c->env = (struct env){c, now_ms, mono_ms, random_bytes};
	c->quality = CLOCK_UNSURE;
	pthread_mutex_init(&c->lock, NULL);
	if (clock_file_read(path, &state, &known))
		clock_seen(&c->clock, known, env_mono(under));
	clock_was_told(&c->clock, told_in_file(path), env_mono(under));
	compare_hardware(c, rtc, known);
	c->kept_mono = env_mono(under) - KEEP_EVERY_MS;
	return c;
}

void clock_env_free(struct clock_env *c)
{
	if (!c)
		return;
	c->kept_mono = INT64_MIN / 2;
	tell(c); /* and keeps */
	pthread_mutex_destroy(&c->lock);
	free(c->path);
	free(c);
}

const struct env *clock_env_get(struct clock_env *c)
{
	return &c->env;
}

void clock_env_seen(struct clock_env *c, int64_t time_ms)
{
	pthread_mutex_lock(&c->lock);
	clock_seen(&c->clock, time_ms, env_mono(c->under));
	pthread_mutex_unlock(&c->lock);
}

bool clock_env_told(struct clock_env *c, int64_t time_ms)
{
	int64_t mono = env_mono(c->under);
	bool taken;

	pthread_mutex_lock(&c->lock);
	taken = clock_told(&c->clock, time_ms, mono);
	if (taken) {
		c->last = 0;
		c->kept_mono = INT64_MIN / 2;
		tell(c); /* and keeps */
	}
	pthread_mutex_unlock(&c->lock);
	return taken;
}

void clock_env_wrote(struct clock_env *c, int64_t time_ms)
{
	pthread_mutex_lock(&c->lock);
	if (!c->clock.known || time_ms - c->clock.known <= WROTE_BEYOND_MS)
		clock_seen(&c->clock, time_ms, env_mono(c->under));
	pthread_mutex_unlock(&c->lock);
}

void clock_env_heard(struct clock_env *c, const struct pubkey *key, int64_t ahead_ms)
{
	pthread_mutex_lock(&c->lock);
	clock_heard(&c->clock, key, (int64_t)((uint64_t)tell(c) + (uint64_t)ahead_ms),
		    env_mono(c->under));
	pthread_mutex_unlock(&c->lock);
}

struct clock_state clock_env_state(struct clock_env *c)
{
	struct clock_state s;
	int64_t now;

	pthread_mutex_lock(&c->lock);
	now = tell(c);
	s = (struct clock_state){c->quality, c->offset, c->clock.told != 0, c->agreed,
				 clock_word(&c->clock, c->quality, now, env_mono(c->under))};
	pthread_mutex_unlock(&c->lock);
	return s;
}
