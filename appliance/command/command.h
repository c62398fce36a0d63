/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The command line: one table row per command (its words, options, help and function), from which
 * parsing, `lliure help` and the manual page are made.
 *
 * Commands work beside a running daemon: whoever holds the lock of the data folder runs the
 * function. If that is the daemon, the command line hands it the words and its open files (standard
 * output, standard error, and those named by arguments) over DATA/control.sock and waits for the
 * exit status.
 */
#pragma once
#include "appliance/app.h"
#include <stdio.h>

enum { COMMAND_FILES = 4, COMMAND_ARGS = 4, COMMAND_OPTIONS = 10 };

enum option_kind { OPTION_NONE, OPTION_FLAG, OPTION_TEXT, OPTION_FILE_IN, OPTION_FILE_OUT };
struct command_option {
	const char *name; /* "--name", or "FILE" for an argument in its place */
	enum option_kind kind;
	bool required;
	const char *help;
};

struct command_run;
typedef struct error *command_fn(struct command_run *run);
enum command_flags {
	COMMAND_ALONE = 1, /* only when no daemon runs: it holds the lock itself */
	COMMAND_NEW_BOX =
		2, /* the data folder need not hold a box yet; the command opens the app itself */
	COMMAND_HIDDEN = 4 /* for the program itself: not in the help */
};
struct command {
	const char *words; /* "peer add" */
	const char *help;  /* one line */
	command_fn *fn;
	unsigned flags;
	struct command_option args[COMMAND_ARGS];
	struct command_option options[COMMAND_OPTIONS];
};
extern const struct command commands[]; /* ends with NULL words */

struct command_run {
	const struct command *command;
	const char *dir;
	struct app *app; /* NULL for COMMAND_NEW_BOX */
	FILE *out;	 /* what was asked for */
	FILE *note; /* standard error: progress, and what people should read beside the answer */
	const char *args[COMMAND_ARGS];	      /* NULL when absent */
	const char *options[COMMAND_OPTIONS]; /* flags: "" when given */
	int arg_fds[COMMAND_ARGS]; /* of file arguments: open files, -1 otherwise; borrowed */
	int option_fds[COMMAND_OPTIONS];
};
/* The value of "--name", NULL when it was not given; its open file. */
const char *command_option(const struct command_run *run, const char *name);
int command_option_fd(const struct command_run *run, const char *name);

/* Everything main does. Returns the exit status: 0, 1 (it failed: one line on stderr), 2 (wrong
 * usage). */
int command_main(int argc, char **argv);

/* The row that the first words name, the longest that fits; NULL: none. */
const struct command *command_find(int argc, char **argv, int *ret_words);
/* help.c: what the words name (a command, a group such as "bundle", nothing: all), or with "--man"
 * the manual page. Returns the exit status; 2, and nothing written, when there is no such thing. */
int command_help(int argc, char **argv, FILE *out);
bool command_asks_for_help(const char *word);

/* --- the control socket (control.c) --- */
struct control;
/* Serve the words of other command lines on DIR/control.sock, each in a thread of its own. */
struct error *control_start(struct app *app, struct control **ret) MUST;
void control_stop(struct control *c);
/* Hand a parsed run to the daemon of run->dir. ERR_NOT_FOUND when none listens. */
struct error *control_call(struct command_run *run, int argc, char **argv, int *ret_status) MUST;
/* Parse words into a run (args, options; opens no file). ERR_USAGE with a sentence. */
struct error *command_parse(int argc, char **argv, struct command_run *ret) MUST;
/* Run it here and print its error. Returns the exit status. */
int command_perform(struct command_run *run);

/* The lock of a data folder. ERR_BUSY when another process holds it. *ret_fd is held until closed.
 */
struct error *command_lock(const char *dir, int *ret_fd) MUST;
