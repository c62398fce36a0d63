/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/import/discourse.h"
#include "sync/base/limits.h"
#include <jansson.h>

/* Where we are, for errors: the object's line and the path of what holds the field. */
struct place {
	size_t line;
	char path[48]; /* "" or "post_stream.posts[3]." */
};

static struct error *bad_field(const struct place *p, const char *field, const char *why)
{
	char line[24], path[120];

	snprintf(line, sizeof(line), "%zu", p->line);
	snprintf(path, sizeof(path), "%s%s", p->path, field);
	if (!*field && *path) /* the thing itself, without the dot */
		path[strlen(path) - 1] = 0;
	return error_new(ERR_MALFORMED, N_("Line %s: the field %s %s."), line, path, why);
}

/* ---- fields ---------------------------------------------------------------------------------- */

/* NULL for what is missing or null. */
static const json_t *get(const json_t *object, const char *field)
{
	const json_t *v = json_object_get(object, field);

	return json_is_null(v) ? NULL : v;
}

static struct error *get_int(const struct place *p, const json_t *o, const char *field,
			     int64_t otherwise, int64_t *ret)
{
	const json_t *v = get(o, field);

	ENSURE(!v || json_is_integer(v), bad_field(p, field, "is not a whole number"));
	*ret = v ? json_integer_value(v) : otherwise;
	ENSURE(*ret >= 0, bad_field(p, field, "is below zero"));
	return NULL;
}

static struct error *get_bool(const struct place *p, const json_t *o, const char *field, bool *ret)
{
	const json_t *v = get(o, field);

	ENSURE(!v || json_is_boolean(v), bad_field(p, field, "is neither true nor false"));
	*ret = json_is_true(v);
	return NULL;
}

/* The text on one line without control characters, cut to `max` bytes; NULL when it is empty. */
static const char *one_line(struct arena *a, const char *s, size_t n, size_t max)
{
	static const char more[] = "…";
	char *to = arena_strn(a, s, n);
	size_t at = 0;

	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)s[i];

		if (c > ' ' && c != 0x7f)
			to[at++] = s[i];
		else if (at && to[at - 1] != ' ')
			to[at++] = ' ';
	}
	while (at && to[at - 1] == ' ')
		at--;
	if (at > max) {
		for (at = max - (sizeof(more) - 1); ((unsigned char)to[at] & 0xc0) == 0x80;)
			at--;
		memcpy(to + at, more, sizeof(more) - 1);
		at += sizeof(more) - 1;
	}
	to[at] = 0;
	return at ? to : NULL;
}

/* *ret is NULL for a missing or empty text, unless it must be there. */
static struct error *get_line(const struct place *p, const json_t *o, const char *field, bool must,
			      size_t max, struct arena *a, const char **ret)
{
	const json_t *v = get(o, field);

	ENSURE(v || !must, bad_field(p, field, "is missing"));
	ENSURE(!v || json_is_string(v), bad_field(p, field, "is not a text"));
	*ret = v ? one_line(a, json_string_value(v), json_string_length(v), max) : NULL;
	ENSURE(*ret || !must, bad_field(p, field, "is empty"));
	return NULL;
}

/* ---- dates ----------------------------------------------------------------------------------- */

/* n digits at s, -1 when they are not. */
static int digits(const char *s, unsigned n)
{
	int v = 0;

	for (; n; n--, s++) {
		if (*s < '0' || *s > '9')
			return -1;
		v = v * 10 + (*s - '0');
	}
	return v;
}

/* Days since 1970 in the Gregorian calendar (Howard Hinnant's days_from_civil). */
static int64_t days_since_1970(int64_t y, int m, int d)
{
	int64_t era, yoe, doy;

	y -= m <= 2;
	era = (y >= 0 ? y : y - 399) / 400;
	yoe = y - era * 400;
	doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
	return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

/* The offset behind a time: "Z" or "+01:30"; false when it is neither. */
static bool parse_offset(const char *s, int64_t *ret_minutes)
{
	int h, m;

	*ret_minutes = 0;
	if ((*s == 'Z' || *s == 'z') && !s[1])
		return true;
	if (*s != '+' && *s != '-')
		return false;
	h = digits(s + 1, 2);
	m = h < 0 || s[3] != ':' ? -1 : digits(s + 4, 2);
	if (h < 0 || h > 23 || m < 0 || m > 59 || s[6])
		return false;
	*ret_minutes = (*s == '-' ? -1 : 1) * (60 * h + m);
	return true;
}

/* RFC 3339 section 5.6, such as 2017-04-07T17:17:00.000Z. */
static bool parse_date(const char *s, int64_t *ret_ms)
{
	static const int days[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	int y, mo, d, h, mi, sec, ms = 0, scale = 100;
	int64_t offset;

	if (strlen(s) < 20 || s[4] != '-' || s[7] != '-' ||
	    (s[10] != 'T' && s[10] != 't' && s[10] != ' ') || s[13] != ':' || s[16] != ':')
		return false;
	y = digits(s, 4);
	mo = digits(s + 5, 2);
	d = digits(s + 8, 2);
	h = digits(s + 11, 2);
	mi = digits(s + 14, 2);
	sec = digits(s + 17, 2);
	if (mo == 2 && d == 29 && (y % 4 || (y % 100 == 0 && y % 400)))
		return false;
	if (y < 0 || mo < 1 || mo > 12 || d < 1 || d > days[mo - 1] || h < 0 || h > 23 || mi < 0 ||
	    mi > 59 || sec < 0 || sec > 60)
		return false;
	s += 19;
	if (*s == '.' && (s[1] < '0' || s[1] > '9'))
		return false;
	for (s += *s == '.'; *s >= '0' && *s <= '9'; s++, scale /= 10)
		ms += scale * (*s - '0');
	if (!parse_offset(s, &offset))
		return false;
	*ret_ms =
		(((days_since_1970(y, mo, d) * 24 + h) * 60 + mi - offset) * 60 + sec) * 1000 + ms;
	return true;
}

static struct error *get_date(const struct place *p, const json_t *o, const char *field,
			      bool *ret_there, int64_t *ret)
{
	const json_t *v = get(o, field);

	*ret_there = v != NULL;
	if (!v)
		return NULL;
	ENSURE(json_is_string(v) && parse_date(json_string_value(v), ret),
	       bad_field(p, field, "is not a date"));
	return NULL;
}

/* ---- posts ----------------------------------------------------------------------------------- */

enum { POST_NOTICE = 3, POST_WHISPER = 4 };

/* *ret_shown is false for a post that was not for everybody. */
static struct error *parse_post(const struct place *p, const json_t *o, struct arena *a,
				struct discourse_post *ret, bool *ret_shown)
{
	const json_t *cooked = get(o, "cooked");
	bool dated, deleted;
	int64_t type;

	ENSURE(json_is_object(o), bad_field(p, "", "is not an object"));
	TRY(get_int(p, o, "post_number", 0, &ret->number));
	ENSURE(ret->number, bad_field(p, "post_number", "is missing"));
	TRY(get_line(p, o, "username", true, LIMIT_NAME, a, &ret->username));
	TRY(get_line(p, o, "name", false, LIMIT_NAME, a, &ret->name));
	TRY(get_date(p, o, "created_at", &dated, &ret->created_ms));
	ENSURE(dated, bad_field(p, "created_at", "is missing"));
	ENSURE(cooked, bad_field(p, "cooked", "is missing"));
	ENSURE(json_is_string(cooked), bad_field(p, "cooked", "is not a text"));
	ENSURE(json_string_length(cooked) <= DISCOURSE_COOKED,
	       bad_field(p, "cooked", "is too long"));
	TRY(get_int(p, o, "reply_to_post_number", 0, &ret->reply_to));
	TRY(get_int(p, o, "post_type", 1, &type));
	TRY(get_bool(p, o, "user_deleted", &deleted));
	*ret_shown = type != POST_WHISPER && !deleted && !get(o, "deleted_at");
	ret->notice = type == POST_NOTICE;
	if (!ret->name)
		ret->name = ret->username;
	ret->cooked = span_of(arena_strn(a, json_string_value(cooked), json_string_length(cooked)),
			      json_string_length(cooked));
	return NULL;
}

static int by_number(const void *a, const void *b)
{
	int64_t x = ((const struct discourse_post *)a)->number;
	int64_t y = ((const struct discourse_post *)b)->number;

	return (x > y) - (x < y);
}

static struct error *parse_posts(struct place *p, const json_t *posts, struct arena *a,
				 struct discourse_topic *t)
{
	size_t n = json_array_size(posts);

	ENSURE(n, bad_field(p, "post_stream.posts", "is empty"));
	ENSURE(n <= DISCOURSE_POSTS, bad_field(p, "post_stream.posts", "has too many posts"));
	t->posts = arena_array(a, struct discourse_post, n);
	for (size_t i = 0; i < n; i++) {
		bool shown = false;

		snprintf(p->path, sizeof(p->path), "post_stream.posts[%zu].", i);
		TRY(parse_post(p, json_array_get(posts, i), a, &t->posts[t->posts_n], &shown));
		if (shown)
			t->posts_n++;
		else
			t->left_out++;
	}
	p->path[0] = 0;
	qsort(t->posts, t->posts_n, sizeof(*t->posts), by_number);
	for (size_t i = 1; i < t->posts_n; i++)
		ENSURE(t->posts[i - 1].number < t->posts[i].number,
		       bad_field(p, "post_stream.posts", "has two posts of one post_number"));
	return NULL;
}

/* ---- topics ---------------------------------------------------------------------------------- */

static struct error *parse_head(const struct place *p, const json_t *o, struct arena *a,
				struct discourse_topic *t)
{
	const char *slug = NULL;
	int64_t id = 0;
	bool dated;

	TRY(get_line(p, o, "title", true, LIMIT_TITLE, a, &t->title));
	TRY(get_line(p, o, "slug", false, 255, a, &slug));
	TRY(get_int(p, o, "id", 0, &id));
	TRY(get_bool(p, o, "closed", &t->closed));
	TRY(get_bool(p, o, "pinned", &t->pinned));
	TRY(get_date(p, o, "created_at", &dated, &t->created_ms));
	if (!dated && t->posts_n)
		t->created_ms = t->posts[0].created_ms;
	if (id)
		t->key = arena_printf(a, "discourse:%lld:%s", (long long)id, slug ? slug : "");
	else
		t->key = arena_printf(a, "discourse::%lld:%s", (long long)t->created_ms, t->title);
	return NULL;
}

static struct error *parse_topic(struct place *p, const json_t *o, struct arena *a,
				 struct discourse_topic *t)
{
	const json_t *stream = get(o, "post_stream");
	const json_t *posts = json_is_object(stream) ? get(stream, "posts") : NULL;
	const json_t *ids = json_is_object(stream) ? get(stream, "stream") : NULL;

	ENSURE(stream, bad_field(p, "post_stream", "is missing"));
	ENSURE(json_is_object(stream), bad_field(p, "post_stream", "is not an object"));
	ENSURE(posts, bad_field(p, "post_stream.posts", "is missing"));
	ENSURE(json_is_array(posts), bad_field(p, "post_stream.posts", "is not a list"));
	ENSURE(!ids || json_is_array(ids), bad_field(p, "post_stream.stream", "is not a list"));
	TRY(parse_posts(p, posts, a, t));
	if (json_array_size(ids) > json_array_size(posts))
		t->not_here = json_array_size(ids) - json_array_size(posts);
	return parse_head(p, o, a, t);
}

struct error *discourse_parse(struct span json, size_t line, struct arena *a,
			      struct discourse_topic **ret)
{
	struct place p = {.line = line};
	struct discourse_topic *t;
	json_error_t why;
	_cleanup_(json_decrefp) json_t *o = NULL;

	ENSURE(json.n <= DISCOURSE_TOPIC, bad_field(&p, "post_stream", "is too large"));
	o = json_loadb((const char *)json.p, json.n, JSON_REJECT_DUPLICATES, &why);
	if (!o) {
		char number[24];

		snprintf(number, sizeof(number), "%zu",
			 line + (size_t)(why.line > 1 ? why.line - 1 : 0));
		return error_new(ERR_MALFORMED, N_("Line %s: this is not JSON: %s."), number,
				 why.text);
	}
	if (!json_is_object(o)) {
		snprintf(p.path, sizeof(p.path), "topic.");
		return bad_field(&p, "", "is not an object");
	}
	t = arena_new(a, struct discourse_topic);
	t->line = line;
	TRY(parse_topic(&p, o, a, t));
	*ret = t;
	return NULL;
}
