/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The source, the list of parts and their licences: from what was installed, and nothing else. */
#include "tests/appliance/site.h"

static void put(struct site *s, const char *path, const char *text)
{
	_cleanup_(freep) char *whole = path_join(s->dir, path), *folder = strdup(whole);

	*strrchr(folder, '/') = 0;
	assert_ok(dir_make(folder, 0755));
	assert_ok(file_write(whole, span_str(text), 0644));
}

static void open_site(struct site *s)
{
	site_open(s);
	snprintf(s->app->box.share, BOX_PATH, "%s/share", s->dir);
	for (const char *const *f = (const char *const[]){"share", "share/doc", "share/lliure",
							  "share/common-licenses", NULL};
	     *f; f++) {
		_cleanup_(freep) char *path = path_join(s->dir, *f);

		assert_ok(dir_make(path, 0755));
	}
}

static void expect(struct site *s, const char *path, long status, const char *says)
{
	_cleanup_(reply_release) struct reply r = site_ask(s, NOBODY, path, NULL);

	assert_int_equal(r.status, status);
	if (!memmem(r.body.p, r.body.n, says, strlen(says)))
		fail_msg("%s does not say \"%s\"", path, says);
}

static void what_is_not_there_is_not_offered(void **state)
{
	struct reply r;
	struct site s;

	(void)state;
	open_site(&s);
	r = site_ask(&s, NOBODY, "/about", NULL);
	assert_int_equal(r.status, 200);
	assert_null(strstr(buf_str(&r.body), "/about/source"));
	assert_null(strstr(buf_str(&r.body), "/about/parts"));
	reply_release(&r);
	expect(&s, "/about/source", 404, "right to it");
	expect(&s, "/about/parts", 404, "no list");
	site_close(&s);
}

static void who_uses_the_box_gets_its_source(void **state)
{
	struct site s;

	(void)state;
	open_site(&s);
	put(&s, "share/lliure/source.tar.gz", "the whole tree");
	expect(&s, "/about", 200, "href=\"/about/source\"");
	expect(&s, "/about/source", 200, "the whole tree");
	site_close(&s);
}

static void every_part_stands_there_with_its_licence(void **state)
{
	struct site s;

	(void)state;
	open_site(&s);
	put(&s, "share/doc/lliure/spdx.json",
	    "{\"packages\":[{\"name\":\"equipaments-lliures\",\"versionInfo\":\"1\"},"
	    "{\"name\":\"zstd\",\"versionInfo\":\"1.5.7\",\"licenseComments\":\"BSD-3-clause\"},"
	    "{\"name\":\"../../key\",\"versionInfo\":\"2\"},7]}");
	put(&s, "share/doc/zstd/copyright", "Copyright <2016> Yann \xe9 Collet\n");
	put(&s, "share/common-licenses/GPL-2", "Everyone is permitted\n");
	put(&s, "share/doc/secret", "not a copyright file");
	expect(&s, "/about", 200, "href=\"/about/parts\"");
	expect(&s, "/about/parts", 200, "href=\"/about/parts/zstd\"");
	expect(&s, "/about/parts", 200, "1.5.7 · BSD-3-clause");
	expect(&s, "/about/parts", 200, "href=\"/about/parts/GPL-2\"");
	expect(&s, "/about/parts/zstd", 200, "Copyright &lt;2016&gt; Yann ? Collet");
	expect(&s, "/about/parts/GPL-2", 200, "Everyone is permitted");
	expect(&s, "/about/parts/secret", 404, "");
	expect(&s, "/about/parts/..%2f..%2f..%2fkey", 404, "");
	expect(&s, "/about/parts/..", 404, "");
	site_close(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_not_there_is_not_offered),
		cmocka_unit_test(who_uses_the_box_gets_its_source),
		cmocka_unit_test(every_part_stands_there_with_its_licence),
	};

	return run_group(tests);
}
