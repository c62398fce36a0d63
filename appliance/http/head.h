/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The head of a request, judged: what libmicrohttpd lets through and we don't. Two readers of one
 * byte stream must not disagree about where a request ends (request smuggling), so whatever RFC
 * 9112 calls invalid or leaves open is refused instead of mended. Pure.
 */
#pragma once
#include "sync/base/arena.h"
#include "sync/base/limits.h"

/* Why a request is refused before anybody looked at what it wants: a row of one table. */
struct http_refusal {
	int status;
	const char *name;  /* stable, for JSON */
	const char *msgid; /* the sentence */
};
#define REFUSAL_TABLE(X)                                                                           \
	X(REFUSE_BYTES, 400, "malformed",                                                          \
	  N_("This request holds bytes that do not belong into one."))                             \
	X(REFUSE_HOST, 400, "malformed", N_("This request does not say for which host it is."))    \
	X(REFUSE_LENGTH, 400, "malformed",                                                         \
	  N_("This request says in two ways how long it is, or in a wrong one."))                  \
	X(REFUSE_BODY, 400, "malformed", N_("A request that only reads can't carry a body."))      \
	X(REFUSE_VERSION, 505, "version", N_("This box speaks HTTP/1.1 and HTTP/1.0."))            \
	X(REFUSE_METHOD, 405, "method", N_("This address can't be used in this way."))             \
	X(REFUSE_NO_LENGTH, 411, "length", N_("What is sent here must say how long it is."))       \
	X(REFUSE_TYPE, 415, "media-type",                                                          \
	  N_("This address takes forms and JSON, and nothing else."))                              \
	X(REFUSE_LONG_URL, 414, "too-large", N_("This address is too long."))                      \
	X(REFUSE_HEADERS, 431, "too-large", N_("This request has more headers than needed."))      \
	X(REFUSE_PATH, 404, "not-found", N_("There is nothing at this address."))                  \
	X(REFUSE_BUSY, 503, "busy",                                                                \
	  N_("Very many people are asking at once. Try again in a moment."))
#define REFUSAL_ENUM_ROW(id, status, name, text) id,
enum refusal_id { REFUSE_NOTHING = 0, REFUSAL_TABLE(REFUSAL_ENUM_ROW) REFUSALS };
#undef REFUSAL_ENUM_ROW
const struct http_refusal *http_refusal_of(enum refusal_id id);

enum { HEAD_HEADERS = 64 };
struct http_head {
	const char *method, *target, *version;
	struct header {
		struct span name, value;
	} v[HEAD_HEADERS];
	size_t n;
	/* --- found by http_head_check --- */
	enum head_method { HEAD_OTHER, HEAD_GET, HEAD_HEAD, HEAD_POST } kind;
	uint64_t length;  /* of the body */
	struct span host; /* as sent, with port; empty in HTTP/1.0 */
};
/* Fills in the lower part. REFUSE_NOTHING, or why not. */
enum refusal_id http_head_check(struct http_head *h);
/* The only header of that name (case-insensitive); an empty span when there is none. */
struct span http_head_get(const struct http_head *h, const char *name);

/* The host without its port: a name or address of our grammar, lower case; "" when it is none. */
char *host_name(struct arena *a, struct span host);
/* localhost, 127.…, [::1], or NAME.local. */
bool host_is_local(const char *host_name, const char *box_host);

/* A target split: path and query as sent. False when it is not in origin form ("/…"). */
bool target_split(const char *target, struct span *ret_path, struct span *ret_query);
/* The path, decoded for routing: text, one line, no empty, "." or ".." component, no trailing slash
 * but for "/" itself; *ret_json when it ended in ".json" (taken off; "/index.json" is "/"). NULL:
 * no page. */
char *path_decode(struct arena *a, struct span raw, bool *ret_json);
