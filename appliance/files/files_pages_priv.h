/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
#include "appliance/files/files_pages.h"

/* The file in the path, and its space. */
struct file_place {
	struct space_info space;
	struct file file;
};
struct error *file_of_path(struct request *r, struct file_place *ret) MUST;
const char *file_url(struct request *r, const struct file *f);
/* {id, title, path, url, hidden, conflict, space{…}}; new reference. */
json_t *file_json(struct request *r, const struct file_place *p);

/* files_send.c */
struct error *files_new_page(struct request *r) MUST;
struct error *files_post_new(struct request *r) MUST;
struct error *files_version_page(struct request *r) MUST;
struct error *files_post_version(struct request *r) MUST;
