/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/command/cmd.h"
#include "appliance/health/health.h"
#include <jansson.h>

static void print_json(FILE *out, const struct light lights[HEALTH_LIGHTS])
{
	json_t *list = json_array();

	for (size_t i = 0; i < HEALTH_LIGHTS; i++)
		json_array_append_new(
			list, json_pack("{s:s, s:s, s:s, s:s?}", "name", lights[i].name, "state",
					health_state_name(lights[i].state), "text",
					error_english(lights[i].says), "action", lights[i].action));
	list = json_pack("{s:s, s:o}", "state", health_state_name(lights_worst(lights)), "lights",
			 list);
	json_dumpf(list, out, JSON_INDENT(2));
	fputc('\n', out);
	json_decref(list);
}

static void print_words(FILE *out, const struct light lights[HEALTH_LIGHTS])
{
	/* A shape for those who see it, and the word for all. */
	static const char *const marks[] = {"?", ".", "!", "X"};

	for (size_t i = 0; i < HEALTH_LIGHTS; i++) {
		fprintf(out, "%s %-16s %s\n", marks[lights[i].state], lights[i].title,
			error_english(lights[i].says));
		if (lights[i].action)
			fprintf(out, "  %-16s %s\n", "", lights[i].action);
	}
}

struct error *cmd_health(struct command_run *run)
{
	_cleanup_(conn_closep) struct conn *c = NULL;
	struct light lights[HEALTH_LIGHTS];

	TRY(app_conn(run->app, &c));
	TRY(health_look(run->app, c, lights));
	if (command_option(run, "--json"))
		print_json(run->out, lights);
	else
		print_words(run->out, lights);
	lights_release(lights);
	return NULL;
}
