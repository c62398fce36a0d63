/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "firmware/helper/helper_priv.h"
#include "sync/base/limits.h"
#include "sync/base/line.h"

#define YEAR_2100 INT64_C(4102444800000)

const struct verb verbs[] = {
	{"version", act_version, .help = "which helper this is"},
	{"reboot", act_reboot, .help = "restart the machine"},
	{"power-off", act_power_off, .help = "switch the machine off"},
	{"host-name", act_host_name, {{ARG_HOST}}, "what the machine is called, NAME.local"},
	{"time-zone", act_time_zone, {{ARG_ZONE}}, "where the box stands"},
	{"clock",
	 act_clock,
	 {{ARG_NUMBER, .min = LIMIT_TIME_FIRST, .max = YEAR_2100}},
	 "set the system's clock, forward, to milliseconds since 1970"},
	{"mount",
	 act_mount,
	 {{ARG_DEVICE}, {ARG_CHOICE, .choices = "read write"}},
	 "open a USB stick"},
	{"unmount", act_unmount, {{ARG_DEVICE}}, "close it, so that it can be pulled out"},
	{"update", act_update, {{ARG_BUNDLE}}, "install an update from the folder of updates"},
	{"look",
	 act_look,
	 {{ARG_BUNDLE}},
	 "look at an update in that folder, without installing it"},
	{"healthy", act_healthy, .help = "this system works: keep it"},
	{"newer-data",
	 act_newer_data,
	 .help = "the stored data are of a newer format: no older system starts any more"},
	{"unwell",
	 act_unwell,
	 {{ARG_CHOICE, .choices = "page data network wifi mount"}},
	 "this system does not work: give it up, if it is being tried out"},
	{"reset",
	 act_reset,
	 {{ARG_CHOICE, .choices = "settings all"}},
	 "at the next start, forget the network's settings, or all data as well; restarts",
	 .at_box = true},
	{"light",
	 act_light,
	 {{ARG_CHOICE, .choices = "ok attention act"}},
	 "what the status light shows"},
	{"wear",
	 act_wear,
	 {{ARG_DEVICE}},
	 "what a disk says of its own health, as smartctl's JSON"},
	{0},
};

enum fault fault_about(struct answer *a, enum fault f, const char *what)
{
	line_clean(span_str(what), a->detail, sizeof(a->detail));
	return f;
}

const struct verb *verb_find(const struct words *w, struct answer *ret)
{
	const struct verb *v = verbs;
	size_t want = 0;

	while (v->name && strcmp(v->name, w->v[0]) != 0)
		v++;
	while (v->name && want < ARRAY_LEN(v->args) && v->args[want].kind)
		want++;
	if (!v->name || w->n - 1 != want) {
		ret->fault = fault_about(ret, FAULT_REQUEST, w->v[0]);
		return NULL;
	}
	for (size_t i = 0; i < want; i++)
		if (!arg_check(&v->args[i], w->v[1 + i])) {
			ret->fault = fault_about(ret, FAULT_ARGUMENT, w->v[1 + i]);
			return NULL;
		}
	return v;
}

void helper_handle(const struct helper *h, struct span request, bool at_box, struct answer *ret)
{
	const struct verb *v;
	struct words w;

	if (!words_parse(request, &w)) {
		ret->fault = FAULT_REQUEST;
		return;
	}
	v = verb_find(&w, ret);
	if (v)
		ret->fault = v->at_box && !at_box ? FAULT_AT_BOX : v->act(h, &w, ret);
}

enum fault run_program(const struct helper *h, const char *const *argv, int seconds,
		       struct answer *a)
{
	const char *name = strrchr(argv[0], '/') + 1;
	int status = h->ops->run(h->ops->ctx, argv, seconds, &a->out);

	if (status == 0)
		return FAULT_NONE;
	buf_clear(&a->out);
	return fault_about(a, status == -2 ? FAULT_TIMEOUT : FAULT_PROGRAM, name);
}

enum fault put_file(const char *dir, const char *name, const char *text, struct answer *a)
{
	_cleanup_(freep) char *path = path_join(dir, name);
	struct error *e = file_write(path, span_str(text), 0644);

	if (!e)
		return FAULT_NONE;
	error_free(e);
	return fault_about(a, FAULT_IO, path);
}
