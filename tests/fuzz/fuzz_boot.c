/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Whatever stands in the boot block: there is a slot to start, every step leads to a sane state,
 * and what is written is read again as it was. */
#include "tests/fuzz/fuzz.h"
#include "firmware/boot/state.h"
#include <string.h>

static void sane(const struct boot_state *s)
{
	uint8_t block[BOOT_BLOCK], again[BOOT_BLOCK];
	struct boot_state t;

	FUZZ_CHECK(boot_state_next(s) == BOOT_A || boot_state_next(s) == BOOT_B);
	FUZZ_CHECK(s->armed_slot != s->good && (s->armed > 0) == (s->armed_slot != BOOT_NONE));
	FUZZ_CHECK(s->try_next == BOOT_NONE || s->try_next == s->armed_slot);
	boot_state_format(s, block);
	t = boot_state_parse(span_of(block, sizeof(block)));
	boot_state_format(&t, again);
	FUZZ_CHECK(memcmp(block, again, sizeof(block)) == 0);
}

/* The first two bytes choose the steps, the rest is the block. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct boot_state s;
	unsigned steps = size > 1 ? data[0] | data[1] << 8 : 0;

	s = boot_state_parse(size > 2 ? span_of(data + 2, size - 2) : span_of(NULL, 0));
	sane(&s);
	for (; steps; steps >>= 3) {
		boot_state_move(&s, steps & 3, steps >> 2 & 1 ? BOOT_B : BOOT_A);
		sane(&s);
	}
	return 0;
}
