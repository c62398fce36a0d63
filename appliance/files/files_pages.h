/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Pages of files: reading in files_pages.c, sending in files_send.c. */
#pragma once
#include "appliance/http/http.h"
#include "appliance/files/files.h"

extern const struct route files_routes[];

/* The files of a library, for its list: {title, path, url, kind_text, size_text, author, date,
 * date_text, conflict} each, those right in the folder ("" is the top); new reference. `folders`,
 * of the pages
 * ({name, url, pages}), is given those that only files lie in. */
struct error *files_list_json(struct request *r, const struct hash *space, const char *base,
			      const char *folder, json_t *folders, json_t **ret) MUST;
