/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>
#include "appliance/import/html_markdown.h"
#include "appliance/page/markdown.h"
#include "sync/base/limits.h"
#include <jansson.h>
#include <libxml/HTMLparser.h>
#include <time.h>

static void assert_markdown_at(const char *origin, const char *html, const char *expected)
{
	_cleanup_(buf_release) struct buf out = {0};

	assert_null(html_to_markdown(span_str(html), origin, &out));
	assert_string_equal(buf_str(&out), expected);
}

static void assert_markdown(const char *html, const char *expected)
{
	assert_markdown_at(NULL, html, expected);
}

/* The Markdown of `html`, rendered, is `expected`: for what matters more than its spelling. */
static void assert_shows(const char *html, const char *expected)
{
	_cleanup_(buf_release) struct buf text = {0}, out = {0};

	assert_null(html_to_markdown(span_str(html), NULL, &text));
	markdown_html(buf_span(&text), 1, &out);
	assert_string_equal(buf_str(&out), expected);
}

static void turns_paragraphs_and_breaks(void **state)
{
	assert_markdown("", "");
	assert_markdown(" \n ", "");
	assert_markdown("<p>One\n  two</p>\n<p>three<br>\nfour<br></p>",
			"One two\n\nthree\\\nfour\n");
	assert_markdown("plain & <b>bold</b>", "plain & **bold**\n");
	assert_shows("<p>a<br><br>b</p>", "<p>a<br />\n<br />\nb</p>\n");
	assert_markdown("<p>a</p><hr><p>b</p>", "a\n\n___\n\nb\n");
}

static void turns_headings(void **state)
{
	assert_markdown(
		"<h1><a name=\"x\" class=\"anchor\" href=\"#x\"></a>T<br>x</h1><h3>Issue #1 #</h3>",
		"# T x\n\n### Issue \\#1 \\#\n");
	assert_shows("<h2>Issue #1 #</h2>", "<h2>Issue #1 #</h2>\n");
}

static void turns_emphasis_wherever_it_stands(void **state)
{
	assert_markdown("<p>a <em>b</em> <strong>c</strong><i> d </i>e</p>", "a *b* **c** *d* e\n");
	assert_shows("<p>a<b>(b)</b>c</p>", "<p>a<strong>(b)</strong>c</p>\n");
	assert_shows("<p>Name:<b>Pep:</b>Garc\303\255a</p>",
		     "<p>Name:<strong>Pep:</strong>Garc\303\255a</p>\n");
	assert_shows("<p><b><i>x</i></b> <i>a<b>b</b>c</i></p>",
		     "<p><em><strong>x</strong></em> <em>a<strong>b</strong>c</em></p>\n");
	assert_shows("<p><b>a</b><b>b</b><em></em><i> </i></p>", "<p><strong>a</strong>b</p>\n");
	assert_shows("<p><b>a<br></b>c <b><br>d</b></p>",
		     "<p><strong>a</strong><br />\nc<br />\n<strong>d</strong></p>\n");
	assert_markdown("<p><s>no</s> m<sup>2</sup></p>", "~~no~~ m^2\n");
}

static void escapes_what_markdown_would_take_for_itself(void **state)
{
	static const char *const texts[] = {
		"*a* _b_ `c` [d](e) ![f](g) &lt;b&gt; &amp;amp; \\ \\*",
		"# no heading",
		"- no list",
		"+ no list",
		"1. no list",
		"12) no list",
		"&gt; no quote",
		"=== no line",
		"--- no line",
		"~~~ no fence",
		"``` no fence",
		"1986. A year",
		"&amp;copy; &amp;#35; AT&amp;T",
		"&lt;https://a.b&gt; &lt;a@b.c&gt;",
		"snake_case_name _x_",
		"2 * 3 * 4 ** 5",
		"[a]: https://x",
		"a | b",
		"!",
		"https://a.b/c_d_e?f=1&amp;g=2*3",
		"C:\\Users\\name",
		"$a_b$ ^c^ {d} ~e~",
		"**",
		"____",
	};

	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		_cleanup_(buf_release) struct buf html = {0}, text = {0}, plain = {0};
		_cleanup_(buf_release) struct buf expected = {0};
		htmlDocPtr doc;
		xmlChar *words;

		buf_printf(&html, "<p>%s<br>%s</p>", texts[i], texts[i]);
		assert_null(html_to_markdown(buf_span(&html), NULL, &text));
		markdown_text(buf_span(&text), &plain);
		buf_clear(&html);
		buf_printf(&html, "<p>%s\n%s\n</p>", texts[i], texts[i]);
		doc = htmlReadMemory((char *)html.p, (int)html.n, NULL, "UTF-8", 0);
		words = xmlNodeGetContent(xmlDocGetRootElement(doc));
		assert_string_equal(buf_str(&plain), (char *)words);
		xmlFree(words);
		xmlFreeDoc(doc);
	}
}

static void turns_lists(void **state)
{
	assert_markdown("<ul>\n<li>a</li>\n<li>b<ul><li>c</li></ul></li>\n</ul><p>d</p>",
			"- a\n- b\n  - c\n\nd\n");
	assert_markdown("<ol start=\"9\"><li>a</li><li><p>b</p><p>c</p></li></ol>",
			"9. a\n\n10. b\n\n    c\n");
	assert_markdown("<ul><li>a</li></ul><ul><li>b</li></ul>", "- a\n\n* b\n");
	assert_markdown("<ol><li>a</li></ol><ol><li>b</li></ol>", "1. a\n\n1) b\n");
	assert_markdown("<ul><li></li><li><pre><code>x\n\ny</code></pre></li></ul>",
			"- ```\n  x\n\n  y\n  ```\n");
	assert_shows("<ul><li>a<ol start=3><li>b</li></ol></li></ul>",
		     "<ul>\n<li>\n<p>a</p>\n<ol start=\"3\">\n<li>b</li>\n</ol>\n</li>\n</ul>\n");
	assert_markdown("<ul><ul><li>deep</li></ul></ul>", "- - deep\n");
	assert_markdown("<ul><li><span class=\"chcklst-box fa fa-square-o\"></span> to do</li>"
			"<li><span class=\"chcklst-box checked\"></span>done</li></ul>",
			"- ☐ to do\n- ☑ done\n");
}

static void turns_quotes_and_keeps_the_name(void **state)
{
	assert_markdown("<blockquote><p>a</p><p>b</p></blockquote>", "> a\n>\n> b\n");
	assert_markdown(
		"<aside class=\"quote no-group\" data-username=\"en_jan\" data-post=\"3\">\n"
		"<div class=\"title\">\n<div class=\"quote-controls\"></div>\n"
		"<img class=\"avatar\" src=\"/x.png\"> en_jan:</div>\n"
		"<blockquote>\n<p>Hola</p>\n</blockquote>\n</aside><p>S\303\255</p>",
		"> **en_jan:**\n>\n> Hola\n\nS\303\255\n");
	assert_markdown(
		"<aside class=\"quote\" data-username=\"pep\"><div class=\"title\"><a "
		"href=\"https://f.cat/t/9\">El tema</a></div><blockquote>x</blockquote></aside>",
		"> **pep:** [El tema](https://f.cat/t/9)\n>\n> x\n");
}

static void turns_code(void **state)
{
	assert_markdown("<p><code>a`b</code> <code>`</code><code>c</code></p>",
			"``a`b`` `` ` `` `c`\n");
	assert_markdown("<pre><code class=\"lang-python\">a &lt; b\n\n    c\n</code></pre>",
			"```python\na < b\n\n    c\n```\n");
	assert_markdown("<pre><code class=\"lang-auto\">```\nx</code></pre>",
			"````\n```\nx\n````\n");
	assert_markdown("<pre>a<br>b</pre>", "```\na\nb\n```\n");
	assert_markdown("<p><kbd>Ctrl</kbd></p>", "`Ctrl`\n");
}

static void turns_links(void **state)
{
	assert_markdown("<a href=\"https://e.org/a_(b)?x=1&amp;y=2\">the *page*</a>",
			"[the \\*page\\*](https://e.org/a_%28b%29?x=1&y=2)\n");
	assert_markdown("<a href=\"https://e.org\">https://e.org</a>!", "<https://e.org>!\n");
	assert_markdown("Look!<a href=\"https://e.org\">x</a>", "Look\\![x](https://e.org)\n");
	assert_markdown("<a href=\"javascript:alert(1)\">x</a><a href=\"#top\">y</a>", "xy\n");
	assert_markdown("<a href=\"/t/5\">the topic</a>", "the topic\n");
	assert_markdown_at("https://f.cat", "<a href=\"/t/5\">the topic</a>",
			   "[the topic](https://f.cat/t/5)\n");
	assert_markdown("<a class=\"mention\" href=\"/u/pep_g\">@pep_g</a>", "@pep_g\n");
	assert_markdown(
		"<p>see <a class=\"hashtag-cooked\" href=\"/c/x\"><span "
		"class=\"hashtag-icon-placeholder\"><svg></svg></span><span>hort</span></a></p>",
		"see #hort\n");
	assert_markdown("<p><a class=\"hashtag\" href=\"/c/x\">#<span>hort</span></a></p>",
			"#hort\n");
	assert_markdown("<a href=\"mailto:a@b.cat\">write</a>", "[write](mailto:a@b.cat)\n");
}

static void turns_pictures(void **state)
{
	assert_markdown("<img src=\"https://e.org/a.png\" alt=\"a ] cat\">",
			"![a \\] cat](https://e.org/a.png)\n");
	assert_markdown("<img src=\"//e.org/x/a.png?b\">", "![a.png](https://e.org/x/a.png?b)\n");
	assert_markdown("<img src=\"/uploads/a.png\" alt=\"cat\">", "cat\n");
	assert_markdown("<p>ok <img class=\"emoji\" title=\":smile:\" src=\"/e.png\"><img "
			"class=\"emoji\" title=\":my_own:\"><img class=\"emoji only-emoji\" "
			"alt=\":wave:t3:\"></p>",
			"ok 😄:my_own:👋\n");
	assert_markdown("<div class=\"lightbox-wrapper\"><a class=\"lightbox\" "
			"href=\"https://e.org/big.png\" title=\"Hort\"><img alt=\"\" "
			"src=\"https://e.org/small.png\"><div class=\"meta\"><svg><use "
			"href=\"#x\"></use></svg><span class=\"filename\">Hort</span><span "
			"class=\"informations\">120\303\2278</span></div></a></div>",
			"![Hort](https://e.org/big.png)\n");
	assert_markdown("<a href=\"https://e.org\"><img src=\"https://e.org/b.png\" alt=\"b\"></a>",
			"[b](https://e.org)\n");
}

static void turns_what_discourse_adds(void **state)
{
	assert_markdown(
		"<aside class=\"onebox githubissue\" data-onebox-src=\"https://g.org/1\">\n"
		"<header class=\"source\"><a href=\"https://g.org/1\">g.org</a></header><article "
		"class=\"onebox-body\"><h4><a href=\"https://g.org/1\">A *title*</a></h4><p>Much "
		"more</p></article></aside>",
		"[A \\*title\\*](https://g.org/1)\n");
	assert_markdown("<details><summary>More &amp; <b>more</b></summary><p>x</p></details>",
			"**More & more**\n\nx\n");
	assert_markdown("<div class=\"lazyYT\" data-youtube-id=\"a-B_1\" "
			"data-youtube-title=\"The film\"></div>",
			"[The film](https://www.youtube.com/watch?v=a-B_1)\n");
	assert_markdown("<div class=\"video-container\"><video><source "
			"src=\"https://e.org/a.mp4\"></video></div>",
			"[https://e.org/a.mp4](https://e.org/a.mp4)\n");
	assert_markdown("<p>a<script>alert(1)</script><style>b</style><!-- c -->d</p>", "ad\n");
}

static void turns_tables_into_aligned_lines(void **state)
{
	assert_markdown("<table><thead><tr><th>Dia</th><th>Qu\303\250</th></tr></thead><tbody>"
			"<tr><td>1</td><td>Hort*</td></tr><tr><td>12 d'abril</td><td></td></tr>"
			"</tbody></table>",
			"```\nDia        | Qu\303\250\n---------- | -----\n1          | Hort*\n12 "
			"d'abril | \n```\n");
	assert_markdown("<table><tr><td><a href=\"https://a.b\">x</a></td><td>y</td></tr></table>",
			"- [x](https://a.b) | y\n");
	assert_markdown("<table><tr><td><ul><li>x</li></ul></td><td>y</td></tr></table>",
			"- x\n\ny\n");
}

static void bounds_depth_and_size(void **state)
{
	_cleanup_(buf_release) struct buf deep = {0}, out = {0}, big = {0};
	_cleanup_(error_freep) struct error *e = NULL, *e2 = NULL;

	for (int i = 0; i < 5000; i++)
		buf_puts(&deep, i % 2 ? "<blockquote><b>" : "<ul><li><i>");
	buf_puts(&deep, "the end");
	e2 = html_to_markdown(buf_span(&deep), NULL, &out);
	while (big.n <= HTML_INPUT)
		buf_puts(&big, "word ");
	e = html_to_markdown(buf_span(&big), NULL, &out);
	assert_int_equal(error_code(e), ERR_LIMIT);
	error_replace(&e, html_to_markdown(span_of(big.p, LIMIT_TEXT + 10), NULL, &out));
	assert_int_equal(error_code(e), ERR_LIMIT);
}

static void takes_bounded_time_on_hostile_html(void **state)
{
	static const char *const repeated[] = {
		"<div>",
		"<b>",
		"<p>",
		"<table>",
		"<table><tr><td>",
		"<a href=x>",
		"<ul><li>",
		"<b><p>",
		"<font><i>",
		"<select>",
		"<",
		"&",
		"<a b=",
		"<!--",
		"<h1>",
		"<code>`",
		"<td>",
		"<form>",
		"<em>a</em>",
		"<strong>(a)</strong>",
		"<img alt=x src=//a>",
		"<br>",
		"<pre>`",
		"<aside class=quote>",
		"<aside class=onebox><a href=//b>",
		"<details><summary>",
		"<div class=lightbox><a class=lightbox href=//b><img>",
		"<video>",
		"<li>",
		"_a",
	};

	for (size_t i = 0; i < ARRAY_LEN(repeated); i++) {
		_cleanup_(buf_release) struct buf html = {0}, out = {0};
		clock_t begin = clock();

		while (html.n + strlen(repeated[i]) <= HTML_INPUT / 4)
			buf_puts(&html, repeated[i]);
		error_free(html_to_markdown(buf_span(&html), NULL, &out));
		if (clock() - begin > 2 * CLOCKS_PER_SEC)
			print_message("# %s is slow\n", repeated[i]);
		/* under ASan; a megabyte takes at most 0.3 s in a release */
		assert_true(clock() - begin <= 2 * CLOCKS_PER_SEC);
	}
}

/* ---- real posts ------------------------------------------------------------------------------ */

/* Letters and digits only: markup, white space and punctuation of layout do not count. */
static void letters(struct span s, struct buf *out)
{
	for (size_t i = 0; i < s.n; i++) {
		uint8_t c = s.p[i];

		if ((c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z') ||
		    (c >= 0x80 && !(c == 0xc2 && i + 1 < s.n && s.p[i + 1] == 0xa0) &&
		     !(c == 0xa0 && i && s.p[i - 1] == 0xc2)))
			buf_putc(out, (char)c);
	}
}

static bool has_class(xmlNode *n, const char *name)
{
	xmlChar *v = xmlGetNoNsProp(n, BAD_CAST "class");
	bool yes = v && strstr((char *)v, name);

	xmlFree(v);
	return yes;
}

/* The author's words in cooked HTML, found independently of the converter. */
static void source_words(xmlNode *n, struct buf *out)
{
	static const char *const skipped[] = {"meta", "quote-controls", "avatar", "site-icon",
					      "badge-category"};

	for (xmlNode *c = n->children; c; c = c->next) {
		bool skip = strcmp((char *)c->name, "svg") == 0 ||
			    strcmp((char *)c->name, "script") == 0;

		if (c->type == XML_TEXT_NODE)
			buf_puts(out, (char *)c->content);
		for (size_t i = 0; c->type == XML_ELEMENT_NODE && i < ARRAY_LEN(skipped); i++)
			skip |= has_class(c, skipped[i]);
		if (!skip && c->type == XML_ELEMENT_NODE) {
			if (strcmp((char *)c->name, "img") == 0 && !has_class(c, "emoji")) {
				xmlChar *alt = xmlGetNoNsProp(c, BAD_CAST "alt");

				buf_puts(out, alt ? (char *)alt : "");
				xmlFree(alt);
			}
			source_words(c, out);
		}
	}
}

struct tally {
	unsigned posts, equal, compared;
};

static void check_post(struct tally *t, const json_t *post, const char *title)
{
	const json_t *cooked = json_object_get(post, "cooked");
	struct span html = span_of(json_string_value(cooked), json_string_length(cooked));
	_cleanup_(buf_release) struct buf text = {0}, plain = {0}, words = {0}, a = {0}, b = {0};
	_cleanup_(buf_release) struct buf page = {0};
	htmlDocPtr doc;

	assert_null(html_to_markdown(html, NULL, &text));
	markdown_html(buf_span(&text), MARKDOWN_POST, &page);
	assert_true(strncmp(buf_str(&page), "<pre>", 5) != 0 || buf_str(&text)[0] == '`');
	t->posts++;
	if (strstr((char *)html.p, "onebox") || strstr((char *)html.p, "emoji") ||
	    strstr((char *)html.p, "data-video") || strstr((char *)html.p, "lazyYT"))
		return; /* these change words on purpose */
	markdown_text(buf_span(&text), &plain);
	doc = htmlReadMemory((char *)html.p, (int)html.n, NULL, "UTF-8",
			     HTML_PARSE_NOERROR | HTML_PARSE_NOWARNING);
	if (doc)
		source_words((xmlNode *)doc, &words);
	xmlFreeDoc(doc);
	letters(buf_span(&plain), &a);
	letters(buf_span(&words), &b);
	t->compared++;
	if (span_eq(buf_span(&a), buf_span(&b)))
		t->equal++;
	else if (getenv("SHOW"))
		print_message("## %s\n%s\n--\n%s\n--\n%s\n--\n%s\n", title, html.p, buf_str(&text),
			      buf_str(&a), buf_str(&b));
}

static void says_the_same_words_for_real_posts(void **state)
{
	const char *source = getenv("SOURCE");
	_cleanup_(fclosep) FILE *f = NULL;
	struct tally t = {0};
	json_t *topic;
	char path[4096];

	snprintf(path, sizeof(path), "%s/../shared/data/discourse-sample.jsonl",
		 source ? source : ".");
	f = fopen(path, "r");
	if (!f) {
		print_message("# skipped: the sample of a real forum is not there\n");
		return;
	}
	while ((topic = json_loadf(f, JSON_DISABLE_EOF_CHECK, NULL))) {
		json_t *posts = json_object_get(json_object_get(topic, "post_stream"), "posts");
		json_t *post;
		size_t i;

		json_array_foreach(posts, i, post)
			check_post(&t, post, json_string_value(json_object_get(topic, "title")));
		json_decref(topic);
	}
	print_message("# %u posts; of %u compared word for word, %u are equal\n", t.posts,
		      t.compared, t.equal);
	assert_true(t.posts > 1000);
	assert_true(t.equal * 100 >= t.compared * 98);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(turns_paragraphs_and_breaks),
		cmocka_unit_test(turns_headings),
		cmocka_unit_test(turns_emphasis_wherever_it_stands),
		cmocka_unit_test(escapes_what_markdown_would_take_for_itself),
		cmocka_unit_test(turns_lists),
		cmocka_unit_test(turns_quotes_and_keeps_the_name),
		cmocka_unit_test(turns_code),
		cmocka_unit_test(turns_links),
		cmocka_unit_test(turns_pictures),
		cmocka_unit_test(turns_what_discourse_adds),
		cmocka_unit_test(turns_tables_into_aligned_lines),
		cmocka_unit_test(bounds_depth_and_size),
		cmocka_unit_test(takes_bounded_time_on_hostile_html),
		cmocka_unit_test(says_the_same_words_for_real_posts),
	};

	return cmocka_run_group_tests_name("html_markdown", tests, NULL, NULL);
}
