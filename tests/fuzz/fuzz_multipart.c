/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Any bytes as a multipart body, whole and in pieces: the same parts, or a refusal both times; the
 * sink hears part, data and end in order. */
#include "tests/fuzz/fuzz.h"
#include "appliance/http/multipart.h"
#include "appliance/http/text.h"
#include "sync/base/buf.h"

struct heard {
	struct buf log;
	bool open;
};

static struct error *part(void *ctx, const char *name, const char *filename)
{
	struct heard *h = ctx;

	FUZZ_CHECK(!h->open);
	FUZZ_CHECK(http_text_is_utf8(span_str(name)) && http_text_is_line(name));
	FUZZ_CHECK(!filename ||
		   (*filename && !strpbrk(filename, "/\\") && http_text_is_line(filename)));
	h->open = true;
	buf_printf(&h->log, "<%s|%s>", name, filename ? filename : "");
	return NULL;
}

static struct error *data_(void *ctx, struct span bytes)
{
	struct heard *h = ctx;

	FUZZ_CHECK(h->open && bytes.n > 0);
	buf_add_span(&h->log, bytes);
	return NULL;
}

static struct error *end(void *ctx)
{
	struct heard *h = ctx;

	FUZZ_CHECK(h->open);
	h->open = false;
	buf_puts(&h->log, "</>");
	return NULL;
}

static struct error *parse(const uint8_t *p, size_t n, size_t step, struct heard *h)
{
	struct multipart_sink sink = {h, part, data_, end};
	struct multipart m;

	TRY(multipart_init(&m, "multipart/form-data; boundary=\"b\"", &sink));
	for (size_t at = 0; at < n; at += step)
		TRY(multipart_feed(&m, span_of(p + at, n - at < step ? n - at : step)));
	return multipart_finish(&m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct heard one = {0}, two = {0};
	struct error *a = parse(data, size, size ? size : 1, &one);
	struct error *b = parse(data, size, 3, &two);

	FUZZ_CHECK(error_code(a) == error_code(b));
	FUZZ_CHECK(span_eq(buf_span(&one.log), buf_span(&two.log)));
	error_free(a);
	error_free(b);
	buf_release(&one.log);
	buf_release(&two.log);
	return 0;
}
