/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Any bytes as what root reads of others: a bundle's description by RAUC, the outcome of an update,
 * a disk's words by smartctl. What comes out is within its bounds, and an outcome is read as it is
 * written. */
#include "tests/fuzz/fuzz.h"
#include "firmware/health/health.h"
#include "firmware/update/update.h"

static void check_outcome(const uint8_t *data, size_t size)
{
	struct outcome o, again;
	char text[OUTCOME_MAX];
	size_t n;

	update_outcome_parse(span_of(data, size), &o);
	FUZZ_CHECK(o.stage < UPDATE_STAGES_N && o.why < UPDATE_WHYS && o.when_ms >= 0 &&
		   o.format >= 0);
	FUZZ_CHECK(!strpbrk(o.file, "/\n ") && !strpbrk(o.version, "/\n "));
	n = update_outcome_format(&o, text);
	FUZZ_CHECK(n < OUTCOME_MAX);
	update_outcome_parse(span_of(text, n), &again);
	FUZZ_CHECK(again.stage == o.stage && again.why == o.why && again.when_ms == o.when_ms);
	FUZZ_CHECK(again.format == o.format && strcmp(again.file, o.file) == 0);
	FUZZ_CHECK(strcmp(again.version, o.version) == 0 && strcmp(again.before, o.before) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct update_here here = {"lliure-amd64", "2026.11.20", 7};
	struct bundle_info b = {.format = 0};
	struct wear_reading w;

	check_outcome(data, size);
	if (bundle_info_parse(span_of(data, size), &b)) {
		FUZZ_CHECK(*b.version && strlen(b.version) < UPDATE_VERSION && b.format >= 0);
		/* Whatever it says of itself, nothing goes back. */
		if (bundle_judge(&b, &here) == WHY_NOTHING)
			FUZZ_CHECK(version_compare(b.version, here.version) > 0 &&
				   strcmp(b.compatible, here.compatible) == 0);
	}
	wear_read_smart((const char *)data, size, &w);
	FUZZ_CHECK(w.used >= 0 && w.used <= 255);
	return 0;
}
