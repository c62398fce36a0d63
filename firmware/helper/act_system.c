/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Verbs about the machine as a whole. */
#include "firmware/helper/helper_priv.h"
#include <fcntl.h>
#include <sys/stat.h>

#define SYSTEMCTL "/usr/bin/systemctl"
#define SMARTCTL  "/usr/sbin/smartctl"

enum fault act_version(const struct helper *h, const struct words *w, struct answer *a)
{
	(void)h;
	(void)w;
	buf_puts(&a->out, "1");
	return FAULT_NONE;
}

enum fault act_reboot(const struct helper *h, const struct words *w, struct answer *a)
{
	static const char *const argv[] = {SYSTEMCTL, "--no-block", "reboot", NULL};

	(void)w;
	return run_program(h, argv, RUN_S, a);
}

enum fault act_power_off(const struct helper *h, const struct words *w, struct answer *a)
{
	static const char *const argv[] = {SYSTEMCTL, "--no-block", "poweroff", NULL};

	(void)w;
	return run_program(h, argv, RUN_S, a);
}

/* Kept for the next start (lliure-firstboot gives it back), and said to the kernel and to Avahi. */
enum fault act_host_name(const struct helper *h, const struct words *w, struct answer *a)
{
	static const char *const argv[] = {SYSTEMCTL, "--no-block", "try-restart",
					   "avahi-daemon.service", NULL};
	enum fault f = put_file(h->state, "hostname", w->v[1], a);

	if (f)
		return f;
	if (h->ops->set_host_name(h->ops->ctx, w->v[1]))
		return fault_about(a, FAULT_PROGRAM, "sethostname");
	return run_program(h, argv, RUN_S, a);
}

/* A name without links below the folder of zones: what is opened must be a file that says TZif. */
static bool zone_is_there(const char *zones, const char *zone)
{
	_cleanup_(freep) char *path = path_join(zones, zone), *whole = realpath(path, NULL),
			      *base = realpath(zones, NULL);
	_cleanup_(closep) int fd = -1;
	char magic[4] = "";
	struct stat st;

	if (!whole || !base || strncmp(whole, base, strlen(base)) != 0 ||
	    whole[strlen(base)] != '/')
		return false;
	fd = open(whole, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	return fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
	       read(fd, magic, sizeof(magic)) == (ssize_t)sizeof(magic) &&
	       memcmp(magic, "TZif", sizeof(magic)) == 0;
}

/* STATE/localtime is what /etc/localtime of the image points to. */
enum fault act_time_zone(const struct helper *h, const struct words *w, struct answer *a)
{
	_cleanup_(freep) char *link = path_join(h->state, "localtime"),
			      *tmp = path_join(h->state, "localtime.tmp"),
			      *to = path_join(h->zones, w->v[1]);

	if (!zone_is_there(h->zones, w->v[1]))
		return fault_about(a, FAULT_NO_ZONE, w->v[1]);
	unlink(tmp);
	if (symlink(to, tmp) || rename(tmp, link))
		return fault_about(a, FAULT_IO, link);
	return put_file(h->state, "timezone", w->v[1], a);
}

/* Forward only, and only while nothing better keeps it: an entry of 2090 must not put the clock
 * where the internet's time could not bring it back from (it steps it, once there is an internet).
 */
enum fault act_clock(const struct helper *h, const struct words *w, struct answer *a)
{
	int64_t ms = strtoll(w->v[1], NULL, 10);

	if (h->ops->synced(h->ops->ctx))
		return FAULT_CLOCK_SURE;
	if (ms <= h->ops->now_ms(h->ops->ctx))
		return FAULT_CLOCK_BACK;
	return h->ops->set_clock(h->ops->ctx, ms) ? fault_about(a, FAULT_PROGRAM, "clock_settime")
						  : FAULT_NONE;
}

/* Nothing is deleted while the system runs: the next start does it, before the data is mounted. */
enum fault act_reset(const struct helper *h, const struct words *w, struct answer *a)
{
	enum fault f = put_file(h->state, "reset", w->v[1], a);

	return f ? f : act_reboot(h, w, a);
}

enum fault act_wear(const struct helper *h, const struct words *w, struct answer *a)
{
	char path[HELPER_WORD + 16];
	const char *argv[] = {SMARTCTL,	      "--json=c",	   "--info", "--health",
			      "--attributes", "--nocheck=standby", path,     NULL};
	struct block b;
	int status;

	if (!block_look(h, w->v[1], &b) || b.partition)
		return fault_about(a, FAULT_NO_DEVICE, w->v[1]);
	snprintf(path, sizeof(path), "%s/%s", h->dev, w->v[1]);
	if (!h->ops->is_block(h->ops->ctx, path, b.number))
		return fault_about(a, FAULT_NO_DEVICE, w->v[1]);
	/* smartctl's exit status is a set of findings; its JSON says them better. */
	status = h->ops->run(h->ops->ctx, argv, SMART_S, &a->out);
	if (status == -2)
		return fault_about(a, FAULT_TIMEOUT, "smartctl");
	return a->out.n ? FAULT_NONE : fault_about(a, FAULT_ABSENT, "smartctl");
}

/* --- the status light ------------------------------------------------------------------------- */

/* The first that is there is ours: the green one of a Raspberry Pi, what boards call their own. */
static const char *const lights[] = {"ACT", "led0", "green:status", "status", "led1"};

static const struct {
	const char *word, *trigger, *on_ms, *off_ms;
} shows[] = {{"ok", "default-on", NULL, NULL},
	     {"attention", "timer", "1000", "1000"},
	     {"act", "timer", "150", "150"}};

static bool put_attr(int dir, const char *name, const char *text)
{
	_cleanup_(closep) int fd = openat(dir, name, O_WRONLY | O_NOFOLLOW | O_CLOEXEC);

	return fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
}

enum fault act_light(const struct helper *h, const struct words *w, struct answer *a)
{
	_cleanup_(closep) int dir = -1;
	size_t k = 0;
	bool ok;

	for (size_t i = 0; i < ARRAY_LEN(lights) && dir < 0; i++) {
		char path[300];

		snprintf(path, sizeof(path), "%s/class/leds/%s", h->sys, lights[i]);
		dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	}
	if (dir < 0)
		return fault_about(a, FAULT_ABSENT, "status light");
	while (strcmp(shows[k].word, w->v[1]) != 0)
		k++;
	ok = put_attr(dir, "trigger", shows[k].trigger);
	/* The kernel makes these two files when the trigger is set. */
	if (ok && shows[k].on_ms)
		ok = put_attr(dir, "delay_on", shows[k].on_ms) &&
		     put_attr(dir, "delay_off", shows[k].off_ms);
	return ok ? FAULT_NONE : fault_about(a, FAULT_IO, "status light");
}
