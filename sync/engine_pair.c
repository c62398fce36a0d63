/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The number that people compare: the calls that it takes, and the answers to those of others. */
#include "sync/engine_priv.h"

enum {
	ROUNDS = 3,	  /* requests of one call: commit, reveal, and one to spare */
	STALL_MS = 10000, /* others wait behind it */
	REST_MS = 60000,
};

/* --- one call --- */
struct calling {
	struct sync *s;
	struct pair_call to;
	struct proxy proxy;
	bool older; /* it knows of no such request */
};

static struct error *connect_to(struct calling *c, struct client **ret)
{
	struct sync *s = c->s;
	struct client_options o = {.tls = s->tls,
				   .env = s->o.env,
				   .peer = c->to.key,
				   .address = c->to.address,
				   .name = s->name,
				   .knocks = true,
				   .stall_ms = STALL_MS,
				   .listen_port = s->listener ? listener_port(s->listener) : 0,
				   .ending = &s->stop};
	struct error *err;

	engine_proxy(s, &c->proxy);
	if (!s->discovery || !discovery_sees(s->discovery, &c->to.key) ||
	    !address_is_near(c->to.address))
		o.proxy = &c->proxy;
	err = client_new(&o, ret);
	crypto_wipe(&c->proxy, sizeof(c->proxy));
	return err;
}

/* One request and its answer. *ret_word only when there is one. */
static struct error *swap_words(struct calling *c, struct client *client, struct buf *io_body,
				struct pair_word *ret_word)
{
	int status;

	TRY(client_ask(client, SYNC_PATH_PAIR, io_body, PAIR_BODY, &status));
	c->older = status == 403 || status == 404;
	ENSURE(status == 200, error_new(ERR_BUSY, N_("The other box is busy. It is asked again.")));
	return pair_read(buf_span(io_body), ret_word);
}

/* Until there is nothing new to say. */
static struct error *talk(struct calling *c, struct client *client)
{
	_cleanup_(buf_release) struct buf body = {0}, last = {0};
	struct sync *s = c->s;
	struct pair_word word;

	for (int round = 0; round < ROUNDS; round++) {
		pthread_mutex_lock(&s->lock);
		pairs_say(s->pairs, &c->to.key, &word);
		pthread_mutex_unlock(&s->lock);
		buf_clear(&body);
		pair_write(&word, &body);
		if (word.form == PAIR_CLOSED || span_eq(buf_span(&body), buf_span(&last)))
			return NULL;
		buf_clear(&last);
		buf_add_span(&last, buf_span(&body));
		TRY(swap_words(c, client, &body, &word));
		pthread_mutex_lock(&s->lock);
		pairs_hear(s->pairs, &c->to.key, &word);
		pthread_mutex_unlock(&s->lock);
	}
	return NULL;
}

static void call(struct sync *s, const struct pair_call *to)
{
	struct calling c = {.s = s, .to = *to};
	struct client *client = NULL;
	struct error *err = connect_to(&c, &client);

	if (!err)
		err = talk(&c, client);
	client_free(client);
	pthread_mutex_lock(&s->lock);
	pairs_called(s->pairs, &to->key, c.older, err && !c.older ? error_stored(err) : NULL);
	pthread_mutex_unlock(&s->lock);
	error_free(err);
}

static void *pairer(void *arg)
{
	struct sync *s = arg;
	struct pair_call to;

	pthread_mutex_lock(&s->lock);
	while (!s->stop) {
		if (!pairs_next(s->pairs, &to)) {
			engine_wait(s, pairs_wait(s->pairs, REST_MS));
			continue;
		}
		pthread_mutex_unlock(&s->lock);
		call(s, &to);
		pthread_mutex_lock(&s->lock);
	}
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

/* --- the listener's --- */
struct error *engine_pair(void *ctx, const struct knock *k, struct span stream, struct buf *out,
			  bool *ret_open)
{
	struct sync *s = ctx;
	struct pair_word word;

	TRY(pair_read(stream, &word));
	pthread_mutex_lock(&s->lock);
	pairs_hear(s->pairs, &k->key, &word);
	pairs_say(s->pairs, &k->key, &word);
	pthread_mutex_unlock(&s->lock);
	pair_write(&word, out);
	*ret_open = word.form != PAIR_CLOSED;
	if (!engine_known(s, &k->key))
		engine_knocked(s, k);
	return NULL;
}

/* --- the door --- */
struct error *sync_pair_begin(struct sync *s, const struct pubkey *key, const char *address,
			      bool anew)
{
	struct error *err;

	pthread_mutex_lock(&s->lock);
	err = pairs_begin(s->pairs, key, address, anew);
	/* Most boxes do this a few times in their lives. */
	if (!err && !s->pairing && !s->stop)
		s->pairing = pthread_create(&s->pairer, NULL, pairer, s) == 0;
	pthread_cond_broadcast(&s->moved);
	pthread_mutex_unlock(&s->lock);
	return err;
}

struct error *sync_pair_may_begin(struct sync *s)
{
	struct error *err;

	pthread_mutex_lock(&s->lock);
	err = pairs_may_begin(s->pairs);
	pthread_mutex_unlock(&s->lock);
	return err;
}

void sync_pair_known_at(struct sync *s, const struct pubkey *key, const char *address)
{
	pthread_mutex_lock(&s->lock);
	pairs_known_at(s->pairs, key, address);
	pthread_cond_broadcast(&s->moved);
	pthread_mutex_unlock(&s->lock);
}

void sync_pair_call(struct sync *s, const struct pubkey *key, const char *address)
{
	pthread_mutex_lock(&s->lock);
	pairs_call_at(s->pairs, key, address);
	pthread_cond_broadcast(&s->moved);
	pthread_mutex_unlock(&s->lock);
}

void sync_pair_look(struct sync *s, const struct pubkey *key, struct pair_view *ret)
{
	pthread_mutex_lock(&s->lock);
	pairs_look(s->pairs, key, ret);
	pthread_mutex_unlock(&s->lock);
}
