/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Another wish made so. Profiles are changed in memory first; storing them is a step of its own. */
#include "firmware/network/nm_priv.h"
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>

enum {
	IN_MEMORY = 0x2,
	NO_AUTOCONNECT = 0x20, /* we say when */
	/* of a checkpoint */
	DESTROY_OTHERS = 0x1,
	DELETE_NEW = 0x2,
	DISCONNECT_NEW = 0x4,
	WHILE_AT_IT_S = 3 * NM_UP_S, /* until the change stands, before its time begins to count */
	RANGES = 64,
	POLL_US = 100 * 1000,
	GUEST_S = 2, /* a wired network may take its time to answer; what is wrong shows at once */
};

/* --- the address on a network of ours --- */

/* In none of the networks that the machine is in, but for the one that is ours already. */
static void choose_address(const char *have, char out[WISH_ADDRESS])
{
	struct network_range taken[RANGES];
	struct ifaddrs *all = NULL;
	uint32_t ours = 0;
	size_t n = 0;

	network_address_parse(have, &ours);
	if (getifaddrs(&all))
		all = NULL;
	for (struct ifaddrs *a = all; a && n < RANGES; a = a->ifa_next) {
		const struct sockaddr_in *in = (const void *)a->ifa_addr;
		const struct sockaddr_in *mask = (const void *)a->ifa_netmask;

		if (!in || !mask || in->sin_family != AF_INET || (a->ifa_flags & IFF_LOOPBACK) ||
		    ntohl(in->sin_addr.s_addr) == ours)
			continue;
		taken[n++] =
			(struct network_range){ntohl(in->sin_addr.s_addr),
					       __builtin_popcount(ntohl(mask->sin_addr.s_addr))};
	}
	if (all)
		freeifaddrs(all);
	snprintf(out, WISH_ADDRESS, "%s", network_short_address(taken, n));
}

/* --- profiles --- */

static struct error *write_profile(struct nm *n, enum profile which, const struct network_wish *w,
				   const char *own)
{
	_cleanup_(sd_bus_messagep) sd_bus_message *m = NULL;
	char path[NM_OBJECT];
	int rc;

	TRY(nm_profile_path(n, which, path));
	if (*path)
		TRY(nm_begin(n, path, NM ".Settings.Connection", "Update2", &m));
	else
		TRY(nm_begin(n, NM_PATH "/Settings", NM ".Settings", "AddConnection2", &m));
	rc = profile_write(m, which, w, own);
	if (rc >= 0)
		rc = sd_bus_message_append(m, "ua{sv}", IN_MEMORY | NO_AUTOCONNECT, 0);
	return nm_send(n, STEAL(m), rc, NULL);
}

static struct error *store_profile(struct nm *n, enum profile which)
{
	char path[NM_OBJECT];

	TRY(nm_profile_path(n, which, path));
	return *path ? nm_call(n, path, NM ".Settings.Connection", "Save", NULL, NULL) : NULL;
}

/* --- up and down --- */

static struct error *down(struct nm *n, enum profile which)
{
	char active[NM_OBJECT];
	uint32_t state;

	TRY(nm_active(n, which, active, &state));
	if (!*active || state > ACTIVE_UP)
		return NULL;
	return nm_call(n, NM_PATH, NM, "DeactivateConnection", NULL, "o", active);
}

/* Comes up, or goes, or takes too long. */
static struct error *wait_up(struct nm *n, enum profile which, int seconds, uint32_t *ret_state)
{
	char active[NM_OBJECT];

	for (int i = 0; i < seconds * 1000000 / POLL_US; i++) {
		TRY(nm_active(n, which, active, ret_state));
		if (*ret_state != ACTIVE_COMING)
			return NULL;
		usleep(POLL_US);
	}
	return NULL;
}

static struct error *not_up(enum profile which)
{
	if (which == PROFILE_WIFI)
		return error_new(ERR_NET,
				 N_("The radio of this box did not come up like this. Another "
				    "channel, band or protection may work; or, for a network to "
				    "join, its name and password may be others."));
	return error_new(ERR_NET, N_("The wired network did not come up like this."));
}

static struct error *up(struct nm *n, enum profile which, bool must)
{
	struct nm_device d;
	char path[NM_OBJECT];
	uint32_t state = 0;
	bool any;

	TRY(nm_device_of(n, which, &d, &any));
	if (!any)
		return NULL;
	TRY(nm_profile_path(n, which, path));
	TRY(nm_call(n, NM_PATH, NM, "ActivateConnection", NULL, "ooo", path, d.path, "/"));
	TRY(wait_up(n, which, must ? NM_UP_S : GUEST_S, &state));
	if (state == ACTIVE_UP || (!must && state == ACTIVE_COMING))
		return NULL;
	return not_up(which);
}

/* --- a wish --- */

static bool wifi_differs(const struct network_wish *a, const struct network_wish *b)
{
	return a->wifi != b->wifi || strcmp(a->ssid, b->ssid) != 0 || a->lock != b->lock ||
	       strcmp(a->password, b->password) != 0 || a->band != b->band ||
	       a->channel != b->channel || strcmp(a->country, b->country) != 0;
}

static bool wired_differs(const struct network_wish *a, const struct network_wish *b)
{
	return a->wired != b->wired || strcmp(a->address, b->address) != 0 ||
	       a->prefix != b->prefix || strcmp(a->gateway, b->gateway) != 0 ||
	       strcmp(a->dns, b->dns) != 0;
}

/* Both profiles in memory, and what differs brought up. */
static struct error *make_so(struct nm *n, const struct network_wish *w)
{
	struct network_wish before = {0};
	struct nm_state s;
	bool any, wifi, wired;
	char own[WISH_ADDRESS];

	TRY(network_wish_check(w));
	TRY(nm_look(n, &before, &any, &s));
	choose_address(s.own, own);
	wifi = !any || wifi_differs(&before, w) || (w->wifi == WIFI_OWN && strcmp(own, s.own) != 0);
	wired = !any || wired_differs(&before, w) ||
		(w->wired == WIRED_OWN && strcmp(own, s.own) != 0);
	TRY(write_profile(n, PROFILE_WIRED, w, own));
	TRY(write_profile(n, PROFILE_WIFI, w, own));
	if (wired)
		TRY(up(n, PROFILE_WIRED, w->wired == WIRED_OWN));
	if (wifi && w->wifi == WIFI_OFF)
		TRY(down(n, PROFILE_WIFI));
	else if (wifi)
		TRY(up(n, PROFILE_WIFI, true));
	return NULL;
}

/* --- checkpoints --- */

static struct error *checkpoint_new(struct nm *n, char ret[NM_CHECKPOINT])
{
	_cleanup_(sd_bus_messagep) sd_bus_message *reply = NULL;
	sd_bus_error none = SD_BUS_ERROR_NULL;
	const char *path;

	TRY(nm_call(n, NM_PATH, NM, "CheckpointCreate", &reply, "aouu", 0, WHILE_AT_IT_S,
		    DESTROY_OTHERS | DELETE_NEW | DISCONNECT_NEW));
	TRY(nm_fault(sd_bus_message_read(reply, "o", &path), &none));
	snprintf(ret, NM_CHECKPOINT, "%s", path);
	return NULL;
}

static struct error *count_from_now(struct nm *n, const char *checkpoint, int seconds)
{
	return nm_call(n, NM_PATH, NM, "CheckpointAdjustRollbackTimeout", NULL, "ou", checkpoint,
		       (uint32_t)seconds);
}

struct error *nm_try(struct nm *n, const struct network_wish *w, int seconds,
		     char ret_checkpoint[NM_CHECKPOINT])
{
	struct network_wish before = {0};
	struct nm_state s;
	struct error *e;
	bool any;

	TRY(nm_look(n, &before, &any, &s));
	TRY(checkpoint_new(n, ret_checkpoint));
	e = make_so(n, w);
	if (!e)
		e = count_from_now(n, ret_checkpoint, seconds);
	if (e)
		error_free(nm_take_back(n, ret_checkpoint, &before, any));
	return e;
}

struct error *nm_keep(struct nm *n, const char *checkpoint)
{
	TRY(store_profile(n, PROFILE_WIRED));
	TRY(store_profile(n, PROFILE_WIFI));
	return nm_call(n, NM_PATH, NM, "CheckpointDestroy", NULL, "o", checkpoint);
}

/* Whichever there are: on a box only we make them. */
static struct error *roll_all_back(struct nm *n)
{
	_cleanup_(sd_bus_messagep) sd_bus_message *m = NULL;
	sd_bus_error why = SD_BUS_ERROR_NULL, none = SD_BUS_ERROR_NULL;
	const char *path;
	int rc;

	TRY(nm_fault(sd_bus_get_property(n->bus, NM, NM_PATH, NM, "Checkpoints", &why, &m, "ao"),
		     &why));
	rc = sd_bus_message_enter_container(m, 'a', "o");
	while (rc >= 0 && (rc = sd_bus_message_read(m, "o", &path)) > 0)
		TRY(nm_call(n, NM_PATH, NM, "CheckpointRollback", NULL, "o", path));
	return nm_fault(rc, &none);
}

/* A checkpoint remembers the profiles that were in use, and no other: a Wi-Fi that was off is set
 * right here. It may be gone already, by its own clock. */
struct error *nm_take_back(struct nm *n, const char *checkpoint, const struct network_wish *before,
			   bool any)
{
	struct network_wish now = {0};
	struct nm_state s;
	struct error *e = checkpoint ? nm_call(n, NM_PATH, NM, "CheckpointRollback", NULL, "o",
					       checkpoint)
				     : roll_all_back(n);
	bool there;

	if (e && !error_is(e, ERR_NET))
		return e;
	error_free(e);
	TRY(nm_look(n, &now, &there, &s));
	if (!any || (there && network_wish_same(&now, before)))
		return NULL;
	TRY(make_so(n, before));
	TRY(store_profile(n, PROFILE_WIRED));
	return store_profile(n, PROFILE_WIFI);
}

/* The first of them; the others are of no more use. */
static struct error *first_of(struct error *take_a, struct error *take_b)
{
	if (!take_a)
		return take_b;
	error_free(take_b);
	return take_a;
}

struct error *nm_set(struct nm *n, const struct network_wish *w)
{
	struct error *e = make_so(n, w);

	e = first_of(e, store_profile(n, PROFILE_WIRED));
	return first_of(e, store_profile(n, PROFILE_WIFI));
}

struct error *nm_air(struct nm *n, bool on)
{
	char active[NM_OBJECT];
	uint32_t state;

	TRY(nm_active(n, PROFILE_WIFI, active, &state));
	if (on == (state == ACTIVE_UP || state == ACTIVE_COMING))
		return NULL;
	return on ? up(n, PROFILE_WIFI, true) : down(n, PROFILE_WIFI);
}
