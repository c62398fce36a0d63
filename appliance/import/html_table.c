/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Lists and tables: what is gathered first, and written when its width is known. */
#include "appliance/import/html_priv.h"
#include "sync/base/arena.h"

/* ---- lists ----------------------------------------------------------------------------------- */

struct item {
	struct item *next;
	struct span text;
};

static bool is_element(const xmlNode *n, const char *name)
{
	return n->type == XML_ELEMENT_NODE && strcmp((const char *)n->name, name) == 0;
}

/* The items in their order; *ret_loose when one of them has an empty line in it. */
static struct item *gather_items(struct blocks *b, xmlNode *list, struct arena *arena,
				 bool *ret_loose)
{
	struct item *first = NULL, **tail = &first;

	for (xmlNode *c = list->children; c; c = c->next) {
		_cleanup_(buf_release) struct buf inner = {0};
		struct blocks sub = blocks_inside(b, &inner);

		if (c->type != XML_ELEMENT_NODE)
			continue;
		sub.in_item = true;
		if (is_element(c, "li"))
			blocks_children(&sub, c);
		else
			blocks_node(&sub, c);
		if (!inner.n)
			continue;
		*ret_loose |= memmem(inner.p, inner.n, "\n\n", 2) != NULL;
		*tail = arena_new(arena, struct item);
		(*tail)->text = span_of(arena_copy(arena, inner.p, inner.n), inner.n);
		tail = &(*tail)->next;
	}
	return first;
}

static unsigned list_start(const xmlNode *n)
{
	_cleanup_(freep) char *start = html_attribute(n, "start");
	unsigned long v = start && *start >= '0' && *start <= '9' ? strtoul(start, NULL, 10) : 1;

	return v > 99999999 ? 1 : (unsigned)v;
}

/* A list that follows a list gets another marker, or they would be one. */
void blocks_list(struct blocks *b, xmlNode *n)
{
	struct arena arena = {0};
	bool ordered = is_element(n, "ol"), loose = false;
	int marker = ordered ? '.' : '-';
	unsigned number = ordered ? list_start(n) : 0;
	struct item *items = gather_items(b, n, &arena, &loose);

	if (b->last_list == marker)
		marker = ordered ? ')' : '*';
	if (items)
		blocks_begin(b, b->in_item && !b->last_list && number <= 1 && !loose);
	for (struct item *i = items; i; i = i->next, number++) {
		char first[16], rest[16];
		int width;

		if (ordered)
			width = snprintf(first, sizeof(first), "%u%c ", number, marker);
		else
			width = snprintf(first, sizeof(first), "%c ", marker);
		snprintf(rest, sizeof(rest), "%*s", width, "");
		if (loose && i != items)
			buf_putc(b->out, '\n');
		blocks_prefixed(b->out, i->text, first, rest);
	}
	if (items)
		b->last_list = marker;
	arena_release(&arena);
}

/* ---- tables ---------------------------------------------------------------------------------- */

enum { COLUMNS = 12, CELL = 60 };

struct cell {
	struct cell *next;  /* in the row */
	struct cell *below; /* in the first column: the next row */
	xmlNode *node;
	const char *text;
	size_t width; /* in characters */
	bool heading;
};
struct table {
	struct arena arena;
	struct cell *rows, **tail;
	size_t widths[COLUMNS];
	bool short_text, inline_only;
};

static size_t count_characters(const char *s)
{
	size_t n = 0;

	for (; *s; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n;
}

/* What a cell's content allows: lines in a code block, a line of inlines, or neither. */
static void judge_cell(struct table *t, const struct cell *c, size_t column)
{
	static const char *const rich[] = {"a", "img", "br", "code", "b", "strong", "em", "i"};
	static const char *const blocks[] = {"table", "ul",  "ol", "pre", "blockquote",
					     "aside", "div", "h1", "h2",  "h3"};

	for (size_t i = 0; i < ARRAY_LEN(rich); i++)
		t->short_text &= !html_find(c->node, rich[i], NULL);
	for (size_t i = 0; i < ARRAY_LEN(blocks); i++)
		t->inline_only &= !html_find(c->node, blocks[i], NULL);
	t->short_text &= column < COLUMNS && c->width <= CELL;
	if (column < COLUMNS && c->width > t->widths[column])
		t->widths[column] = c->width;
}

static void gather_row(struct table *t, xmlNode *row)
{
	struct cell *first = NULL, **tail = &first;
	size_t column = 0;

	for (xmlNode *n = row->children; n; n = n->next) {
		_cleanup_(buf_release) struct buf text = {0};
		struct cell *c;

		if (!is_element(n, "td") && !is_element(n, "th"))
			continue;
		c = arena_new(&t->arena, struct cell);
		html_plain(n, &text);
		c->node = n;
		c->text = arena_str(&t->arena, buf_str(&text));
		c->width = count_characters(c->text);
		c->heading = is_element(n, "th");
		judge_cell(t, c, column++);
		*tail = c;
		tail = &c->next;
	}
	if (first) {
		*t->tail = first;
		t->tail = &first->below;
	}
}

static void gather_rows(struct table *t, xmlNode *n)
{
	for (xmlNode *c = n->children; c; c = c->next) {
		if (is_element(c, "tr"))
			gather_row(t, c);
		else if (is_element(c, "thead") || is_element(c, "tbody") || is_element(c, "tfoot"))
			gather_rows(t, c);
	}
}

static void put_row_text(const struct table *t, const struct cell *row, struct buf *out)
{
	size_t column = 0;

	for (const struct cell *c = row; c; c = c->next, column++) {
		buf_puts(out, c->text);
		if (c->next)
			buf_printf(out, "%*s | ", (int)(t->widths[column] - c->width), "");
	}
	buf_putc(out, '\n');
	if (!row->heading)
		return;
	for (size_t i = 0; i < column; i++) {
		for (size_t k = 0; k < t->widths[i]; k++)
			buf_putc(out, '-');
		buf_puts(out, i + 1 < column ? " | " : "\n");
	}
}

/* A list item a row, with its links and pictures. */
static void put_row_item(struct blocks *b, const struct cell *row)
{
	_cleanup_(buf_release) struct buf line = {0};
	struct inlines s = blocks_line(b, &line);

	for (const struct cell *c = row; c; c = c->next) {
		inlines_children(&s, c->node);
		if (c->next)
			inlines_text(&s, " | ");
	}
	inlines_finish(&line);
	if (line.n)
		blocks_prefixed(b->out, buf_span(&line), b->last_list == '-' ? "* " : "- ", "  ");
}

void blocks_table(struct blocks *b, xmlNode *n)
{
	struct table t = {.short_text = true, .inline_only = true};
	_cleanup_(buf_release) struct buf text = {0};

	t.tail = &t.rows;
	gather_rows(&t, n);
	if (!t.rows || !t.inline_only) {
		blocks_children(b, n);
	} else if (t.short_text) {
		for (const struct cell *row = t.rows; row; row = row->below)
			put_row_text(&t, row, &text);
		blocks_code(b, &text, "");
	} else {
		blocks_begin(b, false);
		for (const struct cell *row = t.rows; row; row = row->below)
			put_row_item(b, row);
		b->last_list = b->last_list == '-' ? '*' : '-';
	}
	arena_release(&t.arena);
}
