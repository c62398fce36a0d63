/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What a peer says of its system, and what stands on the disk of earlier updates. */
#include "tests/fuzz/frames.h"
#include "firmware/update/history.h"
#include "sync/peer/system.h"

static void texts_are_plain(const char *s)
{
	for (; *s; s++)
		FUZZ_CHECK(*s > ' ' && *s <= '~');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct outcome all[HISTORY_MOST];
	struct system_said said, peeked;
	struct error *e;
	size_t n;

	must(crypto_init());
	e = system_read(span_of(data, size), &said);
	if (!e) {
		texts_are_plain(said.machine);
		texts_are_plain(said.version);
		texts_are_plain(said.back);
		texts_are_plain(said.why);
		texts_are_plain(said.offer);
		FUZZ_CHECK(*said.machine && *said.version && size <= SYSTEM_BODY);
		FUZZ_CHECK(!*said.offer == !said.size);
		must(system_peek(span_of(data, size), &peeked));
		FUZZ_CHECK(memcmp(&peeked, &said, sizeof(said)) == 0);
	}
	theirs(e);
	theirs(system_peek(span_of(data, size), &peeked));
	n = update_history_parse(span_of(data, size), all, HISTORY_MOST);
	FUZZ_CHECK(n <= HISTORY_MOST);
	for (size_t i = 0; i < n; i++)
		FUZZ_CHECK(all[i].stage == UPDATE_DONE || all[i].stage >= UPDATE_REFUSED);
	return 0;
}
