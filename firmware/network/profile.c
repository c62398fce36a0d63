/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "firmware/network/profile_priv.h"
#include "sync/base/line.h"
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

/* Drawn once; by them our profiles are known on every box. */
const char *const profile_uuid[PROFILES] = {
	[PROFILE_WIFI] = "5f0d7a52-6f0b-4b9e-9a54-9d1c6a3be101",
	[PROFILE_WIRED] = "5f0d7a52-6f0b-4b9e-9a54-9d1c6a3be102",
};

enum {
	NEVER_GIVE_UP = INT32_MAX, /* seconds that the wired network may take to give an address */
	LINK_LOCAL_TOO = 3,
	POWERSAVE_OFF = 2,
	PMF_OFF = 1, /* old phones stumble over it; WPA3 asks for it itself */
	PMF_NEEDED = 3,
	WPS_OFF = 1,
	ISOLATED = 1, /* visitors' devices do not see each other */
};

/* --- writing: after a failure nothing more happens, and rc says so --- */

struct writer {
	sd_bus_message *m;
	int rc;
};

static void keep(struct writer *w, int rc)
{
	if (w->rc >= 0)
		w->rc = rc;
}

static void group(struct writer *w, const char *name)
{
	if (w->rc >= 0)
		keep(w, sd_bus_message_open_container(w->m, 'e', "sa{sv}"));
	if (w->rc >= 0)
		keep(w, sd_bus_message_append(w->m, "s", name));
	if (w->rc >= 0)
		keep(w, sd_bus_message_open_container(w->m, 'a', "{sv}"));
}

static void group_end(struct writer *w)
{
	if (w->rc >= 0)
		keep(w, sd_bus_message_close_container(w->m));
	if (w->rc >= 0)
		keep(w, sd_bus_message_close_container(w->m));
}

static void text(struct writer *w, const char *key, const char *value)
{
	if (w->rc >= 0)
		keep(w, sd_bus_message_append(w->m, "{sv}", key, "s", value));
}

static void number(struct writer *w, const char *key, const char *type, int value)
{
	if (w->rc >= 0)
		keep(w, sd_bus_message_append(w->m, "{sv}", key, type, value));
}

static void bytes(struct writer *w, const char *key, const char *s)
{
	if (w->rc >= 0)
		keep(w, sd_bus_message_open_container(w->m, 'e', "sv"));
	if (w->rc >= 0)
		keep(w, sd_bus_message_append(w->m, "s", key));
	if (w->rc >= 0)
		keep(w, sd_bus_message_open_container(w->m, 'v', "ay"));
	if (w->rc >= 0)
		keep(w, sd_bus_message_append_array(w->m, 'y', s, strlen(s)));
	if (w->rc >= 0)
		keep(w, sd_bus_message_close_container(w->m));
	if (w->rc >= 0)
		keep(w, sd_bus_message_close_container(w->m));
}

static void one_address(struct writer *w, const char *address, int prefix)
{
	if (w->rc >= 0)
		keep(w,
		     sd_bus_message_append(w->m, "{sv}", "address-data", "aa{sv}", 1, 2, "address",
					   "s", address, "prefix", "u", (uint32_t)prefix));
}

static void connection(struct writer *w, const char *id, enum profile which, const char *type,
		       bool on)
{
	group(w, "connection");
	text(w, "id", id);
	text(w, "uuid", profile_uuid[which]);
	text(w, "type", type);
	number(w, "autoconnect", "b", on);
	number(w, "autoconnect-priority", "i", 10);
	number(w, "autoconnect-retries", "i", 0); /* for ever */
	group_end(w);
}

/* A network of ours: NetworkManager starts dnsmasq on it and masquerades. */
static void shared(struct writer *w, const char *own)
{
	group(w, "ipv4");
	text(w, "method", "shared");
	one_address(w, own, WISH_PREFIX);
	group_end(w);
	group(w, "ipv6");
	text(w, "method", "shared");
	group_end(w);
}

static void guest(struct writer *w)
{
	group(w, "ipv4");
	text(w, "method", "auto");
	number(w, "dhcp-timeout", "i", NEVER_GIVE_UP);
	number(w, "link-local", "i", LINK_LOCAL_TOO);
	number(w, "may-fail", "b", true);
	group_end(w);
	group(w, "ipv6");
	text(w, "method", "auto");
	number(w, "may-fail", "b", true);
	group_end(w);
}

static void fixed(struct writer *w, const struct network_wish *wish)
{
	struct in_addr dns;

	group(w, "ipv4");
	text(w, "method", "manual");
	one_address(w, wish->address, wish->prefix);
	if (*wish->gateway)
		text(w, "gateway", wish->gateway);
	if (*wish->dns && inet_pton(AF_INET, wish->dns, &dns) == 1 && w->rc >= 0)
		keep(w, sd_bus_message_append(w->m, "{sv}", "dns", "au", 1, dns.s_addr));
	group_end(w);
	group(w, "ipv6");
	text(w, "method", "auto");
	number(w, "may-fail", "b", true);
	group_end(w);
}

static void lock(struct writer *w, const struct network_wish *wish)
{
	bool own = wish->wifi != WIFI_JOIN;

	if (wish->lock == LOCK_OPEN)
		return;
	group(w, "802-11-wireless-security");
	text(w, "key-mgmt", wish->lock == LOCK_WPA3 ? "sae" : "wpa-psk");
	text(w, "psk", wish->password);
	if (own) {
		if (w->rc >= 0)
			keep(w, sd_bus_message_append(w->m, "{sv}{sv}{sv}", "proto", "as", 1, "rsn",
						      "pairwise", "as", 1, "ccmp", "group", "as", 1,
						      "ccmp"));
		number(w, "pmf", "i", wish->lock == LOCK_WPA3 ? PMF_NEEDED : PMF_OFF);
		number(w, "wps-method", "u", WPS_OFF);
	}
	group_end(w);
}

static void wifi(struct writer *w, const struct network_wish *wish, const char *own)
{
	bool ours = wish->wifi != WIFI_JOIN;
	char from[4], to[4];

	connection(w, "lliure-wifi", PROFILE_WIFI, "802-11-wireless", wish->wifi != WIFI_OFF);
	group(w, "802-11-wireless");
	bytes(w, "ssid", *wish->ssid ? wish->ssid : "Lliure");
	text(w, "mode", ours ? "ap" : "infrastructure");
	number(w, "powersave", "u", POWERSAVE_OFF);
	if (ours) {
		text(w, "band", wish->band == BAND_5GHZ ? "a" : "bg");
		number(w, "channel", "u", wish->channel);
		number(w, "ap-isolation", "i", ISOLATED);
	}
	group_end(w);
	lock(w, wish);
	if (ours)
		shared(w, own);
	else
		guest(w);
	snprintf(from, sizeof(from), "%d", wish->from);
	snprintf(to, sizeof(to), "%d", wish->to);
	group(w, "user");
	if (w->rc >= 0)
		keep(w, sd_bus_message_append(w->m, "{sv}", "data", "a{ss}", 7, "lliure.wifi",
					      wish_wifi_words[wish->wifi], "lliure.lock",
					      wish_lock_words[wish->lock], "lliure.band",
					      wish_band_words[wish->band], "lliure.country",
					      wish->country, "lliure.from", from, "lliure.to", to,
					      "lliure.visitors", wish->visitors ? "yes" : "no"));
	group_end(w);
}

static void wired(struct writer *w, const struct network_wish *wish, const char *own)
{
	connection(w, "lliure-wired", PROFILE_WIRED, "802-3-ethernet", true);
	if (wish->wired == WIRED_OWN)
		shared(w, own);
	else if (wish->wired == WIRED_FIXED)
		fixed(w, wish);
	else
		guest(w);
	group(w, "user");
	if (w->rc >= 0)
		keep(w, sd_bus_message_append(w->m, "{sv}", "data", "a{ss}", 1, "lliure.wired",
					      wish_wired_words[wish->wired]));
	group_end(w);
}

int profile_write(sd_bus_message *m, enum profile which, const struct network_wish *w,
		  const char *own)
{
	struct writer to = {m, sd_bus_message_open_container(m, 'a', "{sa{sv}}")};

	if (which == PROFILE_WIFI)
		wifi(&to, w, own);
	else
		wired(&to, w, own);
	if (to.rc >= 0)
		keep(&to, sd_bus_message_close_container(m));
	return to.rc;
}

/* --- reading --- */

struct reader_of {
	struct network_wish *w;
	enum profile which;
	char *own;
	char address[WISH_ADDRESS];
	int prefix;
};

static int read_text(sd_bus_message *m, char *out, size_t n)
{
	const char *s;
	int rc = sd_bus_message_read(m, "v", "s", &s);

	if (rc >= 0)
		snprintf(out, n, "%s", s);
	return rc;
}

static int read_number(sd_bus_message *m, int *out)
{
	uint32_t v;
	int rc = sd_bus_message_read(m, "v", "u", &v);

	if (rc >= 0)
		*out = (int)v;
	return rc;
}

static int read_ssid(sd_bus_message *m, struct network_wish *w)
{
	const void *p;
	size_t n;
	int rc = sd_bus_message_enter_container(m, 'v', "ay");

	if (rc >= 0)
		rc = sd_bus_message_read_array(m, 'y', &p, &n);
	if (rc < 0)
		return rc;
	/* Ours are text; what somebody else wrote there may be any bytes. */
	line_clean(span_of(p, n > WISH_SSID ? WISH_SSID : n), w->ssid, sizeof(w->ssid));
	return sd_bus_message_exit_container(m);
}

static void user_word(struct network_wish *w, const char *key, const char *value)
{
	int row;

	if (strcmp(key, "lliure.wifi") == 0 && (row = wish_word(wish_wifi_words, value)) >= 0)
		w->wifi = (enum wish_wifi)row;
	else if (strcmp(key, "lliure.lock") == 0 && (row = wish_word(wish_lock_words, value)) >= 0)
		w->lock = (enum wish_lock)row;
	else if (strcmp(key, "lliure.band") == 0 && (row = wish_word(wish_band_words, value)) >= 0)
		w->band = (enum wish_band)row;
	else if (strcmp(key, "lliure.wired") == 0 &&
		 (row = wish_word(wish_wired_words, value)) >= 0)
		w->wired = (enum wish_wired)row;
	else if (strcmp(key, "lliure.country") == 0)
		snprintf(w->country, sizeof(w->country), "%.2s", value);
	else if (strcmp(key, "lliure.from") == 0)
		w->from = (int)strtol(value, NULL, 10);
	else if (strcmp(key, "lliure.to") == 0)
		w->to = (int)strtol(value, NULL, 10);
	else if (strcmp(key, "lliure.visitors") == 0)
		w->visitors = strcmp(value, "yes") == 0;
}

static int read_user(sd_bus_message *m, struct network_wish *w)
{
	const char *key, *value;
	int rc = sd_bus_message_enter_container(m, 'v', "a{ss}");

	if (rc >= 0)
		rc = sd_bus_message_enter_container(m, 'a', "{ss}");
	if (rc < 0)
		return rc;
	while ((rc = sd_bus_message_read(m, "{ss}", &key, &value)) > 0)
		user_word(w, key, value);
	if (rc >= 0)
		rc = sd_bus_message_exit_container(m);
	return rc < 0 ? rc : sd_bus_message_exit_container(m);
}

/* aa{sv}: the first of the addresses. */
static int read_address_pairs(sd_bus_message *m, struct reader_of *r)
{
	const char *key;
	int rc;

	while ((rc = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
		rc = sd_bus_message_read(m, "s", &key);
		if (rc < 0)
			return rc;
		if (strcmp(key, "address") == 0)
			rc = read_text(m, r->address, sizeof(r->address));
		else if (strcmp(key, "prefix") == 0)
			rc = read_number(m, &r->prefix);
		else
			rc = sd_bus_message_skip(m, "v");
		if (rc >= 0)
			rc = sd_bus_message_exit_container(m);
		if (rc < 0)
			return rc;
	}
	return rc;
}

static int read_address(sd_bus_message *m, struct reader_of *r)
{
	int rc = sd_bus_message_enter_container(m, 'v', "aa{sv}");

	if (rc >= 0)
		rc = sd_bus_message_enter_container(m, 'a', "a{sv}");
	while (rc >= 0 && (rc = sd_bus_message_enter_container(m, 'a', "{sv}")) > 0) {
		rc = read_address_pairs(m, r);
		if (rc >= 0)
			rc = sd_bus_message_exit_container(m);
	}
	if (rc >= 0)
		rc = sd_bus_message_exit_container(m);
	return rc < 0 ? rc : sd_bus_message_exit_container(m);
}

static int read_dns(sd_bus_message *m, struct network_wish *w)
{
	struct in_addr a;
	int rc = sd_bus_message_enter_container(m, 'v', "au");

	if (rc >= 0)
		rc = sd_bus_message_enter_container(m, 'a', "u");
	if (rc < 0)
		return rc;
	while ((rc = sd_bus_message_read(m, "u", &a.s_addr)) > 0) {
		if (!*w->dns)
			inet_ntop(AF_INET, &a, w->dns, sizeof(w->dns));
	}
	if (rc >= 0)
		rc = sd_bus_message_exit_container(m);
	return rc < 0 ? rc : sd_bus_message_exit_container(m);
}

static int read_setting(sd_bus_message *m, struct reader_of *r, const char *in, const char *key)
{
	struct network_wish *w = r->w;
	bool is_wifi = r->which == PROFILE_WIFI;

	if (strcmp(in, "user") == 0 && strcmp(key, "data") == 0)
		return read_user(m, w);
	if (is_wifi && strcmp(in, "802-11-wireless") == 0 && strcmp(key, "ssid") == 0)
		return read_ssid(m, w);
	if (is_wifi && strcmp(in, "802-11-wireless") == 0 && strcmp(key, "channel") == 0)
		return read_number(m, &w->channel);
	if (is_wifi && strcmp(in, "802-11-wireless-security") == 0 && strcmp(key, "psk") == 0)
		return read_text(m, w->password, sizeof(w->password));
	if (strcmp(in, "ipv4") == 0 && strcmp(key, "address-data") == 0)
		return read_address(m, r);
	if (!is_wifi && strcmp(in, "ipv4") == 0 && strcmp(key, "gateway") == 0)
		return read_text(m, w->gateway, sizeof(w->gateway));
	if (!is_wifi && strcmp(in, "ipv4") == 0 && strcmp(key, "dns") == 0)
		return read_dns(m, w);
	return sd_bus_message_skip(m, "v");
}

static int read_group(sd_bus_message *m, struct reader_of *r)
{
	const char *in, *key;
	int rc = sd_bus_message_read(m, "s", &in);

	if (rc >= 0)
		rc = sd_bus_message_enter_container(m, 'a', "{sv}");
	while (rc >= 0 && (rc = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
		rc = sd_bus_message_read(m, "s", &key);
		if (rc >= 0)
			rc = read_setting(m, r, in, key);
		if (rc >= 0)
			rc = sd_bus_message_exit_container(m);
	}
	return rc < 0 ? rc : sd_bus_message_exit_container(m);
}

int profile_read(sd_bus_message *m, enum profile which, struct network_wish *w, char *own)
{
	struct reader_of r = {.w = w, .which = which, .own = own};
	int rc = sd_bus_message_enter_container(m, 'a', "{sa{sv}}");

	while (rc >= 0 && (rc = sd_bus_message_enter_container(m, 'e', "sa{sv}")) > 0) {
		rc = read_group(m, &r);
		if (rc >= 0)
			rc = sd_bus_message_exit_container(m);
	}
	if (rc < 0)
		return rc;
	if (which == PROFILE_WIRED && w->wired == WIRED_FIXED) {
		memcpy(w->address, r.address, sizeof(w->address));
		w->prefix = r.prefix;
	} else if (*r.address &&
		   (which == PROFILE_WIRED ? w->wired == WIRED_OWN : w->wifi != WIFI_JOIN)) {
		memcpy(own, r.address, WISH_ADDRESS);
	}
	return sd_bus_message_exit_container(m);
}
