/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/command/cmd.h"
#include "appliance/member/account.h"

/* Whoever may run this stands before the box, or is its user. */
struct error *cmd_claim(struct command_run *run)
{
	char code[CLAIM_TEXT], host[64] = "", port[12] = "";

	TRY(claim_at_box(run->app, code));
	if (gethostname(host, sizeof(host) - 1))
		host[0] = 0;
	if (run->app->http_port && run->app->http_port != 80)
		snprintf(port, sizeof(port), ":%d", run->app->http_port);
	fprintf(run->out, "http://%s.local%s/claim/%s\n", *host ? host : "lliure", port, code);
	return NULL;
}
