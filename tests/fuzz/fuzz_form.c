/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Any bytes as a form's body: refused, or fields of valid text within the limits; the same for a
 * path. */
#include "tests/fuzz/fuzz.h"
#include "appliance/http/form.h"
#include "appliance/http/head.h"
#include "appliance/http/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena a = {0};
	struct fields f = {.n = 0};
	struct error *e = form_parse(&a, span_of(data, size), &f);
	bool json;
	char *path = path_decode(&a, span_of(data, size), &json);

	FUZZ_CHECK(f.n <= LIMIT_FORM_FIELDS);
	for (size_t i = 0; i < f.n; i++) {
		FUZZ_CHECK(http_text_is_line(f.v[i].name));
		FUZZ_CHECK(http_text_is_utf8(span_str(f.v[i].value)));
		FUZZ_CHECK(!strchr(f.v[i].value, '\r'));
		FUZZ_CHECK(strlen(f.v[i].value) <= size);
	}
	if (path) {
		FUZZ_CHECK(path[0] == '/' && http_text_is_line(path));
		FUZZ_CHECK(!strstr(path, "/../") && !strstr(path, "//"));
	}
	error_free(e);
	arena_release(&a);
	return 0;
}
