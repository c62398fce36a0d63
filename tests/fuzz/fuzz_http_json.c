/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Any bytes as a JSON body: refused, or an object whose texts are fields. */
#include "tests/fuzz/fuzz.h"
#include "appliance/http/form.h"
#include "appliance/http/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena a = {0};
	struct fields f = {.n = 0};
	json_t *j = NULL;
	struct error *e = form_parse_json(span_of(data, size), &j);

	FUZZ_CHECK(!e == (j != NULL));
	if (j) {
		FUZZ_CHECK(json_is_object(j));
		e = form_from_json(&a, j, &f);
		for (size_t i = 0; i < f.n; i++)
			FUZZ_CHECK(http_text_is_utf8(span_str(f.v[i].value)));
	}
	json_decref(j);
	error_free(e);
	arena_release(&a);
	return 0;
}
