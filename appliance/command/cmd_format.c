/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/app_priv.h"
#include "appliance/command/cmd.h"

/* In a folder that is gone again: only a program that has opened a box knows all of its migrations.
 */
static struct error *format_of(const char *dir, int64_t *ret)
{
	_cleanup_(app_closep) struct app *a = NULL;

	TRY(app_open_with(dir, &env_system, secret_new(), &a));
	return app_format(a, ret);
}

struct error *cmd_format(struct command_run *run)
{
	char dir[] = "/tmp/lliure-format-XXXXXX";
	int64_t format;
	struct error *e;

	TRY(crypto_init());
	ENSURE(mkdtemp(dir),
	       error_new(ERR_IO, N_("The file %s could not be used: %s."), dir, "mkdtemp"));
	e = format_of(dir, &format);
	error_free(dir_remove(dir));
	TRY(e);
	fprintf(run->out, "%lld\n", (long long)format);
	return NULL;
}
