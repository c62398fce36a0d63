/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Terms as words, for the command line, the JSON twins and the forms. */
#include "appliance/peers/peers.h"
#include <time.h>

#define DAY_MS (24LL * 3600 * 1000)

/* --- ways ------------------------------------------------------------------------------------- */

static const char *const ways[] = {
	[0] = "none",
	[PEER_GIVE] = "give",
	[PEER_TAKE] = "take",
	[PEER_GIVE | PEER_TAKE] = "both",
};

const char *peers_ways_name(unsigned w)
{
	return ways[w & (PEER_GIVE | PEER_TAKE)];
}

struct error *peers_ways_parse(const char *name, unsigned *ret)
{
	for (unsigned w = 0; w < ARRAY_LEN(ways); w++)
		if (strcmp(name, ways[w]) == 0) {
			*ret = w;
			return NULL;
		}
	return error_new(ERR_INVALID, N_("“%s” is no direction. It is both, give, take or none."),
			 name);
}

struct error *peers_terms_set(struct peer_terms *t, const struct hash *space, unsigned w)
{
	size_t i = 0;

	while (i < t->n && !hash_eq(&t->space[i].space, space))
		i++;
	ENSURE(i < LIMIT_SPACES,
	       error_new(ERR_LIMIT, N_("The terms name more spaces than there may be.")));
	t->space[i] = (struct peer_space){*space, w};
	if (i == t->n)
		t->n++;
	return NULL;
}

/* --- how much, until when --------------------------------------------------------------------- */

struct error *peers_bytes_parse(const char *text, uint64_t unit, uint64_t *ret)
{
	static const char letters[] = "kMGT";
	uint64_t n = 0, one = unit;
	const char *s = text + strspn(text, " "), *letter;

	if (!*s) {
		*ret = 0;
		return NULL;
	}
	ENSURE(*s >= '0' && *s <= '9',
	       error_new(ERR_INVALID, N_("“%s” is no amount. Write a number, or nothing."), text));
	for (; *s >= '0' && *s <= '9' && n < UINT32_MAX; s++)
		n = n * 10 + (uint64_t)(*s - '0');
	letter = *s ? strchr(letters, *s) : NULL;
	if (letter) {
		one = 1000;
		for (const char *l = letters; l < letter; l++)
			one *= 1000;
		s++;
	}
	s += strspn(s, " ");
	ENSURE(!*s && n <= INT64_MAX / one / 2,
	       error_new(ERR_INVALID, N_("“%s” is no amount. Write a number, or nothing."), text));
	*ret = n * one;
	return NULL;
}

/* The whole day counts, in the box's time zone. */
struct error *peers_until_parse(const char *text, int64_t *ret)
{
	struct tm tm = {.tm_isdst = -1};
	int n = 0;
	time_t t;

	if (!*text) {
		*ret = 0;
		return NULL;
	}
	ENSURE(strlen(text) == 10 &&
		       sscanf(text, "%4d-%2d-%2d%n", &tm.tm_year, &tm.tm_mon, &tm.tm_mday, &n) ==
			       3 &&
		       n == 10 && tm.tm_year >= 2000 && tm.tm_year <= 9999 && tm.tm_mon >= 1 &&
		       tm.tm_mon <= 12 && tm.tm_mday >= 1 && tm.tm_mday <= 31,
	       error_new(ERR_INVALID, N_("“%s” is no date. Write it as 2027-12-31, or nothing."),
			 text));
	tm.tm_year -= 1900;
	tm.tm_mon -= 1;
	tm.tm_mday += 1;
	t = mktime(&tm);
	ENSURE(t > 0, error_new(ERR_INVALID,
				N_("“%s” is no date. Write it as 2027-12-31, or nothing."), text));
	*ret = (int64_t)t * 1000;
	return NULL;
}

const char *peers_until_text(int64_t until_ms, struct arena *arena)
{
	time_t last = (time_t)((until_ms - 1) / 1000);
	char text[40] = "";
	struct tm tm;

	if (until_ms && localtime_r(&last, &tm))
		strftime(text, sizeof(text), "%Y-%m-%d", &tm);
	return arena_str(arena, text);
}

/* --- as JSON ---------------------------------------------------------------------------------- */

struct terms_json {
	const struct peer_terms *t;
	json_t *spaces;
};

static struct error *add_space(void *ctx, const struct space_info *s)
{
	struct terms_json *j = ctx;

	json_array_append_new(j->spaces,
			      json_pack("{s:s, s:s, s:s, s:s}", "id", ID(&s->id), "short",
					ID_SHORT(&s->id), "name", s->name, "ways",
					peers_ways_name(peer_terms_ways(j->t, &s->id))));
	return NULL;
}

struct error *peers_terms_json(struct conn *c, const struct peer_terms *t, struct arena *arena,
			       json_t **ret)
{
	struct terms_json j = {t, json_array()};
	struct error *e = space_each(c, add_space, &j);

	if (e) {
		json_decref(j.spaces);
		return e;
	}
	*ret = json_pack("{s:o, s:s, s:I, s:I, s:s}", "spaces", j.spaces, "others",
			 peers_ways_name(t->others), "take_bytes", (json_int_t)t->take_bytes,
			 "give_bytes", (json_int_t)t->give_bytes, "until",
			 peers_until_text(t->until_ms, arena));
	return NULL;
}
