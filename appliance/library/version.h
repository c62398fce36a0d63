/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What pages and files of a library have in common: each is an object whose versions name those
 * that they come from. Their rows are of their own kinds; what is said about them is one.
 */
#pragma once
#include "appliance/community/feature.h"

/* What a revise op does not say stays as in the first parent that is here. */
struct version_names {
	const char *path, *title; /* in the beginning the object's own */
};
/* Of the parent; ERR_NOT_FOUND: it is not here. */
typedef struct error *version_parent_fn(struct fold *f, const void *object, const struct hash *id,
					struct version_names *ret);
struct error *version_inherit(struct fold *f, const void *object, const struct hash *parents,
			      size_t n, version_parent_fn *fn, struct version_names *io) MUST;
/* What an erase op keeps of a version (community_erase), yours. */
json_t *version_keep(const char *path, const struct hash *parents, size_t n);
/* The path of the erased version `gone`. What was kept is told by the one who erased it, who may
 * lie: so it is checked like an op. otherwise NULL: gone began its object, and is named after its
 * id. */
const char *version_kept_path(struct fold *f, const struct op *gone, const json_t *keep,
			      const char *otherwise);
/* Ids with spaces between, as a form has them; new reference. */
json_t *version_ids(const char *ids);
