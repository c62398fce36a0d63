/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "sync/base/base32.h"
#include <string.h>

static const char letters[] = "abcdefghijklmnopqrstuvwxyz234567";

char *base32_encode(const void *p, size_t n, char *out)
{
	const uint8_t *in = p;
	unsigned bits = 0, have = 0;
	char *to = out;

	for (size_t i = 0; i < n; i++) {
		bits = bits << 8 | in[i];
		for (have += 8; have >= 5; have -= 5)
			*to++ = letters[bits >> (have - 5) & 31];
	}
	if (have)
		*to++ = letters[bits << (5 - have) & 31];
	*to = 0;
	return out;
}

static int value(char c)
{
	if (c >= 'a' && c <= 'z')
		return c - 'a';
	if (c >= '2' && c <= '7')
		return c - '2' + 26;
	return -1;
}

bool base32_decode(const char *text, size_t len, void *out, size_t n)
{
	uint8_t bytes[64];
	unsigned bits = 0, have = 0;
	size_t at = 0;

	if (n > sizeof(bytes) || len != BASE32_LEN(n))
		return false;
	for (size_t i = 0; i < len; i++) {
		int v = value(text[i]);

		if (v < 0)
			return false;
		bits = bits << 5 | (unsigned)v;
		have += 5;
		if (have >= 8) {
			have -= 8;
			bytes[at++] = (uint8_t)(bits >> have);
		}
	}
	if (at != n || (bits & ((1U << have) - 1)))
		return false;
	memcpy(out, bytes, n);
	return true;
}
