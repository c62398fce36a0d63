/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Blocks: each is written into a buffer of its own, and a quote or list item then takes the lines
 * of what is inside it and puts its mark before each.
 */
#include "appliance/import/html_priv.h"
#include "sync/base/limits.h"
#include <libxml/HTMLparser.h>

/* ---- writing --------------------------------------------------------------------------------- */

void blocks_begin(struct blocks *b, bool close)
{
	struct buf *o = b->out;

	if (!o->n)
		return;
	if (o->p[o->n - 1] != '\n')
		buf_putc(o, '\n');
	if (!close && !(o->n >= 2 && o->p[o->n - 2] == '\n'))
		buf_putc(o, '\n');
}

void blocks_paragraph(struct blocks *b, struct buf *line)
{
	inlines_finish(line);
	if (!line->n)
		return;
	blocks_begin(b, false);
	buf_add_span(b->out, buf_span(line));
	buf_putc(b->out, '\n');
	b->last_list = 0;
	buf_clear(line);
}

void blocks_prefixed(struct buf *out, struct span inner, const char *first, const char *rest)
{
	const uint8_t *p = inner.p, *end = inner.p + inner.n;
	const char *prefix = first;

	do {
		const uint8_t *nl = p < end ? memchr(p, '\n', (size_t)(end - p)) : NULL;
		size_t n = nl ? (size_t)(nl - p) : (size_t)(end - p);
		size_t len = strlen(prefix);

		while (!n && len && prefix[len - 1] == ' ') /* no white space at a line's end */
			len--;
		buf_add(out, prefix, len);
		buf_add(out, p, n);
		buf_putc(out, '\n');
		p += n + (nl != NULL);
		prefix = rest;
	} while (p < end);
}

struct inlines blocks_line(const struct blocks *b, struct buf *line)
{
	return (struct inlines){.out = line, .origin = b->origin, .depth = b->depth};
}

/* ---- blocks ---------------------------------------------------------------------------------- */

static void put_heading(struct blocks *b, xmlNode *n)
{
	_cleanup_(buf_release) struct buf line = {0};
	struct inlines s = blocks_line(b, &line);

	s.in_heading = true;
	inlines_children(&s, n);
	inlines_finish(&line);
	if (!line.n)
		return;
	blocks_begin(b, false);
	for (int level = n->name[1] - '0'; level > 0; level--)
		buf_putc(b->out, '#');
	buf_printf(b->out, " %s\n", buf_str(&line));
	b->last_list = 0;
}

struct blocks blocks_inside(const struct blocks *b, struct buf *out)
{
	struct blocks sub = *b;

	sub.out = out;
	sub.nesting++;
	sub.in_item = false;
	sub.last_list = 0;
	return sub;
}

static void put_quoted(struct blocks *b, const struct buf *inner)
{
	if (!inner->n)
		return;
	blocks_begin(b, false);
	blocks_prefixed(b->out, buf_span(inner), "> ", "> ");
	b->last_list = 0;
}

static void put_quote(struct blocks *b, xmlNode *n)
{
	_cleanup_(buf_release) struct buf inner = {0};
	struct blocks sub = blocks_inside(b, &inner);

	blocks_children(&sub, n);
	put_quoted(b, &inner);
}

/* aside.quote: <div class="title">NAME:</div><blockquote>…; the title may link to another topic. */
static void put_named_quote(struct blocks *b, xmlNode *n)
{
	_cleanup_(buf_release) struct buf inner = {0}, line = {0}, words = {0};
	_cleanup_(freep) char *name = html_attribute(n, "data-username"), *href = NULL;
	struct blocks sub = blocks_inside(b, &inner);
	struct inlines s = blocks_line(b, &line);
	xmlNode *title = html_find(n, "div", "title"), *link;
	xmlNode *quote = html_find(n, "blockquote", NULL);

	if (name && *name) {
		buf_puts(&line, "**");
		inlines_text(&s, name);
		buf_puts(&line, ":**");
	}
	link = title ? html_find(title, "a", NULL) : NULL;
	href = link ? html_attribute(link, "href") : NULL;
	if (link)
		html_plain(link, &words);
	if (href && words.n) {
		s.space = line.n > 0;
		inlines_link(&s, href, buf_str(&words));
	}
	blocks_paragraph(&sub, &line);
	if (quote)
		blocks_children(&sub, quote);
	put_quoted(b, &inner);
}

/* The address and title of what a onebox shows. */
static void put_onebox(struct blocks *b, xmlNode *n)
{
	_cleanup_(buf_release) struct buf line = {0}, words = {0};
	_cleanup_(freep) char *url = html_attribute(n, "data-onebox-src");
	struct inlines s = blocks_line(b, &line);
	xmlNode *link = html_find(n, "a", NULL), *title = html_find(n, "h3", NULL);

	if (!title)
		title = html_find(n, "h4", NULL);
	if (!url && title && html_find(title, "a", NULL))
		url = html_attribute(html_find(title, "a", NULL), "href");
	if (!url && link)
		url = html_attribute(link, "href");
	if (title)
		html_plain(title, &words);
	if (!words.n && link)
		html_plain(link, &words);
	if (url)
		inlines_link(&s, url, buf_str(&words));
	else
		inlines_children(&s, n);
	blocks_paragraph(b, &line);
}

static void put_aside(struct blocks *b, xmlNode *n)
{
	if (html_has_class(n, "quote"))
		put_named_quote(b, n);
	else if (html_has_class(n, "onebox"))
		put_onebox(b, n);
	else
		blocks_children(b, n);
}

/* A line a list item (a onebox numbers lines so), and all other text as it is. */
static void code_text(const xmlNode *n, unsigned depth, struct buf *out)
{
	for (const xmlNode *c = n->children; c; c = c->next) {
		if ((c->type == XML_TEXT_NODE || c->type == XML_CDATA_SECTION_NODE) && c->content)
			buf_puts(out, (const char *)c->content);
		if (c->type != XML_ELEMENT_NODE)
			continue;
		if (strcmp((const char *)c->name, "br") == 0)
			buf_putc(out, '\n');
		if (depth < HTML_DEPTH)
			code_text(c, depth + 1, out);
		if (strcmp((const char *)c->name, "li") == 0)
			buf_putc(out, '\n');
	}
}

/* The language in class="lang-NAME", when it says something. */
static void code_language(const xmlNode *code, struct buf *out)
{
	static const char *const empty[] = {"auto", "nohighlight", "plaintext", "text"};
	_cleanup_(freep) char *class = html_attribute(code, "class");
	const char *from = class ? strstr(class, "lang-") : NULL;
	size_t n;

	if (!from)
		return;
	from += 5;
	n = strspn(from, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+#.-_");
	for (size_t i = 0; i < ARRAY_LEN(empty); i++)
		if (strlen(empty[i]) == n && memcmp(empty[i], from, n) == 0)
			return;
	if (n <= 32)
		buf_add(out, from, n);
}

void blocks_code(struct blocks *b, const struct buf *code, const char *language)
{
	size_t longest = 2, run = 0, n = code->n;

	for (size_t i = 0; i < code->n; i++) {
		run = code->p[i] == '`' ? run + 1 : 0;
		longest = run > longest ? run : longest;
	}
	while (n && code->p[n - 1] == '\n')
		n--;
	blocks_begin(b, false);
	for (size_t i = 0; i <= longest; i++)
		buf_putc(b->out, '`');
	buf_printf(b->out, "%s\n", language);
	buf_add(b->out, code->p, n);
	if (n)
		buf_putc(b->out, '\n');
	for (size_t i = 0; i <= longest; i++)
		buf_putc(b->out, '`');
	buf_putc(b->out, '\n');
	b->last_list = 0;
}

static void put_code_block(struct blocks *b, xmlNode *n)
{
	_cleanup_(buf_release) struct buf raw = {0}, code = {0}, language = {0};
	xmlNode *inner = html_find(n, "code", NULL);

	code_text(n, b->depth, &raw);
	for (size_t i = 0; i < raw.n; i++) /* a carriage return would end a line */
		if (raw.p[i] != '\r')
			buf_putc(&code, (char)raw.p[i]);
	code_language(inner ? inner : n, &language);
	if (code.n)
		blocks_code(b, &code, buf_str(&language));
}

/* ---- the rest -------------------------------------------------------------------------------- */

static void put_summary(struct blocks *b, xmlNode *n)
{
	_cleanup_(buf_release) struct buf line = {0}, words = {0};
	struct inlines s = blocks_line(b, &words);

	s.in_strong = true;
	inlines_children(&s, n);
	inlines_finish(&words);
	if (words.n)
		buf_printf(&line, "**%s**", buf_str(&words));
	blocks_paragraph(b, &line);
}

static char *first_attribute(xmlNode *n, const char *const names[])
{
	char *v = NULL;

	for (; *names && !(v && *v); names++) {
		free(v);
		v = html_attribute(n, *names);
	}
	return v;
}

/* A film or a sound: where it is, under its title. */
static void put_media(struct blocks *b, xmlNode *n)
{
	static const char *const ids[] = {"data-youtube-id", "data-video-id", NULL};
	static const char *const urls[] = {"src", "data-video-src", "href", NULL};
	static const char *const titles[] = {"data-youtube-title", "data-video-title", "title",
					     NULL};
	static const char *const inner[] = {"a", "source", "iframe", "video"};
	_cleanup_(buf_release) struct buf line = {0}, url = {0};
	_cleanup_(freep) char *id = first_attribute(n, ids), *title = first_attribute(n, titles);
	_cleanup_(freep) char *to = first_attribute(n, urls);
	struct inlines s = blocks_line(b, &line);

	for (size_t i = 0; i < ARRAY_LEN(inner) && !to; i++)
		if (html_find(n, inner[i], NULL))
			to = first_attribute(html_find(n, inner[i], NULL), urls);
	if (id && !to)
		buf_printf(&url, "https://www.youtube.com/watch?v=%s", id);
	else if (to)
		buf_puts(&url, to);
	if (url.n)
		inlines_link(&s, buf_str(&url), title ? title : "");
	else
		inlines_children(&s, n);
	blocks_paragraph(b, &line);
}

void blocks_node(struct blocks *b, xmlNode *n)
{
	switch (html_kind(n)) {
	case TAG_HEADING:
		put_heading(b, n);
		return;
	case TAG_LIST:
		blocks_list(b, n);
		return;
	case TAG_QUOTE:
		put_quote(b, n);
		return;
	case TAG_ASIDE:
		put_aside(b, n);
		return;
	case TAG_PRE:
		put_code_block(b, n);
		return;
	case TAG_RULE:
		blocks_begin(b, false);
		buf_puts(b->out, "___\n");
		b->last_list = 0;
		return;
	case TAG_TABLE:
		blocks_table(b, n);
		return;
	case TAG_SUMMARY:
		put_summary(b, n);
		return;
	case TAG_MEDIA:
		put_media(b, n);
		return;
	default:
		blocks_children(b, n);
		return;
	}
}

/* An inline that wrongly has a block in it, as in <b><p>…</p></b>: the block counts. */
static bool holds_a_block(const xmlNode *n, enum tag_kind kind)
{
	if (n->type != XML_ELEMENT_NODE || kind == TAG_LINK || kind == TAG_SKIP)
		return false;
	for (const xmlNode *c = n->children; c; c = c->next)
		if (html_kind(c) >= TAG_BLOCK)
			return true;
	return false;
}

void blocks_children(struct blocks *b, xmlNode *n)
{
	_cleanup_(buf_release) struct buf line = {0};
	struct inlines s = blocks_line(b, &line);

	if (b->depth >= HTML_DEPTH || b->nesting >= HTML_BLOCKS) {
		inlines_children(&s, n);
		blocks_paragraph(b, &line);
		return;
	}
	b->depth++;
	for (xmlNode *c = n->children; c; c = c->next) {
		enum tag_kind kind = html_kind(c);

		if (kind < TAG_BLOCK && !holds_a_block(c, kind)) {
			inlines_node(&s, c);
			continue;
		}
		blocks_paragraph(b, &line);
		s = blocks_line(b, &line);
		blocks_node(b, c);
	}
	blocks_paragraph(b, &line);
	b->depth--;
}

static void html_doc_freep(htmlDocPtr *doc)
{
	if (*doc)
		xmlFreeDoc(*doc);
}

static bool only_space(struct span s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] > ' ')
			return false;
	return true;
}

struct error *html_to_markdown(struct span html, const char *origin, struct buf *out)
{
	_cleanup_(html_doc_freep) htmlDocPtr doc = NULL;
	_cleanup_(buf_release) struct buf text = {0};
	struct blocks b = {.out = &text, .origin = origin};

	ENSURE(html.n <= HTML_INPUT,
	       error_new(ERR_LIMIT, N_("The post is too long to be imported.")));
	if (only_space(html))
		return NULL;
	doc = htmlReadMemory((const char *)html.p, (int)html.n, NULL, "UTF-8",
			     HTML_PARSE_NONET | HTML_PARSE_NOERROR | HTML_PARSE_NOWARNING |
				     HTML_PARSE_RECOVER);
	ENSURE(doc, error_new(ERR_MALFORMED, N_("The post is not HTML that can be read.")));
	if (xmlDocGetRootElement(doc))
		blocks_children(&b, xmlDocGetRootElement(doc));
	ENSURE(text.n <= LIMIT_TEXT,
	       error_new(ERR_LIMIT, N_("The post is too long to be imported.")));
	buf_add_span(out, buf_span(&text));
	return NULL;
}
