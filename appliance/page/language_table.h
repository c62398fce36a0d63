/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* One row a language: all that is known of it besides its catalog. */
#pragma once

struct language_words {
	const char *code, *name;
	const char *months[12]; /* as in a date, with the "de" that belongs to them */
	const char *months_short[12];
	const char *date;	/* %d day, %s month, %d year */
	const char *date_short; /* the same */
	const char *now;
	const char *minutes[2], *hours[2], *days[2]; /* one; %d of them */
	const char *thousands, *decimal;
	unsigned (*plural)(unsigned long n); /* which form of msgstr[] */
};

/* Ends with a NULL code. */
extern const struct language_words language_table[];
