/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The files of webui/ that the program carries inside: templates/…, static/…, locale/LANG.mo. The
 * table is made by webui/embed at build time and ends with a NULL name. */
#pragma once

struct asset {
	const char *name;
	const char *start, *end; /* *end is a zero byte */
};
extern const struct asset assets[];
