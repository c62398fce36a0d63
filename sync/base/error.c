/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "sync/base/error.h"
#include <stdarg.h>
#include <string.h>

struct error {
	enum error_code code;
	const char *msgid;
	unsigned nargs;
	char *english;
	char args[ERROR_ARGS][ERROR_ARG_MAX];
};

static struct error out_of_memory = {.code = ERR_NOMEM,
				     .msgid = N_("The box has run out of memory. Try again soon.")};

static const struct {
	const char *name;
	int http, exit;
} rows[ERROR_CODES] = {
#define ERROR_ROW(code, name, http, exit) [code] = {name, http, exit},
	ERROR_TABLE(ERROR_ROW)
#undef ERROR_ROW
};

/* How many %s a message id has. */
static unsigned count_args(const char *s)
{
	unsigned n = 0;

	for (; *s; s++) {
		if (s[0] != '%')
			continue;
		n += s[1] == 's';
		s += s[1] != 0;
	}
	return n;
}

struct error *error_new(enum error_code code, const char *msgid, ...)
{
	struct error *e = calloc(1, sizeof(*e));
	va_list ap;

	if (!e)
		return &out_of_memory;
	e->code = code;
	e->msgid = msgid;
	e->nargs = count_args(msgid);
	if (e->nargs > ERROR_ARGS)
		e->nargs = ERROR_ARGS;
	va_start(ap, msgid);
	for (unsigned i = 0; i < e->nargs; i++) {
		const char *arg = va_arg(ap, const char *);

		snprintf(e->args[i], ERROR_ARG_MAX, "%s", arg ? arg : "?");
	}
	va_end(ap);
	return e;
}

void error_free(struct error *e)
{
	if (!e || e == &out_of_memory)
		return;
	free(e->english);
	free(e);
}

enum error_code error_code(const struct error *e)
{
	return e ? e->code : ERR_NONE;
}

void error_replace(struct error **slot, struct error *take_e)
{
	error_free(*slot);
	*slot = take_e;
}

struct error *error_copy(const struct error *e)
{
	struct error *copy;

	if (!e || e == &out_of_memory)
		return (struct error *)e;
	copy = malloc(sizeof(*copy));
	if (!copy)
		return &out_of_memory;
	memcpy(copy, e, sizeof(*copy));
	copy->english = NULL;
	return copy;
}

const char *error_msgid(const struct error *e)
{
	return e ? e->msgid : "";
}

const char *error_name(enum error_code code)
{
	return code > ERR_NONE && code < ERROR_CODES ? rows[code].name : "none";
}

enum error_code error_of_name(const void *name, size_t n)
{
	for (int c = ERR_NONE + 1; c < ERROR_CODES; c++)
		if (strlen(rows[c].name) == n && memcmp(rows[c].name, name, n) == 0)
			return (enum error_code)c;
	return ERR_NONE;
}

int error_http_status(enum error_code code)
{
	return code > ERR_NONE && code < ERROR_CODES ? rows[code].http : 200;
}

int error_exit_status(enum error_code code)
{
	return code > ERR_NONE && code < ERROR_CODES ? rows[code].exit : 0;
}

/* The argument that a directive at *fmt (just behind its '%') asks for; moves *fmt past it. */
static const char *directive(const struct error *e, const char **fmt, unsigned *next)
{
	const char *f = *fmt;
	unsigned i = *next;

	if (f[0] >= '1' && f[0] <= '9' && f[1] == '$' && f[2] == 's') {
		i = (unsigned)(f[0] - '1');
		*fmt = f + 3;
	} else if (f[0] == 's') {
		(*next)++;
		*fmt = f + 1;
	} else {
		*fmt = f + (f[0] == '%');
		return "%";
	}
	return i < e->nargs ? e->args[i] : "?";
}

char *error_text(const struct error *e, error_translate_fn *translate, void *ctx, char *buf,
		 size_t n)
{
	const char *fmt = !e ? "" : translate ? translate(ctx, e->msgid) : e->msgid;
	unsigned next = 0;
	size_t at = 0;

	while (*fmt && at + 1 < n) {
		if (*fmt != '%') {
			buf[at++] = *fmt++;
			continue;
		}
		fmt++;
		for (const char *arg = directive(e, &fmt, &next); *arg && at + 1 < n;)
			buf[at++] = *arg++;
	}
	if (n)
		buf[at] = 0;
	return buf;
}

enum { OWN_TEXT = 1200 };

static char *own_text(struct error *e)
{
	if (!e->english)
		e->english = malloc(OWN_TEXT);
	return e->english;
}

const char *error_english(struct error *e)
{
	if (!e || e == &out_of_memory || !own_text(e))
		return error_msgid(e);
	return error_text(e, NULL, NULL, e->english, OWN_TEXT);
}

const char *error_stored(struct error *e)
{
	size_t at;

	if (!e || e == &out_of_memory || !own_text(e))
		return error_msgid(e);
	snprintf(e->english, OWN_TEXT, "%s", e->msgid);
	for (unsigned i = 0; i < e->nargs; i++) {
		at = strlen(e->english);
		snprintf(e->english + at, OWN_TEXT - at, "%c%s", ERROR_ARG_MARK, e->args[i]);
	}
	return e->english;
}

char *error_stored_text(const char *stored, error_translate_fn *translate, void *ctx, char *buf,
			size_t n)
{
	char msgid[OWN_TEXT];
	struct error e = {.msgid = msgid};
	const char *mark = strchrnul(stored, ERROR_ARG_MARK);

	if (!*mark && !strchr(stored, '%')) { /* a sentence without arguments */
		snprintf(buf, n, "%s", translate ? translate(ctx, stored) : stored);
		return buf;
	}
	snprintf(msgid, sizeof(msgid), "%.*s", (int)(mark - stored), stored);
	while (*mark && e.nargs < ERROR_ARGS) {
		const char *arg = mark + 1;

		mark = strchrnul(arg, ERROR_ARG_MARK);
		snprintf(e.args[e.nargs++], ERROR_ARG_MAX, "%.*s", (int)(mark - arg), arg);
	}
	return error_text(&e, translate, ctx, buf, n);
}
