/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>
#include "appliance/page/markdown.h"
#include "sync/base/limits.h"
#include "tests/appliance/page/html_check.h"
#include <time.h>

static void assert_html(const char *text, const char *expected)
{
	_cleanup_(buf_release) struct buf out = {0};

	markdown_html(span_str(text), MARKDOWN_POST, &out);
	assert_string_equal(buf_str(&out), expected);
}

static void renders_common_mark(void **state)
{
	assert_html("", "");
	assert_html("Hello *you* & **me**\n\n- a\n- b\n",
		    "<p>Hello <em>you</em> &amp; <strong>me</strong></p>\n"
		    "<ul>\n<li>a</li>\n<li>b</li>\n</ul>\n");
	assert_html("```c\nif (a < b)\n```\n",
		    "<pre><code class=\"language-c\">if (a &lt; b)\n</code></pre>\n");
}

static void moves_headings_down(void **state)
{
	assert_html("# a\n\n## b\n\n##### c\n", "<h3>a</h3>\n<h4>b</h4>\n<h6>c</h6>\n");
}

static void marks_links_to_outside(void **state)
{
	assert_html("[a](https://example.org/?x=1&y='2')",
		    "<p><a href=\"https://example.org/?x=1&amp;y=&#39;2&#39;\" rel=\"nofollow "
		    "noopener\">a</a></p>\n");
	assert_html("[a](//example.org)",
		    "<p><a href=\"//example.org\" rel=\"nofollow noopener\">a</a></p>\n");
	assert_html("<HTTP://example.org>", "<p><a href=\"HTTP://example.org\" rel=\"nofollow "
					    "noopener\">HTTP://example.org</a></p>\n");
	assert_html("[a](/topic/x \"t\") [b](other#c) [c](mailto:a@b.cat)",
		    "<p><a href=\"/topic/x\">a</a> <a href=\"other#c\">b</a> <a "
		    "href=\"mailto:a@b.cat\">c</a></p>\n");
}

static void makes_addresses_in_the_text_into_links(void **state)
{
	static const char a[] = "<a href=\"https://guifi.net/a_b_c?d=(e)&amp;f\" rel=\"nofollow "
				"noopener\">https://guifi.net/a_b_c?d=(e)&amp;f</a>";
	_cleanup_(buf_release) struct buf expected = {0};

	buf_printf(&expected, "<p>(see %s). Xhttps://no, https:// and `</p>\n", a);
	assert_html("(see https://guifi.net/a_b_c?d=(e)&f). Xhttps://no, https:// and `",
		    buf_str(&expected));
	assert_html("[https://a.cat https://b.cat](/x)",
		    "<p><a href=\"/x\">https://a.cat https://b.cat</a></p>\n");
	assert_html("`https://a.cat`", "<p><code>https://a.cat</code></p>\n");
	assert_html("http://a.cat https://b.cat!",
		    "<p><a href=\"http://a.cat\" rel=\"nofollow noopener\">http://a.cat</a> <a "
		    "href=\"https://b.cat\" rel=\"nofollow noopener\">https://b.cat</a>!</p>\n");
}

static void loads_no_picture_from_elsewhere(void **state)
{
	assert_html("![our garden](/file/abc/get)",
		    "<p><img src=\"/file/abc/get\" alt=\"our garden\" loading=\"lazy\"></p>\n");
	assert_html("![a *cat*](https://example.org/cat.png)",
		    "<p><a href=\"https://example.org/cat.png\" rel=\"nofollow noopener\">a "
		    "cat</a></p>\n");
	assert_html("![](//example.org/cat.png)",
		    "<p><a href=\"//example.org/cat.png\" rel=\"nofollow "
		    "noopener\">//example.org/cat.png</a></p>\n");
	assert_html("[![cat](http://e.org/c.png)](https://e.org)",
		    "<p><a href=\"https://e.org\" rel=\"nofollow noopener\">cat</a></p>\n");
	assert_html("![x](data:image/png;base64,AAAA)", "<p>x</p>\n");
	assert_html("![\"><script>](/static/a\"onerror=x)",
		    "<p><img src=\"/static/a%22onerror=x\" alt=\"&quot;&gt;&lt;script&gt;\" "
		    "loading=\"lazy\"></p>\n");
}

static void a_picture_asks_for_nothing_but_pictures(void **state)
{
	static const char *const bad[] = {
		"/admin/peers/aaaa/number",
		"/admin/peers/aaaa/approve?addr=10.0.0.1:8443",
		"/ADMIN",
		"/",
		"/file",
		"/files/new",
		"/library/a/b",
		"/sign-out",
		"admin",
		"../admin",
		"./file/abc/get",
		"?whole=",
		"/file/../admin/peers/aaaa/number",
		"/file/x/..%2fadmin",
		"/file/%2e%2E/admin",
		"/file/.%2e/admin",
		"/static/&#46;&#46;/admin",
		"/static/\\../admin",
		"/static/%2E./admin",
	};
	char text[200];

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		_cleanup_(buf_release) struct buf out = {0};

		snprintf(text, sizeof(text), "![x](%s) [![y](%s)](/z)", bad[i], bad[i]);
		markdown_html(span_str(text), 1, &out);
		if (strstr(buf_str(&out), "<img"))
			fail_msg("%s gives %s", bad[i], buf_str(&out));
	}
	assert_html("![the number](/admin/x)", "<p><a href=\"/admin/x\">the number</a></p>\n");
	assert_html("[![y](/admin/x)](/z)", "<p><a href=\"/z\">y</a></p>\n");
	assert_html("![x]()", "<p>x</p>\n");
}

static void shows_raw_html_as_text(void **state)
{
	assert_html("a <b onclick=x>b</b>", "<p>a &lt;b onclick=x&gt;b&lt;/b&gt;</p>\n");
	assert_html("<div>\nhi\n</div>\n",
		    "<pre><code>&lt;div&gt;\nhi\n&lt;/div&gt;\n</code></pre>\n");
	assert_html("- a\n\n<!-- -->\n\n- b\n",
		    "<ul>\n<li>a</li>\n</ul>\n<ul>\n<li>b</li>\n</ul>\n");
	assert_html("<!-- --> <script>\n",
		    "<pre><code>&lt;!-- --&gt; &lt;script&gt;\n</code></pre>\n");
}

/* Nothing but our own tags and schemes may come out, whatever goes in. */
static void every_known_attack_comes_out_inert(void **state)
{
	static const char *const attacks[] = {
		"[a](javascript:alert(1))",
		"[a](JaVaScRiPt:alert(1))",
		"[a](java\tscript:alert(1))",
		"[a](<java\nscript:alert(1)>)",
		"[a](javascript&colon;alert(1))",
		"[a](&#106;avascript:alert(1))",
		"[a](\\javascript:alert(1))",
		"[a](vbscript:x) [b](data:text/html;base64,PHNjcmlwdD4=)",
		"[a](feed:javascript:alert(1))",
		"<javascript:alert(1)>",
		"<data:text/html,x>",
		"![a](javascript:alert(1))",
		"[a]: javascript:alert(1)\n\n[a]",
		"<script>alert(1)</script>",
		"<img src=x onerror=alert(1)>",
		"<svg/onload=alert(1)>",
		"<a href=\"javascript:alert(1)\">x</a>",
		"```\"><script>alert(1)</script>\nx\n```",
		"```x\" onmouseover=\"alert(1)\nx\n```",
		"[a](https://x\"onmouseover=alert(1))",
		"[a](<https://x\" onmouseover=\"alert(1)>)",
		"[a](https://x 'y\" onmouseover=alert(1) z')",
		"https://x\"onmouseover=alert(1)",
		"https://x'onmouseover=alert(1)",
		"<https://x\"onmouseover=alert(1)>",
		"<!--><script>alert(1)</script>-->",
		"<!-- --!><script>alert(1)</script>",
		"<?php alert(1) ?><script>",
		"<![CDATA[<script>alert(1)</script>]]>",
		"&lt;script&gt;alert(1)&lt;/script&gt;",
		"\\<script>alert(1)\\</script>",
		"[<img src=x onerror=alert(1)>](/x)",
		"![<img src=x onerror=alert(1)>](/x)",
	};

	for (size_t i = 0; i < ARRAY_LEN(attacks); i++) {
		_cleanup_(buf_release) struct buf out = {0};
		const char *fault;

		markdown_html(span_str(attacks[i]), MARKDOWN_POST, &out);
		fault = html_first_fault(buf_str(&out));
		if (fault)
			print_message("# %s -> %s, at %s\n", attacks[i], buf_str(&out), fault);
		assert_null(fault);
	}
	assert_non_null(html_first_fault("<p onclick=\"x\">"));
	assert_non_null(html_first_fault("<a href=\"javascript:x\">"));
	assert_non_null(html_first_fault("<a href=\"x\"onclick=\"\">"));
	assert_non_null(html_first_fault("<img src=\"http://x\">"));
	assert_non_null(html_first_fault("<script>"));
}

/* ---- cost ------------------------------------------------------------------------------------ */

static double seconds(struct span text)
{
	_cleanup_(buf_release) struct buf out = {0};
	struct timespec a, b;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &a);
	markdown_html(text, MARKDOWN_POST, &out);
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &b);
	/* &quot; is six bytes, a lone "*" in a list of lists is a <ul><li>…: linear all the same */
	assert_true(out.n <= text.n * 16 + 1024);
	return (double)(b.tv_sec - a.tv_sec) + (double)(b.tv_nsec - a.tv_nsec) / 1e9;
}

/* cmark's own pathological inputs (test/pathological_tests.py), and those of its advisories. */
static void takes_bounded_time_on_every_known_pathological_text(void **state)
{
	static const char *const repeated[] = {
		"*a **a ",
		"a_ ",
		"_a ",
		"a]",
		"[a",
		"*a_ ",
		"a**b",
		"c* ",
		"[ a_",
		"[ (](",
		"![[]()",
		"![[a]",
		"> ",
		">",
		"`a``b",
		"[a](<b",
		"[a](b",
		"<!--",
		"<?",
		"<!A ",
		"<![CDATA[",
		">\n",
		"- ",
		"* ",
		"1. ",
		"&",
		"&#",
		"<a b=\"c\" ",
		"<a ",
		"<",
		"<http://a",
		"<a@a.",
		"a\n",
		"[a]:\n",
		"[a]: b \"",
		"[x](",
		"[]()",
		"[a](b \"c",
		"[a]((",
		"\\\\",
		"_",
		"*",
		"a *b* ",
		"\t- ",
		"~~~\n",
		"```\n",
		"- a\n1. b\n",
		"- a\n\n",
		"    a\n\n",
		"<div\n",
		"<!--\n",
		"***a",
		"# ",
		"#",
		"- a\n  > b\n",
		"\r",
		"https://",
		"https://a ",
		"https://a))))(((",
		"http://a.b/c_d*e*",
		"h",
		"![a](b)",
	};
	double worst = 0;

	for (size_t i = 0; i < ARRAY_LEN(repeated); i++) {
		_cleanup_(buf_release) struct buf text = {0};
		double s;

		while (text.n + strlen(repeated[i]) <= LIMIT_TEXT)
			buf_puts(&text, repeated[i]);
		s = seconds(buf_span(&text));
		worst = s > worst ? s : worst;
		if (s > 1.5)
			print_message("# %s: %.2f s\n", repeated[i], s);
		assert_true(s <= 1.5); /* under ASan; a tenth of it in a release */
	}
	print_message("# worst %.3f s\n", worst);
}

static void repeat(struct buf *b, const char *s, size_t n)
{
	while (n--)
		buf_puts(b, s);
}

static void takes_bounded_time_on_deep_nesting(void **state)
{
	_cleanup_(buf_release) struct buf a = {0}, b = {0}, c = {0}, d = {0};

	repeat(&a, "- ", 500);
	buf_puts(&a, "a\n");
	repeat(&a, "\n", LIMIT_TEXT - a.n);
	for (size_t i = 0; b.n + 2 * i + 4 < LIMIT_TEXT - 100000; i++) {
		repeat(&b, "  ", i);
		buf_puts(&b, "* a\n");
	}
	repeat(&b, "\n", LIMIT_TEXT - b.n);
	repeat(&c, "[", LIMIT_TEXT / 2);
	repeat(&c, "]", LIMIT_TEXT / 2);
	repeat(&d, "**", LIMIT_TEXT / 8);
	repeat(&d, "a**", LIMIT_TEXT / 8);
	assert_true(seconds(buf_span(&a)) < 1);
	assert_true(seconds(buf_span(&b)) < 1);
	assert_true(seconds(buf_span(&c)) < 1);
	assert_true(seconds(buf_span(&d)) < 1);
}

static void shows_what_is_nested_too_deeply_word_for_word(void **state)
{
	_cleanup_(buf_release) struct buf text = {0}, out = {0};

	repeat(&text, "> ", 2 * MARKDOWN_DEPTH);
	buf_puts(&text, "<b>");
	markdown_html(buf_span(&text), MARKDOWN_POST, &out);
	assert_memory_equal(out.p, "<pre>&gt; &gt; ", 15);
	assert_non_null(strstr(buf_str(&out), "&lt;b&gt;</pre>"));
}

static void replaces_bytes_that_are_not_utf8(void **state)
{
	static const char bad[] = "a\x80z \xc0\xaf \xed\xa0\x80 \xf5 \xe2\x82";
	_cleanup_(buf_release) struct buf deep = {0}, out = {0};

	markdown_html(span_of(bad, sizeof(bad)), MARKDOWN_POST, &out);
	assert_null(memchr(out.p, 0x80, 5));
	repeat(&deep, "> ", 2 * MARKDOWN_DEPTH);
	buf_add(&deep, bad, sizeof(bad)); /* with its zero */
	buf_clear(&out);
	markdown_html(buf_span(&deep), MARKDOWN_POST, &out);
	assert_non_null(strstr(buf_str(&out), "a\xef\xbf\xbdz \xef\xbf\xbd\xef\xbf\xbd "));
	assert_int_equal(strlen(buf_str(&out)), out.n);
}

/* ---- plain text ------------------------------------------------------------------------------ */

static void gives_the_words_for_the_index(void **state)
{
	_cleanup_(buf_release) struct buf out = {0};

	markdown_text(span_str("# Hort\n\n- *un*\n- [dos](https://x) `tres`\n\n```\ncodi\n```\n"
			       "<b>fi</b> ![foto](/x)\n"),
		      &out);
	assert_string_equal(buf_str(&out), "Hort\nun\ndos tres\ncodi\n<b>fi</b> foto\n");
}

static void assert_excerpt(const char *text, size_t n, const char *expected)
{
	_cleanup_(buf_release) struct buf out = {0};

	buf_puts(&out, ">");
	markdown_excerpt(span_str(text), n, &out);
	assert_string_equal(buf_str(&out) + 1, expected);
}

static void cuts_an_excerpt_between_words(void **state)
{
	assert_excerpt("", 10, "");
	assert_excerpt("Hello *big* world", 15, "Hello big world");
	assert_excerpt("Hello\n\n*big*\nworld", 14, "Hello big…");
	assert_excerpt("Hello big", 5, "Hello…");
	assert_excerpt("Hello big", 6, "Hello…");
	assert_excerpt("àèìòù", 3, "àèì…");
	assert_excerpt("àèì òù", 5, "àèì…");
	assert_excerpt("   \n\n a  ", 1, "a");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(renders_common_mark),
		cmocka_unit_test(moves_headings_down),
		cmocka_unit_test(marks_links_to_outside),
		cmocka_unit_test(makes_addresses_in_the_text_into_links),
		cmocka_unit_test(loads_no_picture_from_elsewhere),
		cmocka_unit_test(a_picture_asks_for_nothing_but_pictures),
		cmocka_unit_test(shows_raw_html_as_text),
		cmocka_unit_test(every_known_attack_comes_out_inert),
		cmocka_unit_test(takes_bounded_time_on_every_known_pathological_text),
		cmocka_unit_test(takes_bounded_time_on_deep_nesting),
		cmocka_unit_test(shows_what_is_nested_too_deeply_word_for_word),
		cmocka_unit_test(replaces_bytes_that_are_not_utf8),
		cmocka_unit_test(gives_the_words_for_the_index),
		cmocka_unit_test(cuts_an_excerpt_between_words),
	};

	return cmocka_run_group_tests_name("markdown", tests, NULL, NULL);
}
