/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Any text as a template and as each of its own partials: it compiles or says why, and renders
 * within its limits. */
#include "tests/fuzz/fuzz.h"
#include "appliance/page/mustache.h"

static bool itself(void *ctx, const char *name, struct span *ret_text)
{
	*ret_text = *(struct span *)ctx;
	return name[0] != 'x';
}

static const char *echo(void *ctx, const char *msgid)
{
	return msgid;
}

static const char *echo_plural(void *ctx, const char *one, const char *many, unsigned long n)
{
	return n == 1 ? one : many;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span text = span_of(data, size);
	struct mustache_source source = {.ctx = &text,
					 .partial = itself,
					 .translate = echo,
					 .translate_plural = echo_plural,
					 .thousands = ","};
	_cleanup_(mustache_freep) struct mustache *m = NULL;
	_cleanup_(buf_release) struct buf out = {0};
	struct error *e = mustache_compile("fuzz", text, &source, &m);
	json_t *context;

	if (e) {
		FUZZ_CHECK(!m && *error_english(e));
		error_free(e);
		return 0;
	}
	context =
		json_pack("{s:s, s:i, s:b, s:[{s:s}, {s:[i, i]}], s:{s:{s:f}}, s:n}", "a", "<&\"'>",
			  "b", 1234567, "c", 1, "l", "a", "x", "l", 1, 2, "d", "e", "f", 1.5, "n");
	e = mustache_render(m, context, &out);
	FUZZ_CHECK(!e || error_is(e, ERR_LIMIT));
	FUZZ_CHECK(out.n <= MUSTACHE_OUTPUT + 16 * 1024 * 1024);
	error_free(e);
	json_decref(context);
	return 0;
}
