/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * multipart/form-data (RFC 7578 over RFC 2046 section 5.1), read as it arrives, in bounded memory.
 * Our own instead of MHD_PostProcessor, which guesses at what is malformed; this one refuses.
 *
 *            "--b"           CRLF            blank line           CRLF "--b"
 *   OPENING ------> DELIMITER ----> HEADERS -----------> DATA ------------> DELIMITER
 *                      | "--"
 *                      v
 *                   EPILOGUE (ignored)
 *
 * Invariant: the sink sees part, data*, end for each part, in order, and nothing after an error.
 */
#pragma once
#include "sync/base/error.h"
#include "sync/base/limits.h"
#include "sync/base/span.h"

enum { MULTIPART_BOUNDARY = 70, MULTIPART_HEADERS = 4096 };

struct multipart_sink {
	void *ctx;
	/* A part begins. name and filename (NULL: a field, not a file) are valid UTF-8, one line,
	 * borrowed for the call; a filename is only its last component, never empty. */
	struct error *(*part)(void *ctx, const char *name, const char *filename);
	struct error *(*data)(void *ctx, struct span bytes);
	struct error *(*end)(void *ctx);
};

enum multipart_state {
	MULTIPART_OPENING,
	MULTIPART_DELIMITER,
	MULTIPART_HEADER_LINES,
	MULTIPART_DATA,
	MULTIPART_EPILOGUE
};
struct multipart {
	enum multipart_state state;
	struct multipart_sink sink;
	char delimiter[MULTIPART_BOUNDARY + 5]; /* CR LF - - boundary */
	size_t delimiter_n;
	size_t matched; /* bytes of the delimiter seen so far */
	char headers[MULTIPART_HEADERS];
	size_t headers_n;
	size_t parts;
};

/* The boundary from a Content-Type header's value: ERR_MALFORMED when it is no multipart/form-data
 * with a boundary of RFC 2046. */
struct error *multipart_init(struct multipart *m, const char *content_type,
			     const struct multipart_sink *sink) MUST;
struct error *multipart_feed(struct multipart *m, struct span bytes) MUST;
/* ERR_MALFORMED when the closing delimiter has not come. */
struct error *multipart_finish(struct multipart *m) MUST;
