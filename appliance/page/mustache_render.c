/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/page/mustache_priv.h"

struct indent {
	const struct indent *outer;
	struct span text;
};

struct render {
	const struct mustache *m;
	struct buf *out;
	size_t limit; /* of out->n */
	unsigned steps;
	unsigned depth; /* of the stack of values */
	const json_t *stack[MUSTACHE_DEPTH + 1];
};

/* Where the rendering is: which template, how deep, how far indented. */
struct frame {
	const struct mustache_unit *unit;
	const struct indent *indent;
	unsigned depth;
};

static struct error *run(struct render *r, const struct frame *f, unsigned from, unsigned to);

static struct error *too_much(const struct frame *f, const struct mustache_op *op, const char *what)
{
	return mustache_error(ERR_LIMIT, f->unit->name, op->line, what);
}

void html_escape(struct buf *out, struct span s)
{
	static const char *const escapes[256] = {['&'] = "&amp;",
						 ['<'] = "&lt;",
						 ['>'] = "&gt;",
						 ['"'] = "&quot;",
						 ['\''] = "&#39;"};
	size_t from = 0;

	for (size_t i = 0; i < s.n; i++) {
		const char *escape = escapes[s.p[i]];

		if (!escape)
			continue;
		buf_add(out, s.p + from, i - from);
		buf_puts(out, escape);
		from = i + 1;
	}
	if (from < s.n)
		buf_add(out, s.p + from, s.n - from);
}

/* The first name is looked for from the innermost value outwards, the rest inside what it gave. */
static const json_t *look_up(const struct render *r, const struct mustache_path *path)
{
	const json_t *v = NULL;
	unsigned i = r->depth;

	if (!path->n)
		return r->stack[r->depth - 1];
	while (i-- > 0 && !v)
		v = json_object_getn(r->stack[i], path->keys[0].s, path->keys[0].n);
	for (unsigned k = 1; v && k < path->n; k++)
		v = json_object_getn(v, path->keys[k].s, path->keys[k].n);
	return v;
}

static bool is_true(const json_t *v)
{
	switch (v ? json_typeof(v) : JSON_NULL) {
	case JSON_NULL:
	case JSON_FALSE:
		return false;
	case JSON_ARRAY:
		return json_array_size(v) > 0;
	case JSON_STRING:
		return json_string_length(v) > 0;
	case JSON_INTEGER:
		return json_integer_value(v) != 0;
	case JSON_REAL:
		return json_real_value(v) != 0;
	default:
		return true;
	}
}

static void put_value(struct render *r, const json_t *v, bool escape)
{
	struct span s = {0};
	char number[40];

	switch (v ? json_typeof(v) : JSON_NULL) {
	case JSON_STRING:
		s = span_of(json_string_value(v), json_string_length(v));
		break;
	case JSON_INTEGER:
		snprintf(number, sizeof(number), "%" JSON_INTEGER_FORMAT, json_integer_value(v));
		s = span_str(number);
		break;
	case JSON_REAL:
		snprintf(number, sizeof(number), "%.15g", json_real_value(v));
		s = span_str(number);
		break;
	case JSON_TRUE:
		s = span_str("true");
		break;
	case JSON_FALSE:
		s = span_str("false");
		break;
	default:
		return;
	}
	if (escape)
		html_escape(r->out, s);
	else
		buf_add_span(r->out, s);
}

/* An integer in groups of three digits; anything else as it is. */
static void put_count(struct render *r, const json_t *v)
{
	char digits[40];
	size_t n;

	if (!json_is_integer(v)) {
		put_value(r, v, true);
		return;
	}
	n = (size_t)snprintf(digits, sizeof(digits), "%" JSON_INTEGER_FORMAT,
			     json_integer_value(v));
	for (size_t i = 0; i < n; i++) {
		if (i && (n - i) % 3 == 0 && digits[i - 1] != '-')
			html_escape(r->out, span_str(r->m->thousands));
		buf_putc(r->out, digits[i]);
	}
}

static void put_indent(struct render *r, const struct indent *in)
{
	if (!in)
		return;
	put_indent(r, in->outer);
	buf_add_span(r->out, in->text);
}

/* Text of several lines, each indented as the partial that it is in. */
static void put_indented(struct render *r, const struct frame *f, const struct mustache_op *op)
{
	struct span s = op->text;
	bool line_start = op->line_start;

	while (s.n) {
		const uint8_t *end = memchr(s.p, '\n', s.n);
		size_t n = end ? (size_t)(end - s.p) + 1 : s.n;

		if (line_start)
			put_indent(r, f->indent);
		buf_add(r->out, s.p, n);
		s = span_of(s.p + n, s.n - n);
		line_start = true;
	}
}

static struct error *put_section(struct render *r, const struct frame *f, unsigned at)
{
	const struct mustache_op *op = &f->unit->ops[at];
	const json_t *v = look_up(r, &op->path);
	struct frame inner = {f->unit, f->indent, f->depth + 1};
	struct error *e = NULL;

	if (!is_true(v))
		return NULL;
	ENSURE(inner.depth <= MUSTACHE_DEPTH && r->depth <= MUSTACHE_DEPTH,
	       too_much(f, op, "the values are nested too deeply"));
	r->depth++;
	if (json_is_array(v)) {
		for (size_t i = 0; !e && i < json_array_size(v); i++) {
			r->stack[r->depth - 1] = json_array_get(v, i);
			r->steps++;
			e = run(r, &inner, at + 1, op->end);
		}
	} else {
		r->stack[r->depth - 1] = v;
		e = run(r, &inner, at + 1, op->end);
	}
	r->depth--;
	return e;
}

static struct error *put_partial(struct render *r, const struct frame *f,
				 const struct mustache_op *op)
{
	struct indent indent = {f->indent, op->text};
	struct frame inner = {op->partial, NULL, f->depth + 1};

	if (op->line_start) /* within a line, a partial keeps its own lines as they are */
		inner.indent = op->text.n ? &indent : f->indent;

	ENSURE(inner.depth <= MUSTACHE_DEPTH,
	       too_much(f, op, "the templates are nested too deeply"));
	return run(r, &inner, 0, op->partial->n);
}

static struct error *put_plural(struct render *r, const struct frame *f, unsigned at)
{
	const struct mustache_op *op = &f->unit->ops[at];
	const json_t *v = look_up(r, &op->path);
	bool one = json_is_integer(v) && json_integer_value(v) == 1;

	return one ? run(r, f, at + 1, op->middle) : run(r, f, op->middle, op->end);
}

/* One operation; returns what comes after it in *next. */
static struct error *step(struct render *r, const struct frame *f, unsigned at, unsigned *next)
{
	const struct mustache_op *op = &f->unit->ops[at];

	*next = at + 1;
	switch (op->kind) {
	case OP_TEXT:
		if (f->indent)
			put_indented(r, f, op);
		else
			buf_add_span(r->out, op->text);
		return NULL;
	case OP_INDENT:
		put_indent(r, f->indent);
		return NULL;
	case OP_VALUE:
	case OP_RAW:
		put_value(r, look_up(r, &op->path), op->kind == OP_VALUE);
		return NULL;
	case OP_COUNT:
		put_count(r, look_up(r, &op->path));
		return NULL;
	case OP_SECTION:
		*next = op->end;
		return put_section(r, f, at);
	case OP_INVERTED:
		if (is_true(look_up(r, &op->path)))
			*next = op->end;
		return NULL;
	case OP_PARTIAL:
		return put_partial(r, f, op);
	case OP_PLURAL:
		*next = op->end;
		return put_plural(r, f, at);
	}
	return NULL;
}

static struct error *run(struct render *r, const struct frame *f, unsigned from, unsigned to)
{
	while (from < to) {
		const struct mustache_op *op = &f->unit->ops[from];

		ENSURE(++r->steps < MUSTACHE_STEPS && r->out->n <= r->limit,
		       too_much(f, op, "the page is too large"));
		TRY(step(r, f, from, &from));
	}
	return NULL;
}

struct error *mustache_render(const struct mustache *m, const json_t *context, struct buf *out)
{
	struct render r = {.m = m, .out = out, .limit = out->n + MUSTACHE_OUTPUT, .depth = 1};
	struct frame f = {.unit = m->first};

	r.stack[0] = context;
	return run(&r, &f, 0, m->first->n);
}
