/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What dnsmasq reads of us: whole files, of names and addresses and of nothing else. */
#include "tests/lib/test.h"
#include "firmware/network/dns.h"
#include "firmware/portal/probe.h"
#include "sync/base/buf.h"
#include "sync/base/file.h"
#include <string.h>
#include <sys/stat.h>

struct place {
	char *dir, hosts[4200], options[4200];
};

static void make(struct place *p)
{
	char path[4200];

	p->dir = test_dir();
	snprintf(path, sizeof(path), "%s/hosts", p->dir);
	assert_int_equal(mkdir(path, 0755), 0);
	snprintf(path, sizeof(path), "%s/options", p->dir);
	assert_int_equal(mkdir(path, 0755), 0);
	snprintf(p->hosts, sizeof(p->hosts), "%s/hosts/lliure", p->dir);
	snprintf(p->options, sizeof(p->options), "%s/options/lliure", p->dir);
}

static char *whole(const char *path)
{
	struct buf b = {0};

	assert_ok(file_read(path, 64 * 1024, &b));
	return buf_steal(&b);
}

static void gives_the_box_its_names_and_the_portal_its_questions(void **state)
{
	struct place p;
	struct network_dns d = {"10.1.1.1", "ateneu.local", "https://ateneu.local/captive", true};
	bool changed;

	make(&p);
	assert_ok(network_dns_write(p.dir, &d, &changed));
	assert_true(changed);
	_cleanup_(freep) char *hosts = whole(p.hosts), *options = whole(p.options);
	assert_int_equal(strncmp(hosts, "10.1.1.1 lliure.lan ateneu.local\n", 33), 0);
	assert_non_null(strstr(hosts, "\n10.1.1.1 captive.apple.com\n"));
	assert_non_null(strstr(hosts, "\n131.107.255.255 dns.msftncsi.com\n"));
	assert_string_equal(options, "114,https://ateneu.local/captive\n");
	assert_ok(network_dns_write(p.dir, &d, &changed));
	assert_false(changed);
	test_dir_remove(p.dir);
}

static void leads_nobody_when_there_is_an_internet(void **state)
{
	struct place p;
	struct network_dns d = {"10.1.1.1", "ateneu.local", "https://ateneu.local/captive", true};
	bool changed;

	make(&p);
	assert_ok(network_dns_write(p.dir, &d, &changed));
	d.portal = false;
	d.api = NULL;
	assert_ok(network_dns_write(p.dir, &d, &changed));
	assert_true(changed);
	_cleanup_(freep) char *hosts = whole(p.hosts), *options = whole(p.options);
	assert_string_equal(hosts, "10.1.1.1 lliure.lan ateneu.local\n");
	assert_string_equal(options, "");
	test_dir_remove(p.dir);
}

static void writes_nothing_that_is_not_a_name(void **state)
{
	static const struct network_dns bad[] = {
		{"10.1.1.1\n10.1.1.2", "ateneu.local", NULL, false},
		{"10.1.1.1", "ateneu.local\ndhcp-script=/bin/sh", NULL, false},
		{"10.1.1.1", "a b.local", NULL, false},
		{"10.1.1.1", "ateneu.local", "https://x/captive,1", false},
		{"10.1.1.1", "ateneu.local", "https://x/\n", false},
		{"10.1.1.1", "", NULL, false},
		{"", "ateneu.local", NULL, false},
	};
	struct place p;

	make(&p);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		bool changed;
		struct error *e = network_dns_write(p.dir, &bad[i], &changed);

		assert_true(error_is(e, ERR_INVALID));
		error_free(e);
		assert_int_equal(access(p.hosts, F_OK), -1);
	}
	test_dir_remove(p.dir);
}

static void follows_no_link_and_says_when_there_is_no_place(void **state)
{
	struct place p;
	struct network_dns d = {"10.1.1.1", "ateneu.local", NULL, false};
	char link[4200], target[4200];
	struct error *e;
	bool changed;

	make(&p);
	snprintf(link, sizeof(link), "%s/hosts/.lliure", p.dir);
	snprintf(target, sizeof(target), "%s/elsewhere", p.dir);
	assert_int_equal(symlink(target, link), 0);
	e = network_dns_write(p.dir, &d, &changed);
	assert_true(error_is(e, ERR_IO));
	error_free(e);
	assert_int_equal(access(target, F_OK), -1);
	e = network_dns_write("/nonexistent/place", &d, &changed);
	assert_true(error_is(e, ERR_NOT_FOUND));
	error_free(e);
	test_dir_remove(p.dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gives_the_box_its_names_and_the_portal_its_questions),
		cmocka_unit_test(leads_nobody_when_there_is_an_internet),
		cmocka_unit_test(writes_nothing_that_is_not_a_name),
		cmocka_unit_test(follows_no_link_and_says_when_there_is_no_place),
	};

	return run_group(tests);
}
