/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/http/http_priv.h"

/* One component of a pattern against one of the path. */
static bool fits(struct arena *a, const char *pattern, const char *path, struct fields *params)
{
	for (;;) {
		size_t want, have;

		if (*pattern != '/' || *path != '/')
			return *pattern == 0 && *path == 0;
		pattern++;
		path++;
		if (*pattern == '*') {
			if (!*path)
				return false;
			error_free(fields_add(params, pattern + 1, path));
			return true;
		}
		want = strcspn(pattern, "/");
		have = strcspn(path, "/");
		if (*pattern == ':') {
			if (have == 0)
				return false;
			error_free(fields_add(params, arena_strn(a, pattern + 1, want - 1),
					      arena_strn(a, path, have)));
		} else if (want != have || memcmp(pattern, path, want) != 0) {
			return false;
		}
		pattern += want;
		path += have;
	}
}

static bool literal(const char *pattern)
{
	return !strchr(pattern, ':') && !strchr(pattern, '*');
}

const struct route *route_find(const struct route *const *tables, struct arena *a,
			       const char *method, const char *path, struct fields *ret_params,
			       const char **ret_allow)
{
	bool get = false, post = false;

	for (int pass = 0; pass < 2; pass++) {
		for (const struct route *const *t = tables; *t; t++) {
			for (const struct route *route = *t; route->method; route++) {
				struct fields params;

				params.n = 0;
				if (literal(route->pattern) != (pass == 0) ||
				    !fits(a, route->pattern, path, &params))
					continue;
				if (strcmp(route->method, method) == 0) {
					*ret_params = params;
					return route;
				}
				get |= strcmp(route->method, "GET") == 0;
				post |= strcmp(route->method, "POST") == 0;
			}
		}
	}
	*ret_allow = get && post ? "GET, HEAD, POST" : get ? "GET, HEAD" : post ? "POST" : NULL;
	return NULL;
}
