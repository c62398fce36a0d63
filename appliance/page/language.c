/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/page/language.h"
#include "appliance/page/catalog.h"
#include "appliance/page/language_table.h"
#include <strings.h>
#include <time.h>

enum { MAX = 16, ACCEPT_RANGES = 32 };

struct language {
	const struct language_words *words;
	struct catalog *catalog; /* NULL: English, or no file */
};
struct languages {
	size_t n;
	struct language list[MAX];
};

static const struct asset *find_asset(const struct asset *files, const char *name)
{
	for (; files && files->name; files++)
		if (strcmp(files->name, name) == 0)
			return files;
	return NULL;
}

struct error *languages_load(const struct asset *files, struct languages **ret)
{
	_cleanup_(languages_freep) struct languages *l = calloc(1, sizeof(*l));

	ENSURE(l, error_new(ERR_NOMEM, N_("The box has run out of memory. Try again soon.")));
	for (const struct language_words *w = language_table; w->code && l->n < MAX; w++) {
		struct language *row = &l->list[l->n];
		const struct asset *a;
		char name[40];

		row->words = w;
		snprintf(name, sizeof(name), "locale/%s.mo", w->code);
		a = find_asset(files, name);
		if (a)
			TRY(catalog_open(name, span_of(a->start, (size_t)(a->end - a->start)),
					 &row->catalog));
		l->n++;
	}
	*ret = STEAL(l);
	return NULL;
}

void languages_free(struct languages *l)
{
	if (!l)
		return;
	for (size_t i = 0; i < MAX; i++)
		catalog_free(l->list[i].catalog);
	free(l);
}

size_t languages_count(const struct languages *l)
{
	return l->n;
}

const struct language *languages_at(const struct languages *l, size_t i)
{
	return &l->list[i];
}

static const struct language *find_n(const struct languages *l, const char *code, size_t n)
{
	for (size_t i = 0; i < l->n; i++) {
		const char *ours = l->list[i].words->code;

		if (strlen(ours) == n && strncasecmp(ours, code, n) == 0)
			return &l->list[i];
	}
	return NULL;
}

const struct language *languages_find(const struct languages *l, const char *code)
{
	return code ? find_n(l, code, strlen(code)) : NULL;
}

/* The weight behind a language range, "; q=0.8", in thousandths. */
static unsigned weight(const char *s, const char *end)
{
	unsigned v, digit = 100;

	while (s < end && (*s == ' ' || *s == ';' || *s == '\t'))
		s++;
	if (end - s < 3 || (*s != 'q' && *s != 'Q') || s[1] != '=' || s[2] < '0' || s[2] > '1')
		return 1000;
	v = (unsigned)(s[2] - '0') * 1000;
	for (s += 3; s < end && (*s == '.' || (*s >= '0' && *s <= '9')) && digit; s++) {
		if (*s == '.')
			continue;
		v += digit * (unsigned)(*s - '0');
		digit /= 10;
	}
	return v > 1000 ? 1000 : v;
}

const struct language *languages_pick(const struct languages *l, const char *choice,
				      const char *accept, const struct language *house)
{
	const struct language *best = languages_find(l, choice);
	unsigned best_weight = 0, ranges = 0;

	if (best)
		return best;
	while (accept && *accept && ranges++ < ACCEPT_RANGES) {
		size_t n = strcspn(accept, ",");
		const char *end = accept + n;
		const struct language *one;
		unsigned w;

		while (accept < end && (*accept == ' ' || *accept == '\t'))
			accept++;
		one = find_n(l, accept, strcspn(accept, "-;, \t"));
		w = weight(accept + strcspn(accept, ";,"), end);
		if (one && w > best_weight) {
			best = one;
			best_weight = w;
		}
		accept = *end ? end + 1 : end;
	}
	if (!best)
		best = house;
	return best ? best : languages_find(l, "en");
}

const char *language_code(const struct language *l)
{
	return l->words->code;
}

const char *language_name(const struct language *l)
{
	return l->words->name;
}

const char *language_thousands(const struct language *l)
{
	return l->words->thousands;
}

const char *language_text(const struct language *l, const char *msgid)
{
	/* The empty id is the catalog's own head. */
	const char *text = l->catalog && *msgid ? catalog_find(l->catalog, msgid, 0) : NULL;

	return text ? text : msgid;
}

const char *language_plural(const struct language *l, const char *one, const char *many,
			    unsigned long n)
{
	unsigned form = l->words->plural(n);
	const char *text = l->catalog && *one ? catalog_find(l->catalog, one, form) : NULL;

	return text ? text : n == 1 ? one : many;
}

const char *language_translate(void *language, const char *msgid)
{
	return language_text(language, msgid);
}

/* ---- dates ----------------------------------------------------------------------------------- */

static struct tm local_time(int64_t ms)
{
	time_t t = (time_t)(ms / 1000 - (ms % 1000 < 0));
	struct tm tm = {0};

	if (!localtime_r(&t, &tm)) /* a year that does not fit: some peer's clock is very wrong */
		tm = (struct tm){.tm_mday = 1, .tm_year = 70};
	return tm;
}

/* fmt takes the day, the month and the year; it comes from our table only. */
static char *put_day(const char *fmt, const char *const months[12], const struct tm *tm, char *buf,
		     size_t n)
{
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	snprintf(buf, n, fmt, tm->tm_mday, months[tm->tm_mon], tm->tm_year + 1900);
#pragma GCC diagnostic pop
	return buf;
}

static char *put_time(const struct tm *tm, char *buf, size_t n)
{
	size_t at = strlen(buf);

	snprintf(buf + at, n - at, ", %d:%02d", tm->tm_hour, tm->tm_min);
	return buf;
}

char *language_date(const struct language *l, int64_t ms, char *buf, size_t n)
{
	struct tm tm = local_time(ms);

	put_day(l->words->date, l->words->months, &tm, buf, n);
	return put_time(&tm, buf, n);
}

char *language_date_short(const struct language *l, int64_t ms, char *buf, size_t n)
{
	struct tm tm = local_time(ms);

	put_day(l->words->date_short, l->words->months_short, &tm, buf, n);
	return put_time(&tm, buf, n);
}

char *language_day(const struct language *l, int64_t ms, char *buf, size_t n)
{
	struct tm tm = local_time(ms);

	return put_day(l->words->date, l->words->months, &tm, buf, n);
}

char *language_ago(const struct language *l, int64_t ms, int64_t now_ms, char *buf, size_t n)
{
	enum { MINUTE = 60, HOUR = 60 * MINUTE, DAY = 24 * HOUR };
	int64_t s = now_ms / 1000 - ms / 1000;
	const char *const *words = l->words->minutes;
	int64_t count = s / MINUTE;

	if (s < -MINUTE || s >= 30 * DAY)
		return language_day(l, ms, buf, n);
	if (s < MINUTE) {
		snprintf(buf, n, "%s", l->words->now);
		return buf;
	}
	if (s >= DAY) {
		words = l->words->days;
		count = s / DAY;
	} else if (s >= HOUR) {
		words = l->words->hours;
		count = s / HOUR;
	}
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
#pragma GCC diagnostic ignored "-Wformat-extra-args"
	snprintf(buf, n, words[count != 1], (int)count);
#pragma GCC diagnostic pop
	return buf;
}

/* ---- numbers --------------------------------------------------------------------------------- */

char *language_number(const struct language *l, int64_t v, char *buf, size_t n)
{
	char digits[24];
	size_t len = (size_t)snprintf(digits, sizeof(digits), "%lld", (long long)v), at = 0;

	if (!n)
		return buf;
	for (size_t i = 0; i < len && at + 2 < n; i++) {
		if (i && (len - i) % 3 == 0 && digits[i - 1] != '-')
			buf[at++] = l->words->thousands[0];
		buf[at++] = digits[i];
	}
	buf[at] = 0;
	return buf;
}

char *language_size(const struct language *l, uint64_t bytes, char *buf, size_t n)
{
	static const char *const units[] = {"bytes", "kB", "MB", "GB", "TB", "PB", "EB"};
	uint64_t whole = bytes, tenths = 0;
	size_t u = 0;

	while (whole >= 1000 && u + 1 < ARRAY_LEN(units)) {
		tenths = whole % 1000 / 100;
		whole /= 1000;
		u++;
	}
	if (u && whole < 10)
		snprintf(buf, n, "%d%s%d %s", (int)whole, l->words->decimal, (int)tenths, units[u]);
	else
		snprintf(buf, n, "%d %s", (int)whole, units[u]);
	return buf;
}
