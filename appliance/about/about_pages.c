/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/about/about.h"
#include "appliance/http/authority.h"
#include "sync/base/file.h"
#include "sync/base/line.h"
#include <dirent.h>
#include <fcntl.h>
#include "version.h" /* made by the Makefile */
#include <sys/stat.h>

enum { PARTS_MAX = 4 * 1024 * 1024, TEXT_MAX = 1024 * 1024, PART_NAME = 100, COMMON_MAX = 64 };

static char *shared(struct request *r, const char *path)
{
	return arena_printf(request_arena(r), "%s/%s", request_app(r)->box.share, path);
}

static char *source_path(struct request *r)
{
	return shared(r, "lliure/source.tar.gz");
}

static char *parts_path(struct request *r)
{
	return shared(r, "doc/lliure/spdx.json");
}

static bool there(const char *path)
{
	return access(path, R_OK) == 0;
}

static struct error *about_page(struct request *r)
{
	json_t *about = json_pack("{s:s, s:s}", "version", LLIURE_VERSION, "key",
				  ID(secret_pubkey(request_app(r)->self)));
	char fingerprint[FINGERPRINT_TEXT];
	struct error *e = authority_fingerprint(request_app(r)->dir, fingerprint);

	if (!e)
		json_object_set_new(about, "fingerprint", json_string(fingerprint));
	error_free(e);
	if (there(source_path(r)))
		json_object_set_new(about, "source_url", json_string("/about/source"));
	if (there(parts_path(r)))
		json_object_set_new(about, "parts_url", json_string("/about/parts"));
	return respond_page(r, "about", request_text(r, N_("About this house")),
			    json_pack("{s:o}", "about", about));
}

static struct error *no_source(void)
{
	return error_new(ERR_NOT_FOUND,
			 N_("The source is not on this machine. Ask who installed the "
			    "program here for it: you have a right to it."));
}

static struct error *source(struct request *r)
{
	const char *name =
		arena_printf(request_arena(r), "equipaments-lliures-%s.tar.gz", LLIURE_VERSION);
	struct stat st;
	int fd;

	TRY(request_limit(r, "source", 30, 10));
	fd = open(source_path(r), O_RDONLY | O_CLOEXEC);
	ENSURE(fd >= 0, no_source());
	if (fstat(fd, &st) || !S_ISREG(st.st_mode)) {
		close(fd);
		return no_source();
	}
	return respond_file(r, fd, (uint64_t)st.st_size, LLIURE_VERSION, name);
}

/* --- the parts ---------------------------------------------------------------------------------
 */

static struct error *no_parts(void)
{
	return error_new(ERR_NOT_FOUND, N_("This machine has no list of its parts: its own system "
					   "has one."));
}

/* Nothing but a package's name: no path. */
static bool name_ok(const char *name)
{
	size_t n =
		strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+.-");

	return n && !name[n] && n < PART_NAME && name[0] != '.';
}

/* The copyright file of a package, or a licence that many of them mean. */
static bool read_text(struct request *r, const char *name, struct buf *out)
{
	struct arena *a = request_arena(r);
	struct error *e =
		file_read(shared(r, arena_printf(a, "doc/%s/copyright", name)), TEXT_MAX, out);

	if (e) {
		error_free(e);
		e = file_read(shared(r, arena_printf(a, "common-licenses/%s", name)), TEXT_MAX,
			      out);
	}
	error_free(e);
	return !e;
}

static const char *text_at(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

static json_t *part_json(struct request *r, const json_t *p)
{
	const char *name = text_at(p, "name"), *path;
	bool read;

	path = arena_printf(request_arena(r), "doc/%s/copyright", name_ok(name) ? name : "lliure");
	read = name_ok(name) && there(shared(r, path));
	return json_pack("{s:s, s:s, s:s, s:s}", "name", name, "version", text_at(p, "versionInfo"),
			 "licences", text_at(p, "licenseComments"), "url",
			 read ? arena_printf(request_arena(r), "/about/parts/%s", name) : "");
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The licences that copyright files only name: "GPL-2", "Apache-2.0". */
static json_t *common_json(struct request *r)
{
	const char *names[COMMON_MAX];
	DIR *d = opendir(shared(r, "common-licenses"));
	json_t *list = json_array();
	struct dirent *f;
	size_t n = 0;

	while (d && n < COMMON_MAX && (f = readdir(d)))
		if (name_ok(f->d_name))
			names[n++] = arena_str(request_arena(r), f->d_name);
	if (d)
		closedir(d);
	qsort(names, n, sizeof(names[0]), by_name);
	for (size_t i = 0; i < n; i++)
		json_array_append_new(list, json_pack("{s:s}", "name", names[i]));
	return list;
}

static struct error *parts_page(struct request *r)
{
	_cleanup_(buf_release) struct buf b = {0};
	struct error *e = file_read(parts_path(r), PARTS_MAX, &b);
	json_t *doc, *list = json_array(), *p;
	size_t i;

	error_free(e);
	doc = e ? NULL : json_loadb((const char *)b.p, b.n, 0, NULL);
	json_array_foreach(json_object_get(doc, "packages"), i, p)
		json_array_append_new(list, part_json(r, p));
	json_decref(doc);
	if (!json_array_size(list)) {
		json_decref(list);
		return no_parts();
	}
	return respond_page(
		r, "about_parts", request_text(r, N_("What the box is made of")),
		json_pack("{s:o, s:o, s:b}", "parts", list, "common", common_json(r),
				      "source", there(source_path(r))));
}

static struct error *part_page(struct request *r)
{
	const char *name = request_param(r, "name");
	_cleanup_(buf_release) struct buf b = {0};
	char *clean;

	ENSURE(name_ok(name) && there(parts_path(r)) && read_text(r, name, &b), no_parts());
	clean = arena_strn(request_arena(r), (const char *)b.p, b.n);
	/* Old ones are not always UTF-8; a page is. */
	for (char *at = clean; *at;) {
		uint32_t c;
		size_t n = utf8_next(span_str(at), &c);

		if (!n)
			*at = '?';
		at += n ? n : 1;
	}
	return respond_page(r, "about_part", name,
			    json_pack("{s:s, s:s}", "name", name, "text", clean));
}

const struct route about_routes[] = {
	{"GET", "/about", about_page, ROUTE_CACHED},
	{"GET", "/about/source", source, 0},
	{"GET", "/about/parts", parts_page, ROUTE_CACHED},
	{"GET", "/about/parts/:name", part_page, ROUTE_CACHED},
	{0},
};
