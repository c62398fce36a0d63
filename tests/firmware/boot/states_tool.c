/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Blocks on standard input, each begun by the signature's line: for each the slot that starts, and
 * try and n afterwards. For boot.t, which asks GRUB the same. */
#include "firmware/boot/state.h"
#include <stdio.h>

static void answer(struct span block)
{
	struct boot_state s = boot_state_parse(block);
	enum boot_slot slot = boot_state_next(&s);

	boot_state_move(&s, BOOT_START, BOOT_NONE);
	printf("%c %c %u\n", boot_slot_char(slot), boot_slot_char(s.try_next), s.n);
}

int main(void)
{
	char block[BOOT_BLOCK], line[128];
	size_t n = 0;

	while (fgets(line, sizeof(line), stdin)) {
		size_t more = strlen(line);

		if (line[0] == '#' && n) {
			answer(span_of(block, n));
			n = 0;
		}
		if (n + more > sizeof(block))
			return 1;
		memcpy(block + n, line, more);
		n += more;
	}
	if (n)
		answer(span_of(block, n));
	return 0;
}
