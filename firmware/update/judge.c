/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What is said of the system that runs. */
#include "firmware/update/update_priv.h"

enum { BOOT_S = 60, WHY_MAX = 20 };

static char letter_of(const char *text, const char *name)
{
	const char *at = strstr(text, name);

	return at ? at[strlen(name)] : 0;
}

bool update_boot_now(struct updater *u, struct boot_now *ret)
{
	static const char *const argv[] = {"/usr/bin/lliure-boot", "show", NULL};
	_cleanup_(buf_release) struct buf out = {0};
	const char *at;

	if (u->run(u->ctx, argv, BOOT_S, &out) != 0)
		return false;
	ret->running = letter_of(buf_str(&out), "running=");
	ret->armed = letter_of(buf_str(&out), "armed=");
	/* "ok=AB", with - for one that is not. */
	at = strstr(buf_str(&out), "\nok=");
	ret->other_ok =
		at && at[4] && at[4 + (ret->running == 'A')] == (ret->running == 'A' ? 'B' : 'A');
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
 * true: it stays open, and the new one is to be tried again now (its first try was cut off, or it
 * ended without a word; the boot state counts three). */
static bool close_outcome(struct updater *u, const struct boot_now *now)
{
	struct outcome o = {.stage = UPDATE_NONE};
	char running[UPDATE_VERSION];

	if (!read_outcome(u, &o))
		return false;
	update_running(u, running);
	if (o.stage == UPDATE_RESTARTING && strcmp(running, o.version) == 0)
		update_note(u, &o, UPDATE_DONE, WHY_NOTHING);
	else if (o.stage == UPDATE_RESTARTING && now->armed == '-')
		update_note(u, &o, UPDATE_ROLLED_BACK, take_why(u->state, WHY_START));
	else if (o.stage == UPDATE_DONE && version_compare(running, o.version) < 0)
		/* Committed, and then the boot loader went back: three starts in a row came to
		 * nothing. */
		update_note(u, &o, UPDATE_ROLLED_BACK, take_why(u->state, WHY_START));
	else if (o.stage == UPDATE_CHECKING || o.stage == UPDATE_INSTALLING) {
		if (!update_under_way(u))
			update_note(u, &o, UPDATE_FAILED, WHY_CUT_OFF);
	} else {
		return o.stage == UPDATE_RESTARTING && now->armed != now->running;
	}
	return false;
}

int update_healthy(struct updater *u)
{
	static const char *const argv[] = {"/usr/bin/lliure-boot", "healthy", NULL};
	_cleanup_(buf_release) struct buf out = {0};
	struct boot_now now;

	if (u->run(u->ctx, argv, BOOT_S, &out) != 0 || !update_boot_now(u, &now))
		return 1;
	return close_outcome(u, &now) ? update_restart(u) : 0;
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

	if (!update_boot_now(u, &now) || u->run(u->ctx, healthy, BOOT_S, &out) != 0)
		return 1;
	slot[0] = now.running == 'A' ? 'B' : 'A';
	return u->run(u->ctx, bad, BOOT_S, &out) ? 1 : 0;
}

/* Does the former system refuse the data that are stored now? */
static bool no_way_back(struct updater *u, struct outcome *o)
{
	return read_outcome(u, o) && o->format && update_data_format(u) > o->format;
}

/* The system that runs is being tried out and found wanting: the former has its turn, and says why.
 */
static int give_up(struct updater *u, const struct boot_now *now, enum update_why otherwise)
{
	char slot[2] = {now->running};
	const char *bad[] = {"/usr/bin/lliure-boot", "bad", slot, NULL};
	_cleanup_(buf_release) struct buf out = {0};
	_cleanup_(freep) char *path = path_join(u->state, "unwell");
	struct outcome o = {.stage = UPDATE_NONE};

	/* A former system that would refuse the data is worse than this one. */
	if (no_way_back(u, &o)) {
		if (o.stage == UPDATE_RESTARTING)
			update_note(u, &o, UPDATE_FAILED, WHY_KEPT);
		return 0;
	}
	error_free(file_write(path, span_str(update_why_name(take_why(u->tmp, otherwise))), 0644));
	return u->run(u->ctx, bad, BOOT_S, &out) != 0 ? 1 : update_restart(u);
}

int update_judge(struct updater *u)
{
	struct outcome o = {.stage = UPDATE_NONE};
	struct boot_now now;

	if (!update_boot_now(u, &now))
		return 1;
	/* Where nothing is being tried out, a system that was healthy once stays. */
	return now.armed == now.running || no_way_back(u, &o) ? give_up(u, &now, WHY_PAGE) : 0;
}

/* Where no former system was healthy there is none to go back to. */
static int leave_damaged(struct updater *u, const struct boot_now *now)
{
	char slot[2] = {now->running};
	const char *bad[] = {"/usr/bin/lliure-boot", "bad", slot, NULL};
	_cleanup_(buf_release) struct buf out = {0};
	struct outcome o = {.stage = UPDATE_NONE};

	update_running(u, o.version);
	if (!now->other_ok) {
		update_note(u, &o, UPDATE_FAILED, WHY_ALONE);
		return 0;
	}
	update_note(u, &o, UPDATE_ROLLED_BACK, WHY_ROOT);
	return u->run(u->ctx, bad, BOOT_S, &out) != 0 ? 1 : update_restart(u);
}

int update_damaged(struct updater *u)
{
	struct boot_now now;

	if (!update_boot_now(u, &now))
		return 1;
	return now.armed == now.running ? give_up(u, &now, WHY_ROOT) : leave_damaged(u, &now);
}

int update_crashed(struct updater *u)
{
	struct outcome o = {.stage = UPDATE_NONE};
	struct boot_now now;

	if (update_boot_now(u, &now) && now.armed == now.running && !no_way_back(u, &o))
		return give_up(u, &now, WHY_CRASH);
	/* Whatever else is broken: the boot state counts this start, and after three the other. */
	return update_restart(u);
}
