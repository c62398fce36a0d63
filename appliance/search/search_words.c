/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Texts of search/: as they are indexed, as they are asked for, as they are shown. */
#include "appliance/search/search_priv.h"
#include "sync/db/db.h"
#include <ctype.h>

/* --- plain text --- */

/* U+202A … U+202E and U+2066 … U+2069: they would turn what stands after the snippet, and keep a
 * word with one inside from being found. */
static bool turns_direction(const uint8_t *p, size_t n)
{
	return n >= 3 && p[0] == 0xe2 &&
	       ((p[1] == 0x80 && p[2] >= 0xaa && p[2] <= 0xae) ||
		(p[1] == 0x81 && p[2] >= 0xa6 && p[2] <= 0xa9));
}

void words_plain(struct span text, struct buf *out)
{
	bool space = false; /* one is due before the next character */
	size_t begin = out->n;

	for (size_t i = 0; i < text.n; i++) {
		uint8_t b = text.p[i];

		if (b <= ' ' || b == 0x7f) {
			space = true;
		} else if (turns_direction(text.p + i, text.n - i)) {
			i += 2;
		} else {
			if (space && out->n > begin)
				buf_putc(out, ' ');
			buf_putc(out, (char)b);
			space = false;
		}
	}
}

void words_part(int64_t part, struct buf *out)
{
	char text[32];

	snprintf(text, sizeof(text), DB_PART_BEGIN "%llx" DB_PART_END, (unsigned long long)part);
	buf_puts(out, text);
}

/* --- what somebody typed --- */

/* Is this the first byte of a character that ends a word for the tokenizer? Only roughly: it is for
 * counting. U+00A0 … U+00BF, U+2000 … U+2BFF, U+3000 … U+303F. */
static bool ends_word(const uint8_t *p)
{
	if (*p < 0x80)
		return !isalnum(*p);
	return (p[0] == 0xc2 && p[1] < 0xc0) || (p[0] == 0xe2 && p[1] < 0xb0) ||
	       (p[0] == 0xe3 && p[1] == 0x80);
}

/* How many words the tokenizer finds in it, or more; *ret_letters: characters that are none of
 * those. */
static size_t count_words(struct span word, size_t *ret_letters)
{
	size_t n = 1, letters = 0;

	for (size_t i = 0; i < word.n; i++) {
		if ((word.p[i] & 0xc0) == 0x80)
			continue;
		if (ends_word(word.p + i)) /* terminated, so the byte after is there */
			n++;
		else
			letters++;
	}
	*ret_letters = letters;
	return n;
}

/* The next word, or everything between two quotes. */
static struct span next_word(const char **at)
{
	const char *p = *at + strspn(*at, " \t\n\r\f\v");
	bool quoted = *p == '"';
	size_t n;

	p += quoted;
	n = strcspn(p, quoted ? "\"" : " \t\n\r\f\v\"");
	*at = p + n + (quoted && p[n]);
	return span_of(p, n);
}

/* Each word is a quoted string, which FTS5 reads as words one after the other, whatever is in it.
 */
const char *words_query(struct arena *a, const char *typed, int64_t part)
{
	/* A beginning of one or two letters would find half of everything, and slowly. */
	enum { SHORTEST_BEGINNING = 3 };
	_cleanup_(buf_release) struct buf mark = {0};
	const char *query = NULL, *at = typed;
	size_t budget = QUERY_WORDS, letters = 0;
	bool quoted = false;

	words_part(part, &mark);
	if (strlen(typed) > LIMIT_QUERY) {
		size_t n = LIMIT_QUERY;

		while (n && ((uint8_t)typed[n] & 0xc0) == 0x80)
			n--;
		at = arena_strn(a, typed, n);
	}
	while (*at) {
		const char *before = at + strspn(at, " \t\n\r\f\v");
		struct span word = next_word(&at);
		size_t words, n;

		if (!word.n)
			continue;
		words = count_words(word, &n);
		if (!n)
			continue;
		if (words > budget)
			break;
		budget -= words;
		letters = n;
		quoted = *before == '"';
		query = arena_printf(a, "%s%s\"%s%.*s\"", query ? query : "", query ? " " : "",
				     buf_str(&mark), (int)word.n, (const char *)word.p);
	}
	if (query && !quoted && letters >= SHORTEST_BEGINNING)
		query = arena_printf(a, "%s*", query);
	return query;
}

/* --- what is shown --- */

const char *words_marked(struct arena *a, const char *snippet)
{
	_cleanup_(buf_release) struct buf out = {0};

	/* It begins as the text does, if that is near. */
	if (*snippet == DB_PART_BEGIN[0] && strchr(snippet, DB_PART_END[0]))
		snippet = strchr(snippet, DB_PART_END[0]) + 1;
	for (const char *p = snippet; *p; p++)
		switch (*p) {
		case '\x01': /* FOUND_BEGIN */
			buf_puts(&out, "<mark>");
			break;
		case '\x02': /* FOUND_END */
			buf_puts(&out, "</mark>");
			break;
		case '<':
			buf_puts(&out, "&lt;");
			break;
		case '>':
			buf_puts(&out, "&gt;");
			break;
		case '&':
			buf_puts(&out, "&amp;");
			break;
		case '"':
			buf_puts(&out, "&quot;");
			break;
		case '\'':
			buf_puts(&out, "&#39;");
			break;
		default:
			buf_putc(&out, *p);
		}
	return arena_strn(a, buf_str(&out), out.n);
}
