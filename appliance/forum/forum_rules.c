/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/forum/forum_priv.h"

const char *author_kind_name(enum author_kind k)
{
	static const char *const names[] = {"member", "guest", "discourse"};

	return names[k];
}

/* The next code point of valid UTF-8 (jansson and the forms let nothing else in). */
static uint32_t next_point(const unsigned char **p)
{
	const unsigned char *s = *p;
	int more = *s < 0x80 ? 0 : *s < 0xe0 ? 1 : *s < 0xf0 ? 2 : 3;
	uint32_t point = more ? *s & (0x3f >> more) : *s;

	for (s++; more && *s; more--)
		point = point << 6 | (*s++ & 0x3f);
	*p = s;
	return point;
}

static bool point_ok(uint32_t p)
{
	if (p < 0x20 || (p >= 0x7f && p < 0xa0))
		return false; /* control characters */
	if (p == 0x200e || p == 0x200f || p == 0x61c || (p >= 0x202a && p <= 0x202e) ||
	    (p >= 0x2066 && p <= 0x2069))
		return false; /* they turn the direction of what follows */
	return p != 0x2028 && p != 0x2029 && p != 0xfeff;
}

bool line_ok(const char *line, size_t max)
{
	const unsigned char *p = (const unsigned char *)line;
	bool visible = false;

	if (!line || !*line || strlen(line) > max)
		return false;
	while (*p) {
		uint32_t point = next_point(&p);

		if (!point_ok(point))
			return false;
		visible |= point != ' ' && point != 0xa0 && !(point >= 0x2000 && point <= 0x200d) &&
			   point != 0x3000;
	}
	return visible;
}

bool author_name_ok(const char *name)
{
	return line_ok(name, LIMIT_NAME);
}

static bool kind_parse(const char *kind, enum author_kind *ret)
{
	for (enum author_kind k = AUTHOR_GUEST; k <= AUTHOR_DISCOURSE; k++)
		if (kind && !strcmp(kind, author_kind_name(k))) {
			*ret = k;
			return true;
		}
	return false;
}

struct error *author_of(const struct op *op, struct author *ret)
{
	const json_t *by = json_object_get(op->body, "by");
	const char *name = json_string_value(json_object_get(by, "name"));
	const char *kind = json_string_value(json_object_get(by, "kind"));
	struct author a = {.key = op->author};

	if (!by) {
		ENSURE(!op->by_appliance,
		       error_new(ERR_INVALID, N_("A box wrote a post without saying for whom.")));
		*ret = a;
		return NULL;
	}
	ENSURE(op->by_appliance,
	       error_new(ERR_DENIED,
			 N_("A member can't write a post in the name of somebody else.")));
	ENSURE(kind_parse(kind, &a.kind) && author_name_ok(name),
	       error_new(ERR_INVALID,
			 N_("The name of the post's author can't be used: it must be one"
			    " line of at most 80 bytes.")));
	snprintf(a.name, sizeof(a.name), "%s", name);
	*ret = a;
	return NULL;
}

struct error *check_text(const struct op *op)
{
	const char *text = op_str(op, "text");

	ENSURE(text && text[strspn(text, " \t\n")],
	       error_new(ERR_INVALID,
			 N_("There is nothing in the message. Write something first.")));
	return NULL;
}

/* Moderators may everything; the author of the topic may give it another title. */
struct error *check_topic_set(const struct topic *t, const struct op *op)
{
	bool only_title = op_str(op, "title") && !json_object_get(op->body, "closed") &&
			  !json_object_get(op->body, "pinned") && !op_str(op, "forum");
	bool author = t->author.kind == AUTHOR_MEMBER && pubkey_eq(&t->author.key, &op->author);

	ENSURE(op->role >= ROLE_MODERATOR || (only_title && author),
	       error_new(ERR_DENIED,
			 N_("Only a moderator may close, pin or move a conversation; its"
			    " author may change the title.")));
	return NULL;
}
