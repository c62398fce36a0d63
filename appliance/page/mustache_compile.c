/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/page/mustache_priv.h"

enum { DELIMITER = 16, MESSAGE = 2000 };

struct parse {
	struct mustache *m;
	const struct mustache_source *source;
	struct mustache_unit *unit;
	const char *s; /* the text and its length */
	size_t n, pos;
	unsigned line;
	char open[DELIMITER], close[DELIMITER];
	struct buf pending; /* text that has not become an operation yet */
	bool pending_line_start, at_line_start;
	struct mustache_op *ops;
	unsigned ops_n, ops_cap;
	unsigned sections[MUSTACHE_SECTIONS]; /* the open ones, as indices of operations */
	struct span section_names[MUSTACHE_SECTIONS];
	unsigned depth;
};

struct tag {
	char sigil; /* 0 a value, 't' {{_ }}, 'p' {{_n }}, otherwise the character */
	struct span body;
	size_t start, end;
};

struct error *mustache_error(enum error_code code, const char *name, unsigned line,
			     const char *what)
{
	char number[16];

	snprintf(number, sizeof(number), "%u", line);
	return error_new(code, N_("The template %s, line %s: %s."), name, number, what);
}

static struct error *fail(const struct parse *p, const char *what)
{
	return mustache_error(ERR_MALFORMED, p->unit->name, p->line, what);
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static struct span trim(struct span s)
{
	while (s.n && is_space((char)s.p[0])) {
		s.p++;
		s.n--;
	}
	while (s.n && is_space((char)s.p[s.n - 1]))
		s.n--;
	return s;
}

/* ---- operations ------------------------------------------------------------------------------ */

static struct mustache_op *push_op(struct parse *p, enum op_kind kind)
{
	struct mustache_op *op;

	if (p->ops_n == p->ops_cap) {
		p->ops_cap = p->ops_cap ? p->ops_cap * 2 : 32;
		p->ops = realloc(p->ops, p->ops_cap * sizeof(*p->ops));
		if (!p->ops)
			abort();
	}
	op = &p->ops[p->ops_n++];
	*op = (struct mustache_op){.kind = kind, .line = p->line};
	return op;
}

static void flush(struct parse *p)
{
	struct mustache_op *op;

	if (!p->pending.n)
		return;
	op = push_op(p, OP_TEXT);
	op->text = span_of(arena_copy(&p->m->arena, p->pending.p, p->pending.n), p->pending.n);
	op->line_start = p->pending_line_start;
	buf_clear(&p->pending);
}

static void add_text(struct parse *p, struct span s)
{
	if (!s.n)
		return;
	if (!p->pending.n)
		p->pending_line_start = p->at_line_start;
	buf_add_span(&p->pending, s);
	p->at_line_start = s.p[s.n - 1] == '\n';
}

/* An operation that writes, inside a line. */
static struct mustache_op *add_op(struct parse *p, enum op_kind kind)
{
	flush(p);
	if (p->at_line_start)
		push_op(p, OP_INDENT);
	p->at_line_start = false;
	return push_op(p, kind);
}

static struct error *parse_path(struct parse *p, struct span name, struct mustache_path *ret)
{
	struct mustache_key keys[MUSTACHE_KEYS];
	struct reader r = reader_of(name);
	unsigned n = 0;
	const char *text;

	if (span_is(name, ".")) {
		*ret = (struct mustache_path){0};
		return NULL;
	}
	for (size_t i = 0; i < name.n; i++)
		ENSURE(!is_space((char)name.p[i]), fail(p, "a name can't have a space in it"));
	text = arena_strn(&p->m->arena, (const char *)name.p, name.n);
	while (true) {
		const uint8_t *dot = r.rest.n ? memchr(r.rest.p, '.', r.rest.n) : NULL;
		size_t len = dot ? (size_t)(dot - r.rest.p) : r.rest.n;

		ENSURE(len, fail(p, "a name is missing"));
		ENSURE(n < MUSTACHE_KEYS, fail(p, "a dotted name has too many parts"));
		keys[n++] = (struct mustache_key){text + (r.rest.p - name.p), len};
		reader_bytes(&r, len);
		if (!dot)
			break;
		reader_bytes(&r, 1);
	}
	ret->keys = arena_copy(&p->m->arena, keys, n * sizeof(*keys));
	ret->n = n;
	return NULL;
}

/* ---- finding tags ---------------------------------------------------------------------------- */

static const char *find(const struct parse *p, size_t from, const char *what)
{
	return from < p->n ? memmem(p->s + from, p->n - from, what, strlen(what)) : NULL;
}

static void count_lines(struct parse *p, size_t from, size_t to)
{
	for (size_t i = from; i < to; i++)
		p->line += p->s[i] == '\n';
}

/* {{_ text}} and {{_n path|one|many}} */
static char translation_sigil(struct span body)
{
	if (body.n >= 2 && body.p[0] == '_' && is_space((char)body.p[1]))
		return 't';
	if (body.n >= 3 && body.p[0] == '_' && body.p[1] == 'n' && is_space((char)body.p[2]))
		return 'p';
	return 0;
}

/* The tag whose opening delimiter begins at `start`. */
static struct error *read_tag(struct parse *p, size_t start, struct tag *ret)
{
	size_t body = start + strlen(p->open);
	char sigil = body < p->n ? p->s[body] : 0, closing[DELIMITER + 1];
	const char *end;
	struct tag t = {.start = start};

	if (!sigil || !strchr("{&#^/>!=", sigil))
		sigil = 0;
	snprintf(closing, sizeof(closing), "%s%s",
		 sigil == '{'	? "}"
		 : sigil == '=' ? "="
				: "",
		 p->close);
	end = find(p, body + (sigil != 0), closing);
	ENSURE(end, fail(p, "a tag is opened and not closed"));
	body += sigil != 0;
	t.body = span_of(p->s + body, (size_t)(end - p->s) - body);
	t.end = (size_t)(end - p->s) + strlen(closing);
	t.sigil = sigil ? sigil : translation_sigil(t.body);
	if (t.sigil == 't' || t.sigil == 'p')
		t.body = span_of(t.body.p + (t.sigil == 't' ? 1 : 2),
				 t.body.n - (t.sigil == 't' ? 1 : 2));
	t.body = trim(t.body);
	*ret = t;
	return NULL;
}

/* A tag that writes nothing itself and has its line for itself takes the line with it. On true,
 * *ret_from is where its line begins and *ret_to where the next one does. */
static bool stands_alone(const struct parse *p, const struct tag *t, size_t *ret_from,
			 size_t *ret_to)
{
	size_t from = t->start, to = t->end;

	if (!t->sigil || !strchr("#^/>!=", t->sigil))
		return false;
	while (from > 0 && (p->s[from - 1] == ' ' || p->s[from - 1] == '\t'))
		from--;
	if (from > 0 && p->s[from - 1] != '\n')
		return false;
	while (to < p->n && (p->s[to] == ' ' || p->s[to] == '\t'))
		to++;
	if (to + 1 < p->n && p->s[to] == '\r' && p->s[to + 1] == '\n')
		to++;
	if (to < p->n && p->s[to] != '\n')
		return false;
	*ret_from = from;
	*ret_to = to < p->n ? to + 1 : to;
	return true;
}

/* ---- translations ---------------------------------------------------------------------------- */

/* The message id: trimmed, each run of white space one space. */
static struct error *message_id(struct parse *p, struct span text, char ret[MESSAGE])
{
	size_t n = 0;

	text = trim(text);
	ENSURE(text.n, fail(p, "there is no text to translate"));
	ENSURE(text.n < MESSAGE, fail(p, "the text to translate is too long"));
	for (size_t i = 0; i < text.n; i++) {
		if (!is_space((char)text.p[i]))
			ret[n++] = (char)text.p[i];
		else if (ret[n - 1] != ' ')
			ret[n++] = ' ';
	}
	ret[n] = 0;
	return NULL;
}

static void add_escaped(struct parse *p, const char *text, size_t n)
{
	_cleanup_(buf_release) struct buf escaped = {0};

	html_escape(&escaped, span_of(text, n));
	add_text(p, buf_span(&escaped));
}

/* Write a translated text: %(path) becomes a value, %d the number at `count` if there is one. */
static struct error *add_message(struct parse *p, const char *msgid, const char *text,
				 const struct mustache_path *count)
{
	while (*text) {
		size_t n = strcspn(text, "%");
		const char *end;

		add_escaped(p, text, n);
		text += n;
		if (text[0] == '%' && text[1] == 'd' && count) {
			add_op(p, OP_COUNT)->path = *count;
			text += 2;
		} else if (text[0] == '%' && text[1] == '(' && (end = strchr(text, ')'))) {
			struct mustache_path path = {0};

			ENSURE(memmem(msgid, strlen(msgid), text, (size_t)(end - text) + 1),
			       fail(p, "a translation names a value that the English does not"));
			TRY(parse_path(p, span_of(text + 2, (size_t)(end - text) - 2), &path));
			add_op(p, OP_VALUE)->path = path;
			text = end + 1;
		} else if (*text) {
			add_escaped(p, text++, 1);
		}
	}
	return NULL;
}

static struct error *add_translation(struct parse *p, struct span body)
{
	const struct mustache_source *s = p->source;
	char id[MESSAGE];

	TRY(message_id(p, body, id));
	return add_message(p, id, s->translate ? s->translate(s->ctx, id) : id, NULL);
}

static struct error *add_plural(struct parse *p, struct span body)
{
	const struct mustache_source *s = p->source;
	const uint8_t *end = body.p + body.n, *a = memchr(body.p, '|', body.n), *b;
	char one[MESSAGE], many[MESSAGE], both[2 * MESSAGE];
	struct mustache_path path;
	unsigned at, n;

	b = a ? memchr(a + 1, '|', (size_t)(end - a) - 1) : NULL;
	ENSURE(b && !memchr(b + 1, '|', (size_t)(end - b) - 1),
	       fail(p, "a plural is written {{_n number|one thing|%d things}}"));
	TRY(parse_path(p, trim(span_of(body.p, (size_t)(a - body.p))), &path));
	TRY(message_id(p, span_of(a + 1, (size_t)(b - a) - 1), one));
	TRY(message_id(p, span_of(b + 1, (size_t)(end - b) - 1), many));
	snprintf(both, sizeof(both), "%s|%s", one, many);
	add_op(p, OP_PLURAL)->path = path;
	at = p->ops_n - 1;
	for (n = 1; n <= 2; n++) {
		const char *text = s->translate_plural ? s->translate_plural(s->ctx, one, many, n)
				   : n == 1	       ? one
						       : many;

		TRY(add_message(p, both, text, &path));
		flush(p);
		if (n == 1)
			p->ops[at].middle = p->ops_n;
	}
	p->ops[at].end = p->ops_n;
	return NULL;
}

/* ---- tags ------------------------------------------------------------------------------------ */

static struct error *open_section(struct parse *p, const struct tag *t, bool alone)
{
	struct mustache_path path;

	ENSURE(p->depth < MUSTACHE_SECTIONS, fail(p, "too many sections inside each other"));
	TRY(parse_path(p, t->body, &path));
	flush(p);
	if (!alone && p->at_line_start)
		add_op(p, OP_INDENT);
	push_op(p, t->sigil == '#' ? OP_SECTION : OP_INVERTED)->path = path;
	p->sections[p->depth] = p->ops_n - 1;
	p->section_names[p->depth++] = t->body;
	return NULL;
}

static struct error *close_section(struct parse *p, const struct tag *t, bool alone)
{
	ENSURE(p->depth && span_eq(p->section_names[p->depth - 1], t->body),
	       fail(p, "a section is closed that is not the one opened last"));
	flush(p);
	if (!alone && p->at_line_start)
		add_op(p, OP_INDENT);
	p->ops[p->sections[--p->depth]].end = p->ops_n;
	return NULL;
}

static struct error *change_delimiters(struct parse *p, struct span body)
{
	size_t a = 0, b;

	while (a < body.n && !is_space((char)body.p[a]))
		a++;
	for (b = a; b < body.n && is_space((char)body.p[b]);)
		b++;
	ENSURE(a && b < body.n && a < DELIMITER && body.n - b < DELIMITER &&
		       !memchr(body.p, '=', body.n) && !memchr(body.p, 0, body.n),
	       fail(p, "delimiters are changed with {{=<% %>=}}"));
	for (size_t i = b; i < body.n; i++)
		ENSURE(!is_space((char)body.p[i]), fail(p, "a delimiter has a space in it"));
	memcpy(p->open, body.p, a);
	p->open[a] = 0;
	memcpy(p->close, body.p + b, body.n - b);
	p->close[body.n - b] = 0;
	return NULL;
}

static struct error *find_unit(struct parse *p, struct span name, struct mustache_unit **ret)
{
	const char *text = arena_strn(&p->m->arena, (const char *)name.p, name.n);
	struct span source = {0};
	struct mustache_unit *u;

	for (u = p->m->first; u; u = u->next)
		if (strcmp(u->name, text) == 0)
			break;
	if (u) {
		*ret = u;
		return NULL;
	}
	if (!p->source->partial || !p->source->partial(p->source->ctx, text, &source)) {
		ENSURE(!p->source->strict, fail(p, "there is no template of that name"));
		source = (struct span){0};
	}
	ENSURE(p->m->units++ < MUSTACHE_UNITS, fail(p, "too many templates in each other"));
	u = arena_new(&p->m->arena, struct mustache_unit);
	u->name = text;
	u->source = source;
	p->m->last->next = u;
	p->m->last = u;
	*ret = u;
	return NULL;
}

static struct error *add_partial(struct parse *p, const struct tag *t, bool alone,
				 struct span indent)
{
	struct mustache_unit *unit = NULL;
	struct mustache_op *op;

	ENSURE(t->body.n, fail(p, "a name is missing"));
	TRY(find_unit(p, t->body, &unit));
	flush(p);
	op = alone ? push_op(p, OP_PARTIAL) : add_op(p, OP_PARTIAL);
	op->partial = unit;
	op->line_start = alone;
	if (alone && indent.n)
		op->text = span_of(arena_copy(&p->m->arena, indent.p, indent.n), indent.n);
	return NULL;
}

static struct error *add_tag(struct parse *p, const struct tag *t, bool alone, struct span indent)
{
	struct mustache_path path;

	switch (t->sigil) {
	case '!':
		return NULL;
	case '=':
		return change_delimiters(p, t->body);
	case '#':
	case '^':
		return open_section(p, t, alone);
	case '/':
		return close_section(p, t, alone);
	case '>':
		return add_partial(p, t, alone, indent);
	case 't':
		return add_translation(p, t->body);
	case 'p':
		return add_plural(p, t->body);
	default:
		TRY(parse_path(p, t->body, &path));
		add_op(p, t->sigil ? OP_RAW : OP_VALUE)->path = path;
		return NULL;
	}
}

static struct error *parse_text(struct parse *p)
{
	const char *open;

	while ((open = find(p, p->pos, p->open))) {
		size_t start = (size_t)(open - p->s), from = start, to;
		struct tag tag = {0};
		bool alone;

		count_lines(p, p->pos, start);
		TRY(read_tag(p, start, &tag));
		to = tag.end;
		alone = stands_alone(p, &tag, &from, &to);
		add_text(p, span_of(p->s + p->pos, from - p->pos));
		TRY(add_tag(p, &tag, alone, span_of(p->s + from, start - from)));
		count_lines(p, start, to);
		p->pos = to;
	}
	add_text(p, span_of(p->s + p->pos, p->n - p->pos));
	flush(p);
	if (p->depth) {
		p->line = p->ops[p->sections[p->depth - 1]].line;
		return fail(p, "a section is opened and not closed");
	}
	return NULL;
}

static struct error *compile_unit(struct mustache *m, const struct mustache_source *source,
				  struct mustache_unit *u)
{
	struct parse p = {.m = m,
			  .source = source,
			  .unit = u,
			  .s = (const char *)u->source.p,
			  .n = u->source.n,
			  .line = 1,
			  .open = "{{",
			  .close = "}}",
			  .at_line_start = true};
	struct error *e;

	if (u->source.n > MUSTACHE_TEXT)
		return fail(&p, "the template is too long");
	e = u->source.n ? parse_text(&p) : NULL;
	if (!e && p.ops_n) {
		u->ops = arena_copy(&m->arena, p.ops, p.ops_n * sizeof(*p.ops));
		u->n = p.ops_n;
	}
	u->source = (struct span){0};
	buf_release(&p.pending);
	free(p.ops);
	return e;
}

struct error *mustache_compile(const char *name, struct span text,
			       const struct mustache_source *source, struct mustache **ret_template)
{
	static const struct mustache_source nothing;
	_cleanup_(mustache_freep) struct mustache *m = calloc(1, sizeof(*m));

	ENSURE(m, error_new(ERR_NOMEM, N_("The box has run out of memory. Try again soon.")));
	if (!source)
		source = &nothing;
	m->thousands = arena_str(&m->arena, source->thousands ? source->thousands : "");
	m->first = m->last = arena_new(&m->arena, struct mustache_unit);
	m->units = 1;
	m->first->name = arena_str(&m->arena, name);
	m->first->source = text;
	for (struct mustache_unit *u = m->first; u; u = u->next)
		TRY(compile_unit(m, source, u));
	*ret_template = STEAL(m);
	return NULL;
}

void mustache_free(struct mustache *m)
{
	if (!m)
		return;
	arena_release(&m->arena);
	free(m);
}
