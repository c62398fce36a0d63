/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/page/markdown_priv.h"
#include "appliance/page/mustache.h"
#include <strings.h>

static void cmark_node_freep(cmark_node **n)
{
	if (*n)
		cmark_node_free(*n);
}
static void cmark_iter_freep(cmark_iter **i)
{
	if (*i)
		cmark_iter_free(*i);
}

/* ---- parsing --------------------------------------------------------------------------------- */

/* The iterator gives no exit for these. */
static bool is_leaf(cmark_node *n)
{
	switch (cmark_node_get_type(n)) {
	case CMARK_NODE_HTML_BLOCK:
	case CMARK_NODE_THEMATIC_BREAK:
	case CMARK_NODE_CODE_BLOCK:
	case CMARK_NODE_TEXT:
	case CMARK_NODE_SOFTBREAK:
	case CMARK_NODE_LINEBREAK:
	case CMARK_NODE_CODE:
	case CMARK_NODE_HTML_INLINE:
		return true;
	default:
		return false;
	}
}

static bool too_deep(cmark_node *root)
{
	_cleanup_(cmark_iter_freep) cmark_iter *iter = cmark_iter_new(root);
	cmark_event_type event;
	unsigned depth = 0;

	while ((event = cmark_iter_next(iter)) != CMARK_EVENT_DONE) {
		if (event == CMARK_EVENT_EXIT)
			depth--;
		else if (!is_leaf(cmark_iter_get_node(iter)) && ++depth > MARKDOWN_DEPTH)
			return true;
	}
	return false;
}

/* NULL: show the text word for word. */
static cmark_node *parse(struct span text)
{
	_cleanup_(cmark_node_freep) cmark_node *root = NULL;

	if (!markdown_is_tame(text))
		return NULL;
	root = cmark_parse_document(text.n ? (const char *)text.p : "", text.n,
				    CMARK_OPT_DEFAULT | CMARK_OPT_VALIDATE_UTF8);
	if (too_deep(root))
		return NULL;
	cmark_consolidate_text_nodes(root);
	return STEAL(root);
}

static struct span literal(cmark_node *n)
{
	const char *s = cmark_node_get_literal(n);

	return span_str(s ? s : "");
}

void markdown_put_text(struct buf *out, cmark_node *node)
{
	_cleanup_(cmark_iter_freep) cmark_iter *iter = cmark_iter_new(node);
	cmark_event_type event;

	while ((event = cmark_iter_next(iter)) != CMARK_EVENT_DONE) {
		cmark_node *n = cmark_iter_get_node(iter);

		switch (cmark_node_get_type(n)) {
		case CMARK_NODE_SOFTBREAK:
		case CMARK_NODE_LINEBREAK:
			buf_putc(out, '\n');
			break;
		case CMARK_NODE_PARAGRAPH:
		case CMARK_NODE_HEADING:
			if (event == CMARK_EVENT_EXIT)
				buf_putc(out, '\n');
			break;
		default:
			if (is_leaf(n))
				buf_add_span(out, literal(n));
		}
	}
}

/* ---- making the tree safe -------------------------------------------------------------------- */

struct tidy {
	unsigned top;	/* level of the first heading */
	unsigned links; /* links and pictures that we are inside of */
};

static void drop(cmark_node *n)
{
	cmark_node_unlink(n);
	cmark_node_free(n);
}

/* The children take the place of their parent. */
static void unwrap(cmark_node *n)
{
	cmark_node *child;

	while ((child = cmark_node_first_child(n)))
		cmark_node_insert_before(n, child);
	drop(n);
}

static cmark_node *new_text(struct span s)
{
	_cleanup_(freep) char *text = strndup((const char *)s.p, s.n);
	cmark_node *n = cmark_node_new(CMARK_NODE_TEXT);

	if (!text)
		abort();
	cmark_node_set_literal(n, text);
	return n;
}

/* An inline that is written exactly as before + children + after. */
static cmark_node *new_custom(const char *before, const char *after)
{
	cmark_node *n = cmark_node_new(CMARK_NODE_CUSTOM_INLINE);

	cmark_node_set_on_enter(n, before);
	cmark_node_set_on_exit(n, after);
	return n;
}

static cmark_node *new_anchor(enum link_kind kind, struct span url)
{
	_cleanup_(buf_release) struct buf tag = {0};

	markdown_anchor(&tag, kind, url);
	return new_custom(buf_str(&tag), "</a>");
}

static void tidy_link(cmark_node *n)
{
	const char *url = cmark_node_get_url(n);
	enum link_kind kind = markdown_link_kind(url);
	cmark_node *anchor, *child;

	if (kind == LINK_REFUSED || !cmark_node_first_child(n)) {
		unwrap(n);
		return;
	}
	anchor = new_anchor(kind, span_str(url));
	while ((child = cmark_node_first_child(n)))
		cmark_node_append_child(anchor, child);
	cmark_node_insert_before(n, anchor);
	drop(n);
}

/* Whoever reads a page asks for its pictures without wanting to, as whoever is signed in. So only
 * what is a picture, or a page of a file, is asked for, by an address that can't climb out of
 * there: browsers take %2e for a dot. */
static bool is_picture_here(struct span url)
{
	static const char *const places[] = {"/file/", "/static/"};
	bool in = false;

	for (size_t i = 0; i < ARRAY_LEN(places); i++)
		in |= url.n > strlen(places[i]) &&
		      memcmp(url.p, places[i], strlen(places[i])) == 0;
	for (size_t i = 0; i < url.n; i++) {
		struct span rest = span_of(url.p + i, url.n - i);

		if (rest.n >= 2 && memcmp(rest.p, "..", 2) == 0)
			return false;
		if (rest.n >= 3 && strncasecmp((const char *)rest.p, "%2e", 3) == 0)
			return false;
	}
	return in;
}

static void put_picture(cmark_node *n, struct span url, struct span alt)
{
	_cleanup_(buf_release) struct buf tag = {0};
	cmark_node *picture;

	buf_puts(&tag, "<img src=\"");
	markdown_href(&tag, url);
	buf_puts(&tag, "\" alt=\"");
	html_escape(&tag, alt);
	buf_puts(&tag, "\" loading=\"lazy\">");
	picture = new_custom(buf_str(&tag), "");
	cmark_node_insert_before(n, picture);
}

static void tidy_picture(cmark_node *n, bool in_link)
{
	_cleanup_(buf_release) struct buf alt = {0};
	struct span url = span_str(cmark_node_get_url(n));
	enum link_kind kind = markdown_link_kind(cmark_node_get_url(n));

	markdown_put_text(&alt, n);
	if (kind == LINK_HERE && is_picture_here(url)) {
		put_picture(n, url, buf_span(&alt));
	} else {
		struct span words = alt.n ? buf_span(&alt) : url;
		cmark_node *text = new_text(words), *anchor;

		if ((kind == LINK_OUTSIDE || kind == LINK_HERE) && url.n && !in_link) {
			anchor = new_anchor(kind, url);
			cmark_node_append_child(anchor, text);
			text = anchor;
		}
		cmark_node_insert_before(n, text);
	}
	drop(n);
}

/* Addresses that stand alone in a text become links. */
static void tidy_text(cmark_node *n)
{
	struct span text = literal(n), url;
	size_t from = 0, at = 0;

	while ((url = markdown_find_address(text, &at)).n) {
		cmark_node *anchor = new_anchor(LINK_OUTSIDE, url);

		if (at > from)
			cmark_node_insert_before(n, new_text(span_of(text.p + from, at - from)));
		cmark_node_append_child(anchor, new_text(url));
		cmark_node_insert_before(n, anchor);
		from = at += url.n;
	}
	if (!from)
		return;
	if (from < text.n)
		cmark_node_insert_before(n, new_text(span_of(text.p + from, text.n - from)));
	drop(n);
}

/* A block that is one HTML comment: people use it to part two lists, and to hide words. */
static bool is_comment(struct span s)
{
	const uint8_t *end = s.n > 4 ? memmem(s.p + 4, s.n - 4, "-->", 3) : NULL;

	if (!end || memcmp(s.p, "<!--", 4) != 0)
		return false;
	for (end += 3; end < s.p + s.n; end++)
		if (*end > ' ')
			return false;
	return true;
}

static void tidy_html_block(cmark_node *n)
{
	if (!is_comment(literal(n))) {
		cmark_node *code = cmark_node_new(CMARK_NODE_CODE_BLOCK);

		cmark_node_set_literal(code, cmark_node_get_literal(n));
		cmark_node_insert_before(n, code);
	}
	drop(n);
}

/* A node may be changed when it is left; a leaf, which is never left, when it is met. */
static void tidy_node(struct tidy *t, cmark_node *n, bool leaving)
{
	cmark_node_type type = cmark_node_get_type(n);

	switch (type) {
	case CMARK_NODE_HEADING:
		if (!leaving) {
			unsigned level = (unsigned)cmark_node_get_heading_level(n) + t->top - 1;

			cmark_node_set_heading_level(n, level > 6 ? 6 : (int)level);
		}
		break;
	case CMARK_NODE_LINK:
	case CMARK_NODE_IMAGE:
		t->links += leaving ? -1u : 1u;
		if (leaving && type == CMARK_NODE_LINK)
			tidy_link(n);
		else if (leaving)
			tidy_picture(n, t->links > 0);
		break;
	case CMARK_NODE_TEXT:
		if (!t->links)
			tidy_text(n);
		break;
	case CMARK_NODE_HTML_INLINE:
		cmark_node_insert_before(n, new_text(literal(n)));
		drop(n);
		break;
	case CMARK_NODE_HTML_BLOCK:
		tidy_html_block(n);
		break;
	default:
		break;
	}
}

static void tidy(cmark_node *root, unsigned top)
{
	_cleanup_(cmark_iter_freep) cmark_iter *iter = cmark_iter_new(root);
	struct tidy t = {.top = top ? top : 1};
	cmark_event_type event;

	while ((event = cmark_iter_next(iter)) != CMARK_EVENT_DONE)
		tidy_node(&t, cmark_iter_get_node(iter), event == CMARK_EVENT_EXIT);
}

/* ---- the door -------------------------------------------------------------------------------- */

void markdown_html(struct span text, unsigned top, struct buf *out)
{
	_cleanup_(cmark_node_freep) cmark_node *root = parse(text);
	_cleanup_(freep) char *html = NULL;

	if (!root) {
		_cleanup_(buf_release) struct buf valid = {0};

		markdown_put_valid(&valid, text);
		buf_puts(out, "<pre>");
		html_escape(out, buf_span(&valid));
		buf_puts(out, "</pre>\n");
		return;
	}
	tidy(root, top);
	html = cmark_render_html(root, CMARK_OPT_DEFAULT);
	buf_puts(out, html);
}

void markdown_text(struct span text, struct buf *out)
{
	_cleanup_(cmark_node_freep) cmark_node *root = parse(text);

	if (root)
		markdown_put_text(out, root);
	else
		markdown_put_valid(out, text);
}

/* The bytes of the code point at p, whose text is well formed. */
static size_t code_point(const uint8_t *p, const uint8_t *end)
{
	size_t n = 1;

	while (p + n < end && (p[n] & 0xc0) == 0x80)
		n++;
	return n;
}

void markdown_excerpt(struct span text, size_t characters, struct buf *out)
{
	_cleanup_(buf_release) struct buf plain = {0};
	size_t begin = out->n, word = out->n, count = 0;
	const uint8_t *p, *end;

	markdown_text(text, &plain);
	for (p = plain.p, end = plain.n ? p + plain.n : p; p < end;) {
		size_t n = code_point(p, end);

		if (*p <= ' ') { /* white space: one space, none at the ends */
			for (; p < end && *p <= ' '; p++)
				;
			if (out->n == begin || p == end)
				continue;
			word = out->n;
			if (++count <= characters)
				buf_putc(out, ' ');
			continue;
		}
		if (++count >
		    characters) { /* cut at the last word's end, if that leaves something */
			out->n = word > begin ? word : out->n;
			buf_puts(out, "…");
			return;
		}
		buf_add(out, p, n);
		p += n;
	}
}
