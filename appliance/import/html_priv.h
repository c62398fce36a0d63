/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Inside html_markdown: what a tag is to us, the writer of inlines, and helpers on libxml2's tree.
 */
#pragma once
#include "appliance/import/html_markdown.h"
#include <libxml/tree.h>
#include <stdbool.h>

enum tag_kind {
	TAG_INLINE, /* no meaning of its own: only what is inside counts */
	TAG_SKIP,
	TAG_BREAK,
	TAG_EM,
	TAG_STRONG,
	TAG_CODE,
	TAG_STRIKE,
	TAG_SUP,
	TAG_LINK,
	TAG_IMAGE,
	TAG_BLOCK, /* from here on, blocks; this one has no meaning of its own */
	TAG_HEADING,
	TAG_LIST,
	TAG_QUOTE,
	TAG_ASIDE,
	TAG_PRE,
	TAG_RULE,
	TAG_TABLE,
	TAG_SUMMARY,
	TAG_MEDIA,
};

enum tag_kind html_kind(const xmlNode *n);
/* The attribute's value, NULL when absent; free it. */
char *html_attribute(const xmlNode *n, const char *name);
bool html_has_class(const xmlNode *n, const char *name);
/* The first element below n, in the order of the document, of that name and class (either may be
 * NULL); NULL when there is none. */
xmlNode *html_find(xmlNode *n, const char *name, const char *class);
/* The text below n with white space collapsed. */
void html_plain(const xmlNode *n, struct buf *out);

/* A line of inlines that is being written. */
struct inlines {
	struct buf *out;
	const char *origin;
	unsigned depth;
	bool leading;	     /* white space came before the first character */
	bool space;	     /* white space came after the last one */
	bool guard;	     /* emphasis closed behind punctuation: a letter next would reopen it */
	size_t emphasis_end; /* out->n where emphasis was closed last */
	bool in_em, in_strong, in_link, in_heading;
};

/* Append a node, an element's children, or words. */
void inlines_node(struct inlines *s, xmlNode *n);
void inlines_children(struct inlines *s, xmlNode *n);
void inlines_text(struct inlines *s, const char *text);
void inlines_break(struct inlines *s);
/* Append a link or picture to url with the text (or the address itself, when it is empty). */
void inlines_link(struct inlines *s, const char *url, const char *text);
void inlines_picture(struct inlines *s, const char *url, const char *alt);
/* Take white space and line breaks off both ends, and escape what at the beginning of a line would
 * begin a block. */
void inlines_finish(struct buf *line);

/* Blocks that are being written, one after the other. */
struct blocks {
	struct buf *out;
	const char *origin;
	unsigned depth;	  /* of elements */
	unsigned nesting; /* of quotes and items */
	bool in_item;	  /* a list right behind a paragraph needs no empty line */
	int last_list;	  /* the block before was a list with this marker, else 0 */
};

/* The block n, or the blocks and inlines below it. */
void blocks_node(struct blocks *b, xmlNode *n);
void blocks_children(struct blocks *b, xmlNode *n);
/* The same kind of writer for what is inside of a quote or an item. */
struct blocks blocks_inside(const struct blocks *b, struct buf *out);
/* An empty line before the next block, or, when close, only the line's end. */
void blocks_begin(struct blocks *b, bool close);
/* A writer for one paragraph's line, and the paragraph itself; empties the line. */
struct inlines blocks_line(const struct blocks *b, struct buf *line);
void blocks_paragraph(struct blocks *b, struct buf *line);
void blocks_code(struct blocks *b, const struct buf *code, const char *language);
/* The lines of `inner`, the first behind `first` and the others behind `rest`. */
void blocks_prefixed(struct buf *out, struct span inner, const char *first, const char *rest);
void blocks_list(struct blocks *b, xmlNode *n);
void blocks_table(struct blocks *b, xmlNode *n);

/* The character for ":name:" (or "name"), NULL for one that we do not know. */
const char *emoji_find(const char *name);
