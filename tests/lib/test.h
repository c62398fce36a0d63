/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Small helpers for cmocka programs: include this first, instead of cmocka.h. One group per
 * program, ended by `return run_group(tests);`. Never use skip() (cmocka 1.1.5 prints it as a
 * failure): print a "# skipped: why" line with skip_note and return.
 *
 * test.c itself needs no cmocka, so tools and simulations use the same folder, clock and keys.
 */
#pragma once
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include "sync/base/env.h"
#include "sync/base/error.h"
#include "sync/crypto/crypto.h"

/* --- folders --- */
/* A new empty folder below $TMPDIR or /tmp, yours: `_cleanup_(test_dir_removep) char *dir =`. */
char *test_dir(void);
void test_dir_remove(char *take_dir); /* removes what is in it, too */
DEFINE_CLEANUP(char *, test_dir_remove)
/* Read a whole file below the source folder ($SOURCE, or the current folder); aborts when it can't.
 * malloc'd, terminated. */
char *test_source_file(const char *path, size_t *ret_n);

/* A socket that listens at this path, as the root helper's does; aborts when it can't. Yours. */
int test_listen_at(const char *path);

/* Hexadecimal of exactly n bytes; aborts when it is anything else, so that a vector with a hole in it
 * does not pass. */
void test_unhex(const char *hex, void *out, size_t n);

/* --- a clock moved by hand, random numbers from a seed --- */
struct test_env {
	struct env env; /* give &t.env to the code under test */
	int64_t now, mono;
	uint64_t state;
};
/* Must not move in memory afterwards: env.ctx points into it. */
void test_env_init(struct test_env *t, int64_t now_ms, uint64_t seed);
void test_env_pass(struct test_env *t, int64_t ms); /* both clocks go on */
uint64_t test_rand(struct test_env *t);
uint64_t test_below(struct test_env *t, uint64_t n); /* 0 … n-1 */

/* --- keys --- */
/* The same key for the same number. Yours. */
struct secret *test_key(unsigned n);

/* crypto_init, or the end of the program. */
void test_init(void);

/* --- what only cmocka programs use --- */
#ifndef TEST_WITHOUT_CMOCKA
#include <cmocka.h>

#define assert_ok(expr)                                                                            \
	do {                                                                                       \
		struct error *ok_ = (expr);                                                        \
		if (ok_) {                                                                         \
			char text_[1200];                                                          \
			const char *name_ = error_name(error_code(ok_));                           \
			error_text(ok_, NULL, NULL, text_, sizeof(text_));                         \
			error_free(ok_);                                                           \
			fail_msg("%s: unexpected error %s: %s", #expr, name_, text_);              \
		}                                                                                  \
	} while (0)

/* The expression fails with exactly this code, and says something. */
#define assert_fails(expr, want)                                                                   \
	do {                                                                                       \
		struct error *fails_ = (expr);                                                     \
		enum error_code got_ = error_code(fails_);                                         \
		char text_[1200];                                                                  \
		error_text(fails_, NULL, NULL, text_, sizeof(text_));                              \
		error_free(fails_);                                                                \
		if (got_ != (want))                                                                \
			fail_msg("%s: wanted %s, got %s: %s", #expr, error_name(want),             \
				 error_name(got_), text_);                                         \
		assert_true(text_[0] != 0);                                                        \
	} while (0)

#define assert_id_equal(a, b) assert_memory_equal((a), (b), 32)

#define run_group(tests) (test_init(), cmocka_run_group_tests(tests, NULL, NULL))
#define skip_note(why)	 printf("# skipped: %s\n", (why))
#endif
