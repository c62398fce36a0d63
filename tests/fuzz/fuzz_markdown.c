/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Whatever people write, what comes out is made of our tags, attributes and schemes only. */
#include "tests/fuzz/fuzz.h"
#include "appliance/page/markdown.h"
#include "tests/appliance/page/html_check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(buf_release) struct buf html = {0}, text = {0}, excerpt = {0};
	struct span s = span_of(data, size);

	markdown_html(s, MARKDOWN_POST, &html);
	FUZZ_CHECK(strlen(buf_str(&html)) == html.n);
	FUZZ_CHECK(!html_first_fault(buf_str(&html)));
	FUZZ_CHECK(html.n <= 64 * size + 1024);
	markdown_text(s, &text);
	markdown_excerpt(s, 20, &excerpt);
	FUZZ_CHECK(excerpt.n <= 20 * 4 + 3);
	return 0;
}
