/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * HTML as Discourse shows a post ("cooked") into Markdown, so that an imported post is stored,
 * edited and shown like any other. Every character of the text that would mean something in
 * Markdown is escaped: what is rendered again says what the source said.
 *
 * | in the source                        | becomes                                              |
 * | ------------------------------------ | ---------------------------------------------------- |
 * | paragraphs, headings, lists, quotes, | the same in Markdown; a line break is "\" and a new  |
 * | em, strong, code, pre, hr, br        | line; a fence is longer than any inside              |
 * | aside.quote                          | a quote that begins with the quoted name in bold     |
 * | aside.onebox                         | a link with its title                                |
 * | a                                    | a link; without an `origin`, addresses within the    |
 * |                                      | old forum lose the link and keep the words           |
 * | img                                  | a picture, which our pages show as a link with its   |
 * |                                      | description; a lightbox leads to the whole picture   |
 * | img.emoji                            | the character, or :name: for a rare one              |
 * | a.mention, hashtags                  | @name, #name without a link                          |
 * | table                                | aligned lines in a code block; where cells hold more |
 * |                                      | than short lines, their content one after the other  |
 * | details, summary                     | the summary in bold, then the content                |
 * | s, del                               | ~~words~~                                            |
 * | video, audio, iframe                 | a link                                               |
 * | script, style, svg, buttons, avatars | nothing                                              |
 *
 * The input is hostile: libxml2's HTML parser without network or entities from outside, at most
 * HTML_INPUT bytes; what is nested deeper than HTML_DEPTH is written as plain text.
 *
 * Threads: any; nothing is kept between calls.
 */
#pragma once
#include "sync/base/buf.h"
#include "sync/base/error.h"

enum {
	HTML_INPUT = 1024 * 1024, /* bytes of one post */
	HTML_DEPTH = 60,	  /* elements inside each other */
	HTML_BLOCKS = 12,	  /* quotes and list items inside each other */
};

/* Append the Markdown of the HTML fragment to `out`. `origin`, such as "https://forum.example.org",
 * completes addresses that begin with "/"; NULL when it isn't known. ERR_LIMIT when the input is
 * longer than HTML_INPUT or the result than LIMIT_TEXT; ERR_MALFORMED when libxml2 can make nothing
 * of it. `out` is untouched on failure. */
struct error *html_to_markdown(struct span html, const char *origin, struct buf *out) MUST;
