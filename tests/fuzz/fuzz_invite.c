/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Any text as an invitation: what is read is clean, and reads the same when it is written again. */
#include "tests/fuzz/fuzz.h"
#include "sync/peer/invite.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char text[INVITE_TEXT + 1];
	struct invitation a, b;
	struct error *e = invitation_read(span_of(data, size), &a);

	if (e) {
		error_free(e);
		return 0;
	}
	FUZZ_CHECK(a.addresses <= INVITE_ADDRESSES);
	for (const char *c = a.name; *c; c++)
		FUZZ_CHECK((unsigned char)*c >= 0x20 && *c != 0x7f);
	for (size_t i = 0; i < a.addresses; i++)
		FUZZ_CHECK(a.address[i][0] && !strpbrk(a.address[i], " /?#@\\\"'<>\r\n"));
	invitation_write(&a, text);
	e = invitation_read(span_str(text), &b);
	FUZZ_CHECK(!e);
	FUZZ_CHECK(pubkey_eq(&a.key, &b.key) && a.until_ms == b.until_ms);
	FUZZ_CHECK(memcmp(a.secret, b.secret, INVITE_SECRET) == 0);
	FUZZ_CHECK(strcmp(a.name, b.name) == 0 && a.addresses == b.addresses);
	return 0;
}
