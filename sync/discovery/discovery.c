/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "sync/discovery/discovery.h"
#include "sync/base/line.h"
#include "sync/discovery/table.h"
#include <avahi-client/client.h>
#include <avahi-client/lookup.h>
#include <avahi-client/publish.h>
#include <avahi-common/alternative.h>
#include <avahi-common/error.h>
#include <avahi-common/malloc.h>
#include <avahi-common/simple-watch.h>
#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>

enum {
	RETRY_FIRST_MS = 500, /* after Avahi was lost; doubles up to … */
	RETRY_LAST_MS = 15000,
	NAME_LABEL = 63, /* bytes in one label of DNS */
};

struct discovery {
	struct discovery_options o;
	pthread_t thread;
	int wake;  /* eventfd */
	int links; /* rtnetlink; -1: not to be had */

	/* The Avahi thread's own. */
	AvahiSimplePoll *poll;
	AvahiWatch *wake_watch, *links_watch;
	AvahiClient *client;
	AvahiEntryGroup *group;
	AvahiServiceBrowser *browser;
	char *name;  /* as announced now: the one given, or what Avahi proposed instead */
	bool broken; /* the client must be made anew */
	int64_t retry_at, retry_ms;
	struct txt announced;

	pthread_mutex_t lock; /* what is below */
	struct seen_table seen;
	uint8_t digest[DISCOVERY_DIGEST];
	bool has_digest, stop;
};

/* --- publishing --- */
static AvahiStringList *txt_list(const struct txt *t)
{
	char items[TXT_ITEMS][TXT_ITEM];
	size_t n = txt_write(t, items);
	AvahiStringList *list = NULL;

	while (n-- > 0) /* each is put in front */
		list = avahi_string_list_add(list, items[n]);
	return list;
}

static struct txt txt_now(struct discovery *d)
{
	struct txt t = {.key = d->o.self, .http_port = d->o.http_port};

	pthread_mutex_lock(&d->lock);
	t.has_digest = d->has_digest;
	memcpy(t.digest, d->digest, sizeof(t.digest));
	pthread_mutex_unlock(&d->lock);
	return t;
}

static void take_other_name(struct discovery *d)
{
	char *other = avahi_alternative_service_name(d->name);

	avahi_free(d->name);
	d->name = other;
}

static void publish(struct discovery *d);

static void group_changed(AvahiEntryGroup *g, AvahiEntryGroupState state, void *arg)
{
	struct discovery *d = arg;

	d->group = g;
	if (state == AVAHI_ENTRY_GROUP_COLLISION) {
		take_other_name(d);
		publish(d);
	} else if (state == AVAHI_ENTRY_GROUP_FAILURE) {
		d->broken = true;
	}
}

/* Announce ourselves under d->name, or under the next free one. */
static void publish(struct discovery *d)
{
	AvahiStringList *txt;
	int rc = AVAHI_ERR_COLLISION;

	if (!d->group)
		d->group = avahi_entry_group_new(d->client, group_changed, d);
	if (!d->group) {
		d->broken = true;
		return;
	}
	d->announced = txt_now(d);
	txt = txt_list(&d->announced);
	avahi_entry_group_reset(d->group);
	for (int tries = 0; tries < 50 && rc == AVAHI_ERR_COLLISION; tries++) {
		rc = avahi_entry_group_add_service_strlst(
			d->group, AVAHI_IF_UNSPEC, AVAHI_PROTO_UNSPEC, 0, d->name,
			DISCOVERY_SERVICE, NULL, NULL, (uint16_t)d->o.port, txt);
		if (rc == AVAHI_ERR_COLLISION) /* another program on this very machine */
			take_other_name(d);
	}
	avahi_string_list_free(txt);
	if (rc < 0 || avahi_entry_group_commit(d->group) < 0)
		d->broken = true;
}

static void republish_if_changed(struct discovery *d)
{
	struct txt now = txt_now(d);
	AvahiStringList *list;

	if (!d->group || avahi_entry_group_is_empty(d->group) || txt_eq(&now, &d->announced))
		return;
	d->announced = now;
	list = txt_list(&now);
	if (avahi_entry_group_update_service_txt_strlst(d->group, AVAHI_IF_UNSPEC,
							AVAHI_PROTO_UNSPEC, 0, d->name,
							DISCOVERY_SERVICE, NULL, list) < 0)
		d->broken = true;
	avahi_string_list_free(list);
}

/* --- browsing --- */
static struct seen_place place_of(AvahiIfIndex interface, AvahiProtocol protocol, const char *name)
{
	struct seen_place at = {.interface = interface, .protocol = protocol};

	snprintf(at.service, sizeof(at.service), "%s", name);
	return at;
}

/* A sockaddr of what Avahi says. */
static void address_of(const AvahiAddress *a, uint16_t port, struct sockaddr_storage *ret)
{
	memset(ret, 0, sizeof(*ret));
	if (a->proto == AVAHI_PROTO_INET) {
		struct sockaddr_in *in = (struct sockaddr_in *)ret;

		in->sin_family = AF_INET;
		in->sin_port = htons(port);
		memcpy(&in->sin_addr, &a->data.ipv4.address, 4);
	} else {
		struct sockaddr_in6 *in = (struct sockaddr_in6 *)ret;

		in->sin6_family = AF_INET6;
		in->sin6_port = htons(port);
		memcpy(&in->sin6_addr, a->data.ipv6.address, 16);
	}
}

/* Called again whenever the service's records change, as long as the resolver lives. */
static void resolved(AvahiServiceResolver *r, AvahiIfIndex interface, AvahiProtocol protocol,
		     AvahiResolverEvent event, const char *name, const char *type,
		     const char *domain, const char *host, const AvahiAddress *a, uint16_t port,
		     AvahiStringList *txt, AvahiLookupResultFlags flags, void *arg)
{
	struct discovery *d = arg;
	struct seen_place at = place_of(interface, protocol, name);
	struct span items[TXT_READ_ITEMS];
	struct sockaddr_storage address;
	char if_name[IF_NAMESIZE];
	struct seen_answer answer = {.host = host, .txt = items, .now_ms = env_now(d->o.env)};
	struct seen_row *row;
	bool changed = false;

	if (event != AVAHI_RESOLVER_FOUND || !a)
		return; /* it stays subscribed: the answer may still come */
	address_of(a, port, &address);
	answer.address = (struct sockaddr *)&address;
	answer.interface = if_indextoname((unsigned)interface, if_name);
	for (; txt && answer.txt_n < TXT_READ_ITEMS; txt = avahi_string_list_get_next(txt))
		items[answer.txt_n++] =
			span_of(avahi_string_list_get_text(txt), avahi_string_list_get_size(txt));
	pthread_mutex_lock(&d->lock);
	row = seen_find(&d->seen, &at);
	if (row && row->resolver == r)
		changed = seen_learn(row, &answer);
	if (row)
		row->local = flags & (AVAHI_LOOKUP_RESULT_LOCAL | AVAHI_LOOKUP_RESULT_OUR_OWN);
	pthread_mutex_unlock(&d->lock);
	if (changed)
		d->o.changed(d->o.ctx);
}

static void appeared(struct discovery *d, AvahiIfIndex interface, AvahiProtocol protocol,
		     const char *name, const char *type, const char *domain)
{
	struct seen_place at = place_of(interface, protocol, name);
	void *dropped = NULL;
	AvahiServiceResolver *r;
	struct seen_row *row;

	pthread_mutex_lock(&d->lock);
	row = seen_find(&d->seen, &at) ? NULL : seen_add(&d->seen, &at, &dropped);
	pthread_mutex_unlock(&d->lock);
	if (dropped)
		avahi_service_resolver_free(dropped);
	if (!row)
		return;
	/* The resolver answers from the loop, never from inside this call. */
	r = avahi_service_resolver_new(d->client, interface, protocol, name, type, domain, protocol,
				       0, resolved, d);
	pthread_mutex_lock(&d->lock);
	if (r)
		row->resolver = r;
	else
		seen_remove(&d->seen, row);
	pthread_mutex_unlock(&d->lock);
}

static void vanished(struct discovery *d, AvahiIfIndex interface, AvahiProtocol protocol,
		     const char *name)
{
	struct seen_place at = place_of(interface, protocol, name);
	AvahiServiceResolver *r = NULL;
	struct seen_row *row;

	pthread_mutex_lock(&d->lock);
	row = seen_find(&d->seen, &at);
	if (row) {
		r = row->resolver;
		seen_remove(&d->seen, row);
	}
	pthread_mutex_unlock(&d->lock);
	if (r)
		avahi_service_resolver_free(r);
	if (row)
		d->o.changed(d->o.ctx);
}

static void browsed(AvahiServiceBrowser *b, AvahiIfIndex interface, AvahiProtocol protocol,
		    AvahiBrowserEvent event, const char *name, const char *type, const char *domain,
		    AvahiLookupResultFlags flags, void *arg)
{
	struct discovery *d = arg;

	switch (event) {
	case AVAHI_BROWSER_NEW:
		appeared(d, interface, protocol, name, type, domain);
		break;
	case AVAHI_BROWSER_REMOVE:
		vanished(d, interface, protocol, name);
		break;
	case AVAHI_BROWSER_FAILURE:
		d->broken = true;
		break;
	case AVAHI_BROWSER_CACHE_EXHAUSTED:
	case AVAHI_BROWSER_ALL_FOR_NOW:
		break;
	}
}

/* --- Avahi itself --- */
static void client_changed(AvahiClient *c, AvahiClientState state, void *arg)
{
	struct discovery *d = arg;

	d->client = c; /* it is called before avahi_client_new has returned, too */
	switch (state) {
	case AVAHI_CLIENT_S_RUNNING:
		d->retry_ms = RETRY_FIRST_MS;
		if (d->o.port)
			publish(d);
		if (!d->browser)
			d->browser =
				avahi_service_browser_new(c, AVAHI_IF_UNSPEC, AVAHI_PROTO_UNSPEC,
							  DISCOVERY_SERVICE, NULL, 0, browsed, d);
		if (!d->browser)
			d->broken = true;
		break;
	case AVAHI_CLIENT_S_COLLISION:
	case AVAHI_CLIENT_S_REGISTERING: /* the host's own name changes: announced again after */
		if (d->group)
			avahi_entry_group_reset(d->group);
		break;
	case AVAHI_CLIENT_FAILURE: /* among others: the daemon is gone */
		d->broken = true;
		break;
	case AVAHI_CLIENT_CONNECTING: /* absent; it will be met when it comes */
		break;
	}
}

static void disconnect(struct discovery *d)
{
	bool had;

	pthread_mutex_lock(&d->lock);
	had = d->seen.n > 0;
	seen_clear(&d->seen);
	pthread_mutex_unlock(&d->lock);
	if (d->client)
		avahi_client_free(d->client); /* with its group, browser and resolvers */
	d->client = NULL;
	d->group = NULL;
	d->browser = NULL;
	d->broken = false;
	if (had)
		d->o.changed(d->o.ctx);
}

static void connect_again(struct discovery *d)
{
	int rc;

	if (!avahi_client_new(avahi_simple_poll_get(d->poll), AVAHI_CLIENT_NO_FAIL, client_changed,
			      d, &rc))
		d->client = NULL; /* D-Bus is not there */
	d->retry_at = env_mono(d->o.env) + d->retry_ms;
	d->retry_ms = d->retry_ms * 2 < RETRY_LAST_MS ? d->retry_ms * 2 : RETRY_LAST_MS;
}

static void woken(AvahiWatch *w, int fd, AvahiWatchEvent event, void *arg)
{
	uint64_t n;

	if (read(fd, &n, sizeof(n)) < 0)
		return;
}

/* --- links --- */
static int open_links(void)
{
	struct sockaddr_nl to = {.nl_family = AF_NETLINK,
				 .nl_groups =
					 RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR};
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);

	if (fd >= 0 && bind(fd, (struct sockaddr *)&to, sizeof(to)) < 0) {
		close(fd);
		fd = -1;
	}
	return fd;
}

/* What exactly changed does not matter, so nothing is parsed. */
static void links_changed(AvahiWatch *w, int fd, AvahiWatchEvent event, void *arg)
{
	struct discovery *d = arg;
	char dropped[8192];

	while (recv(fd, dropped, sizeof(dropped), MSG_DONTWAIT) > 0)
		;
	if (d->o.network)
		d->o.network(d->o.ctx);
}

static bool must_stop(struct discovery *d)
{
	bool stop;

	pthread_mutex_lock(&d->lock);
	stop = d->stop;
	pthread_mutex_unlock(&d->lock);
	return stop;
}

/* Avahi's own timers follow the wall clock, which may jump by fifty years; ours look at the other
 * clock after every turn of the loop, at least once a second. */
static void *run(void *arg)
{
	struct discovery *d = arg;

	while (!must_stop(d)) {
		if (d->broken)
			disconnect(d);
		if (!d->client && env_mono(d->o.env) >= d->retry_at)
			connect_again(d);
		if (d->client && !d->broken)
			republish_if_changed(d);
		if (avahi_simple_poll_iterate(d->poll, d->client ? 1000 : 500) != 0) {
			d->broken = true;
			poll(NULL, 0, 250); /* it may fail at once, again and again */
		}
	}
	disconnect(d);
	return NULL;
}

/* --- the door --- */
/* As much of the name as fits one label. */
static char *label_of(const char *name)
{
	char label[NAME_LABEL + 1];

	if (!line_clean(span_str(name), label, sizeof(label)))
		snprintf(label, sizeof(label), "lliure");
	return avahi_strdup(label);
}

static void discovery_free(struct discovery *d)
{
	seen_clear(&d->seen);
	if (d->links_watch)
		avahi_simple_poll_get(d->poll)->watch_free(d->links_watch);
	if (d->wake_watch)
		avahi_simple_poll_get(d->poll)->watch_free(d->wake_watch);
	if (d->poll)
		avahi_simple_poll_free(d->poll);
	if (d->wake >= 0)
		close(d->wake);
	if (d->links >= 0)
		close(d->links);
	avahi_free(d->name);
	pthread_mutex_destroy(&d->lock);
	free(d);
}

struct error *discovery_start(const struct discovery_options *o, struct discovery **ret)
{
	struct discovery *d = calloc(1, sizeof(*d));
	const AvahiPoll *api;
	int rc = 0;

	if (!d)
		abort();
	d->o = *o;
	d->name = label_of(o->name);
	d->o.name = NULL; /* borrowed only for this call */
	d->retry_ms = RETRY_FIRST_MS;
	pthread_mutex_init(&d->lock, NULL);
	d->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	d->links = open_links();
	d->poll = avahi_simple_poll_new();
	if (d->wake < 0 || !d->poll)
		rc = errno ? errno : ENOMEM;
	if (!rc) {
		api = avahi_simple_poll_get(d->poll);
		d->wake_watch = api->watch_new(api, d->wake, AVAHI_WATCH_IN, woken, d);
		if (d->links >= 0)
			d->links_watch =
				api->watch_new(api, d->links, AVAHI_WATCH_IN, links_changed, d);
		rc = pthread_create(&d->thread, NULL, run, d);
	}
	if (rc) {
		discovery_free(d);
		return error_new(ERR_INTERNAL, N_("Looking for other boxes could not start: %s."),
				 strerror(rc));
	}
	*ret = d;
	return NULL;
}

static void wake(struct discovery *d)
{
	uint64_t one = 1;

	/* Fails only when it is far from being read: it is awake then. */
	if (write(d->wake, &one, sizeof(one)) < 0)
		return;
}

void discovery_stop(struct discovery *d)
{
	if (!d)
		return;
	pthread_mutex_lock(&d->lock);
	d->stop = true;
	pthread_mutex_unlock(&d->lock);
	wake(d);
	pthread_join(d->thread, NULL);
	discovery_free(d);
}

void discovery_announce(struct discovery *d, const uint8_t digest[DISCOVERY_DIGEST])
{
	bool changed;

	pthread_mutex_lock(&d->lock);
	changed = !d->has_digest || memcmp(d->digest, digest, DISCOVERY_DIGEST) != 0;
	d->has_digest = true;
	memcpy(d->digest, digest, DISCOVERY_DIGEST);
	pthread_mutex_unlock(&d->lock);
	if (changed)
		wake(d);
}

bool discovery_twin(struct discovery *d, struct seen_box *ret)
{
	bool found;

	pthread_mutex_lock(&d->lock);
	found = seen_twin(&d->seen, &d->o.self, ret);
	pthread_mutex_unlock(&d->lock);
	return found;
}

bool discovery_sees(struct discovery *d, const struct pubkey *key)
{
	bool sees;

	pthread_mutex_lock(&d->lock);
	sees = seen_has(&d->seen, key);
	pthread_mutex_unlock(&d->lock);
	return sees;
}

size_t discovery_list(struct discovery *d, struct seen_box *out, size_t max)
{
	size_t n;

	pthread_mutex_lock(&d->lock);
	n = seen_boxes(&d->seen, &d->o.self, out, max);
	pthread_mutex_unlock(&d->lock);
	return n;
}
