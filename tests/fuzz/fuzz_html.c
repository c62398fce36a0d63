/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Two promises of the import: any HTML becomes Markdown that renders into nothing but our tags; and
 * any text, put into a paragraph, comes out as the same words. */
#include "tests/fuzz/fuzz.h"
#include "appliance/import/html_markdown.h"
#include "appliance/page/markdown.h"
#include "appliance/page/mustache.h"
#include "tests/appliance/page/html_check.h"

static void check_safe(struct span html)
{
	_cleanup_(buf_release) struct buf text = {0}, page = {0};
	_cleanup_(error_freep) struct error *e =
		html_to_markdown(html, html.n % 2 ? "https://forum.example.org" : NULL, &text);

	if (e) {
		FUZZ_CHECK(text.n == 0);
		return;
	}
	markdown_html(buf_span(&text), MARKDOWN_POST, &page);
	FUZZ_CHECK(!html_first_fault(buf_str(&page)));
}

/* Printable ASCII and spaces stand; other bytes become letters of two bytes. */
static void put_word_byte(struct buf *b, uint8_t c)
{
	if (c > ' ' && c < 0x7f)
		buf_putc(b, (char)c);
	else if (c >= 0x80)
		buf_printf(b, "\xc3%c", 0x80 | (c & 0x3f));
	else if (b->n && b->p[b->n - 1] != ' ')
		buf_putc(b, ' ');
}

static void check_words(const uint8_t *data, size_t size)
{
	_cleanup_(buf_release) struct buf words = {0}, html = {0}, text = {0}, again = {0};
	_cleanup_(error_freep) struct error *e = NULL;

	for (size_t i = 0; i < size; i++)
		put_word_byte(&words, data[i]);
	while (words.n && words.p[words.n - 1] == ' ')
		words.p[--words.n] = 0;
	buf_puts(&html, "<p>");
	html_escape(&html, buf_span(&words));
	buf_puts(&html, "</p>");
	e = html_to_markdown(buf_span(&html), NULL, &text);
	if (e)
		return;
	markdown_text(buf_span(&text), &again);
	if (again.n && again.p[again.n - 1] == '\n')
		again.n--;
	FUZZ_CHECK(span_eq(buf_span(&again), buf_span(&words)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	check_safe(span_of(data, size));
	check_words(data, size);
	return 0;
}
