/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Text form of keys and ids: base32 of RFC 4648 section 6, lower case, without padding. Decoding is
 * strict: no other case, no padding, and the unused bits of the last letter are zero, so that one
 * value has one text. 32 bytes are 52 letters. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { BASE32_KEY_LEN = 52 };
#define BASE32_LEN(n) (((n)*8 + 4) / 5)

/* Writes BASE32_LEN(n) letters and a terminating zero. Returns out. */
char *base32_encode(const void *p, size_t n, char *out);
/* Exactly n bytes from a text of `len` letters; false (out untouched) when it is not one. */
bool base32_decode(const char *text, size_t len, void *out, size_t n);
