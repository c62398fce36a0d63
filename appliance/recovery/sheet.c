/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/recovery/sheet.h"
#include <ctype.h>

enum {
	VERSION = 1,
	LINE_BYTES = SHEET_BYTES / SHEET_LINES,
	LINE_LETTERS = 16,
	CHECK_LETTERS = 2,
	ROW = LINE_LETTERS + CHECK_LETTERS,
	SIGNED = 52, /* what the check at the end is over */
	CHECK = SHEET_BYTES - SIGNED,
	ALL_LETTERS = SHEET_BYTES * 8 / 5,
};
static const char prefix[] = "LLIURE1:";

/* --- bytes ------------------------------------------------------------------------------------ */

static void check_of(const uint8_t bytes[SIGNED], uint8_t out[CHECK])
{
	static const char context[] = "lliure-sheet-1";
	struct hash_state st;
	struct hash h;

	hash_init(&st);
	hash_add(&st, context, sizeof(context) - 1);
	hash_add(&st, bytes, SIGNED);
	h = hash_final(&st);
	memcpy(out, h.b, CHECK);
}

static void to_bytes(const struct sheet *s, uint8_t out[SHEET_BYTES])
{
	out[0] = VERSION;
	out[1] = SHEET_NEEDED;
	out[2] = s->share.number;
	memcpy(out + 3, s->set, SHEET_SET);
	memcpy(out + 8, s->box, SHEET_BOX);
	memcpy(out + 20, s->share.bytes, SHARE_BYTES);
	check_of(out, out + SIGNED);
}

static struct error *from_bytes(const uint8_t b[SHEET_BYTES], const char *which, struct sheet *ret)
{
	uint8_t check[CHECK];

	check_of(b, check);
	ENSURE(crypto_equal(check, b + SIGNED, CHECK),
	       error_new(ERR_INVALID,
			 N_("Sheet %s does not match its own check. Are all six lines of"
			    " one sheet, in their order?"),
			 which));
	ENSURE(b[0] == VERSION && b[1] == SHEET_NEEDED && b[2] >= 1 && b[2] <= SHEET_COUNT,
	       error_new(ERR_VERSION,
			 N_("Sheet %s was printed by a newer version. Update this box"
			    " first."),
			 which));
	ret->share.number = b[2];
	memcpy(ret->set, b + 3, SHEET_SET);
	memcpy(ret->box, b + 8, SHEET_BOX);
	memcpy(ret->share.bytes, b + 20, SHARE_BYTES);
	return NULL;
}

/* --- writing ---------------------------------------------------------------------------------- */

/* Ten bits of a hash, as two letters. */
static void line_check(int line, const uint8_t bytes[LINE_BYTES], char out[CHECK_LETTERS])
{
	static const char context[] = "lliure-sheet-line-1";
	uint8_t number = (uint8_t)(line + 1);
	char text[BASE32_KEY_LEN + 1];
	struct hash_state st;
	struct hash h;

	hash_init(&st);
	hash_add(&st, context, sizeof(context) - 1);
	hash_add(&st, &number, 1);
	hash_add(&st, bytes, LINE_BYTES);
	h = hash_final(&st);
	base32_encode(h.b, sizeof(h.b), text);
	memcpy(out, text, CHECK_LETTERS);
}

static void upper(char *s)
{
	for (; *s; s++)
		*s = (char)toupper((unsigned char)*s);
}

void sheet_lines(const struct sheet *s, char out[SHEET_LINES][SHEET_LINE])
{
	uint8_t bytes[SHEET_BYTES];
	char letters[LINE_LETTERS + 1], check[CHECK_LETTERS];

	to_bytes(s, bytes);
	for (int i = 0; i < SHEET_LINES; i++) {
		base32_encode(bytes + i * LINE_BYTES, LINE_BYTES, letters);
		line_check(i, bytes + i * LINE_BYTES, check);
		snprintf(out[i], SHEET_LINE, "%.4s %.4s %.4s %.4s %.2s", letters, letters + 4,
			 letters + 8, letters + 12, check);
		upper(out[i]);
	}
	crypto_wipe(bytes, sizeof(bytes));
	crypto_wipe(letters, sizeof(letters));
}

void sheet_compact(const struct sheet *s, char out[SHEET_COMPACT])
{
	uint8_t bytes[SHEET_BYTES];

	to_bytes(s, bytes);
	memcpy(out, prefix, sizeof(prefix) - 1);
	base32_encode(bytes, sizeof(bytes), out + sizeof(prefix) - 1);
	upper(out);
	crypto_wipe(bytes, sizeof(bytes));
}

void sheet_set_name(const struct sheet *s, char out[9])
{
	base32_encode(s->set, SHEET_SET, out);
}

void sheets_make(const struct secret *box, struct sheet out[SHEET_COUNT])
{
	struct share shares[SHEET_COUNT];
	uint8_t *seed = guarded_new(32), set[SHEET_SET];

	crypto_random(set, sizeof(set));
	secret_seed(box, seed);
	for (int i = 0; i < SHEET_COUNT; i++)
		shares[i].number = (uint8_t)(i + 1);
	share_split(seed, SHEET_NEEDED, shares, SHEET_COUNT);
	guarded_free(seed);
	for (int i = 0; i < SHEET_COUNT; i++) {
		out[i].share = shares[i];
		memcpy(out[i].set, set, SHEET_SET);
		memcpy(out[i].box, secret_pubkey(box)->b, SHEET_BOX);
	}
	crypto_wipe(shares, sizeof(shares));
}

/* --- reading ---------------------------------------------------------------------------------- */

/* What hands and eyes confuse; 0: no letter of ours. */
static char letter(char c)
{
	if (c >= 'A' && c <= 'Z')
		return (char)(c | 0x20);
	if ((c >= 'a' && c <= 'z') || (c >= '2' && c <= '7'))
		return c;
	return c == '0' ? 'o' : c == '1' ? 'l' : c == '8' ? 'b' : 0;
}

/* The letters of [text, end) into out, at most max; what is no letter is left out. Returns how many
 * there are. */
static size_t letters_of(const char *text, const char *end, char *out, size_t max)
{
	size_t n = 0;

	for (; text < end; text++) {
		char c = letter(*text);

		if (!c)
			continue;
		if (n < max)
			out[n] = c;
		n++;
	}
	return n;
}

static struct error *bad_line(const char *which, int line)
{
	char number[4];

	snprintf(number, sizeof(number), "%d", line + 1);
	return error_new(ERR_INVALID,
			 N_("Line %s of sheet %s does not match its own check, the two letters"
			    " at its end. Compare it letter by letter."),
			 number, which);
}

static struct error *read_row(const char *row, int line, const char *which,
			      uint8_t out[SHEET_BYTES])
{
	char check[CHECK_LETTERS];

	bool good = base32_decode(row, LINE_LETTERS, out + line * LINE_BYTES, LINE_BYTES);

	if (good)
		line_check(line, out + line * LINE_BYTES, check);
	good = good && memcmp(check, row + LINE_LETTERS, CHECK_LETTERS) == 0;
	crypto_wipe(check, sizeof(check));
	return good ? NULL : bad_line(which, line);
}

static struct error *wrong_length(const char *which, int line, size_t n)
{
	char number[4], count[24];

	snprintf(number, sizeof(number), "%d", line + 1);
	snprintf(count, sizeof(count), "%zu", n);
	return error_new(ERR_INVALID,
			 N_("Line %s of sheet %s has %s letters; it should have 18, in groups"
			    " of 4, 4, 4, 4 and 2."),
			 number, which, count);
}

/* One line as it was typed, its number before it or not. */
static struct error *read_line(const char *text, const char *end, int line, const char *which,
			       uint8_t out[SHEET_BYTES])
{
	char row[ROW + 1];
	size_t n = letters_of(text, end, row, sizeof(row));
	struct error *e;
	bool numbered;

	while (text < end && !isalnum((unsigned char)*text))
		text++;
	numbered = n == ROW + 1 && *text == '1' + line;
	if (numbered)
		memmove(row, row + 1, ROW);
	if (numbered || n == ROW)
		e = read_row(row, line, which, out);
	else
		e = wrong_length(which, line, n);
	crypto_wipe(row, sizeof(row));
	return e;
}

static const char *next_line(const char *text, const char **ret_end)
{
	char one;

	for (;;) {
		const char *end = text + strcspn(text, "\n");

		if (letters_of(text, end, &one, 1)) {
			*ret_end = end;
			return text;
		}
		if (!*end)
			return NULL;
		text = end + 1;
	}
}

static int count_lines(const char *text)
{
	int n = 0;
	const char *end;

	while ((text = next_line(text, &end))) {
		n++;
		text = end;
	}
	return n;
}

static struct error *read_lines(const char *text, const char *which, uint8_t out[SHEET_BYTES])
{
	const char *end = text;

	for (int i = 0; i < SHEET_LINES; i++) {
		text = next_line(text, &end);
		TRY(read_line(text, end, i, which, out));
		text = end;
	}
	return NULL;
}

/* The letters alone: pasted without line ends, or the compact form. */
static struct error *read_letters(const char *text, const char *which, uint8_t out[SHEET_BYTES])
{
	char all[SHEET_LINES * ROW];
	size_t n = letters_of(text, text + strlen(text), all, sizeof(all));
	bool done = n == ALL_LETTERS && base32_decode(all, ALL_LETTERS, out, SHEET_BYTES);
	struct error *e = NULL;

	if (!done && n != sizeof(all))
		e = error_new(ERR_INVALID,
			      N_("Sheet %s is not whole. Type its six lines of letters, each on a"
				 " line of its own."),
			      which);
	for (int i = 0; !done && !e && i < SHEET_LINES; i++)
		e = read_row(all + i * ROW, i, which, out);
	crypto_wipe(all, sizeof(all));
	return e;
}

static struct error *read_compact(const char *text, const char *which, uint8_t out[SHEET_BYTES])
{
	char all[ALL_LETTERS + 1];
	size_t n = strcspn(text, "/ \r\n\t");
	bool good;

	n = letters_of(text, text + n, all, sizeof(all));
	good = n == ALL_LETTERS && base32_decode(all, ALL_LETTERS, out, SHEET_BYTES);
	crypto_wipe(all, sizeof(all));
	ENSURE(good,
	       error_new(ERR_INVALID,
			 N_("The code of sheet %s is not whole. Scan it again, or type the six"
			    " lines."),
			 which));
	return NULL;
}

struct error *sheet_parse(const char *text, const char *which, struct sheet *ret)
{
	uint8_t bytes[SHEET_BYTES] = {0};
	const char *compact;
	struct error *e;

	ENSURE(strnlen(text, SHEET_TYPED) < SHEET_TYPED,
	       error_new(ERR_INVALID, N_("This is much longer than a sheet.")));
	compact = strcasestr(text, prefix);
	if (compact)
		e = read_compact(compact + sizeof(prefix) - 1, which, bytes);
	else if (count_lines(text) == SHEET_LINES)
		e = read_lines(text, which, bytes);
	else
		e = read_letters(text, which, bytes);
	if (!e)
		e = from_bytes(bytes, which, ret);
	crypto_wipe(bytes, sizeof(bytes));
	return e;
}

/* --- joining ---------------------------------------------------------------------------------- */

static struct error *fit_together(const struct sheet *a, const struct sheet *b)
{
	char one[9], two[9];

	ENSURE(!memcmp(a->box, b->box, SHEET_BOX),
	       error_new(ERR_INVALID,
			 N_("These two sheets are of different boxes. Look at the box's name on"
			    " them.")));
	sheet_set_name(a, one);
	sheet_set_name(b, two);
	ENSURE(!memcmp(a->set, b->set, SHEET_SET),
	       error_new(ERR_INVALID,
			 N_("These two sheets are of different sets (%s and %s), printed at"
			    " different times. Two of the same set are needed."),
			 one, two));
	ENSURE(a->share.number != b->share.number,
	       error_new(ERR_INVALID,
			 N_("This is the same sheet twice. Another one of the three is needed.")));
	return NULL;
}

struct error *sheets_join(const struct sheet *a, const struct sheet *b, struct secret **ret)
{
	_cleanup_(secret_freep) struct secret *key = NULL;
	struct share shares[2] = {a->share, b->share};
	uint8_t *seed;
	struct error *e = fit_together(a, b);

	if (!e) {
		seed = guarded_new(32);
		share_join(shares, 2, seed);
		key = secret_from_seed(seed);
		guarded_free(seed);
	}
	crypto_wipe(shares, sizeof(shares));
	TRY(e);
	ENSURE(!memcmp(secret_pubkey(key)->b, a->box, SHEET_BOX),
	       error_new(ERR_INVALID,
			 N_("Together these two sheets are not the key that they name. One of"
			    " them is false; try the third.")));
	*ret = STEAL(key);
	return NULL;
}

/* Where the second sheet begins: the second compact form, else after the sixth line with letters.
 */
static const char *second_sheet(const char *text)
{
	const char *first = strcasestr(text, prefix), *end;

	if (first)
		return strcasestr(first + 1, prefix);
	for (int i = 0; i < SHEET_LINES; i++) {
		text = next_line(text, &end);
		if (!text)
			return NULL;
		text = end;
	}
	return text;
}

struct error *sheets_read(const char *text, struct secret **ret)
{
	struct sheet a, b;
	const char *second = second_sheet(text);
	char *first = guarded_new(SHEET_TYPED);
	struct error *e = NULL;

	if (!second || second - text >= SHEET_TYPED)
		e = error_new(ERR_INVALID, N_("Two sheets are needed, one after the other."));
	if (!e) {
		memcpy(first, text, (size_t)(second - text));
		first[second - text] = 0;
		e = sheet_parse(first, "1", &a);
	}
	if (!e)
		e = sheet_parse(second, "2", &b);
	if (!e)
		e = sheets_join(&a, &b, ret);
	guarded_free(first);
	crypto_wipe(&a, sizeof(a));
	crypto_wipe(&b, sizeof(b));
	return e;
}
