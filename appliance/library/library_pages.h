/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The library's pages: reading in library_pages.c, writing in library_edit.c. */
#pragma once
#include "appliance/http/http.h"
#include "appliance/library/library.h"

extern const struct route library_routes[];
extern const struct route library_clone_routes[]; /* library_clone.c: git clone */
extern const struct route library_lfs_routes[];	  /* library_lfs.c: the large files of a clone */

/* The repository in the path, "SPACE.git" by the whole id or its first eight letters. */
struct error *library_repo_space(struct request *r, struct space_info *ret) MUST;

/* Where a request points: a space, and what comes after it in the path. */
struct library_place {
	struct space_info space;
	const char *path; /* "" is the library's own list */
	const char *base; /* "/library" or "/library/@SPACE8" */
};
struct error *library_place(struct request *r, struct library_place *ret) MUST;
bool library_may_write(struct request *r, const struct hash *space);
struct error *library_must_write(struct request *r, const struct space_info *space) MUST;
/* {author, author_url, date, date_text}, of a page's version or a file's. */
void library_put_author(struct request *r, json_t *row, const struct hash *space,
			const struct pubkey *author, int64_t time);
/* Address of a page, encoded, in the arena. */
const char *library_url(struct request *r, const struct library_place *p, const char *address);
/* Contexts as webui/README.md says; new references. */
json_t *library_doc_json(struct request *r, const struct library_place *p, const struct doc *d);
json_t *library_heads_json(struct request *r, const struct library_place *p, const struct doc *d,
			   struct error **ret_e);

/* library_edit.c */
struct error *library_new_page(struct request *r, const struct library_place *p);
struct error *library_edit_page(struct request *r, const struct library_place *p,
				const struct doc *d);
struct error *library_post(struct request *r);
struct error *library_hide(struct request *r);
/* In the reader's language for a page whose title was erased. */
const char *library_title(struct request *r, const struct doc *d);
