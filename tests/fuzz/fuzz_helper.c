/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Any bytes as a request to the root helper, and as its answer: what is let through is a verb of
 * the table with arguments that can't leave their folders; an answer is read as what it was written
 * from. */
#include "tests/fuzz/fuzz.h"
#include "firmware/helper/helper.h"

static void check_words(const struct words *w)
{
	struct answer a = {.fault = FAULT_NONE};
	const struct verb *v = verb_find(w, &a);

	FUZZ_CHECK(v || a.fault == FAULT_REQUEST || a.fault == FAULT_ARGUMENT);
	FUZZ_CHECK(strlen(a.detail) <= HELPER_DETAIL);
	for (size_t i = 1; v && i < w->n; i++) {
		FUZZ_CHECK(v->args[i - 1].kind != ARG_NONE);
		FUZZ_CHECK(w->v[i][0] != '/' && w->v[i][0] != '.' && w->v[i][0] != '-');
		FUZZ_CHECK(!strstr(w->v[i], "..") && !strpbrk(w->v[i], " \t\r\n;$`\\\"'*?"));
		FUZZ_CHECK(v->args[i - 1].kind == ARG_ZONE || !strchr(w->v[i], '/'));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct answer a = {.fault = FAULT_NONE}, b = {.fault = FAULT_NONE};
	struct buf again = {0};
	struct words w;

	if (words_parse(span_of(data, size), &w)) {
		FUZZ_CHECK(w.n >= 1 && w.n <= HELPER_WORDS);
		FUZZ_CHECK(words_write(&again, w.v, w.n));
		FUZZ_CHECK(span_eq(buf_span(&again), span_of(data, size)));
		check_words(&w);
	}
	buf_clear(&again);
	if (answer_parse(span_of(data, size), &a)) {
		answer_write(&again, &a);
		FUZZ_CHECK(answer_parse(buf_span(&again), &b));
		FUZZ_CHECK(a.fault == b.fault && strcmp(a.detail, b.detail) == 0);
		FUZZ_CHECK(span_eq(buf_span(&a.out), buf_span(&b.out)));
	}
	buf_release(&a.out);
	buf_release(&b.out);
	buf_release(&again);
	return 0;
}
