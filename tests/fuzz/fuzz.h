/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A fuzz target: a file tests/fuzz/fuzz_NAME.c with this one function, and seeds in
 * tests/fuzz/corpus/NAME/. It returns 0, and aborts (FUZZ_CHECK) when a promise is broken. */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FUZZ_CHECK(cond)                                                                           \
	do {                                                                                       \
		if (!(cond)) {                                                                     \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #cond);                 \
			abort();                                                                   \
		}                                                                                  \
	} while (0)
