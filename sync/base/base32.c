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

static bool is_text(const char *text, size_t len, size_t n)
{
	unsigned spare = (unsigned)(len * 5 - n * 8);

	if (len != BASE32_LEN(n))
		return false;
	for (size_t i = 0; i < len; i++)
		if (value(text[i]) < 0)
			return false;
	return !len || !((unsigned)value(text[len - 1]) & ((1U << spare) - 1));
}

bool base32_decode(const char *text, size_t len, void *out, size_t n)
{
	uint8_t *to = out;
	unsigned bits = 0, have = 0;

	if (!is_text(text, len, n))
		return false;
	for (size_t i = 0; i < len; i++) {
		bits = bits << 5 | (unsigned)value(text[i]);
		have += 5;
		if (have >= 8) {
			have -= 8;
			*to++ = (uint8_t)(bits >> have);
		}
	}
	return true;
}
