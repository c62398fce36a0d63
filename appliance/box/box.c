/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/box/box.h"
#include "firmware/helper/ask.h"

/* PREFIX/share of PREFIX/bin/lliure; "": it was not installed. */
static void installed_share(char out[BOX_PATH])
{
	ssize_t n = readlink("/proc/self/exe", out, BOX_PATH - 8);

	out[n > 0 ? n : 0] = 0;
	for (int up = 0; up < 2; up++) {
		char *slash = strrchr(out, '/');

		if (slash)
			*slash = 0;
	}
	if (*out)
		memcpy(out + strlen(out), "/share", sizeof("/share"));
}

void box_paths(const char *root, struct app_box *ret)
{
	const char *r = root && strcmp(root, "/") != 0 ? root : "";

	memset(ret, 0, sizeof(*ret));
	snprintf(ret->sys, BOX_PATH, "%s/sys", r);
	snprintf(ret->proc, BOX_PATH, "%s/proc", r);
	if (!root) {
		installed_share(ret->share);
		return;
	}
	snprintf(ret->share, BOX_PATH, "%s/usr/share", r);
	snprintf(ret->helper, BOX_PATH, "%s" HELPER_SOCKET, r);
	snprintf(ret->sticks, BOX_PATH, "%s/run/lliure-sticks", r);
	snprintf(ret->left, BOX_PATH, "%s/run/lliure", r);
	snprintf(ret->avahi, BOX_PATH, "%s/run/avahi-daemon/socket", r);
	snprintf(ret->state, BOX_PATH, "%s/state/lliure", r);
	snprintf(ret->updates, BOX_PATH, "%s/var/lib/lliure/updates", r);
	snprintf(ret->network, BOX_PATH, "%s/run/lliure-network", r);
	snprintf(ret->label, BOX_PATH, "%s/run/lliure-label", r);
	snprintf(ret->release, BOX_PATH, "%s/etc/os-release", r);
	snprintf(ret->zones, BOX_PATH, "%s/usr/share/zoneinfo", r);
}

bool box_has_helper(const char *socket)
{
	return socket && *socket && access(socket, W_OK) == 0;
}

struct error *box_ask(const char *socket, const char *const *words, size_t n, struct buf *ret_out)
{
	return helper_ask(socket, words, n, ret_out);
}
