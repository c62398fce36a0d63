/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Text from outside: percent-encoding, UTF-8, line ends. Pure functions on bytes; results live in
 * the arena. What is not valid UTF-8, or holds a zero byte, is no text: NULL.
 */
#pragma once
#include "sync/base/arena.h"

/* RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF. */
bool http_text_is_utf8(struct span s);
/* Decode %XX (and, in forms, '+'). The terminated text; NULL when a % is not followed by two hex
 * digits, or the result is no text. */
char *http_text_unescape(struct arena *a, struct span s, bool form);
/* A copy as text with CRLF and CR turned to LF; NULL when it is no text. */
char *http_text_lines(struct arena *a, struct span s);
/* One line: nothing below U+0020, no DEL, no bidirectional controls. */
bool http_text_is_line(const char *s);
/* Everything but unreserved characters (RFC 3986 section 2.3) and '/' becomes %XX. */
char *http_text_escape_path(struct arena *a, const char *s);
char *http_text_escape_query(struct arena *a, const char *s); /* '/' too */
