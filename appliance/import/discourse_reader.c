/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Finds where one JSON object ends and the next begins, by counting brackets outside of strings. A
 * line's end inside a string is not JSON: it shows that a line was cut, and the next one is tried.
 */
#include "appliance/import/discourse.h"
#include "sync/base/buf.h"

struct discourse_reader {
	FILE *f;
	size_t line; /* of the next byte, from 1 */
	bool ended;
	struct buf object;
};

struct error *discourse_reader_new(FILE *f, struct discourse_reader **ret)
{
	struct discourse_reader *r = calloc(1, sizeof(*r));

	ENSURE(r, error_new(ERR_NOMEM, N_("The box has run out of memory. Try again soon.")));
	r->f = f;
	r->line = 1;
	*ret = r;
	return NULL;
}

void discourse_reader_free(struct discourse_reader *r)
{
	if (!r)
		return;
	buf_release(&r->object);
	free(r);
}

static struct error *at_line(enum error_code code, const char *msgid, size_t line)
{
	char number[24];

	snprintf(number, sizeof(number), "%zu", line);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
#pragma GCC diagnostic ignored "-Wformat-security"
	return error_new(code, msgid, number);
#pragma GCC diagnostic pop
}

static int next_byte(struct discourse_reader *r)
{
	int c = getc_unlocked(r->f);

	r->line += c == '\n';
	return c;
}

static void skip_line(struct discourse_reader *r)
{
	int c;

	do
		c = next_byte(r);
	while (c != '\n' && c != EOF);
}

/* The state of the scan: how many brackets are open, and whether inside a string. */
struct scan {
	size_t depth;
	bool string, escape;
};

/* False when c can't stand here. */
static bool scan_byte(struct scan *s, int c)
{
	if (s->string) {
		if (c == '\n')
			return false;
		if (s->escape)
			s->escape = false;
		else if (c == '\\')
			s->escape = true;
		else if (c == '"')
			s->string = false;
	} else if (c == '"') {
		s->string = true;
	} else if (c == '{' || c == '[') {
		s->depth++;
	} else if (c == '}' || c == ']') {
		s->depth--;
	}
	return true;
}

/* Read one object, whose "{" was read already, into r->object. */
static struct error *read_object(struct discourse_reader *r, size_t line)
{
	struct scan s = {.depth = 1};
	int c;

	buf_clear(&r->object);
	buf_putc(&r->object, '{');
	while (s.depth) {
		c = next_byte(r);
		if (c == EOF) {
			r->ended = true;
			ENSURE(!ferror(r->f), error_new(ERR_IO, N_("The file can't be read.")));
			return at_line(ERR_MALFORMED,
				       N_("Line %s: the file ends in the middle of a topic."),
				       line);
		}
		if (r->object.n >= DISCOURSE_TOPIC) {
			r->ended = true;
			return at_line(ERR_LIMIT, N_("Line %s: the topic is too large."), line);
		}
		if (!scan_byte(&s, c))
			return at_line(ERR_MALFORMED,
				       N_("Line %s: a text is not closed before the line ends."),
				       r->line - 1);
		buf_putc(&r->object, (char)c);
	}
	return NULL;
}

struct error *discourse_next(struct discourse_reader *r, struct arena *a,
			     struct discourse_topic **ret)
{
	int c = EOF;
	size_t line;

	if (!r->ended) {
		do
			c = next_byte(r);
		while (c == ' ' || c == '\t' || c == '\n' || c == '\r' ||
		       (r->line == 1 && (c == 0xef || c == 0xbb || c == 0xbf))); /* a BOM */
	}
	if (c == EOF) {
		ENSURE(r->ended || !ferror(r->f), error_new(ERR_IO, N_("The file can't be read.")));
		r->ended = true;
		*ret = NULL;
		return NULL;
	}
	line = r->line;
	if (c != '{') {
		skip_line(r);
		return at_line(ERR_MALFORMED,
			       N_("Line %s: a topic, that is \"{\", should begin here."), line);
	}
	TRY(read_object(r, line));
	return discourse_parse(buf_span(&r->object), line, a, ret);
}
