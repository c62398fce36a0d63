/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * lliure-boot: shows and moves the boot state. It is RAUC's boot loader back end
 * (get-primary, set-primary, get-state, set-state, get-current), and the update logic's tool.
 *
 * Environment: LLIURE_BOOT_STATE, the block's file (/boot/esp/lliure/state); LLIURE_BOOT_CMDLINE,
 * the kernel's command line (/proc/cmdline). Exit status 0, 1 (one line on standard error), 2
 * (wrong usage).
 */
#include "firmware/boot/block.h"
#include "sync/base/file.h"
#include <errno.h>
#include <fcntl.h>

enum { CMDLINE_MAX = 4096, MODE = 0600 };

struct run {
	int fd;
	enum boot_slot current; /* that runs */
	enum boot_slot slot;	/* the argument's */
	const char *word;	/* the last argument, or NULL */
};

typedef struct error *verb_fn(struct run *r);

static struct error *move(struct run *r, enum boot_event event)
{
	return boot_block_move(r->fd, event, r->slot, NULL);
}

static struct error *show(struct run *r)
{
	struct boot_state s;

	TRY(boot_block_read(r->fd, &s));
	printf("running=%c\nnext=%c\ngood=%c\ntry=%c\nok=%c%c\nn=%u\narmed=%c%u\n",
	       boot_slot_char(r->current), boot_slot_char(boot_state_next(&s)),
	       boot_slot_char(s.good), boot_slot_char(s.try_next), s.ok[BOOT_A] ? 'A' : '-',
	       s.ok[BOOT_B] ? 'B' : '-', s.n, boot_slot_char(s.armed_slot), s.armed);
	return NULL;
}

static struct error *make(struct run *r)
{
	struct boot_state s = boot_state_new();

	return boot_block_write(r->fd, &s);
}

/* What a boot loader that can't write leaves to the first program of the system. */
static struct error *start(struct run *r)
{
	struct boot_state s;

	TRY(boot_block_read(r->fd, &s));
	TRY(move(r, BOOT_START));
	printf("%c\n", boot_slot_char(boot_state_next(&s)));
	return NULL;
}

static struct error *healthy(struct run *r)
{
	ENSURE(r->current != BOOT_NONE,
	       error_new(ERR_INVALID,
			 "This machine was not started by our boot loader: nothing is healthy."));
	r->slot = r->current;
	return move(r, BOOT_HEALTHY);
}

static struct error *bad(struct run *r)
{
	return move(r, BOOT_BAD);
}

static struct error *try_next(struct run *r)
{
	return move(r, BOOT_TRY);
}

static struct error *get_primary(struct run *r)
{
	struct boot_state s;

	TRY(boot_block_read(r->fd, &s));
	printf("%c\n", boot_slot_char(boot_state_next(&s)));
	return NULL;
}

static struct error *get_state(struct run *r)
{
	struct boot_state s;

	TRY(boot_block_read(r->fd, &s));
	puts(s.ok[r->slot] ? "good" : "bad");
	return NULL;
}

/* Only the system that runs can know that it is healthy. */
static struct error *set_state(struct run *r)
{
	if (strcmp(r->word, "bad") == 0)
		return bad(r);
	ENSURE(strcmp(r->word, "good") == 0, error_new(ERR_USAGE, "It is good or bad."));
	ENSURE(r->slot == r->current,
	       error_new(ERR_INVALID, "Only the system that runs can be called good."));
	return healthy(r);
}

static struct error *get_current(struct run *r)
{
	ENSURE(r->current != BOOT_NONE,
	       error_new(ERR_NOT_FOUND, "This machine was not started by our boot loader."));
	printf("%c\n", boot_slot_char(r->current));
	return NULL;
}

static const struct verb {
	const char *name;
	int args; /* of them the first is a slot */
	verb_fn *fn;
	bool moves; /* a block that is not there is made: a lost one reads as a new one */
	const char *help;
} verbs[] = {
	{"show", 0, show, false, "all of the state"},
	{"make", 0, make, true, "a new block, for a new box"},
	{"start", 0, start, true, "the boot loader's step; prints the slot to start"},
	{"healthy", 0, healthy, true, "the system that runs is healthy: it is committed"},
	{"bad", 1, bad, true, "A or B is about to be written, or was judged"},
	{"try", 1, try_next, true, "A or B was written: start it next, up to three times"},
	{"get-primary", 0, get_primary, false, "the slot that starts next"},
	{"set-primary", 1, try_next, true, "as try"},
	{"get-state", 1, get_state, false, "good or bad"},
	{"set-state", 2, set_state, true, "A or B, good or bad"},
	{"get-current", 0, get_current, false, "the slot that runs"},
};

static int usage(void)
{
	fputs("usage: lliure-boot VERB [A|B] [good|bad]\n\n", stderr);
	for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
		fprintf(stderr, "  %-12s %s\n", verbs[i].name, verbs[i].help);
	return 2;
}

static const char *env_or(const char *key, const char *otherwise)
{
	const char *s = getenv(key);

	return s && *s ? s : otherwise;
}

static enum boot_slot running(void)
{
	_cleanup_(buf_release) struct buf b = {0};
	struct error *e =
		file_read(env_or("LLIURE_BOOT_CMDLINE", "/proc/cmdline"), CMDLINE_MAX, &b);

	error_free(e);
	return e ? BOOT_NONE : boot_slot_of_cmdline(buf_span(&b));
}

/* A file system that was mended may have lost the file, or its folder. */
static struct error *open_block(const char *path, bool make_it, int *ret)
{
	_cleanup_(freep) char *dir = strdup(path);
	bool was = access(path, F_OK) == 0;
	char *slash = dir ? strrchr(dir, '/') : NULL;

	if (slash)
		*slash = 0;
	if (make_it && slash && !was)
		TRY(dir_make(dir, MODE | 0100));
	*ret = open(path, O_RDWR | O_CLOEXEC | (make_it ? O_CREAT : 0), MODE);
	ENSURE(*ret >= 0, file_error(errno, path));
	return slash && !was ? dir_sync(dir) : NULL;
}

static int perform(const struct verb *v, struct run *r)
{
	const char *path = env_or("LLIURE_BOOT_STATE", "/boot/esp/lliure/state");
	struct error *e = open_block(path, v->moves, &r->fd);
	int status;

	if (!e)
		e = v->fn(r);
	if (!e)
		return fflush(stdout) ? 1 : 0;
	fprintf(stderr, "lliure-boot: %s\n", error_english(e));
	status = error_exit_status(error_code(e));
	error_free(e);
	return status;
}

int main(int argc, char **argv)
{
	struct run r = {.slot = BOOT_NONE, .current = running()};
	const struct verb *v = NULL;

	for (size_t i = 0; argc > 1 && i < ARRAY_LEN(verbs); i++)
		if (strcmp(argv[1], verbs[i].name) == 0)
			v = &verbs[i];
	if (!v || argc != 2 + v->args)
		return usage();
	r.word = argv[argc - 1];
	if (v->args)
		r.slot = boot_slot_parse(span_str(argv[2]));
	if (v->args && r.slot == BOOT_NONE)
		return usage();
	return perform(v, &r);
}
