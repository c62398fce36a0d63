/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "firmware/button/act.h"
#include "firmware/network/label.h"
#include "sync/base/file.h"

enum { RUN_S = 60 };

/* The screen of a box has nobody who scrolls: short, and set apart from what the system says. */
static void say(struct button_place *p, const char *text)
{
	fprintf(p->screen, "\n%s\n", text);
	fflush(p->screen);
}

static void show_network(struct button_place *p)
{
	if (!network_label_print(p->screen, p->label, p->state))
		fprintf(p->screen,
			"  It is on no network: nobody can reach it. Plug in a cable, or hold the\n"
			"  button for 15 seconds and press once more, so that it makes its own "
			"Wi-Fi\n"
			"  again. What people wrote stays.\n");
}

/* The command's answer on the screen; false: it had none. */
static bool show_command(struct button_place *p, const char *command)
{
	const char *argv[] = {"/usr/bin/lliure", command, "--data", p->data, NULL};
	_cleanup_(buf_release) struct buf out = {0};
	bool ok = p->run(p->ctx, argv, RUN_S, &out) == 0;

	if (ok)
		fprintf(p->screen, "%s", buf_str(&out));
	fflush(p->screen);
	return ok;
}

static bool has_box(const struct button_place *p)
{
	_cleanup_(freep) char *key = path_join(p->data, "key");

	return access(key, F_OK) == 0;
}

static void show_status(struct button_place *p)
{
	say(p, "--- this box ---");
	show_network(p);
	if (!has_box(p))
		say(p, "It is not set up yet. Hold the button for five seconds to see its code.");
	else if (!show_command(p, "status") || !show_command(p, "health"))
		say(p, "The box does not answer yet. Wait a minute and press again.");
}

/* The daemon makes another when it finds none. */
static void forget_code(const struct button_place *p)
{
	_cleanup_(buf_release) struct buf path = {0};

	buf_printf(&path, "%s" NETWORK_LABEL_CODE, p->data);
	unlink(buf_str(&path));
}

/* Before there is a box its code is made when the daemon starts, and printed by it. */
static void new_code(struct button_place *p)
{
	if (!has_box(p)) {
		forget_code(p);
		say(p, "A new code comes at the next start. The box restarts.");
		if (!p->ask(p->ctx, "reboot", NULL))
			say(p, "That did not work. Pull the plug and put it in again.");
		return;
	}
	say(p, "--- a new code for a volunteer, good for half an hour ---");
	if (!show_command(p, "claim"))
		say(p, "The box does not answer yet. Wait a minute and try again.");
}

static void reset(struct button_place *p, const char *what)
{
	if (!p->ask(p->ctx, "reset", what))
		say(p, "That did not work. Nothing was changed.");
}

void button_act(struct button_place *p, enum button_action a)
{
	switch (a) {
	case BUTTON_NOTHING:
		return;
	case BUTTON_STATUS:
		show_status(p);
		return;
	case BUTTON_CODE:
		new_code(p);
		return;
	case BUTTON_ASK_RESET:
		say(p, "LET GO NOW. Within half a minute:\n"
		       "  press once, shortly: the settings of the machine and its network are\n"
		       "    forgotten. What people wrote stays.\n"
		       "  hold for 15 seconds: everything is erased (it is asked once more).\n"
		       "  do nothing: nothing changes.");
		return;
	case BUTTON_RESET:
		say(p, "The settings are forgotten. The box restarts.");
		reset(p, "settings");
		return;
	case BUTTON_ASK_ALL:
		say(p, "LET GO NOW. EVERYTHING THAT PEOPLE WROTE ON THIS BOX WILL BE ERASED\n"
		       "  if you press once more within half a minute. Do nothing to keep it.");
		return;
	case BUTTON_RESET_ALL:
		say(p, "Everything is erased. The box restarts.");
		reset(p, "all");
		return;
	case BUTTON_NEVER:
		say(p, "Nothing was changed.");
		return;
	}
}
