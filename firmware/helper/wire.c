/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "firmware/helper/wire.h"
#include "sync/base/line.h"

#define FAULT_ROW(id, name, code, msgid) {name, code, msgid},
static const struct {
	const char *name;
	enum error_code code;
	const char *msgid;
} faults[FAULTS] = {FAULT_TABLE(FAULT_ROW)};
#undef FAULT_ROW

const char *fault_name(enum fault f)
{
	return faults[f].name;
}

enum fault fault_by_name(const char *name)
{
	int f = 0;

	while (f < FAULTS && strcmp(faults[f].name, name) != 0)
		f++;
	return (enum fault)f;
}

struct error *fault_error(enum fault f, const char *detail)
{
	return faults[f].msgid ? error_new(faults[f].code, faults[f].msgid, detail) : NULL;
}

bool words_parse(struct span message, struct words *ret)
{
	struct words w = {.n = 0};

	if (!message.n || message.n > HELPER_REQUEST || message.p[message.n - 1])
		return false;
	while (message.n) {
		size_t len = strlen((const char *)message.p);

		if (!len || len > HELPER_WORD || w.n == HELPER_WORDS)
			return false;
		w.v[w.n++] = (const char *)message.p;
		message.p += len + 1;
		message.n -= len + 1;
	}
	*ret = w;
	return true;
}

bool words_write(struct buf *out, const char *const *v, size_t n)
{
	struct words again;

	for (size_t i = 0; i < n; i++)
		buf_add(out, v[i], strlen(v[i]) + 1);
	return words_parse(buf_span(out), &again) && again.n == n;
}

void answer_write(struct buf *message, const struct answer *a)
{
	size_t room;

	buf_add(message, fault_name(a->fault), strlen(fault_name(a->fault)) + 1);
	buf_add(message, a->detail, strlen(a->detail) + 1);
	room = HELPER_ANSWER - message->n;
	buf_add(message, buf_str(&a->out), a->out.n < room ? a->out.n : room);
}

/* The next text that a zero byte ends, borrowed; NULL. */
static const char *next_text(struct span *rest)
{
	const uint8_t *end = rest->n ? memchr(rest->p, 0, rest->n) : NULL;
	const char *s = (const char *)rest->p;

	if (!end)
		return NULL;
	rest->n -= (size_t)(end - rest->p) + 1;
	rest->p = end + 1;
	return s;
}

bool answer_parse(struct span message, struct answer *ret)
{
	const char *name, *detail;
	enum fault f;

	if (message.n > HELPER_ANSWER)
		return false;
	name = next_text(&message);
	detail = name ? next_text(&message) : NULL;
	f = detail ? fault_by_name(name) : FAULTS;
	if (f == FAULTS)
		return false;
	ret->fault = f;
	line_clean(span_str(detail), ret->detail, sizeof(ret->detail));
	buf_clear(&ret->out);
	buf_add_span(&ret->out, message);
	return true;
}
