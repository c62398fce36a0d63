/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The batch API of Git LFS (git-lfs/docs/api/batch.md), for `git clone` of a library with its files:
 * where to fetch what the repository has pointers to. Nothing can be sent in this way. */
#include "appliance/files/files.h"
#include "appliance/library/library_pages.h"
#include <jansson.h>

enum { OBJECTS = 1000 };
static const char type[] = "application/vnd.git-lfs+json";

static bool parse_oid(const char *hex, struct hash *ret)
{
	if (!hex || strlen(hex) != 64 || strspn(hex, "0123456789abcdef") != 64)
		return false;
	for (size_t i = 0; i < sizeof(ret->b); i++) {
		char byte[3] = {hex[2 * i], hex[2 * i + 1], 0};

		ret->b[i] = (uint8_t)strtoul(byte, NULL, 16);
	}
	return true;
}

/* Found, here, and as long as the pointer says. */
static struct error *locate(struct request *r, const struct space_info *s, const char *oid,
			    json_int_t size, const char **ret_url)
{
	struct file_version v;
	enum file_here here;
	struct hash sha256, file;

	*ret_url = NULL;
	if (!parse_oid(oid, &sha256))
		return NULL;
	TRY(file_by_sha256(request_conn(r), request_arena(r), &s->id, &sha256, &file, &v));
	TRY(file_here(request_conn(r), request_app(r)->blobs, &v, &here));
	if (here == FILE_HERE && (json_int_t)v.size == size)
		*ret_url = request_url(r, arena_printf(request_arena(r), "/file/%s/get?rev=%s",
						       ID(&file), ID(&v.id)));
	return NULL;
}

static json_t *object_json(struct request *r, const struct space_info *s, const json_t *asked)
{
	const char *oid = json_string_value(json_object_get(asked, "oid")), *url;
	json_int_t size = json_integer_value(json_object_get(asked, "size"));
	json_t *o = json_pack("{s:s, s:I}", "oid", oid ? oid : "", "size", size);
	struct error *e = locate(r, s, oid, size, &url);

	if (!e && url)
		json_object_set_new(o, "actions",
				    json_pack("{s:{s:s}}", "download", "href", url));
	else
		json_object_set_new(
			o, "error",
			json_pack("{s:i, s:s}", "code", 404, "message",
				  request_text(r, N_("This file is not on this box (yet)."))));
	error_free(e);
	return o;
}

static struct error *respond_lfs(struct request *r, int status, json_t *take_o)
{
	char *text = json_dumps(take_o, JSON_COMPACT);
	struct error *e = respond_bytes(r, status, type, span_str(text ? text : "{}"));

	free(text);
	json_decref(take_o);
	return e;
}

static struct error *batch(struct request *r)
{
	const json_t *body = request_json(r), *asked = json_object_get(body, "objects");
	const char *operation = json_string_value(json_object_get(body, "operation"));
	json_t *objects = json_array();
	struct space_info s;
	struct error *e = library_repo_space(r, &s);

	if (e) {
		json_decref(objects);
		return e;
	}
	if (!operation || strcmp(operation, "download") != 0) {
		json_decref(objects);
		return respond_lfs(r, 403,
				   json_pack("{s:s}", "message",
					     request_text(r, N_("Files are sent in on the pages "
								"of this box."))));
	}
	for (size_t i = 0; i < json_array_size(asked) && i < OBJECTS; i++)
		json_array_append_new(objects, object_json(r, &s, json_array_get(asked, i)));
	return respond_lfs(r, 200,
			   json_pack("{s:s, s:o, s:s}", "transfer", "basic", "objects", objects,
				     "hash_algo", "sha256"));
}

const struct route library_lfs_routes[] = {
	{"POST", "/git/:repo/info/lfs/objects/batch", batch, ROUTE_NO_CSRF},
	{0},
};
