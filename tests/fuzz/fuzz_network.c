/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What anybody on the network can say before it is known: the TXT record of an announcement (items
 * apart by zero bytes), a name, an address, a certificate. Each reads the whole input. */
#include "tests/fuzz/fuzz.h"
#include "sync/base/line.h"
#include "sync/discovery/txt.h"
#include "sync/peer/address.h"
#include "sync/peer/addresses.h"
#include "sync/tls/tls.h"

enum { ITEMS = 32 };

static size_t split(const uint8_t *data, size_t size, struct span items[ITEMS])
{
	size_t n = 0, from = 0;

	for (size_t i = 0; i <= size && n < ITEMS; i++)
		if (i == size || data[i] == 0) {
			items[n++] = span_of(data + from, i - from);
			from = i + 1;
		}
	return n;
}

/* What is understood is written and understood again as the same. */
static void check_txt(const uint8_t *data, size_t size)
{
	struct span items[ITEMS], again[TXT_ITEMS];
	char text[TXT_ITEMS][TXT_ITEM];
	struct txt t, back;
	size_t n;

	if (!txt_read(items, split(data, size, items), &t))
		return;
	n = txt_write(&t, text);
	for (size_t i = 0; i < n; i++)
		again[i] = span_str(text[i]);
	FUZZ_CHECK(txt_read(again, n, &back));
	FUZZ_CHECK(txt_eq(&t, &back));
}

/* A clean line is UTF-8, and cleaning it again changes nothing. */
static void check_line(struct span in)
{
	char line[81], again[81];
	size_t n = line_clean(in, line, sizeof(line));
	struct span rest = span_of(line, n);
	uint32_t c;

	FUZZ_CHECK(n < sizeof(line) && line[n] == 0);
	for (size_t step; rest.n; rest.p += step, rest.n -= step) {
		step = utf8_next(rest, &c);
		FUZZ_CHECK(step > 0 && c >= 0x20);
	}
	FUZZ_CHECK(line_clean(span_of(line, n), again, sizeof(again)) == n);
	FUZZ_CHECK(memcmp(line, again, n) == 0);
}

static void check_address(struct span in)
{
	char text[300], url[400];
	struct address a;
	struct error *err;

	snprintf(text, sizeof(text), "%.*s", (int)in.n, (const char *)in.p);
	err = address_parse(text, &a);
	if (!err) {
		address_url(&a, url, sizeof(url));
		FUZZ_CHECK(strncmp(url, "https://", 8) == 0);
		FUZZ_CHECK(!strpbrk(url + 8, "/?#@\\ \"<>"));
	}
	error_free(err);
}

/* What is read of a statement, and made again by a key of ours, is read as the same. */
static void check_statement(struct span in)
{
	static const uint8_t seed[32] = "a key for fuzzing only";
	_cleanup_(secret_freep) struct secret *self = secret_from_seed(seed);
	_cleanup_(buf_release) struct buf made = {0};
	struct statement s, again;
	struct error *err = statement_peek(in, &s);

	if (!err) {
		FUZZ_CHECK(s.n <= LIMIT_STATED && s.n_tags <= LIMIT_TOLD && s.number);
		statement_is_for(&s, &s.key);
		statement_make(self, s.number, (const char(*)[PEER_ADDRESS])s.address, s.n, &s.key,
			       1, &made);
		err = statement_read(buf_span(&made), &again);
		FUZZ_CHECK(!err && again.n == s.n && statement_is_for(&again, &s.key));
		for (size_t i = 0; i < s.n; i++)
			FUZZ_CHECK(strcmp(s.address[i], again.address[i]) == 0);
	}
	error_free(err);
	error_free(statement_read(in, &s));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span in = span_of(data, size);
	struct pubkey key;

	/* A key in guarded memory needs the library ready. */
	FUZZ_CHECK(!crypto_init());
	check_txt(data, size);
	check_line(in);
	if (size)
		check_address(in);
	check_statement(in);
	error_free(tls_cert_key(in, &key));
	return 0;
}
