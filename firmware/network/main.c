/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * lliure-network: the box's network without the daemon. At the first boot `first` puts the box on
 * the air before anybody has set it up, and prints what the label and the console show; the other
 * verbs are for the console and for tests. Exit status as everywhere: 0, 1 with one line on
 * stderr, 2.
 */
#include "firmware/network/dns.h"
#include "firmware/network/label.h"
#include "firmware/network/nm.h"
#include <string.h>

struct run {
	struct nm *nm;
	char **args;
	int n;
};

static void print_wish(const struct network_wish *w)
{
	char value[128];

	for (size_t i = 0; network_wish_keys[i]; i++)
		printf("%s %s\n", network_wish_keys[i],
		       network_wish_get(w, network_wish_keys[i], value, sizeof(value)));
}

static struct error *show(struct run *r)
{
	struct network_wish w;
	struct nm_state s;
	bool any;

	TRY(nm_look(r->nm, &w, &any, &s));
	if (any)
		print_wish(&w);
	printf("radio %s%s\ncable %s%s\nwifi-up %d\nwired-up %d\nuplink %d\nown %s%s\n", s.radio,
	       s.radio_own ? " ap" : "", s.wired, s.cable ? " plugged" : "", s.wifi_up, s.wired_up,
	       s.uplink, s.own, s.own_up ? " up" : "");
	return NULL;
}

static struct error *given(struct run *r, int from, struct network_wish *w)
{
	for (int i = from; i < r->n; i++) {
		char *eq = strchr(r->args[i], '=');

		ENSURE(eq, error_new(ERR_USAGE, N_("“%s” is not KEY=VALUE."), r->args[i]));
		*eq = 0;
		TRY(network_wish_set(w, r->args[i], eq + 1));
	}
	return NULL;
}

/* Where a box that nobody has set up yet is found by name. Not on a machine that has no such
 * folder. */
static struct error *first_names(const struct run *r)
{
	char name[NETWORK_LABEL_HOST];
	struct network_dns d = {.name = name};
	struct network_wish w;
	struct nm_state s;
	struct error *e;
	bool any, changed;

	TRY(nm_look(r->nm, &w, &any, &s));
	snprintf(name, sizeof(name), "%.63s.local", r->args[0]);
	d.address = s.own;
	e = *s.own ? network_dns_write("/run/lliure-network", &d, &changed) : NULL;
	if (error_is(e, ERR_NOT_FOUND)) {
		error_free(e);
		return NULL;
	}
	return e;
}

/* A box that has been set once is left as it is. */
static struct error *first(struct run *r)
{
	struct network_wish w;
	_cleanup_(buf_release) struct buf label = {0};
	struct nm_state s;
	bool any;

	TRY(nm_look(r->nm, &w, &any, &s));
	if (!any) {
		network_wish_begin(&w, r->args[0], &env_system);
		TRY(given(r, 1, &w));
		TRY(nm_set(r->nm, &w));
	}
	TRY(first_names(r));
	/* A radio that did not come up at once is not left to itself: nobody serves pages yet that
	 * could tell. Hours are the daemon's. */
	if (w.wifi != WIFI_OFF && w.from == w.to)
		TRY(nm_air(r->nm, true));
	network_label_text(&w, &label);
	printf("%s", buf_str(&label));
	return NULL;
}

static struct error *try_it(struct run *r)
{
	struct network_wish w;
	struct nm_state s;
	char checkpoint[NM_CHECKPOINT];
	int seconds = (int)strtol(r->args[0], NULL, 10);
	bool any;

	TRY(nm_look(r->nm, &w, &any, &s));
	if (!any)
		network_wish_begin(&w, "", &env_system);
	TRY(given(r, 1, &w));
	TRY(nm_try(r->nm, &w, seconds > 0 ? seconds : 60, checkpoint));
	printf("%s\n", checkpoint);
	return NULL;
}

static struct error *keep(struct run *r)
{
	return nm_keep(r->nm, r->args[0]);
}

static const struct verb {
	const char *name, *args, *help;
	struct error *(*run)(struct run *r);
	int least;
} verbs[] = {
	{"show", "", "what is wanted and what is", show, 0},
	{"first", "NAME [KEY=VALUE…]", "begin, unless it has begun; print name and password", first,
	 1},
	{"try", "SECONDS [KEY=VALUE…]", "make it so, and take it back unless kept", try_it, 1},
	{"keep", "CHECKPOINT", "what try printed: it stays", keep, 1},
};

static int usage(void)
{
	for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
		fprintf(stderr, "lliure-network %s %s: %s\n", verbs[i].name, verbs[i].args,
			verbs[i].help);
	return 2;
}

int main(int argc, char **argv)
{
	struct run r = {.args = argv + 2, .n = argc - 2};
	const struct verb *v = NULL;
	struct error *e;
	char text[1200];
	int status;

	for (size_t i = 0; argc > 1 && i < ARRAY_LEN(verbs); i++) {
		if (strcmp(argv[1], verbs[i].name) == 0)
			v = &verbs[i];
	}
	if (!v || r.n < v->least)
		return usage();
	e = nm_open(&r.nm);
	if (!e)
		e = v->run(&r);
	nm_close(r.nm);
	if (!e)
		return 0;
	fprintf(stderr, "lliure-network: %s\n", error_text(e, NULL, NULL, text, sizeof(text)));
	status = error_exit_status(error_code(e));
	error_free(e);
	return status;
}
