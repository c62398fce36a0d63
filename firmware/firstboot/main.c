/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* lliure-firstboot: before the daemon, at each start (its unit says when). */
#include "firmware/firstboot/firstboot.h"
#include <pwd.h>

int main(int argc, char **argv)
{
	const struct passwd *user = getpwnam("lliure");
	struct firstboot f = {.data = "/var/lib/lliure", .run = "/run/lliure"};
	struct error *e;

	(void)argv;
	if (argc != 1 || !user) {
		fprintf(stderr,
			"lliure-firstboot takes no arguments, and needs the user lliure.\n");
		return 2;
	}
	f.uid = user->pw_uid;
	f.gid = user->pw_gid;
	e = firstboot_prepare(&f, stdout);
	if (!e)
		return 0;
	fprintf(stderr, "lliure-firstboot: %s\n", error_english(e));
	error_free(e);
	return 1;
}
