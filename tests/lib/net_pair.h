/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Two boxes of one space that admits both, founded by the first. */
#pragma once
#include "tests/lib/net_box.h"
#include "tests/lib/test.h"

struct pair {
	char *dir[2];
	struct net_box a, b;
	struct hash space;
};

static inline void pair_open(struct pair *p)
{
	p->dir[0] = test_dir();
	p->dir[1] = test_dir();
	net_box_open(&p->a, p->dir[0], "Ateneu", 1);
	net_box_open(&p->b, p->dir[1], "Biblioteca", 2);
	p->space = net_box_found(&p->a);
	net_box_admit(&p->a, &p->space, net_box_key(&p->b));
	net_box_admit(&p->b, &p->space, net_box_key(&p->a));
	net_box_admit(&p->b, &p->space, net_box_key(&p->b));
}

static inline void pair_close(struct pair *p)
{
	net_box_close(&p->a);
	net_box_close(&p->b);
	test_dir_remove(p->dir[0]);
	test_dir_remove(p->dir[1]);
}
