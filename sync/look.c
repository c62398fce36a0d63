/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Looking at the local network before there is a box: the first run lists what it finds. */
#include "sync/engine_priv.h"

struct sync_look {
	struct discovery *discovery;
};

void found_box_of(const struct seen_box *seen, struct found_box *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->key = seen->key;
	ret->last_seen_ms = seen->last_seen_ms;
	snprintf(ret->name, sizeof(ret->name), "%s", seen->name);
	snprintf(ret->address, sizeof(ret->address), "%s", seen->address[0]);
	snprintf(ret->http_url, sizeof(ret->http_url), "%s", seen->http_url);
}

/* Who looks asks by itself. */
static void changed(void *ctx)
{
	(void)ctx;
}

struct error *sync_look_start(const struct env *env, struct sync_look **ret)
{
	struct sync_look *l = calloc(1, sizeof(*l));
	struct error *e;

	if (!l)
		abort();
	/* It has no key yet: all zeros are nobody's. */
	e = discovery_start(
		&(struct discovery_options){.env = env, .name = "lliure", .changed = changed},
		&l->discovery);
	if (e)
		free(l);
	else
		*ret = l;
	return e;
}

void sync_look_stop(struct sync_look *l)
{
	if (!l)
		return;
	discovery_stop(l->discovery);
	free(l);
}

size_t sync_look_found(struct sync_look *l, struct found_box *out, size_t max)
{
	struct seen_box *boxes = calloc(LIMIT_DISCOVERED, sizeof(*boxes));
	size_t n;

	if (!boxes)
		abort();
	n = discovery_list(l->discovery, boxes, max < LIMIT_DISCOVERED ? max : LIMIT_DISCOVERED);
	for (size_t i = 0; i < n; i++)
		found_box_of(&boxes[i], &out[i]);
	free(boxes);
	return n;
}
