/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Any bytes as a catalog of translations: refused, or every lookup stays inside of them. */
#include "tests/fuzz/fuzz.h"
#include "appliance/page/catalog.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const ids[] = {"", "Forums", "Reply", "one reply", "zzz"};
	_cleanup_(catalog_freep) struct catalog *c = NULL;
	_cleanup_(error_freep) struct error *e = catalog_open("fuzz.mo", span_of(data, size), &c);

	FUZZ_CHECK(!e != !c);
	for (size_t i = 0; c && i < ARRAY_LEN(ids); i++) {
		for (unsigned form = 0; form < 4; form++) {
			const char *text = catalog_find(c, ids[i], form);

			FUZZ_CHECK(!text || ((const uint8_t *)text >= data &&
					     (const uint8_t *)text + strlen(text) < data + size));
		}
	}
	return 0;
}
