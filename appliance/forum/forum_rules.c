/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/forum/forum_priv.h"
#include "appliance/community/op_text.h"

const char *author_kind_name(enum author_kind k)
{
	static const char *const names[] = {"member", "guest", "discourse"};

	return names[k];
}

/* Bytes of the white space at s that can't be seen: U+0020, U+00A0, U+2000 to U+200D, U+3000; 0:
 * none. */
static size_t blank(const char *s)
{
	const unsigned char *p = (const unsigned char *)s;

	if (p[0] == ' ')
		return 1;
	if (p[0] == 0xc2 && p[1] == 0xa0)
		return 2;
	if (p[0] == 0xe2 && p[1] == 0x80 && p[2] >= 0x80 && p[2] <= 0x8d)
		return 3;
	return p[0] == 0xe3 && p[1] == 0x80 && p[2] == 0x80 ? 3 : 0;
}

bool line_ok(const char *line, size_t max)
{
	if (!line || strlen(line) > max || !text_is_line(span_str(line)))
		return false;
	while (blank(line))
		line += blank(line);
	return *line;
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
