/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What people see of the rules: the tables of members and boxes as they are now. */
#include "appliance/community/community_priv.h"
struct shown {
	struct rules_member member;
	struct rules_appliance box;
	bool is_member, is_box;
};

static bool same_text(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

static bool same_member(const struct shown *a, const struct shown *b)
{
	if (!a->is_member || !b->is_member)
		return a->is_member == b->is_member;
	return a->member.role == b->member.role && a->member.since == b->member.since &&
	       pubkey_eq(&a->member.home, &b->member.home) &&
	       same_text(a->member.name, b->member.name);
}

static bool same_box(const struct shown *a, const struct shown *b)
{
	if (!a->is_box || !b->is_box)
		return a->is_box == b->is_box;
	return a->box.mode == b->box.mode && a->box.keeper == b->box.keeper &&
	       same_text(a->box.name, b->box.name);
}

static struct error *show_key(struct conn *c, struct space *s, const struct shown *was,
			      const struct shown *now)
{
	struct db_stmts *st = c->community->stmts;
	const struct rules_member *m = &now->member;
	const struct rules_appliance *x = &now->box;

	if (!same_member(was, now)) {
		if (now->is_member)
			TRY(db_do(c->view, st, MEMBER_PUT, "iksiki", s->num, &m->key, m->name,
				  (int64_t)m->role, &m->home, m->since));
		else
			TRY(db_do(c->view, st, MEMBER_DROP, "ik", s->num, &was->member.key));
	}
	if (!same_box(was, now)) {
		if (now->is_box)
			TRY(db_do(c->view, st, BOX_PUT, "iksii", s->num, &x->key, x->name,
				  (int64_t)x->mode, (int64_t)x->keeper));
		else
			TRY(db_do(c->view, st, BOX_DROP, "ik", s->num, &was->box.key));
	}
	return NULL;
}

static struct error *show_keys(struct conn *c, struct space *s)
{
	uint32_t n = rules_keys(s->rules);

	if (!s->written) {
		TRY(db_do(c->view, c->community->stmts, MEMBER_CLEAR, "i", s->num));
		TRY(db_do(c->view, c->community->stmts, BOX_CLEAR, "i", s->num));
		s->shown_n = 0;
	}
	s->shown = realloc(s->shown, (n + 1) * sizeof(s->shown[0]));
	if (!s->shown)
		abort();
	for (uint32_t i = 0; i < n; i++) {
		struct shown now = {.is_member = rules_member_now(s->rules, i, &now.member),
				    .is_box = rules_appliance_now(s->rules, i, &now.box)};
		struct shown was = {0};

		if (i < s->shown_n)
			was = s->shown[i];
		TRY(show_key(c, s, &was, &now));
		s->shown[i] = now;
	}
	s->shown_n = n;
	s->written = true;
	return NULL;
}

/* Who was ever admitted to write is heard for ever: what is void is void by the rules, and every
 * box must hold the same. */
static struct error *tell_log(struct conn *c, struct space *s)
{
	if (s->told_epoch != rules_epoch(s->rules))
		s->told = 0;
	s->told_epoch = rules_epoch(s->rules);
	for (; s->told < rules_count(s->rules); s->told++) {
		uint32_t i = s->told;
		struct pubkey key;

		if (rules_admits(s->rules, i, &key) && !log_listed(c->log, &s->id, &key))
			TRY(log_admit(c->log, &s->id, &key, true));
	}
	return NULL;
}

struct error *show_space(struct conn *c, struct space *s)
{
	struct rules_space about;

	s->settle = false;
	if (rules_about(s->rules, &about))
		TRY(db_do(c->view, c->community->stmts, SPACE_SET, "issski", s->num, about.name,
			  about.about, about.guest_posts, &about.appliance, about.founded));
	TRY(show_keys(c, s));
	return tell_log(c, s);
}
