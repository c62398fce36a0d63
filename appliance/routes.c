/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The table of route tables: a feature with pages adds a line. See http/http.h. */
#include "appliance/http/http.h"

const struct route *const route_tables[] = {
	NULL,
};

page_hook_fn *const page_hooks[] = {
	NULL,
};
