/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/library/version.h"
#include "appliance/library/path.h"

struct error *version_inherit(struct fold *f, const void *object, const struct hash *parents,
			      size_t n, version_parent_fn *fn, struct version_names *io)
{
	for (size_t i = 0; i < n; i++) {
		struct error *e = fn(f, object, &parents[i], io);

		if (!error_is(e, ERR_NOT_FOUND))
			return e;
		error_free(e);
	}
	return NULL;
}

json_t *version_keep(const char *path, const struct hash *parents, size_t n)
{
	json_t *ids = json_array();

	for (size_t i = 0; i < n; i++)
		json_array_append_new(ids, json_string(ID(&parents[i])));
	return json_pack("{s:s, s:o}", "path", path, "parents", ids);
}

const char *version_kept_path(struct fold *f, const struct op *gone, const json_t *keep,
			      const char *otherwise)
{
	const char *path = json_string_value(json_object_get(keep, "path"));
	struct error *e = path ? path_check(path) : NULL;
	bool good = path && !e;

	error_free(e);
	if (good)
		return path;
	return otherwise ? otherwise : arena_printf(f->arena, "erased-%s", ID_SHORT(&gone->id));
}

json_t *version_ids(const char *ids)
{
	json_t *list = json_array();

	while (*ids) {
		size_t n = strcspn(ids, " ");

		if (n)
			json_array_append_new(list, json_stringn(ids, n));
		ids += n + (ids[n] == ' ');
	}
	return list;
}
