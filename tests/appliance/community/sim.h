/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A small world of boxes and people, driven by one seed. */
#pragma once
#define TEST_WITHOUT_CMOCKA
#include "tests/appliance/community/swap.h"

enum { SIM_BOXES = 64, SIM_PEOPLE = 6, SIM_IDS = 800 };

enum sim_kind { SIM_FORUM, SIM_TOPIC, SIM_POST, SIM_DOC, SIM_OTHER, SIM_RULES };
struct sim_op {
	struct hash id, object;
	enum sim_kind kind;
	int box;   /* that acknowledged it */
	bool lost; /* it may be missing: its box's disk went */
	bool bare; /* its content may be */
	bool erasing; /* somebody tried to erase it */
	int word;  /* the number in its text, of six digits; 0: it has none */
	struct hash space;
};

struct sim {
	uint64_t seed;
	struct test_env rand;
	bool trace;
	struct box box[SIM_BOXES + 1];
	int n, twin_of[SIM_BOXES + 1];
	char *backup[SIM_BOXES + 1];
	bool apart[SIM_BOXES + 1]; /* in the other half of a partition */
	struct secret *people[SIM_PEOPLE];
	struct hash space;
	bool is_private;
	int carrier; /* of a private space: a box that never may read; -1: none */
	int stays;   /* a box whose admission nobody changes; -1: none */
	struct sim_op ops[SIM_IDS];
	int ops_n;
	int step, acting;
	char *dir;
	/* What a failing disk answered to an op; NULL where disks do not fail. Consumes the error;
	 * the box may be down after it. */
	void (*disk_failed)(struct sim *s, int box, struct error *take_err);
};

/* In every text of people: no file of a box that never may read has it. */
#define SIM_CANARY "kanarienvogel"

/* Errors that the world can't have are ours: print the seed and end. */
#define NEED(sim, expr)                                                                            \
	do {                                                                                       \
		struct error *need_ = (expr);                                                      \
		if (need_)                                                                         \
			sim_die((sim), #expr, need_, __FILE__, __LINE__);                          \
	} while (0)
void sim_die(struct sim *s, const char *what, struct error *err, const char *file, int line);
void sim_say(struct sim *s, const char *fmt, ...) PRINTF(2, 3);

static inline uint64_t sim_below(struct sim *s, uint64_t n)
{
	return test_below(&s->rand, n);
}
static inline bool sim_chance(struct sim *s, unsigned percent)
{
	return sim_below(s, 100) < percent;
}
/* A clock wrong by up to fifty years, or at one of the moments at which clocks break. */
int64_t sim_odd_time(struct sim *s);
/* One of the ops of that kind, NULL when there is none; if it can, one that the acting box knows.
 */
struct sim_op *sim_any(struct sim *s, enum sim_kind kind);

/* What may happen in one step. */
void sim_write(struct sim *s, int box);	    /* content */
void sim_govern(struct sim *s, int box);    /* rules */
void sim_misbehave(struct sim *s, int box); /* what an honest box never writes */
void sim_write_forum(struct sim *s, int box);
void sim_write_topic(struct sim *s, int box);
void sim_write_post(struct sim *s, int box);
void sim_erase(struct sim *s, int box); /* by the first steward, who may, unless that changed */
/* false: it was refused, or the disk failed. The body is consumed. */
bool sim_submit(struct sim *s, int box, const char *type, const struct hash *object,
		const struct secret *author, json_t *body, struct hash *ret);
