/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Languages: which ones there are, which one a reader gets, the translation of a sentence, and how
 * a date, a span of time, a number and a size are written. libc's gettext and strftime depend on
 * the locale of the whole process and a page on its reader's, so both are done here.
 *
 * A message id is the English sentence. Without a translation it is shown as it is.
 *
 * To add a language: put its code, its own name, its months and its words for time into the table
 * in language_table.c (and its plural rule there, if it isn't "one, and all others"), add
 * webui/locale/CODE.po, build. The page, the link in the foot and the tests find it by themselves.
 *
 * Threads: constant after languages_load; any thread may use them. Dates are in the box's time
 * zone.
 */
#pragma once
#include "appliance/page/assets.h"
#include "sync/base/error.h"
#include "sync/base/span.h"
#include <stdint.h>

struct languages;
struct language;

enum { LANGUAGE_TEXT = 96 }; /* room that every date, number and size fits into */

/* Reads locale/CODE.mo of each language from the files inside the program, `assets` (ending with a
 * NULL name), which must outlive the result. A language without a file shows English words.
 * ERR_MALFORMED names the file.
 */
struct error *languages_load(const struct asset *files, struct languages **ret) MUST;
void languages_free(struct languages *l);
DEFINE_CLEANUP(struct languages *, languages_free)

/* The languages in the order in which they are offered: Catalan, Spanish, English. */
size_t languages_count(const struct languages *l);
const struct language *languages_at(const struct languages *l, size_t i);
/* By code ("ca"); NULL when we do not speak it. */
const struct language *languages_find(const struct languages *l, const char *code);
/* The reader's: `choice` (a link or cookie; NULL or an unknown code counts for nothing), else the
 * first that suits Accept-Language (RFC 9110 section 12.5.4, with weights; "ca-ES" is served by
 * "ca"; NULL when there is none), else the house's own (NULL: none was chosen), else English. Never
 * NULL. */
const struct language *languages_pick(const struct languages *l, const char *choice,
				      const char *accept_language, const struct language *house);

const char *language_code(const struct language *l); /* "ca", for lang="" */
const char *language_name(const struct language *l); /* "Català" */
/* Between groups of three digits: "." or ",". */
const char *language_thousands(const struct language *l);

/* The translation; msgid itself when there is none. */
const char *language_text(const struct language *l, const char *msgid);
/* The form for the number n; what it holds of %d stays in it. */
const char *language_plural(const struct language *l, const char *one, const char *many,
			    unsigned long n);
/* An error_translate_fn: error_text(e, language_translate, (void *)language, …). */
const char *language_translate(void *language, const char *msgid);

/* These write into buf (LANGUAGE_TEXT bytes are enough; cut and terminated if not) and return it. A
 * time is in milliseconds since 1970. */
/* "23 de novembre de 2026, 22:14", "23 November 2026, 22:14" */
char *language_date(const struct language *l, int64_t ms, char *buf, size_t n);
/* "23 nov. 2026, 22:14" */
char *language_date_short(const struct language *l, int64_t ms, char *buf, size_t n);
/* "23 de novembre de 2026" */
char *language_day(const struct language *l, int64_t ms, char *buf, size_t n);
/* "ara mateix", "fa 5 minuts", "fa 3 dies"; from thirty days on, or in the future, the day. */
char *language_ago(const struct language *l, int64_t ms, int64_t now_ms, char *buf, size_t n);
/* "1.234.567" */
char *language_number(const struct language *l, int64_t v, char *buf, size_t n);
/* "1,4 GB" (decimal units, one digit behind the comma below ten) */
char *language_size(const struct language *l, uint64_t bytes, char *buf, size_t n);
