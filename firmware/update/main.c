/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* lliure-update VERB: see update.h. Started by units and by the root helper. */
#include "firmware/update/update.h"
#include "firmware/helper/helper.h"

static const struct {
	const char *name;
	int (*fn)(struct updater *u);
} verbs_here[] = {
	{"install", update_install},
	{"look", update_look},
	{"healthy", update_healthy},
	{"newer-data", update_newer_data},
	{"judge", update_judge},
	{"damaged", update_damaged},
	{"crashed", update_crashed},
};

int main(int argc, char **argv)
{
	struct updater u = {.run = helper_ops_system.run,
			    .run_saying = helper_run_saying,
			    .now_ms = helper_ops_system.now_ms,
			    .state = "/state/lliure",
			    .tmp = "/run/lliure-update",
			    .updates = "/var/lib/lliure/updates",
			    .data = "/var/lib/lliure/box",
			    .release = "/etc/os-release",
			    .conf = "/etc/rauc/system.conf"};

	for (size_t i = 0; argc == 2 && i < ARRAY_LEN(verbs_here); i++)
		if (strcmp(argv[1], verbs_here[i].name) == 0)
			return verbs_here[i].fn(&u);
	fprintf(stderr, "usage: lliure-update install|look|healthy|newer-data|judge|damaged|crashed\n");
	return 2;
}
