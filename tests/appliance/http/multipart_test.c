/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "tests/lib/test.h"
#include "appliance/http/multipart.h"
#include "sync/base/buf.h"

struct seen {
	struct buf log; /* "name[file]=content;" */
};

static struct error *part(void *ctx, const char *name, const char *filename)
{
	struct seen *s = ctx;

	buf_puts(&s->log, name);
	if (filename)
		buf_printf(&s->log, "[%s]", filename);
	buf_putc(&s->log, '=');
	return NULL;
}

static struct error *data(void *ctx, struct span bytes)
{
	buf_add_span(&((struct seen *)ctx)->log, bytes);
	return NULL;
}

static struct error *end(void *ctx)
{
	buf_putc(&((struct seen *)ctx)->log, ';');
	return NULL;
}

/* Fed in pieces of `step` bytes. */
static struct error *parse(const char *type, struct span body, size_t step, struct seen *s)
{
	struct multipart_sink sink = {s, part, data, end};
	struct multipart m;

	TRY(multipart_init(&m, type, &sink));
	for (size_t at = 0; at < body.n; at += step) {
		size_t n = body.n - at < step ? body.n - at : step;

		TRY(multipart_feed(&m, span_of(body.p + at, n)));
	}
	return multipart_finish(&m);
}

static const char type[] = "multipart/form-data; boundary=XY";

static void gives(const char *body, const char *want)
{
	for (size_t step = 1; step < 40; step += step < 8 ? 1 : 31) {
		struct seen s = {0};

		assert_ok(parse(type, span_str(body), step, &s));
		assert_string_equal(buf_str(&s.log), want);
		buf_release(&s.log);
	}
}

static void refuses(const char *header, const char *body)
{
	struct seen s = {0};

	assert_fails(parse(header, span_str(body), 5, &s), ERR_MALFORMED);
	buf_release(&s.log);
}

#define PART(name) "--XY\r\nContent-Disposition: form-data; name=\"" name "\"\r\n\r\n"

static void reads_fields_and_files_in_any_pieces(void **state)
{
	gives(PART("a") "one\r\n--XY--\r\n", "a=one;");
	gives(PART("a") "\r\n" PART("b") "two\r\nlines\r\n--XY--", "a=;b=two\r\nlines;");
	gives("--XY\r\ncontent-disposition:form-data; name=f; filename=\"x.png\"\r\n"
	      "Content-Type: image/png\r\n\r\n\x01\x02\r\n--XY--",
	      "f[x.png]=\x01\x02;");
}

static void content_may_look_almost_like_a_delimiter(void **state)
{
	gives(PART("a") "\r\n--X\r\n--\r\r\n-XY\r\n--XY--", "a=\r\n--X\r\n--\r\r\n-XY;");
	gives(PART("a") "\r\r\n--XY--", "a=\r;");
}

static void keeps_only_the_last_part_of_a_path(void **state)
{
	gives("--XY\r\nContent-Disposition: form-data; name=\"f\"; "
	      "filename=\"C:\\dir\\..\\a.txt\"\r\n\r\n\r\n--XY--",
	      "f[a.txt]=;");
	gives("--XY\r\nContent-Disposition: form-data; name=\"f\"; filename=\"../..\"\r\n\r\n\r\n"
	      "--XY--",
	      "f[file]=;");
	gives("--XY\r\nContent-Disposition: form-data; name=\"f\"; filename=\"\"\r\n\r\n\r\n--XY--",
	      "f[file]=;");
}

static void refuses_what_is_cut_or_wrong(void **state)
{
	refuses(type, "");
	refuses(type, PART("a") "one");
	refuses(type, PART("a") "one\r\n--XY");
	refuses(type, "prose\r\n" PART("a") "one\r\n--XY--");
	refuses(type, "--XY\r\n\r\nno name\r\n--XY--");
	refuses(type, "--XY\r\nContent-Disposition: form-data\r\n\r\n\r\n--XY--");
	refuses(type, "--XYZ\r\n");
	refuses(type, "--XY\nContent-Disposition: form-data; name=a\n\n\r\n--XY--");
	refuses(type, PART("a\xff") "\r\n--XY--");
	refuses("multipart/form-data", "");
	refuses("multipart/form-data; boundary=", "");
	refuses("multipart/form-data; boundary=\"a\rb\"", "");
	refuses("multipart/mixed; boundary=XY", PART("a") "\r\n--XY--");
}

static void refuses_endless_headers_and_parts(void **state)
{
	struct buf b = {0};
	struct seen s = {0};

	buf_puts(&b, "--XY\r\nX: ");
	for (int i = 0; i < MULTIPART_HEADERS; i++)
		buf_putc(&b, 'y');
	assert_fails(parse(type, buf_span(&b), 1000, &s), ERR_MALFORMED);
	buf_clear(&b);
	for (int i = 0; i <= LIMIT_FORM_FIELDS; i++)
		buf_puts(&b, PART("a") "\r\n");
	assert_fails(parse(type, buf_span(&b), 1000, &s), ERR_LIMIT);
	buf_release(&b);
	buf_release(&s.log);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_fields_and_files_in_any_pieces),
		cmocka_unit_test(content_may_look_almost_like_a_delimiter),
		cmocka_unit_test(keeps_only_the_last_part_of_a_path),
		cmocka_unit_test(refuses_what_is_cut_or_wrong),
		cmocka_unit_test(refuses_endless_headers_and_parts),
	};

	return run_group(tests);
}
