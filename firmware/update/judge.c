/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What is said of the system that runs. */
#include "firmware/update/update_priv.h"

enum { BOOT_S = 60, WHY_MAX = 20 };

/* What `lliure-boot show` prints: "running=B", "armed=B1" (or "-0"). */
struct boot_now {
	char running, armed;
};

static char letter_of(const char *text, const char *name)
{
	const char *at = strstr(text, name);

	return at ? at[strlen(name)] : 0;
}

static bool boot_now(struct updater *u, struct boot_now *ret)
{
	static const char *const argv[] = {"/usr/bin/lliure-boot", "show", NULL};
	_cleanup_(buf_release) struct buf out = {0};

	if (u->run(u->ctx, argv, BOOT_S, &out) != 0)
		return false;
	ret->running = letter_of(buf_str(&out), "running=");
	ret->armed = letter_of(buf_str(&out), "armed=");
	return ret->running == 'A' || ret->running == 'B';
}

static bool read_outcome(const struct updater *u, struct outcome *o)
{
	_cleanup_(freep) char *path = path_join(u->state, "update");
	struct error *e = update_outcome_read(path, o);
	bool ok = !e;

	error_free(e);
	return ok;
}

/* Why the last judged system was given up; what it was told is forgotten. */
static enum update_why take_why(const char *dir, enum update_why otherwise)
{
	_cleanup_(freep) char *path = path_join(dir, "unwell");
	_cleanup_(buf_release) struct buf b = {0};
	struct error *e = file_read(path, WHY_MAX, &b);
	enum update_why why = e ? otherwise : update_why_by_name(buf_str(&b));

	error_free(e);
	unlink(path);
	return why == WHY_INSTALL ? otherwise : why;
}

/* After a restart the outcome is open until a healthy system closes it: the new one, or the former.
 */
static void close_outcome(struct updater *u, const struct boot_now *now)
{
	struct outcome o = {.stage = UPDATE_NONE};
	char running[UPDATE_VERSION];

	if (!read_outcome(u, &o))
		return;
	update_running(u, running);
	if (o.stage == UPDATE_RESTARTING && strcmp(running, o.version) == 0)
		update_note(u, &o, UPDATE_DONE, WHY_NOTHING);
	else if (o.stage == UPDATE_RESTARTING && now->armed == '-')
		update_note(u, &o, UPDATE_ROLLED_BACK, take_why(u->state, WHY_START));
	else if (o.stage == UPDATE_CHECKING || o.stage == UPDATE_INSTALLING)
		update_note(u, &o, UPDATE_FAILED, WHY_CUT_OFF);
	/* else: it will be tried again, or there is nothing to say */
}

int update_healthy(struct updater *u)
{
	static const char *const argv[] = {"/usr/bin/lliure-boot", "healthy", NULL};
	_cleanup_(buf_release) struct buf out = {0};
	struct boot_now now;

	if (u->run(u->ctx, argv, BOOT_S, &out) != 0 || !boot_now(u, &now))
		return 1;
	close_outcome(u, &now);
	return 0;
}

/* Committed before it was judged: there is nothing to go back to. What was an older system is then
 * what was never healthy for the boot loader, which starts it only when it is asked to. */
int update_newer_data(struct updater *u)
{
	static const char *const healthy[] = {"/usr/bin/lliure-boot", "healthy", NULL};
	char slot[2] = "";
	const char *bad[] = {"/usr/bin/lliure-boot", "bad", slot, NULL};
	_cleanup_(buf_release) struct buf out = {0};
	struct boot_now now;

	if (!boot_now(u, &now) || u->run(u->ctx, healthy, BOOT_S, &out) != 0)
		return 1;
	slot[0] = now.running == 'A' ? 'B' : 'A';
	return u->run(u->ctx, bad, BOOT_S, &out) ? 1 : 0;
}

/* Does the former system refuse the data that are stored now? */
static bool no_way_back(struct updater *u, struct outcome *o)
{
	return read_outcome(u, o) && o->format && update_data_format(u) > o->format;
}

int update_judge(struct updater *u)
{
	char slot[2] = "";
	const char *bad[] = {"/usr/bin/lliure-boot", "bad", slot, NULL};
	static const char *const reboot[] = {"/usr/bin/systemctl", "--no-block", "reboot", NULL};
	_cleanup_(buf_release) struct buf out = {0};
	_cleanup_(freep) char *path = path_join(u->state, "unwell");
	struct outcome o = {.stage = UPDATE_NONE};
	struct boot_now now;

	if (!boot_now(u, &now))
		return 1;
	/* A former system that would refuse the data is worse than this one. */
	if (no_way_back(u, &o)) {
		if (o.stage == UPDATE_RESTARTING)
			update_note(u, &o, UPDATE_FAILED, WHY_KEPT);
		return 0;
	}
	if (now.armed != now.running)
		return 0; /* nothing is being tried out: a system that was healthy once stays */
	error_free(file_write(path, span_str(update_why_name(take_why(u->tmp, WHY_PAGE))), 0644));
	slot[0] = now.running;
	if (u->run(u->ctx, bad, BOOT_S, &out) != 0)
		return 1;
	return u->run(u->ctx, reboot, BOOT_S, &out) ? 1 : 0;
}
