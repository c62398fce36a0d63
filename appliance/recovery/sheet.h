/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Recovery sheets: three sheets of paper, any two of which are this box's key. What a sheet says is
 * 60 bytes (PROTOCOL.md, "Recovery sheets"), printed as six lines that a tired person can type and
 * as a QR code:
 *
 *	ABCD EFGH IJKL MNOP QR     16 letters are 10 bytes; QR is the line's own check
 *	LLIURE1:ABCD…              the same 60 bytes as 96 letters
 *
 * One sheet alone says nothing about the key. Sheets of one set fit together, and no others: a set
 * has a random name. New sheets do not make old ones void: they are parts of the same key.
 */
#pragma once
#include "appliance/recovery/share.h"

enum {
	SHEET_COUNT = 3,
	SHEET_NEEDED = 2,
	SHEET_BYTES = 60,
	SHEET_LINES = 6,
	SHEET_LINE = 24, /* "ABCD EFGH IJKL MNOP QR" and the zero, with room */
	SHEET_COMPACT = 112,
	SHEET_TYPED = 2000, /* the longest text that is looked at */
	SHEET_SET = 5,
	SHEET_BOX = 12,
};

struct sheet {
	uint8_t set[SHEET_SET]; /* random, the same on the three */
	uint8_t box[SHEET_BOX]; /* the first bytes of the box's public key */
	struct share share;	/* number 1 to 3 */
};

/* A new set. The caller wipes it. */
void sheets_make(const struct secret *box, struct sheet out[SHEET_COUNT]);

void sheet_lines(const struct sheet *s, char out[SHEET_LINES][SHEET_LINE]);
void sheet_compact(const struct sheet *s, char out[SHEET_COMPACT]);
/* The set's name for people, "abcdefgh": eight letters. */
void sheet_set_name(const struct sheet *s, char out[9]);

/* What somebody typed or pasted: the lines (their numbers before them or not, upper or lower case,
 * with 0 for O, 1 for L, 8 for B) or the compact form, with anything behind it. which: what to call
 * this sheet ("1"). ERR_INVALID says which line to look at. */
struct error *sheet_parse(const char *text, const char *which, struct sheet *ret) MUST;

/* The key of the box, from two sheets. ERR_INVALID: twice the same, of different boxes or sets, or
 * together no key. */
struct error *sheets_join(const struct sheet *a, const struct sheet *b, struct secret **ret) MUST;
/* The same from one text that holds both: two compact forms, or two times six lines with at least
 * one empty line between. */
struct error *sheets_read(const char *text, struct secret **ret) MUST;
