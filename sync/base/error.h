/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The one error type, and the one table of errors.
 *
 * A function that can fail returns `struct error *`: NULL is success; anything else is owned by
 * the caller, who passes it up (TRY), answers with it, or frees it. Outputs come last, are named
 * `ret_…`, and are untouched on failure.
 *
 * The sentence for people is made once, where the failure happens: what, which object, why and
 * what to do. It is kept as a message id (an English sentence with %s in it, marked N_() so that
 * xgettext finds it) and its arguments, so that it can be said in the reader's language later.
 * Arguments are always strings; at most ERROR_ARGS of them, each cut to ERROR_ARG_MAX bytes.
 *
 * Invariants: making an error never fails (out of memory gives a static error that error_free
 * accepts). An error is immutable after it was made and may cross threads.
 */
#pragma once
#include "sync/base/cleanup.h"
#include <stdbool.h>
#include <stddef.h>

/* code, name, HTTP status, exit status of the command line */
#define ERROR_TABLE(X)                                                                             \
	X(ERR_INTERNAL, "internal", 500, 1)                                                        \
	X(ERR_NOMEM, "out-of-memory", 503, 1)                                                      \
	X(ERR_USAGE, "usage", 400, 2)                                                              \
	X(ERR_INVALID, "invalid", 400, 1)     /* a person's input breaks a rule of ours */         \
	X(ERR_MALFORMED, "malformed", 400, 1) /* foreign bytes that do not parse */                \
	X(ERR_NOT_FOUND, "not-found", 404, 1)                                                      \
	X(ERR_GONE, "gone", 410, 1) /* it was here and was erased */                               \
	X(ERR_EXISTS, "exists", 409, 1)                                                            \
	X(ERR_CONFLICT, "conflict", 409, 1)                                                        \
	X(ERR_AUTH, "sign-in", 401, 1)                                                             \
	X(ERR_DENIED, "denied", 403, 1)                                                            \
	X(ERR_RATE, "too-fast", 429, 1)                                                            \
	X(ERR_LIMIT, "too-large", 413, 1)                                                          \
	X(ERR_FULL, "no-space", 507, 1)                                                            \
	X(ERR_IO, "io", 500, 1)                                                                    \
	X(ERR_DB, "database", 500, 1)                                                              \
	X(ERR_CORRUPT, "corrupt", 500, 1)                                                          \
	X(ERR_BUSY, "busy", 503, 1)                                                                \
	X(ERR_TIMEOUT, "timeout", 504, 1)                                                          \
	X(ERR_NET, "network", 502, 1)                                                              \
	X(ERR_VERSION, "version", 505, 1)                                                          \
	X(ERR_SIGNATURE, "signature", 400, 1)                                                      \
	X(ERR_CHAIN, "chain", 409, 1)                                                              \
	X(ERR_GAP, "gap", 409, 1)                                                                  \
	X(ERR_FORK, "fork", 409, 1)                                                                \
	X(ERR_ENDED, "ended", 409, 1)                                                              \
	X(ERR_NOT_ADMITTED, "not-admitted", 403, 1)                                                \
	X(ERR_STOPPED, "stopped", 503, 1)

#define ERROR_ENUM_ROW(code, name, http, exit) code,
enum error_code { ERR_NONE = 0, ERROR_TABLE(ERROR_ENUM_ROW) ERROR_CODES };
#undef ERROR_ENUM_ROW

enum { ERROR_ARGS = 4, ERROR_ARG_MAX = 200 };

struct error;

/* Marks a message id for xgettext; the translation happens when the error is shown. */
#define N_(s) s

/* Make an error. MSGID is a string literal (it is kept by reference); every vararg is a
 * `const char *`, as many as MSGID has %s. */
struct error *error_new(enum error_code code, const char *msgid, ...) PRINTF(2, 3) MUST;
void error_free(struct error *e);
DEFINE_CLEANUP(struct error *, error_free)

/* ERR_NONE for NULL. */
enum error_code error_code(const struct error *e);
static inline bool error_is(const struct error *e, enum error_code code)
{
	return e && error_code(e) == code;
}
/* Replace *slot by e, freeing what was there: keeps the newest. */
void error_replace(struct error **slot, struct error *take_e);
struct error *error_copy(const struct error *e);

const char *error_msgid(const struct error *e);
const char *error_name(enum error_code code); /* "not-found", stable, for JSON */
/* And back; not terminated. ERR_NONE: no such name. */
enum error_code error_of_name(const void *name, size_t n);
int error_http_status(enum error_code code);
int error_exit_status(enum error_code code);

/* Write the sentence into buf (cut at n, always terminated), using TRANSLATE(ctx, msgid) for the
 * message id, or English when translate is NULL. A translation may use %1$s … to reorder; one that
 * asks for an argument that is not there shows "?". Returns buf. */
typedef const char *error_translate_fn(void *ctx, const char *msgid);
char *error_text(const struct error *e, error_translate_fn *translate, void *ctx, char *buf,
		 size_t n);
/* The same in English, into a buffer of the error's own; valid until it is freed, or error_stored. */
const char *error_english(struct error *e);

/* As it can be kept in a table and said later in any language: the message id and its arguments, each
 * behind ERROR_ARG_MARK. Into a buffer of the error's own; valid until it is freed. */
#define ERROR_ARG_MARK '\x1f'
const char *error_stored(struct error *e);
/* What was stored so, or a plain sentence, like error_text. What was cut off shows "?". */
char *error_stored_text(const char *stored, error_translate_fn *translate, void *ctx, char *buf,
			size_t n);

/* The only two macros that hide control flow. */
#define TRY(expr)                                                                                  \
	do {                                                                                       \
		struct error *try_ = (expr);                                                       \
		if (try_)                                                                          \
			return try_;                                                               \
	} while (0)
/* ENSURE(n > 0, error_new(ERR_INVALID, N_("…"))) */
#define ENSURE(cond, err)                                                                          \
	do {                                                                                       \
		if (!(cond))                                                                       \
			return (err);                                                              \
	} while (0)
