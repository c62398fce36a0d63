/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/app_priv.h"
#include "appliance/command/cmd.h"

struct error *cmd_format(struct command_run *run)
{
	fprintf(run->out, "%lld\n", (long long)conn_format());
	return NULL;
}
