/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/command/cmd.h"
#include "appliance/member/account.h"
#include "firmware/network/label.h"

/* Whoever may run this stands before the box, or is its user. */
struct error *cmd_claim(struct command_run *run)
{
	char code[CLAIM_TEXT], host[NETWORK_LABEL_HOST], port[12] = "";

	TRY(claim_at_box(run->app, code));
	network_label_host(run->app->box.label, run->app->box.state, host);
	if (run->app->http_port && run->app->http_port != 80)
		snprintf(port, sizeof(port), ":%d", run->app->http_port);
	fprintf(run->out, "http://%s%s/claim/%s\n", host, port, code);
	return NULL;
}
