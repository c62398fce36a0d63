/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Another box that has our key: a card was copied, or an old one put into a second box. It is
 * noticed when it announces itself, when it proves our key over TLS, and when somebody shows us
 * what it wrote into our log. Whoever proves our key is us: nothing is kept from it, and what it
 * holds we take like a peer's. What is to be done about it people decide (host.twin).
 */
#include "sync/engine_priv.h"

bool engine_is_self(const struct sync *s, const struct pubkey *key)
{
	return pubkey_eq(key, secret_pubkey(s->o.self));
}

void engine_twin_sign(struct sync *s, enum twin_sign sign, const char *where)
{
	if (s->o.host.twin)
		s->o.host.twin(s->o.host.ctx, sign, where);
}

void sync_twin_at(struct sync *s, const char *address)
{
	bool news;

	pthread_mutex_lock(&s->lock);
	news = strcmp(s->twin.address, address) != 0;
	s->twin.key = *secret_pubkey(s->o.self);
	snprintf(s->twin.address, sizeof(s->twin.address), "%s", address);
	pthread_mutex_unlock(&s->lock);
	if (!news)
		return;
	engine_twin_sign(s, TWIN_ANNOUNCED, address);
	sync_peers_changed(s);
}

void engine_look_for_twin(struct sync *s)
{
	struct seen_box box;

	if (s->discovery && discovery_twin(s->discovery, &box) && box.addresses)
		sync_twin_at(s, box.address[0]);
}

void engine_add_twin(struct sync *s, struct buf *io_rows)
{
	struct peer twin;

	pthread_mutex_lock(&s->lock);
	twin = s->twin;
	pthread_mutex_unlock(&s->lock);
	if (twin.address[0])
		buf_add(io_rows, &twin, sizeof(twin));
}

void engine_twin_outcome(struct sync *s, const struct outcome *o)
{
	if (engine_is_self(s, &o->key) && (o->by_peer || !o->error))
		engine_twin_sign(s, TWIN_MET, o->address ? o->address : "");
	if (o->report->new_incarnation || o->report->twins)
		engine_twin_sign(s, TWIN_LOG,
				 o->report->peer_name[0] ? o->report->peer_name
							 : ID_SHORT(&o->key));
}

void engine_succeeds(void *ctx, const struct successor *said, const struct knock *k)
{
	struct sync *s = ctx;
	int64_t now = env_mono(s->o.env);
	bool known = engine_is_self(s, &said->from) || engine_known(s, &said->from), again;

	if (!known || !s->o.host.succeeds)
		return;
	pthread_mutex_lock(&s->lock);
	again = pubkey_eq(&s->succeeded, &said->to) && now - s->succeeded_at < KNOCK_AGAIN_MS;
	s->succeeded = said->to;
	s->succeeded_at = now;
	pthread_mutex_unlock(&s->lock);
	if (!again)
		s->o.host.succeeds(s->o.host.ctx, said, k->name, k->address);
}
