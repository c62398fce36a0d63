/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "firmware/update/outcome.h"
#include "sync/base/file.h"

enum { PARTS = 8, DIGITS = 9, LINE = UPDATE_SAID + 20 };

#define STAGE_ROW(id, name) name,
static const char *const stages[] = {UPDATE_STAGES(STAGE_ROW)};
#undef STAGE_ROW
#define WHY_ROW(id, name, text) {name, text},
static const struct {
	const char *name, *text;
} whys[] = {UPDATE_REASONS(WHY_ROW)};
#undef WHY_ROW

const char *update_stage_name(enum update_stage s)
{
	return stages[s];
}

bool update_ended(enum update_stage s)
{
	return s >= UPDATE_DONE;
}

const char *update_why_name(enum update_why w)
{
	return whys[w].name;
}

const char *update_why_text(enum update_why w)
{
	return whys[w].text;
}

enum update_why update_why_by_name(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(whys); i++)
		if (strcmp(whys[i].name, name) == 0)
			return (enum update_why)i;
	return WHY_INSTALL;
}

static enum update_stage stage_by_name(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(stages); i++)
		if (strcmp(stages[i], name) == 0)
			return (enum update_stage)i;
	return UPDATE_NONE;
}

/* Letters that a file's name or a version may have. */
static void take(const char *value, char *out, size_t size)
{
	const char *fine = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";

	if (strlen(value) < size && strspn(value, fine) == strlen(value))
		snprintf(out, size, "%s", value);
}

/* One line of ASCII, without spaces at its ends; what is too long loses its end. */
static void take_said(struct span line, char out[UPDATE_SAID])
{
	size_t n = 0;

	for (size_t i = 0; i < line.n && n + 1 < UPDATE_SAID; i++) {
		bool plain = line.p[i] > ' ' && line.p[i] <= '~';

		if (plain || (n && out[n - 1] != ' '))
			out[n++] = plain ? (char)line.p[i] : ' ';
	}
	while (n && out[n - 1] == ' ')
		n--;
	out[n] = 0;
}

static bool speaks_of_an_error(const char *line)
{
	static const char *const words[] = {"LastError: ", "rror", "ailed", "not provided"};

	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (strstr(line, words[i]))
			return true;
	return false;
}

void update_said(struct span printed, char out[UPDATE_SAID])
{
	static const char last_error[] = "LastError: ";
	bool found = false;

	out[0] = 0;
	while (printed.n) {
		const uint8_t *end = memchr(printed.p, '\n', printed.n);
		size_t n = end ? (size_t)(end - printed.p) : printed.n;
		char line[UPDATE_SAID];

		take_said(span_of(printed.p, n), line);
		n += end != NULL;
		printed = span_of(printed.p + n, printed.n - n);
		/* What it only tells on its way. */
		if (strncmp(line, "rauc-Message", strlen("rauc-Message")) == 0)
			continue;
		if (!*line || (found && !speaks_of_an_error(line)))
			continue;
		found = speaks_of_an_error(line);
		if (strncmp(line, last_error, sizeof(last_error) - 1) == 0) {
			/* In its own words; what follows only repeats that it failed. */
			memcpy(out, line + sizeof(last_error) - 1,
			       UPDATE_SAID - sizeof(last_error) + 1);
			return;
		}
		memcpy(out, line, UPDATE_SAID);
	}
}

static void take_line(struct outcome *o, const char *name, const char *value)
{
	if (strcmp(name, "stage") == 0)
		o->stage = stage_by_name(value);
	else if (strcmp(name, "why") == 0)
		o->why = update_why_by_name(value);
	else if (strcmp(name, "file") == 0)
		take(value, o->file, sizeof(o->file));
	else if (strcmp(name, "version") == 0)
		take(value, o->version, sizeof(o->version));
	else if (strcmp(name, "before") == 0)
		take(value, o->before, sizeof(o->before));
	else if (strcmp(name, "said") == 0)
		take_said(span_str(value), o->said);
	else if (strcmp(name, "format") == 0 && strlen(value) <= 6 &&
		 strspn(value, "0123456789") == strlen(value))
		o->format = (int)strtol(value, NULL, 10);
	else if (strcmp(name, "when") == 0 && strlen(value) <= 15 &&
		 strspn(value, "0123456789") == strlen(value))
		o->when_ms = strtoll(value, NULL, 10);
}

void update_outcome_parse(struct span text, struct outcome *ret)
{
	struct outcome o = {.stage = UPDATE_NONE};

	while (text.n) {
		const uint8_t *end = memchr(text.p, '\n', text.n);
		size_t n = end ? (size_t)(end - text.p) : text.n;
		char line[LINE], *eq;

		if (n < sizeof(line) && !memchr(text.p, 0, n)) {
			memcpy(line, text.p, n);
			line[n] = 0;
			eq = strchr(line, '=');
			if (eq) {
				*eq = 0;
				take_line(&o, line, eq + 1);
			}
		}
		n += end != NULL;
		text = span_of(text.p + n, text.n - n);
	}
	*ret = o;
}

size_t update_outcome_format(const struct outcome *o, char out[OUTCOME_MAX])
{
	return (size_t)snprintf(
		out, OUTCOME_MAX,
		"stage=%s\nwhy=%s\nfile=%s\nversion=%s\nbefore=%s\nformat=%d\nwhen=%lld\nsaid=%s\n",
		update_stage_name(o->stage), update_why_name(o->why), o->file, o->version,
		o->before, o->format, (long long)o->when_ms, o->said);
}

struct error *update_outcome_read(const char *path, struct outcome *ret)
{
	_cleanup_(buf_release) struct buf b = {0};
	struct error *e = file_read(path, OUTCOME_MAX, &b);

	if (error_is(e, ERR_NOT_FOUND)) {
		error_free(e);
		e = NULL;
	}
	TRY(e);
	update_outcome_parse(buf_span(&b), ret);
	return NULL;
}

struct error *update_outcome_write(const char *path, const struct outcome *o)
{
	char text[OUTCOME_MAX];
	size_t n = update_outcome_format(o, text);

	return file_write(path, span_of(text, n), 0644);
}

/* --- versions --------------------------------------------------------------------------------- */

/* The next number of *v, which moves behind it and its point; -1: there is none, -2: it is none. */
static long next_number(const char **v)
{
	size_t n = strspn(*v, "0123456789");
	long number;

	if (!n)
		return **v ? -2 : -1;
	if (n > DIGITS || ((*v)[n] && (*v)[n] != '.') || ((*v)[n] == '.' && !(*v)[n + 1]))
		return -2;
	number = strtol(*v, NULL, 10);
	*v += n + ((*v)[n] == '.');
	return number;
}

bool version_ok(const char *v)
{
	int parts = 0;
	long n;

	while ((n = next_number(&v)) >= 0)
		if (++parts > PARTS)
			return false;
	return n == -1 && parts > 0;
}

int version_compare(const char *a, const char *b)
{
	if (!version_ok(a) || !version_ok(b))
		return version_ok(a) - version_ok(b);
	for (;;) {
		long x = next_number(&a), y = next_number(&b);

		if (x != y)
			return x < y ? -1 : 1;
		if (x < 0)
			return 0;
	}
}
