/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * lliure-helper: started by systemd when somebody knocks at lliure-helper.socket, gone again when
 * nobody does. Its unit (image/files/etc/systemd/system/lliure-helper.service) takes away what it
 * does not need; here it gives up the same, so that a unit that was changed carelessly leaves a
 * wall.
 */
#include "firmware/helper/helper.h"
#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

enum { IDLE_S = 60 };

/* Mounting and the host's name, the clock, a disk's own words, files of the daemon's user. */
static const int kept[] = {CAP_SYS_ADMIN, CAP_SYS_TIME, CAP_SYS_RAWIO, CAP_DAC_READ_SEARCH};

static bool give_up_rights(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2] = {{0}};
	uint64_t keep = 0;

	if (syscall(SYS_capget, &header, data))
		return false;

	for (size_t i = 0; i < ARRAY_LEN(kept); i++)
		keep |= UINT64_C(1) << kept[i];
	for (int cap = 0; cap <= CAP_LAST_CAP; cap++)
		/* What the unit took away can't be dropped again: that needs a right it took, too.
		 */
		if (!(keep >> cap & 1) && prctl(PR_CAPBSET_READ, cap, 0, 0, 0) == 1 &&
		    prctl(PR_CAPBSET_DROP, cap, 0, 0, 0))
			return false;
	for (int i = 0; i < 2; i++) {
		data[i].permitted &= (uint32_t)(keep >> 32 * i);
		data[i].effective = data[i].permitted;
		data[i].inheritable = 0;
	}
	if (syscall(SYS_capset, &header, data))
		return false;
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0;
}

int main(int argc, char **argv)
{
	const struct passwd *user = getpwnam(argc > 1 ? argv[1] : "lliure");
	const struct group *button = getgrnam("input"); /* as in lliure-button.service */
	struct helper h = {.ops = &helper_ops_system,
			   .sys = "/sys",
			   .dev = "/dev",
			   .proc = "/proc",
			   .sticks = "/run/lliure-sticks",
			   .state = "/state/lliure",
			   .updates = "/var/lib/lliure/updates",
			   .run = "/run/lliure-update",
			   .zones = "/usr/share/zoneinfo"};

	if (!user || argc > 2 || sd_listen_fds(1) != 1) {
		fprintf(stderr, "lliure-helper is started by its socket, for the user it names.\n");
		return 2;
	}
	h.uid = user->pw_uid;
	h.gid = user->pw_gid;
	h.button = button ? button->gr_gid : 0;
	signal(SIGPIPE, SIG_IGN);
	if (!give_up_rights()) {
		fprintf(stderr, "lliure-helper could not give up its rights: %s\n",
			strerror(errno));
		return 1;
	}
	helper_serve(&h, SD_LISTEN_FDS_START, IDLE_S);
	return 0;
}
