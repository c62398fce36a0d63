/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Fills a new community from a file such as appliance/demo.json: forums with topics and posts by
 * invented people, and library pages. For trying things out; on the writer, inside a transaction.
 */
#pragma once
#include "appliance/community/community.h"

struct error *demo_fill(struct conn *c, const struct hash *space, const struct secret *steward,
			int fd, const char *file_name) MUST;
