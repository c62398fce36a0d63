/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What people see of the rules: the tables of members and boxes as they are now. */
#include "appliance/community/community_priv.h"

static struct error *show_key(struct conn *c, struct space *s, uint32_t key)
{
	struct db_stmts *st = c->community->stmts;
	struct pubkey id = rules_key_at(s->rules, key);
	struct rules_member m;
	struct rules_appliance b;
	char name[LIMIT_NAME + 1];

	if (rules_member_now(s->rules, key, &m)) {
		word_open(c, s, &m.name, "name", ID_SHORT(&m.key), name, sizeof(name));
		TRY(db_do(c->view, st, MEMBER_PUT, "iksiki", s->num, &m.key, name, (int64_t)m.role,
			  &m.home, m.since));
	} else {
		TRY(db_do(c->view, st, MEMBER_DROP, "ik", s->num, &id));
	}
	if (rules_appliance_now(s->rules, key, &b)) {
		word_open(c, s, &b.name, "name", ID_SHORT(&b.key), name, sizeof(name));
		return db_do(c->view, st, BOX_PUT, "iksii", s->num, &b.key, name, (int64_t)b.mode,
			     (int64_t)b.keeper);
	}
	return db_do(c->view, st, BOX_DROP, "ik", s->num, &id);
}

static struct error *show_keys(struct conn *c, struct space *s)
{
	uint32_t key = 0;

	if (!s->written) {
		TRY(db_do(c->view, c->community->stmts, MEMBER_CLEAR, "i", s->num));
		TRY(db_do(c->view, c->community->stmts, BOX_CLEAR, "i", s->num));
		rules_show_all(s->rules);
	}
	s->written = true;
	for (;;) {
		key = rules_next_moved(s->rules, key);
		if (key == RULES_NONE)
			return NULL;
		TRY(show_key(c, s, key));
	}
}

/* To whom a private space is told: whom its rules admit now. While its founding op is not here (or not
 * any more) nothing new is said: what was private is, and as far as we know for the same. */
static struct error *tell_sharing(struct conn *c, struct space *s)
{
	struct rules_space about;

	s->shared = true;
	if (!rules_about(s->rules, &about))
		return NULL;
	if (!about.is_private)
		return log_open_space(c->log, &s->id);
	for (uint32_t i = 0; i < rules_keys(s->rules); i++) {
		struct pubkey key = rules_key_at(s->rules, i);
		struct rules_appliance a;

		/* Of people's keys, and of those who were never admitted, nothing is said. */
		if (rules_appliance_now(s->rules, i, &a)) {
			/* perhaps by a removal that is not here any more: who was told is, and no more */
			if (!s->lacking)
				TRY(log_share(c->log, &s->id, &key, true));
		} else if (rules_was_admitted(s->rules, i)) {
			TRY(log_share(c->log, &s->id, &key, false));
		}
	}
	return NULL;
}

/* A view that is being made anew does not know yet who was removed since. */
struct error *show_sharing(struct conn *c)
{
	struct memory *m = &c->community->m;

	for (size_t i = 0; i < m->spaces_n && !c->community->beside; i++)
		if (!m->spaces[i]->shared)
			TRY(tell_sharing(c, m->spaces[i]));
	return NULL;
}

enum { CUTS = 256 };

static struct error *tell_revoked(struct conn *c, struct space *s, uint32_t at)
{
	struct pubkey key = rules_key_at(s->rules, at);
	struct place places[CUTS];
	struct log_cut cuts[CUTS];
	struct rules_appliance now;
	size_t n;

	if (!rules_was_admitted(s->rules, at) || rules_appliance_now(s->rules, at, &now) ||
	    !rules_cut_of(s->rules, at, places, CUTS, &n))
		return NULL;
	for (size_t i = 0; i < n; i++)
		cuts[i] = (struct log_cut){places[i].incarnation, places[i].seq};
	return log_revoke(c->log, &s->id, &key, cuts, n);
}

/* Who was ever admitted to write is heard for ever: what is void is void by the rules, and every
 * box must hold the same. */
static struct error *tell_log(struct conn *c, struct space *s)
{
	if (s->told_epoch != rules_epoch(s->rules)) {
		s->told = 0;
		TRY(log_unrevoke(c->log, &s->id));
		for (uint32_t i = 0; i < rules_keys(s->rules); i++)
			TRY(tell_revoked(c, s, i));
	}
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
	char name[LIMIT_NAME + 1], text[1001];
	uint16_t epoch = 0;
	struct space_key key;
	struct hash newest;
	bool has_key =
		rules_key_now(s->rules, &newest, &epoch) && keyring_find(&s->ring, &newest, &key);

	s->settle = s->shared = false;
	if (rules_about(s->rules, &about)) {
		word_open(c, s, &about.name, "name", ID_SHORT(&s->id), name, sizeof(name));
		word_open(c, s, &about.about, "about", "", text, sizeof(text));
		TRY(db_do(c->view, c->community->stmts, SPACE_SET, "issskiiii", s->num, name, text,
			  about.guest_posts, &about.appliance, about.founded,
			  (int64_t)about.is_private, (int64_t)epoch, (int64_t)has_key));
	}
	TRY(show_keys(c, s));
	return tell_log(c, s);
}
