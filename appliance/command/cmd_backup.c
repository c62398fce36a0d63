/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/command/cmd.h"
#include "appliance/peers/coming.h"
#include "appliance/command/new_box.h"
#include "appliance/recovery/backup.h"
#include "appliance/recovery/sheet.h"
#include <errno.h>

enum { TEXT_MAX = 2 * SHEET_TYPED };

/* The whole of an open file into guarded memory: what people typed of their sheets. */
static struct error *read_text(int fd, const char *name, char *out, size_t size)
{
	size_t n = 0;

	for (;;) {
		ssize_t got = read(fd, out + n, size - 1 - n);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return file_error(errno, name);
		n += (size_t)got;
		ENSURE(n < size - 1,
		       error_new(ERR_INVALID, N_("This is much longer than a sheet.")));
		if (!got)
			break;
	}
	out[n] = 0;
	return NULL;
}

/* passphrase has 1001 bytes, in guarded memory. */
static struct error *read_passphrase(struct command_run *run, char *passphrase,
				     struct sealed_key *ret)
{
	if (!command_option(run, "--passphrase-file"))
		return NULL;
	TRY(command_read_line(command_option_fd(run, "--passphrase-file"),
			      command_option(run, "--passphrase-file"), passphrase));
	ret->passphrase = passphrase;
	return NULL;
}

static struct error *read_sheets(struct command_run *run, struct secret **ret)
{
	char *text;
	struct error *e;

	if (!command_option(run, "--sheets"))
		return NULL;
	text = guarded_new(TEXT_MAX);
	e = read_text(command_option_fd(run, "--sheets"), command_option(run, "--sheets"), text,
		      TEXT_MAX);
	if (!e)
		e = sheets_read(text, ret);
	guarded_free(text);
	return e;
}

/* A partial box, or one whose first sync is not over, has not everything to back up. */
static void say_lacks(struct command_run *run)
{
	_cleanup_(conn_closep) struct conn *c = NULL;
	struct coming n = {.missing = 0};
	struct error *e = app_conn(run->app, &c);

	if (!e)
		e = coming_count(run->app, c, &n);
	error_free(e);
	if (n.missing)
		fprintf(run->note,
			"The contents of %llu entries are not on this box, and so not in it.\n",
			(unsigned long long)n.missing);
}

struct error *cmd_backup(struct command_run *run)
{
	_cleanup_(guarded_freep) char *passphrase = guarded_new(1001);
	bool small = command_option(run, "--small");
	struct sealed_key key = {.box = NULL};
	struct backup_made n;

	TRY(read_passphrase(run, passphrase, &key));
	TRY(backup_write(run->app, small ? BACKUP_SMALL : BACKUP_WHOLE, key, run->arg_fds[0],
			 run->args[0], &n));
	fprintf(run->out, "Backed up %llu entries and %llu files. %s\n",
		(unsigned long long)n.entries, (unsigned long long)n.blobs,
		key.passphrase ? "The passphrase opens it."
			       : "Two of this box's recovery sheets open it.");
	if (!small)
		say_lacks(run);
	return NULL;
}

/* --- restore ---------------------------------------------------------------------------------- */

static struct error *restore_into(struct command_run *run, struct sealed_key key,
				  struct restore_done *ret)
{
	_cleanup_(closep) int lock = -1;

	TRY(new_box_folder(run->dir, &lock));
	return backup_restore(&(struct restore){.dir = run->dir,
						.env = &env_system,
						.fd = run->arg_fds[0],
						.name = run->args[0],
						.key = key},
			      ret);
}

struct error *cmd_restore(struct command_run *run)
{
	_cleanup_(guarded_freep) char *passphrase = guarded_new(1001);
	_cleanup_(secret_freep) struct secret *box = NULL;
	struct sealed_key key = {.box = NULL};
	struct restore_done done;

	TRY(read_passphrase(run, passphrase, &key));
	TRY(read_sheets(run, &box));
	key.box = box;
	TRY(restore_into(run, key, &done));
	if (done.damaged)
		fprintf(run->note,
			"What came whole before the damage is in %s; other boxes give back the"
			" rest.\n",
			run->dir);
	TRY(done.damaged);
	fprintf(run->out,
		"Restored into %s: %llu entries. It is the same box and begins a new log: do not"
		" let the old one run beside it.\n",
		run->dir, (unsigned long long)done.entries);
	return NULL;
}

/* --- sheets ----------------------------------------------------------------------------------- */

static void print_sheet(struct command_run *run, const struct sheet *s)
{
	char lines[SHEET_LINES][SHEET_LINE], compact[SHEET_COMPACT], set[9];

	sheet_lines(s, lines);
	sheet_compact(s, compact);
	sheet_set_name(s, set);
	fprintf(run->out, "Recovery sheet %d of %d of the box %s (%s), set %s\n\n", s->share.number,
		SHEET_COUNT, run->app->name, ID_SHORT(secret_pubkey(run->app->self)), set);
	for (int i = 0; i < SHEET_LINES; i++)
		fprintf(run->out, "%d  %s\n", i + 1, lines[i]);
	fprintf(run->out, "\n%s\n\n\n", compact);
	crypto_wipe(lines, sizeof(lines));
	crypto_wipe(compact, sizeof(compact));
}

struct error *cmd_sheets(struct command_run *run)
{
	struct sheet sheets[SHEET_COUNT];

	sheets_make(run->app->self, sheets);
	for (int i = 0; i < SHEET_COUNT; i++)
		print_sheet(run, &sheets[i]);
	crypto_wipe(sheets, sizeof(sheets));
	fprintf(run->out,
		"Any two of the three are this box's key. Give each to another person, and"
		" keep no copy.\n");
	return NULL;
}
