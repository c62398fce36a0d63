/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Inlines: text with escapes, emphasis, code spans, links, pictures. White space is collapsed as a
 * browser does it: it is remembered in `space` and written before the next character.
 */
#include "appliance/import/html_priv.h"

/* ---- characters ------------------------------------------------------------------------------ */

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f';
}
static bool is_alnum(char c)
{
	return (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z');
}

static size_t char_length(const char *s)
{
	size_t n = 1;

	while (((unsigned char)s[n] & 0xc0) == 0x80)
		n++;
	return n;
}

static uint32_t code_point(const char *s, size_t n)
{
	static const uint8_t masks[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
	uint32_t c = n <= 4 ? (unsigned char)s[0] & masks[n] : 0xfffd;

	for (size_t i = 1; i < n && n <= 4; i++)
		c = c << 6 | ((unsigned char)s[i] & 0x3f);
	return c;
}

/* Neither white space nor punctuation, as the rules of emphasis count (CommonMark 0.30
 * section 6.2). Punctuation beyond ASCII is taken by blocks: a wrong guess costs a needless &#…; at
 * most. */
static bool is_letter(uint32_t c)
{
	if (c < 0x80)
		return is_alnum((char)c);
	return c > 0xbf && c != 0xd7 && c != 0xf7 && !(c >= 0x2000 && c < 0x2c00) &&
	       !(c >= 0x3000 && c < 0x3040);
}

/* The last character of what was written, 0 at the beginning. */
static uint32_t last_char(const struct buf *b, size_t *ret_n)
{
	size_t n = 1;

	if (!b->n)
		return 0;
	while (n < b->n && n < 4 && (b->p[b->n - n] & 0xc0) == 0x80)
		n++;
	*ret_n = n;
	return code_point((const char *)b->p + b->n - n, n);
}

/* Write the white space that is due before the next character. */
static void begin(struct inlines *s)
{
	if (s->space && !s->out->n)
		s->leading = true;
	if (s->space && s->out->n && s->out->p[s->out->n - 1] != '\n') {
		buf_putc(s->out, ' ');
		s->guard = false;
	}
	s->space = false;
}

/* Whether the character at *p has to be escaped; `text` is where its run begins. */
static bool needs_escape(const struct inlines *s, const char *text, const char *p)
{
	switch (*p) {
	case '\\':
	case '`':
	case '*':
	case '[':
	case ']':
		return true;
	case '_': /* inside a word it means nothing */
		return !(p > text && is_alnum(p[-1]) && is_alnum(p[1]));
	case '<':
		return !is_space(p[1]);
	case '&':
		return p[1] == '#' || is_alnum(p[1]);
	case '#':
		return s->in_heading;
	default:
		return false;
	}
}

void inlines_text(struct inlines *s, const char *text)
{
	size_t n;

	for (const char *p = text; *p; p += n) {
		n = char_length(p);
		if (is_space(*p)) {
			s->space = true;
			continue;
		}
		begin(s);
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			continue;
		if (s->guard && is_letter(code_point(p, n)))
			buf_printf(s->out, "&#%u;", code_point(p, n));
		else if (needs_escape(s, text, p))
			buf_printf(s->out, "\\%c", *p);
		else
			buf_add(s->out, p, n);
		s->guard = false;
	}
}

void inlines_break(struct inlines *s)
{
	if (s->in_heading) {
		s->space = true;
		return;
	}
	s->space = false;
	s->guard = false;
	buf_puts(s->out, "\\\n");
}

/* ---- emphasis -------------------------------------------------------------------------------- */

static bool ends_with_break(const struct buf *b)
{
	return b->n >= 2 && b->p[b->n - 1] == '\n' && b->p[b->n - 2] == '\\';
}

/* Take line breaks off both ends, and say where there were some. */
static void strip_breaks(struct buf *b, bool *ret_before, bool *ret_after)
{
	size_t front = 0;

	*ret_after = ends_with_break(b);
	while (ends_with_break(b))
		b->n -= 2;
	if (b->p)
		b->p[b->n] = 0;
	while (front + 2 <= b->n && b->p[front] == '\\' && b->p[front + 1] == '\n')
		front += 2;
	*ret_before = front > 0;
	buf_drop(b, front);
}

/* "a**(b)**" would be no emphasis; "&#97;**(b)**" is one, because ";" is punctuation. */
static void guard_before(struct inlines *s, const struct buf *inner)
{
	const char *first = (const char *)inner->p;
	size_t n = 0;
	uint32_t last = last_char(s->out, &n);

	if (!is_letter(last) || is_letter(code_point(first, char_length(first))))
		return;
	s->out->n -= n;
	buf_printf(s->out, "&#%u;", last);
}

static void put_emphasis(struct inlines *s, xmlNode *n, const char *mark)
{
	_cleanup_(buf_release) struct buf inner = {0};
	struct inlines sub = *s;
	bool before, after;
	size_t len = 0;

	sub.out = &inner;
	sub.leading = sub.space = sub.guard = false;
	sub.emphasis_end = 0;
	sub.in_em |= mark[1] == 0;
	sub.in_strong |= mark[1] != 0;
	inlines_children(&sub, n);
	strip_breaks(&inner, &before, &after);
	s->space |= sub.leading;
	if (before)
		inlines_break(s);
	if (inner.n) {
		/* Two in a row can't be told apart by CommonMark: then the second is plain. */
		bool plain;

		begin(s);
		plain = s->out->n && s->emphasis_end == s->out->n;
		if (!plain) {
			guard_before(s, &inner);
			buf_puts(s->out, mark);
		}
		buf_add_span(s->out, buf_span(&inner));
		s->guard = false;
		if (!plain) {
			s->guard = !is_letter(last_char(&inner, &len));
			buf_puts(s->out, mark);
			s->emphasis_end = s->out->n;
		}
	}
	if (after)
		inlines_break(s);
	s->space |= sub.space;
}

/* ---- code ------------------------------------------------------------------------------------ */

static void put_code(struct inlines *s, xmlNode *n)
{
	_cleanup_(buf_release) struct buf code = {0};
	size_t longest = 0, run = 0;
	bool pad;

	html_plain(n, &code);
	if (!code.n)
		return;
	for (size_t i = 0; i < code.n; i++) {
		run = code.p[i] == '`' ? run + 1 : 0;
		longest = run > longest ? run : longest;
	}
	if (s->out->n && s->out->p[s->out->n - 1] == '`')
		s->space = true;
	begin(s);
	pad = code.p[0] == '`' || code.p[code.n - 1] == '`';
	for (size_t i = 0; i <= longest; i++)
		buf_putc(s->out, '`');
	buf_printf(s->out, "%s%s%s", pad ? " " : "", buf_str(&code), pad ? " " : "");
	for (size_t i = 0; i <= longest; i++)
		buf_putc(s->out, '`');
	s->guard = false;
}

/* ---- links and pictures ---------------------------------------------------------------------- */

/* The whole address, ready to stand in "(…)": false when we do not follow it. */
static bool destination(const struct inlines *s, const char *url, struct buf *out)
{
	url += strspn(url, " \t\n\r");
	if (url[0] == '/' && url[1] == '/')
		buf_puts(out, "https:");
	else if (url[0] == '/' && s->origin)
		buf_puts(out, s->origin);
	else if (strncmp(url, "http://", 7) != 0 && strncmp(url, "https://", 8) != 0 &&
		 strncmp(url, "mailto:", 7) != 0)
		return false;
	for (; *url; url++) {
		if ((unsigned char)*url <= ' ' || strchr("()<>\\`\"\x7f", *url))
			buf_printf(out, "%%%02X", (unsigned char)*url);
		else if (*url == '&' && (url[1] == '#' || is_alnum(url[1])) && strchr(url, ';'))
			buf_puts(out, "&amp;");
		else
			buf_putc(out, *url);
	}
	return true;
}

/* "[" after an unescaped "!" would make a picture. */
static void begin_bracket(struct inlines *s)
{
	struct buf *b = s->out;

	begin(s);
	if (b->n && b->p[b->n - 1] == '!') {
		b->n--;
		buf_puts(b, "\\!");
	}
	s->guard = false;
}

static void put_link(struct inlines *s, const struct buf *text, const struct buf *to)
{
	begin_bracket(s);
	buf_printf(s->out, "[%s](%s)", buf_str(text), buf_str(to));
}

void inlines_link(struct inlines *s, const char *url, const char *text)
{
	_cleanup_(buf_release) struct buf to = {0}, words = {0};
	struct inlines sub = *s;

	if (!destination(s, url, &to) || s->in_link) {
		inlines_text(s, *text ? text : url);
		return;
	}
	sub.out = &words;
	sub.leading = sub.space = sub.guard = false;
	inlines_text(&sub, *text ? text : url);
	put_link(s, &words, &to);
}

/* The last part of an address's path: the best name that a picture without description has. */
static char *file_name(const char *url)
{
	size_t n = strcspn(url, "?#");
	const char *from = url + n;

	while (from > url && from[-1] != '/')
		from--;
	return strndup(from, (size_t)(url + n - from));
}

void inlines_picture(struct inlines *s, const char *url, const char *alt)
{
	_cleanup_(buf_release) struct buf to = {0}, words = {0};
	_cleanup_(freep) char *name = file_name(url);
	struct inlines sub = *s;
	bool described = alt && alt[strspn(alt, " \t\n")];
	const char *text = described ? alt : name && *name ? name : url;

	if (s->in_link && !described) /* an ornament of the link's words */
		return;
	sub.out = &words;
	sub.leading = sub.space = sub.guard = false;
	inlines_text(&sub, text);
	if (s->in_link || !destination(s, url, &to)) {
		begin(s);
		buf_add_span(s->out, buf_span(&words));
		s->guard = false;
		return;
	}
	begin(s);
	s->guard = false;
	buf_printf(s->out, "![%s](%s)", buf_str(&words), buf_str(&to));
}

static void put_image(struct inlines *s, xmlNode *n)
{
	_cleanup_(freep) char *src = html_attribute(n, "src"), *alt = html_attribute(n, "alt");
	_cleanup_(freep) char *title = html_attribute(n, "title");

	if (html_has_class(n, "emoji")) {
		const char *name = title ? title : alt ? alt : "";
		const char *character = emoji_find(name);

		inlines_text(s, character ? character : name);
	} else if (src) {
		inlines_picture(s, src, alt && *alt ? alt : title);
	}
}

static void put_anchor(struct inlines *s, xmlNode *n)
{
	_cleanup_(freep) char *href = html_attribute(n, "href"), *title = NULL;
	_cleanup_(buf_release) struct buf to = {0}, inner = {0}, plain = {0};
	struct inlines sub = *s;
	xmlNode *img = html_find(n, "img", NULL);

	html_plain(n, &plain);
	if (html_has_class(n, "lightbox") && href && img && !s->in_link) {
		title = html_attribute(n, "title");
		_cleanup_(freep) char *alt = html_attribute(img, "alt");
		inlines_picture(s, href, alt && *alt ? alt : title);
		return;
	}
	if ((html_has_class(n, "hashtag-cooked") || html_has_class(n, "hashtag")) &&
	    buf_str(&plain)[0] != '#')
		inlines_text(s, "#");
	if (!href || s->in_link || html_has_class(n, "mention") ||
	    html_has_class(n, "mention-group") || html_has_class(n, "hashtag-cooked") ||
	    html_has_class(n, "hashtag") || !destination(s, href, &to)) {
		inlines_children(s, n);
		return;
	}
	sub.out = &inner;
	sub.leading = sub.space = sub.guard = false;
	sub.emphasis_end = 0;
	sub.in_link = true;
	inlines_children(&sub, n);
	inlines_finish(&inner);
	s->space |= sub.leading;
	if (strcmp(buf_str(&plain), buf_str(&to)) == 0 || (!inner.n && *href)) {
		begin(s);
		s->guard = false;
		buf_printf(s->out, "<%s>", buf_str(&to));
	} else {
		put_link(s, &inner, &to);
	}
	s->space |= sub.space;
}

/* ---- nodes ----------------------------------------------------------------------------------- */

static void put_marked(struct inlines *s, xmlNode *n, const char *before, const char *after)
{
	inlines_text(s, before);
	inlines_children(s, n);
	inlines_text(s, after);
}

static void put_checkbox(struct inlines *s, const xmlNode *n)
{
	bool checked = html_has_class(n, "checked") || html_has_class(n, "fa-check-square-o") ||
		       html_has_class(n, "fa-check-square");

	inlines_text(s, checked ? "☑ " : "☐ ");
}

void inlines_node(struct inlines *s, xmlNode *n)
{
	enum tag_kind kind = html_kind(n);

	if (n->type == XML_TEXT_NODE || n->type == XML_CDATA_SECTION_NODE) {
		if (n->content)
			inlines_text(s, (const char *)n->content);
		return;
	}
	switch (kind) {
	case TAG_SKIP:
		return;
	case TAG_BREAK:
		inlines_break(s);
		return;
	case TAG_EM:
	case TAG_STRONG:
		if (kind == TAG_EM ? s->in_em : s->in_strong)
			inlines_children(s, n);
		else
			put_emphasis(s, n, kind == TAG_EM ? "*" : "**");
		return;
	case TAG_CODE:
		put_code(s, n);
		return;
	case TAG_STRIKE:
		put_marked(s, n, "~~", "~~");
		return;
	case TAG_SUP: /* a note's number is a link, and anything else a power */
		put_marked(s, n, html_find(n, "a", NULL) ? "" : "^", "");
		return;
	case TAG_LINK:
		put_anchor(s, n);
		return;
	case TAG_IMAGE:
		put_image(s, n);
		return;
	case TAG_INLINE:
		if (html_has_class(n, "chcklst-box"))
			put_checkbox(s, n);
		inlines_children(s, n);
		return;
	default: /* a block where none should be: its words */
		s->space = true;
		inlines_children(s, n);
		s->space = true;
		return;
	}
}

void inlines_children(struct inlines *s, xmlNode *n)
{
	if (s->depth >= HTML_DEPTH) {
		_cleanup_(buf_release) struct buf plain = {0};

		html_plain(n, &plain);
		inlines_text(s, buf_str(&plain));
		return;
	}
	s->depth++;
	for (xmlNode *c = n->children; c; c = c->next)
		inlines_node(s, c);
	s->depth--;
}

/* ---- lines ----------------------------------------------------------------------------------- */

/* What begins a block at the beginning of a line, and comes from text only: headings, lists,
 * quotes, rules, underlines, fences. The position of the character to escape, or n when there is
 * none. */
static size_t block_mark(const uint8_t *p, size_t n)
{
	size_t i = 0, run = 0;

	while (run < n && p[run] == p[0])
		run++;
	switch (n ? p[0] : 0) {
	case '>':
	case '=':
		return 0;
	case '~':
		return run >= 3 ? 0 : n;
	case '#':
	case '+':
		return run == n || p[run] <= ' ' ? 0 : n;
	case '-':
		return run > 1 || run == n || p[run] <= ' ' ? 0 : n;
	}
	while (i < n && i < 10 && p[i] >= '0' && p[i] <= '9')
		i++;
	if (i && i < n && (p[i] == '.' || p[i] == ')') && (i + 1 == n || p[i + 1] <= ' '))
		return i;
	return n;
}

void inlines_finish(struct buf *line)
{
	_cleanup_(buf_release) struct buf in = {0};
	bool before, after;
	const uint8_t *p, *end;

	strip_breaks(line, &before, &after);
	in = *line;
	*line = (struct buf){0};
	for (p = in.p, end = in.n ? p + in.n : p; p < end;) {
		const uint8_t *nl = memchr(p, '\n', (size_t)(end - p));
		size_t n = nl ? (size_t)(nl - p) + 1 : (size_t)(end - p);
		size_t at = block_mark(p, n);

		buf_add(line, p, at);
		if (at < n) {
			buf_putc(line, '\\');
			buf_add(line, p + at, n - at);
		}
		p += n;
	}
}
