/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
#include "appliance/page/markdown.h"
#include <cmark.h>
#include <stdbool.h>

/* Whether cmark can take the text in linear time. See markdown_guard.c. */
bool markdown_is_tame(struct span text);

/* Append the text with every byte that is not UTF-8 (RFC 3629) or is zero replaced by U+FFFD, as
 * cmark does. */
void markdown_put_valid(struct buf *out, struct span text);

enum link_kind {
	LINK_REFUSED, /* a scheme that we do not follow */
	LINK_HERE,    /* an address within this box */
	LINK_MAIL,
	LINK_OUTSIDE,
};
enum link_kind markdown_link_kind(const char *url);
/* Append an address for use in an attribute: what can't stand in one is percent-encoded. */
void markdown_href(struct buf *out, struct span url);
/* Append <a href="URL"> or, for LINK_OUTSIDE, with rel="nofollow noopener". */
void markdown_anchor(struct buf *out, enum link_kind kind, struct span url);
/* The next address that stands alone in `text`, at or after *at; moves *at to its beginning. The
 * empty span when there is none. */
struct span markdown_find_address(struct span text, size_t *at);
/* Append the text of a node and of what is below it. */
void markdown_put_text(struct buf *out, cmark_node *node);
