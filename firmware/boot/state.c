/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "firmware/boot/state.h"
#include "sync/base/cleanup.h"
#include <assert.h>

enum { SLOT_CHARS = 1, OK_CHARS = 2, ARMED_CHARS = 2 };

static const char signature[] = "# GRUB Environment Block\n";

struct boot_state boot_state_new(void)
{
	return (struct boot_state){
		.good = BOOT_A, .ok = {true, true}, .try_next = BOOT_NONE, .armed_slot = BOOT_NONE};
}

enum boot_slot boot_slot_other(enum boot_slot slot)
{
	return slot == BOOT_A ? BOOT_B : BOOT_A;
}

char boot_slot_char(enum boot_slot slot)
{
	return "AB-"[slot];
}

enum boot_slot boot_slot_parse(struct span name)
{
	return span_is(name, "A") ? BOOT_A : span_is(name, "B") ? BOOT_B : BOOT_NONE;
}

enum boot_slot boot_slot_of_cmdline(struct span cmdline)
{
	static const char key[] = "lliure.slot=";
	const size_t n = sizeof(key) - 1;

	for (size_t from = 0, to; from < cmdline.n; from = to + 1) {
		for (to = from; to < cmdline.n && cmdline.p[to] != ' ' && cmdline.p[to] != '\n';)
			to++;
		if (to - from > n && memcmp(cmdline.p + from, key, n) == 0)
			return boot_slot_parse(span_of(cmdline.p + from + n, to - from - n));
	}
	return BOOT_NONE;
}

/* --- the block -------------------------------------------------------------------------------- */

/* One row a value, in the order of the block: see invariant 5. */
static void read_armed(struct boot_state *s, struct span v)
{
	bool sane = v.n == ARMED_CHARS && v.p[1] >= '0' && v.p[1] <= '0' + BOOT_ARMS;
	enum boot_slot slot = sane ? boot_slot_parse(span_of(v.p, 1)) : BOOT_NONE;

	s->armed_slot = slot;
	s->armed = slot == BOOT_NONE ? 0 : v.p[1] - '0';
}
static void read_try(struct boot_state *s, struct span v)
{
	s->try_next = boot_slot_parse(v);
}
static void read_ok(struct boot_state *s, struct span v)
{
	if (v.n != OK_CHARS || (v.p[0] != 'A' && v.p[0] != '-') || (v.p[1] != 'B' && v.p[1] != '-'))
		return;
	s->ok[BOOT_A] = v.p[0] == 'A';
	s->ok[BOOT_B] = v.p[1] == 'B';
}
static void read_n(struct boot_state *s, struct span v)
{
	if (v.n == 1 && v.p[0] >= '0' && v.p[0] < '0' + 2 * BOOT_UNHEALTHY)
		s->n = v.p[0] - '0';
}
static void read_good(struct boot_state *s, struct span v)
{
	enum boot_slot slot = boot_slot_parse(v);

	if (slot != BOOT_NONE)
		s->good = slot;
}

static size_t write_armed(const struct boot_state *s, uint8_t *out)
{
	out[0] = (uint8_t)boot_slot_char(s->armed ? s->armed_slot : BOOT_NONE);
	out[1] = (uint8_t)('0' + s->armed);
	return ARMED_CHARS;
}
static size_t write_try(const struct boot_state *s, uint8_t *out)
{
	out[0] = (uint8_t)boot_slot_char(s->try_next);
	return SLOT_CHARS;
}
static size_t write_ok(const struct boot_state *s, uint8_t *out)
{
	out[0] = s->ok[BOOT_A] ? 'A' : '-';
	out[1] = s->ok[BOOT_B] ? 'B' : '-';
	return OK_CHARS;
}
static size_t write_n(const struct boot_state *s, uint8_t *out)
{
	out[0] = (uint8_t)('0' + s->n);
	return 1;
}
static size_t write_good(const struct boot_state *s, uint8_t *out)
{
	out[0] = (uint8_t)boot_slot_char(s->good);
	return SLOT_CHARS;
}

static const struct value {
	const char *name;
	void (*read)(struct boot_state *s, struct span v);
	size_t (*write)(const struct boot_state *s, uint8_t *out);
} values[] = {
	{"n", read_n, write_n},	      {"good", read_good, write_good},
	{"ok", read_ok, write_ok},    {"armed", read_armed, write_armed},
	{"try", read_try, write_try},
};

static void read_line(struct boot_state *s, struct span line)
{
	const uint8_t *eq = memchr(line.p, '=', line.n);
	size_t name = eq ? (size_t)(eq - line.p) : line.n;

	for (size_t i = 0; eq && i < ARRAY_LEN(values); i++)
		if (span_is(span_of(line.p, name), values[i].name))
			values[i].read(s, span_of(eq + 1, line.n - name - 1));
}

/* What belongs together and does not agree: only the slot that is not good is armed, and only an
 * armed slot is tried. */
static void settle(struct boot_state *s)
{
	if (s->armed_slot == s->good || s->armed == 0) {
		s->armed_slot = BOOT_NONE;
		s->armed = 0;
	}
	if (s->try_next != s->armed_slot)
		s->try_next = BOOT_NONE;
}

struct boot_state boot_state_parse(struct span block)
{
	struct boot_state s = boot_state_new();
	struct reader r = reader_of(block);
	const uint8_t *end;

	if (block.n > BOOT_BLOCK || !span_is(reader_bytes(&r, sizeof(signature) - 1), signature))
		return s;
	while (r.rest.n && (end = memchr(r.rest.p, '\n', r.rest.n))) {
		read_line(&s, reader_bytes(&r, (size_t)(end - r.rest.p)));
		reader_bytes(&r, 1);
	}
	settle(&s);
	return s;
}

void boot_state_format(const struct boot_state *s, uint8_t ret_block[BOOT_BLOCK])
{
	uint8_t *p = ret_block;

	memset(ret_block, '#', BOOT_BLOCK);
	memcpy(p, signature, sizeof(signature) - 1);
	p += sizeof(signature) - 1;
	for (size_t i = 0; i < ARRAY_LEN(values); i++) {
		size_t n = strlen(values[i].name);

		memcpy(p, values[i].name, n);
		p += n;
		*p++ = '=';
		p += values[i].write(s, p);
		*p++ = '\n';
	}
	assert(p - ret_block <= BOOT_BLOCK / 2);
}

/* --- moving ----------------------------------------------------------------------------------- */

enum phase { SETTLED, ARMED, TRIED, PHASES };

static enum phase phase_of(const struct boot_state *s)
{
	return s->armed == 0 ? SETTLED : s->try_next == BOOT_NONE ? TRIED : ARMED;
}

bool boot_state_pending(const struct boot_state *s)
{
	return phase_of(s) != SETTLED;
}

enum boot_slot boot_state_next(const struct boot_state *s)
{
	enum boot_slot other = boot_slot_other(s->good);

	if (s->try_next != BOOT_NONE)
		return s->try_next;
	return s->n >= BOOT_UNHEALTHY && s->ok[other] ? other : s->good;
}

typedef void action(struct boot_state *s);

static void end_try(struct boot_state *s)
{
	s->try_next = BOOT_NONE;
	s->armed_slot = BOOT_NONE;
	s->armed = 0;
}
static void start(struct boot_state *s)
{
	s->try_next = BOOT_NONE;
	s->n = (s->n + 1) % (2 * BOOT_UNHEALTHY);
}
static void stay(struct boot_state *s)
{
	s->ok[s->good] = true;
	s->n = 0;
}
static void commit(struct boot_state *s)
{
	end_try(s);
	s->good = boot_slot_other(s->good);
	stay(s);
}
/* The good one runs again after the other was tried, and nobody judged that: the power was cut, or
 * it crashed. */
static void arm_again(struct boot_state *s)
{
	stay(s);
	if (s->armed == BOOT_ARMS) {
		end_try(s);
		return;
	}
	s->armed++;
	s->try_next = s->armed_slot;
}
static void forsake_other(struct boot_state *s)
{
	end_try(s);
	s->ok[boot_slot_other(s->good)] = false;
}
/* There is always a good one: it moves only to a slot that is ok. */
static void forsake_good(struct boot_state *s)
{
	s->ok[s->good] = false;
	if (!s->ok[boot_slot_other(s->good)])
		return;
	s->good = boot_slot_other(s->good);
	s->n = 0;
	end_try(s);
}
static void arm(struct boot_state *s)
{
	s->armed = 1;
	s->armed_slot = s->try_next = boot_slot_other(s->good);
}

/* The event and whether it is about the good slot or about the other. */
enum column {
	START,
	HEALTHY_GOOD,
	HEALTHY_OTHER,
	BAD_GOOD,
	BAD_OTHER,
	TRY_GOOD,
	TRY_OTHER,
	COLUMNS
};

/* The columns in the order of the enum; the last four are bad and try, of good and other. */
static action *const table[PHASES][COLUMNS] = {
	[SETTLED] = {start, stay, commit, forsake_good, forsake_other, end_try, arm},
	[ARMED] = {start, stay, commit, forsake_good, forsake_other, end_try, arm},
	[TRIED] = {start, arm_again, commit, forsake_good, forsake_other, end_try, arm},
};

void boot_state_move(struct boot_state *s, enum boot_event event, enum boot_slot slot)
{
	static const enum column of[] = {
		[BOOT_START] = START,
		[BOOT_HEALTHY] = HEALTHY_GOOD,
		[BOOT_BAD] = BAD_GOOD,
		[BOOT_TRY] = TRY_GOOD,
	};
	enum column column = of[event];

	assert(event == BOOT_START || slot != BOOT_NONE);
	if (event != BOOT_START && slot != s->good)
		column++;
	table[phase_of(s)][column](s);
	assert(s->good != BOOT_NONE && s->try_next != s->good && s->armed <= BOOT_ARMS);
}
