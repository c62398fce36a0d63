/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What people write, as HTML, plain text or an excerpt: CommonMark by libcmark, made safe in its
 * syntax tree and not in its HTML.
 *
 * - Raw HTML is never passed on: it is shown as the text that it is (a comment alone is dropped).
 * - Links lead to http, https, mailto and addresses within this box. Any other scheme: the words
 *   stay, the link goes. Links to outside get rel="nofollow noopener". An address that stands alone
 *   in the text (https://…) becomes a link.
 * - A picture under /file/ or /static/ of this box is shown. One from elsewhere becomes a link with
 *   its description, because to load it would tell its server who reads here, and would fail
 *   without the internet; one at another address of this box, because who reads would ask for it
 *   unwittingly, with the rights of who is signed in.
 * - Headings are moved down so that the page keeps its one <h1>.
 *
 * None of these functions fails: a text that is longer than LIMIT_TEXT, not UTF-8 (bad bytes become
 * U+FFFD), nested more than MARKDOWN_DEPTH deep or built to make a parser slow is shown word for
 * word in a <pre>. Time and output are linear in the length of what is accepted.
 *
 * Threads: any; nothing is kept between calls.
 */
#pragma once
#include "sync/base/buf.h"

enum {
	MARKDOWN_DEPTH = 100, /* blocks and inlines inside each other */
	MARKDOWN_POST = 3,    /* where headings begin in a post: # is <h3> */
	MARKDOWN_PAGE = 2,    /* in a page of the library: # is <h2> */
};

/* Append the text as HTML; a heading of level 1 becomes <hTOP>, none goes below <h6>. */
void markdown_html(struct span text, unsigned top, struct buf *out);
/* Append its words without any markup, for the search index: a line a block, code included, raw
 * HTML as written. */
void markdown_text(struct span text, struct buf *out);
/* Append the first words, at most `characters` (code points) long, on one line; "…" when there are
 * more. It is plain text, not HTML. */
void markdown_excerpt(struct span text, size_t characters, struct buf *out);
