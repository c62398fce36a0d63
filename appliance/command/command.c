/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/command/command.h"
#include "appliance/app_priv.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>

enum { MAX_WORDS = 64 };

/* --- parsing ---------------------------------------------------------------------------------- */

/* How many of argv are the words of this command; 0 when it is another. */
static int match_words(const struct command *c, int argc, char **argv)
{
	const char *w = c->words;
	int i = 0;

	while (*w) {
		size_t n = strcspn(w, " ");

		if (i >= argc || strlen(argv[i]) != n || memcmp(argv[i], w, n))
			return 0;
		i++;
		w += n;
		w += *w == ' ';
	}
	return i;
}

const struct command *command_find(int argc, char **argv, int *ret_words)
{
	const struct command *best = NULL;

	*ret_words = 0;
	for (const struct command *c = commands; c->words; c++) {
		int n = match_words(c, argc, argv);

		if (n > *ret_words) {
			best = c;
			*ret_words = n;
		}
	}
	return best;
}

static struct error *parse_option(struct command_run *run, int argc, char **argv, int *i)
{
	const char *word = argv[*i], *eq = strchr(word, '=');
	size_t n = eq ? (size_t)(eq - word) : strlen(word);

	if (n == 6 && !memcmp(word, "--data", 6)) {
		ENSURE(eq || *i + 1 < argc, error_new(ERR_USAGE, N_("--data needs a folder.")));
		run->dir = eq ? eq + 1 : argv[++*i];
		return NULL;
	}
	for (int k = 0; k < COMMAND_OPTIONS && run->command->options[k].name; k++) {
		const struct command_option *o = &run->command->options[k];

		if (strlen(o->name) != n || memcmp(o->name, word, n))
			continue;
		if (o->kind == OPTION_FLAG) {
			run->options[k] = "";
			return NULL;
		}
		ENSURE(eq || *i + 1 < argc, error_new(ERR_USAGE, N_("%s needs a value."), o->name));
		run->options[k] = eq ? eq + 1 : argv[++*i];
		return NULL;
	}
	return error_new(ERR_USAGE, N_("%s has no option %s. See: lliure help %s"),
			 run->command->words, word, run->command->words);
}

static struct error *check_required(const struct command_run *run)
{
	const struct command *c = run->command;

	for (int k = 0; k < COMMAND_ARGS && c->args[k].name; k++)
		ENSURE(run->args[k] || !c->args[k].required,
		       error_new(ERR_USAGE, N_("%s needs %s. See: lliure help %s"), c->words,
				 c->args[k].name, c->words));
	for (int k = 0; k < COMMAND_OPTIONS && c->options[k].name; k++)
		ENSURE(run->options[k] || !c->options[k].required,
		       error_new(ERR_USAGE, N_("%s needs %s. See: lliure help %s"), c->words,
				 c->options[k].name, c->words));
	return NULL;
}

struct error *command_parse(int argc, char **argv, struct command_run *ret)
{
	struct command_run run = {0};
	int words, n = 0;

	run.command = command_find(argc, argv, &words);
	ENSURE(run.command,
	       error_new(ERR_USAGE, N_("lliure has no command “%s”. lliure help lists them."),
			 argc ? argv[0] : ""));
	for (int k = 0; k < COMMAND_ARGS; k++)
		run.arg_fds[k] = -1;
	for (int k = 0; k < COMMAND_OPTIONS; k++)
		run.option_fds[k] = -1;
	for (int i = words; i < argc; i++) {
		if (argv[i][0] == '-' && argv[i][1]) {
			TRY(parse_option(&run, argc, argv, &i));
			continue;
		}
		ENSURE(n < COMMAND_ARGS && run.command->args[n].name,
		       error_new(ERR_USAGE, N_("%s does not know what to do with “%s”."),
				 run.command->words, argv[i]));
		run.args[n++] = argv[i];
	}
	TRY(check_required(&run));
	if (!run.dir)
		run.dir = getenv("LLIURE_DATA") ? getenv("LLIURE_DATA") : "/var/lib/lliure";
	*ret = run;
	return NULL;
}

static int option_index(const struct command_run *run, const char *name)
{
	for (int k = 0; k < COMMAND_OPTIONS && run->command->options[k].name; k++)
		if (!strcmp(run->command->options[k].name, name))
			return k;
	abort(); /* a command asked for an option that its row does not have */
}

const char *command_option(const struct command_run *run, const char *name)
{
	return run->options[option_index(run, name)];
}

int command_option_fd(const struct command_run *run, const char *name)
{
	return run->option_fds[option_index(run, name)];
}

/* --- files ------------------------------------------------------------------------------------ */

/* Outputs are written beside their name and take it when the command has succeeded. */
static void temporary_name(const char *name, char *out, size_t n)
{
	snprintf(out, n, "%s.part", name);
}

static struct error *open_file(enum option_kind kind, const char *name, int *ret_fd)
{
	char part[4200];
	int fd;

	if (kind == OPTION_FILE_IN) {
		fd = !strcmp(name, "-") ? dup(0) : open(name, O_RDONLY | O_CLOEXEC);
	} else {
		temporary_name(name, part, sizeof(part));
		fd = !strcmp(name, "-") ? dup(1)
					: open(part, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	}
	if (fd < 0)
		return file_error(errno, name);
	*ret_fd = fd;
	return NULL;
}

static struct error *open_files(struct command_run *run)
{
	const struct command *c = run->command;

	for (int k = 0; k < COMMAND_ARGS; k++)
		if (run->args[k] && c->args[k].kind >= OPTION_FILE_IN)
			TRY(open_file(c->args[k].kind, run->args[k], &run->arg_fds[k]));
	for (int k = 0; k < COMMAND_OPTIONS; k++)
		if (run->options[k] && c->options[k].kind >= OPTION_FILE_IN)
			TRY(open_file(c->options[k].kind, run->options[k], &run->option_fds[k]));
	return NULL;
}

/* An output takes its name only when the command succeeded; otherwise nothing is left behind. */
static int finish_file(enum option_kind kind, const char *name, int fd, int status)
{
	char part[4200];

	if (fd < 0)
		return status;
	if (kind == OPTION_FILE_OUT && strcmp(name, "-")) {
		temporary_name(name, part, sizeof(part));
		if (!status && (fsync(fd) || rename(part, name))) {
			fprintf(stderr, "lliure: %s could not be written: %s\n", name,
				strerror(errno));
			status = 1;
		}
		if (status)
			unlink(part);
	}
	close(fd);
	return status;
}

static int finish_files(struct command_run *run, int status)
{
	const struct command *c = run->command;

	for (int k = 0; k < COMMAND_ARGS; k++)
		status = finish_file(c->args[k].kind, run->args[k], run->arg_fds[k], status);
	for (int k = 0; k < COMMAND_OPTIONS; k++)
		status = finish_file(c->options[k].kind, run->options[k], run->option_fds[k],
				     status);
	return status;
}

/* --- running ---------------------------------------------------------------------------------- */

struct error *command_lock(const char *dir, int *ret_fd)
{
	_cleanup_(freep) char *path = path_join(dir, "lock");
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0 && errno == ENOENT)
		return error_new(ERR_NOT_FOUND,
				 N_("There is no box in %s. Make one with: lliure init --data %s"
				    " --name NAME"),
				 dir, dir);
	if (fd < 0)
		return file_error(errno, path);
	if (flock(fd, LOCK_EX | LOCK_NB)) {
		close(fd);
		return error_new(ERR_BUSY, N_("Another lliure is using %s."), dir);
	}
	*ret_fd = fd;
	return NULL;
}

int command_perform(struct command_run *run)
{
	_cleanup_(error_freep) struct error *e = run->command->fn(run);

	fflush(run->out);
	if (e)
		fprintf(run->note, "lliure: %s\n", error_english(e));
	fflush(run->note);
	return error_exit_status(error_code(e));
}

static struct error *perform_here(struct command_run *run, int *ret_status)
{
	_cleanup_(app_closep) struct app *app = NULL;

	TRY(app_open(run->dir, &env_system, &app));
	run->app = app;
	*ret_status = command_perform(run);
	run->app = NULL;
	return NULL;
}

/* Where the command runs: here when nobody holds the lock, else in the daemon that does. A daemon
 * that is starting or stopping holds the lock without listening: wait for it a little. */
static struct error *perform(struct command_run *run, int argc, char **argv, int *ret_status)
{
	_cleanup_(closep) int lock = -1;
	struct error *e;

	if (run->command->flags & COMMAND_NEW_BOX) {
		*ret_status = command_perform(run);
		return NULL;
	}
	for (int tries = 0;; tries++) {
		e = command_lock(run->dir, &lock);
		if (!error_is(e, ERR_BUSY)) {
			TRY(e);
			return perform_here(run, ret_status);
		}
		if (run->command->flags & COMMAND_ALONE)
			return e;
		error_free(e);
		e = control_call(run, argc, argv, ret_status);
		if (!error_is(e, ERR_NOT_FOUND) || tries == 50)
			return e;
		error_free(e);
		usleep(100 * 1000);
	}
}

/* --- main ------------------------------------------------------------------------------------- */

/* Help about the words before `n`; of a group ("bundle") its commands. */
static int help_about(int n, char **argv, FILE *out)
{
	int status = command_help(n, argv, out);

	if (status)
		fprintf(stderr, "lliure: lliure has no command “%s”. lliure help lists them.\n",
			argv[0]);
	return status;
}

/* Where somebody asks for help after a command; argc: nowhere. */
static int asks_at(int argc, char **argv)
{
	int i = 0;

	while (i < argc && strcmp(argv[i], "--help") && strcmp(argv[i], "-h"))
		i++;
	return i;
}

/* What needs no box. *ret_done: that was all. */
static int before_parsing(int argc, char **argv, bool *ret_done)
{
	int words, asked = asks_at(argc, argv);

	*ret_done = true;
	if (argc == 0) {
		command_help(0, NULL, stderr);
		return 2;
	}
	if (command_asks_for_help(argv[0]))
		return help_about(argc - 1, argv + 1, stdout);
	if (asked < argc)
		return help_about(asked, argv, stdout);
	/* "bundle" alone: which are there? */
	if (!command_find(argc, argv, &words) && !command_help(1, argv, stderr))
		return 2;
	*ret_done = false;
	return 0;
}

int command_main(int argc, char **argv)
{
	_cleanup_(error_freep) struct error *e = NULL;
	_cleanup_(freep) char *real = NULL;
	struct command_run run;
	bool done;
	int status = before_parsing(--argc, ++argv, &done);

	if (done)
		return status;
	status = 1;
	e = command_parse(argc, argv, &run);
	if (!e)
		e = crypto_init();
	if (!e) {
		run.out = stdout;
		run.note = stderr;
		/* SQLite opens nothing through a symbolic link; a data folder may well be one. */
		real = realpath(run.dir, NULL);
		if (real)
			run.dir = real;
		e = open_files(&run);
		if (!e)
			e = perform(&run, argc, argv, &status);
		status = finish_files(&run, e ? 1 : status);
	}
	if (e) {
		fprintf(stderr, "lliure: %s\n", error_english(e));
		status = error_exit_status(error_code(e));
	}
	return status;
}
