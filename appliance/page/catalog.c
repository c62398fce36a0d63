/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/page/catalog.h"

struct entry {
	const char *id;	  /* terminated; of a plural entry the singular */
	const char *text; /* its forms, each terminated, in text_n bytes */
	size_t text_n;	  /* without the last zero */
};
struct catalog {
	struct entry *entries;
	size_t n;
};
struct file {
	const char *name;
	struct span bytes;
	bool big_endian;
};

static struct error *bad(const struct file *f, const char *why)
{
	return error_new(ERR_MALFORMED, N_("The translation file %s can't be used: %s."), f->name,
			 why);
}

static bool read_u32(const struct file *f, uint64_t at, uint32_t *ret)
{
	const uint8_t *p = f->bytes.p + at;

	if (f->bytes.n < 4 || at > f->bytes.n - 4)
		return false;
	*ret = f->big_endian ? (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 |
				       (uint32_t)p[3]
			     : (uint32_t)p[3] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[1] << 8 |
				       (uint32_t)p[0];
	return true;
}

/* The string whose length and offset stand at `at`; its terminating zero is inside the file. */
static bool read_string(const struct file *f, uint64_t at, struct span *ret)
{
	uint32_t n, offset;

	if (!read_u32(f, at, &n) || !read_u32(f, at + 4, &offset))
		return false;
	if (offset > f->bytes.n || f->bytes.n - offset <= n || f->bytes.p[offset + n] != 0)
		return false;
	*ret = span_of(f->bytes.p + offset, n);
	return true;
}

static struct error *read_entries(const struct file *f, uint32_t ids, uint32_t texts,
				  struct catalog *c)
{
	for (size_t i = 0; i < c->n; i++) {
		struct span id, text;

		ENSURE(read_string(f, ids + 8 * (uint64_t)i, &id) &&
			       read_string(f, texts + 8 * (uint64_t)i, &text),
		       bad(f, "it points outside itself"));
		c->entries[i] = (struct entry){(const char *)id.p, (const char *)text.p, text.n};
		ENSURE(i == 0 || strcmp(c->entries[i - 1].id, c->entries[i].id) < 0,
		       bad(f, "its messages are not in order"));
	}
	return NULL;
}

struct error *catalog_open(const char *name, struct span mo, struct catalog **ret)
{
	_cleanup_(catalog_freep) struct catalog *c = NULL;
	struct file f = {name, mo, false};
	uint32_t magic, revision, n, ids, texts;

	ENSURE(read_u32(&f, 0, &magic), bad(&f, "it is too short"));
	f.big_endian = magic == 0xde120495;
	ENSURE(magic == 0x950412de || f.big_endian, bad(&f, "it is not a .mo file"));
	ENSURE(read_u32(&f, 4, &revision) && read_u32(&f, 8, &n) && read_u32(&f, 12, &ids) &&
		       read_u32(&f, 16, &texts),
	       bad(&f, "it is too short"));
	ENSURE(revision >> 16 == 0, bad(&f, "its version is unknown"));
	ENSURE(n <= CATALOG_ENTRIES, bad(&f, "it has too many messages"));
	c = calloc(1, sizeof(*c));
	if (c)
		c->entries = calloc(n ? n : 1, sizeof(*c->entries));
	ENSURE(c && c->entries,
	       error_new(ERR_NOMEM, N_("The box has run out of memory. Try again soon.")));
	c->n = n;
	TRY(read_entries(&f, ids, texts, c));
	*ret = STEAL(c);
	return NULL;
}

void catalog_free(struct catalog *c)
{
	if (!c)
		return;
	free(c->entries);
	free(c);
}

static int compare(const void *key, const void *element)
{
	return strcmp(key, ((const struct entry *)element)->id);
}

const char *catalog_find(const struct catalog *c, const char *msgid, unsigned form)
{
	const struct entry *e = bsearch(msgid, c->entries, c->n, sizeof(*c->entries), compare);
	const char *text, *end;

	if (!e || !e->text_n)
		return NULL;
	text = e->text;
	end = e->text + e->text_n;
	for (; form > 0 && text + strlen(text) < end; form--)
		text += strlen(text) + 1;
	return *text ? text : NULL;
}
