/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Which names a page may have, stricter than git's so that no repository, file system or browser is
 * surprised.
 *
 * path    = segment *( "/" segment )      at most LIMIT_PATH bytes, LIMIT_PATH_DEPTH segments
 * segment = letter or digit, then letters, digits, ".", "-", "·"; no two dots in a row, none at the
 * end; it does not end in .git .lock .md or .json, and is not con, prn, aux, nul, com0…com9 or
 * lpt0…lpt9, alone or before a dot
 *
 * Letters are a-z, and the Catalan and Spanish ones with accents (à á ç é è í ï ñ ó ò ú ü), lower
 * case, composed (NFC), because one name must have one spelling. So ".git", "-rf", "..", "CON ",
 * bidi controls and newlines can't be written, and "~" is free for addresses of our own (PATH~ID8),
 * "@" for those of other spaces.
 */
#pragma once
#include "sync/base/error.h"
#include "sync/base/limits.h"

/* NULL, or ERR_INVALID with what is wrong. */
struct error *path_check(const char *path) MUST;
/* A path made of any text ("Actes de juny 2026" -> "actes-de-juny-2026"); "" when nothing of it can
 * stay. */
void path_from_title(const char *title, char *out, size_t n);
/* The path of a page for which nobody chose one: in `folder` ("" or "minutes/"), by its title, and
 * from the second try on with a number ("minutes/claus-2"). Of a title in another script: "page". */
void path_made(const char *folder, const char *title, int try, char out[LIMIT_PATH + 1]);
