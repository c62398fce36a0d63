/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What NetworkManager says there is. */
#include "firmware/network/nm_priv.h"
#include <string.h>

enum {
	KIND_ETHERNET = 1,
	KIND_WIFI = 2,
	KIND_VETH = 20, /* takes the profiles of an Ethernet: containers and tests */
	WIFI_CAN_AP = 0x40,
};

static struct error *property(struct nm *n, const char *path, const char *interface,
			      const char *name, char type, void *ret)
{
	sd_bus_error why = SD_BUS_ERROR_NULL;

	return nm_fault(
		sd_bus_get_property_trivial(n->bus, NM, path, interface, name, &why, type, ret),
		&why);
}

/* Of type s or o, as `type` says. */
static struct error *property_text(struct nm *n, const char *path, const char *interface,
				   const char *name, const char *type, char *ret, size_t n_ret)
{
	_cleanup_(sd_bus_messagep) sd_bus_message *m = NULL;
	sd_bus_error why = SD_BUS_ERROR_NULL, none = SD_BUS_ERROR_NULL;
	const char *s;

	TRY(nm_fault(sd_bus_get_property(n->bus, NM, path, interface, name, &why, &m, type), &why));
	TRY(nm_fault(sd_bus_message_read_basic(m, *type, &s), &none));
	snprintf(ret, n_ret, "%s", s);
	return NULL;
}

/* --- links --- */

struct devices {
	size_t n;
	char path[NM_DEVICES][NM_OBJECT];
};

static struct error *devices(struct nm *n, struct devices *ret)
{
	_cleanup_(sd_bus_messagep) sd_bus_message *reply = NULL;
	sd_bus_error none = SD_BUS_ERROR_NULL;
	const char *path;
	int rc;

	ret->n = 0;
	TRY(nm_call(n, NM_PATH, NM, "GetDevices", &reply, NULL));
	rc = sd_bus_message_enter_container(reply, 'a', "o");
	while (rc >= 0 && (rc = sd_bus_message_read(reply, "o", &path)) > 0) {
		if (ret->n < NM_DEVICES)
			snprintf(ret->path[ret->n++], NM_OBJECT, "%s", path);
	}
	return nm_fault(rc, &none);
}

static bool fits(uint32_t kind, enum profile which)
{
	return which == PROFILE_WIFI ? kind == KIND_WIFI
				     : kind == KIND_ETHERNET || kind == KIND_VETH;
}

/* A link that went away meanwhile is none. */
static struct error *gone_is_none(struct error *e)
{
	if (e && error_is(e, ERR_NET)) {
		error_free(e);
		return NULL;
	}
	return e;
}

struct error *nm_device_of(struct nm *n, enum profile which, struct nm_device *ret, bool *ret_any)
{
	static const char interface[] = NM ".Device";
	struct devices all;
	struct nm_device d;

	*ret_any = false;
	TRY(devices(n, &all));
	for (size_t i = 0; i < all.n && !*ret_any; i++) {
		int managed = 0;

		d.kind = 0;
		memcpy(d.path, all.path[i], sizeof(d.path));
		TRY(gone_is_none(property(n, d.path, interface, "DeviceType", 'u', &d.kind)));
		if (!fits(d.kind, which))
			continue;
		TRY(gone_is_none(property(n, d.path, interface, "Managed", 'b', &managed)));
		if (!managed)
			continue;
		TRY(property_text(n, d.path, interface, "Interface", "s", d.name, sizeof(d.name)));
		*ret = d;
		*ret_any = true;
	}
	return NULL;
}

/* --- profiles --- */

struct error *nm_profile_path(struct nm *n, enum profile which, char ret[NM_OBJECT])
{
	_cleanup_(sd_bus_messagep) sd_bus_message *reply = NULL;
	sd_bus_error why = SD_BUS_ERROR_NULL, none = SD_BUS_ERROR_NULL;
	const char *path;
	int rc = sd_bus_call_method(n->bus, NM, NM_PATH "/Settings", NM ".Settings",
				    "GetConnectionByUuid", &why, &reply, "s", profile_uuid[which]);

	if (sd_bus_error_has_name(&why, NM ".Settings.InvalidConnection")) {
		sd_bus_error_free(&why);
		*ret = 0;
		return NULL;
	}
	TRY(nm_fault(rc, &why));
	TRY(nm_fault(sd_bus_message_read(reply, "o", &path), &none));
	snprintf(ret, NM_OBJECT, "%s", path);
	return NULL;
}

struct error *nm_active(struct nm *n, enum profile which, char ret[NM_OBJECT], uint32_t *ret_state)
{
	static const char interface[] = NM ".Connection.Active";
	_cleanup_(sd_bus_messagep) sd_bus_message *m = NULL;
	sd_bus_error why = SD_BUS_ERROR_NULL, none = SD_BUS_ERROR_NULL;
	char paths[NM_DEVICES][NM_OBJECT], uuid[64];
	const char *path;
	size_t count = 0;
	int rc;

	*ret = 0;
	*ret_state = 0;
	TRY(nm_fault(
		sd_bus_get_property(n->bus, NM, NM_PATH, NM, "ActiveConnections", &why, &m, "ao"),
		&why));
	rc = sd_bus_message_enter_container(m, 'a', "o");
	while (rc >= 0 && (rc = sd_bus_message_read(m, "o", &path)) > 0) {
		if (count < NM_DEVICES)
			snprintf(paths[count++], NM_OBJECT, "%s", path);
	}
	TRY(nm_fault(rc, &none));
	for (size_t i = 0; i < count; i++) {
		*uuid = 0;
		TRY(gone_is_none(
			property_text(n, paths[i], interface, "Uuid", "s", uuid, sizeof(uuid))));
		if (strcmp(uuid, profile_uuid[which]) != 0)
			continue;
		TRY(gone_is_none(property(n, paths[i], interface, "State", 'u', ret_state)));
		memcpy(ret, paths[i], NM_OBJECT);
		if (*ret_state == ACTIVE_UP || *ret_state == ACTIVE_COMING)
			return NULL;
	}
	return NULL;
}

static struct error *read_profile(struct nm *n, enum profile which, const char *path,
				  const char *member, const char *setting, struct network_wish *w,
				  char *own)
{
	_cleanup_(sd_bus_messagep) sd_bus_message *reply = NULL;
	sd_bus_error none = SD_BUS_ERROR_NULL;

	TRY(nm_call(n, path, NM ".Settings.Connection", member, &reply, setting ? "s" : NULL,
		    setting));
	return nm_fault(profile_read(reply, which, w, own), &none);
}

static struct error *wish(struct nm *n, struct network_wish *ret, bool *ret_any, char *own)
{
	struct network_wish w = {.country = "ES", .prefix = 24};
	char path[NM_OBJECT];

	TRY(nm_profile_path(n, PROFILE_WIFI, path));
	*ret_any = *path != 0;
	if (*path) {
		TRY(read_profile(n, PROFILE_WIFI, path, "GetSettings", NULL, &w, own));
		if (w.lock != LOCK_OPEN)
			TRY(read_profile(n, PROFILE_WIFI, path, "GetSecrets",
					 "802-11-wireless-security", &w, own));
	}
	TRY(nm_profile_path(n, PROFILE_WIRED, path));
	if (*path)
		TRY(read_profile(n, PROFILE_WIRED, path, "GetSettings", NULL, &w, own));
	if (*ret_any)
		*ret = w;
	return NULL;
}

/* --- all together --- */

static struct error *links(struct nm *n, struct nm_state *s)
{
	struct nm_device d;
	uint32_t can = 0, state = 0;
	char active[NM_OBJECT];
	int carrier = 0;
	bool any;

	TRY(nm_device_of(n, PROFILE_WIFI, &d, &any));
	if (any) {
		snprintf(s->radio, sizeof(s->radio), "%s", d.name);
		TRY(gone_is_none(property(n, d.path, NM ".Device.Wireless", "WirelessCapabilities",
					  'u', &can)));
		s->radio_own = can & WIFI_CAN_AP;
	}
	TRY(nm_device_of(n, PROFILE_WIRED, &d, &any));
	if (any) {
		snprintf(s->wired, sizeof(s->wired), "%s", d.name);
		if (d.kind == KIND_ETHERNET)
			TRY(gone_is_none(
				property(n, d.path, NM ".Device.Wired", "Carrier", 'b', &carrier)));
		s->cable = carrier || d.kind == KIND_VETH;
	}
	TRY(nm_active(n, PROFILE_WIFI, active, &state));
	s->wifi_up = state == ACTIVE_UP;
	TRY(nm_active(n, PROFILE_WIRED, active, &state));
	s->wired_up = state == ACTIVE_UP;
	TRY(property_text(n, NM_PATH, NM, "PrimaryConnection", "o", active, sizeof(active)));
	s->uplink = strcmp(active, "/") != 0;
	return NULL;
}

struct error *nm_look(struct nm *n, struct network_wish *ret_wish, bool *ret_any,
		      struct nm_state *ret)
{
	struct network_wish w = {0};
	struct nm_state s = {.own = ""};
	bool any;

	TRY(links(n, &s));
	TRY(wish(n, &w, &any, s.own));
	s.own_up = any && *s.own &&
		   ((w.wifi == WIFI_OWN && s.wifi_up) || (w.wired == WIRED_OWN && s.wired_up));
	*ret_any = any;
	if (any)
		*ret_wish = w;
	*ret = s;
	return NULL;
}
