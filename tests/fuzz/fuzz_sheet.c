/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What somebody types of recovery sheets: one, and two of them in one text. */
#include "tests/fuzz/frames.h"
#include "appliance/recovery/sheet.h"

/* A sheet that was taken is written, and read, as the same again. */
static void again(const struct sheet *s)
{
	char lines[SHEET_LINES][SHEET_LINE], compact[SHEET_COMPACT],
		text[SHEET_LINES * SHEET_LINE] = "";
	struct sheet one, two;

	sheet_lines(s, lines);
	sheet_compact(s, compact);
	for (size_t i = 0, at = 0; i < SHEET_LINES; i++)
		at += (size_t)snprintf(text + at, sizeof(text) - at, "%s\n", lines[i]);
	must(sheet_parse(text, "1", &one));
	must(sheet_parse(compact, "1", &two));
	FUZZ_CHECK(!memcmp(&one, s, sizeof(one)) && !memcmp(&two, s, sizeof(two)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);
	struct secret *key = NULL;
	struct sheet s;
	struct error *e;

	must(crypto_init());
	memcpy(text, data, size);
	text[size] = 0;
	e = sheet_parse(text, "1", &s);
	if (!e)
		again(&s);
	theirs(e);
	e = sheets_read(text, &key);
	if (!e)
		secret_free(key);
	theirs(e);
	free(text);
	return 0;
}
