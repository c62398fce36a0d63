/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The short way from an op's bytes to jansson's values.
 *
 * jansson asks for one byte at a time and copies one byte at a time: two thirds of what taking an
 * op into the view cost was that. What this program itself writes needs little of a parser:
 * objects, lists, strings with short escapes, small numbers. That is read here, and anything else
 * is left to jansson.
 *
 * Invariant: what is read here jansson reads as the same value, and what jansson refuses is not
 * read here. (tests/fuzz/fuzz_op.c and op_test.c compare.) So jansson alone decides what an op is.
 */
#include "appliance/community/community_priv.h"

struct plain {
	const uint8_t *p, *end;
	struct buf text; /* of a string with escapes */
};

static void skip_space(struct plain *j)
{
	while (j->p < j->end && (*j->p == ' ' || *j->p == '\n' || *j->p == '\t' || *j->p == '\r'))
		j->p++;
}

static bool next_is(struct plain *j, uint8_t c)
{
	skip_space(j);
	if (j->p == j->end || *j->p != c)
		return false;
	j->p++;
	return true;
}

static bool take_word(struct plain *j, const char *word)
{
	size_t n = strlen(word);

	if ((size_t)(j->end - j->p) < n || memcmp(j->p, word, n) != 0)
		return false;
	j->p += n;
	return true;
}

/* --- strings --- */
/* Up to what ends it or needs a look: a quote, a backslash. false: no UTF-8, or a control. */
static bool skip_text(struct plain *j)
{
	while (j->p < j->end) {
		j->p += text_plain(span_of(j->p, (size_t)(j->end - j->p)));
		if (j->p == j->end)
			return false;
		if (*j->p == '"' || *j->p == '\\')
			return true;
		if (*j->p < 0x20 || text_next(&j->p, j->end) < 0)
			return false;
	}
	return false;
}

static bool take_escape(struct plain *j)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	const char *at;

	j->p++;
	if (j->p == j->end || !*j->p)
		return false;
	at = strchr(from, *j->p);
	if (!at)
		return false;
	buf_putc(&j->text, to[at - from]);
	j->p++;
	return true;
}

/* Behind the opening quote; *ret borrows from the payload or from j->text. */
static bool take_text(struct plain *j, struct span *ret)
{
	const uint8_t *begin = j->p;
	bool whole = true;

	buf_clear(&j->text);
	while (skip_text(j)) {
		struct span part = span_of(begin, (size_t)(j->p - begin));

		if (*j->p == '"' && whole) {
			*ret = part;
			j->p++;
			return true;
		}
		whole = false;
		buf_add_span(&j->text, part);
		if (*j->p == '"') {
			*ret = buf_span(&j->text);
			j->p++;
			return true;
		}
		if (!take_escape(j))
			return false;
		begin = j->p;
	}
	return false;
}

/* --- values: NULL is not read here --- */
static json_t *take_value(struct plain *j, int depth);

static json_t *take_number(struct plain *j)
{
	const uint8_t *begin = j->p;
	json_int_t n = 0;

	while (j->p < j->end && *j->p >= '0' && *j->p <= '9' && j->p - begin < 18)
		n = n * 10 + (*j->p++ - '0');
	if (j->p == begin || (*begin == '0' && j->p - begin > 1))
		return NULL;
	/* A fraction, an exponent, or a longer one. */
	if (j->p < j->end && (strchr(".eE", *j->p) || (*j->p >= '0' && *j->p <= '9')))
		return NULL;
	return json_integer(n);
}

/* Names with escapes, names that come twice: those are jansson's. */
static bool take_member(struct plain *j, json_t *o, int depth)
{
	struct span name;
	json_t *value;

	if (!next_is(j, '"') || !take_text(j, &name) || name.n == 0 || name.p == j->text.p)
		return false;
	if (json_object_getn(o, (const char *)name.p, name.n) || !next_is(j, ':'))
		return false;
	value = take_value(j, depth);
	return value && json_object_setn_new_nocheck(o, (const char *)name.p, name.n, value) == 0;
}

static bool fill_object(struct plain *j, json_t *o, int depth)
{
	if (next_is(j, '}'))
		return true;
	do
		if (!take_member(j, o, depth))
			return false;
	while (next_is(j, ','));
	return next_is(j, '}');
}

static bool fill_list(struct plain *j, json_t *list, int depth)
{
	if (next_is(j, ']'))
		return true;
	do {
		json_t *value = take_value(j, depth);

		if (!value || json_array_append_new(list, value) != 0)
			return false;
	} while (next_is(j, ','));
	return next_is(j, ']');
}

static json_t *take_whole(struct plain *j, bool object, int depth)
{
	json_t *v = object ? json_object() : json_array();

	j->p++;
	if (v && depth < LIMIT_JSON_DEPTH &&
	    (object ? fill_object(j, v, depth + 1) : fill_list(j, v, depth + 1)))
		return v;
	json_decref(v);
	return NULL;
}

static json_t *take_value(struct plain *j, int depth)
{
	struct span text;

	skip_space(j);
	if (j->p == j->end)
		return NULL;
	switch (*j->p) {
	case '{':
	case '[':
		return take_whole(j, *j->p == '{', depth);
	case '"':
		j->p++;
		if (!take_text(j, &text))
			return NULL;
		return json_stringn_nocheck(text.n ? (const char *)text.p : "", text.n);
	case 't':
		return take_word(j, "true") ? json_true() : NULL;
	case 'f':
		return take_word(j, "false") ? json_false() : NULL;
	default:
		return take_number(j);
	}
}

json_t *op_json_plain(struct span payload)
{
	struct plain j = {.p = payload.p};
	json_t *v;

	if (!payload.n)
		return NULL;
	j.end = payload.p + payload.n;
	skip_space(&j);
	if (j.p == j.end || *j.p != '{')
		return NULL;
	v = take_value(&j, 0);
	skip_space(&j);
	buf_release(&j.text);
	if (v && j.p == j.end)
		return v;
	json_decref(v);
	return NULL;
}
