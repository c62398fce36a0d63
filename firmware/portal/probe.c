/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "firmware/portal/probe.h"
#include "sync/base/cleanup.h"
#include <string.h>

#define APPLE "<HTML><HEAD><TITLE>Success</TITLE></HEAD><BODY>Success</BODY></HTML>"
#define FIREFOX                                                                                    \
	"<meta http-equiv=\"refresh\" "                                                            \
	"content=\"0;url=https://support.mozilla.org/kb/captive-portal\"/>"
#define HTML	  "text/html; charset=utf-8"
#define TEXT	  "text/plain; charset=utf-8"
#define NM_ONLINE "NetworkManager is online\n"
#define EMPTY(system, host, path)                                                                  \
	{                                                                                          \
		system, host, path, 204, NULL, "", NULL                                            \
	}
#define SAYS(system, host, path, type, body)                                                       \
	{                                                                                          \
		system, host, path, 200, type, body, NULL                                          \
	}
#define APPLE_HOST(host)                                                                           \
	SAYS("Apple", host, "/hotspot-detect.html", HTML, APPLE),                                  \
		SAYS("Apple", host, "/library/test/success.html", HTML, APPLE),                    \
		SAYS("Apple", host, "/", HTML, APPLE)

static const struct probe probes[] = {
	EMPTY("Android", "connectivitycheck.gstatic.com", "/generate_204"),
	EMPTY("Android", "connectivitycheck.android.com", "/generate_204"),
	EMPTY("Android", "clients3.google.com", "/generate_204"),
	EMPTY("Android", "www.google.com", "/gen_204"),
	EMPTY("Android", "www.google.com", "/generate_204"),
	EMPTY("Android", "play.googleapis.com", "/generate_204"),
	EMPTY("ChromeOS", "www.gstatic.com", "/generate_204"),
	EMPTY("ChromeOS", "clients1.google.com", "/generate_204"),
	EMPTY("Xiaomi", "connect.rom.miui.com", "/generate_204"),
	EMPTY("Huawei", "connectivitycheck.platform.hicloud.com", "/generate_204"),
	EMPTY("Vivo", "wifi.vivo.com.cn", "/generate_204"),
	EMPTY("Oppo", "conn1.oppomobile.com", "/generate_204"),
	EMPTY("Oppo", "conn2.oppomobile.com", "/generate_204"),
	EMPTY("Samsung", "connectivity.samsung.com.cn", "/generate_204"),
	EMPTY("Fire OS", "fireoscaptiveportal.com", "/generate_204"),
	EMPTY("Fire OS", "tabletcaptiveportal.com", "/generate_204"),
	EMPTY("GrapheneOS", "connectivitycheck.grapheneos.network", "/generate_204"),
	/* Makers of phones put names of their own there; all keep the path. */
	EMPTY("Android", NULL, "/generate_204"),
	EMPTY("Android", NULL, "/gen_204"),

	APPLE_HOST("captive.apple.com"),
	APPLE_HOST("www.apple.com"),
	APPLE_HOST("www.appleiphonecell.com"),
	APPLE_HOST("www.itools.info"),
	APPLE_HOST("www.ibook.info"),
	APPLE_HOST("www.airport.us"),
	APPLE_HOST("www.thinkdifferent.us"),

	SAYS("Windows", "www.msftconnecttest.com", "/connecttest.txt", TEXT,
	     "Microsoft Connect Test"),
	SAYS("Windows", "ipv6.msftconnecttest.com", "/connecttest.txt", TEXT,
	     "Microsoft Connect Test"),
	SAYS("Windows", "www.msftncsi.com", "/ncsi.txt", TEXT, "Microsoft NCSI"),

	SAYS("Firefox", "detectportal.firefox.com", "/success.txt", TEXT, "success\n"),
	SAYS("Firefox", "detectportal.firefox.com", "/canonical.html", HTML, FIREFOX),

	SAYS("GNOME", "nmcheck.gnome.org", "/check_network_status.txt", TEXT, NM_ONLINE),
	SAYS("Debian", "network-test.debian.org", "/nm", TEXT, NM_ONLINE),
	{"Ubuntu", "connectivity-check.ubuntu.com", "/", 204, NULL, "", "online"},
	SAYS("Fedora", "fedoraproject.org", "/static/hotspot.txt", TEXT, "OK"),
	SAYS("Arch", "ping.archlinux.org", "/nm-check.txt", TEXT, NM_ONLINE),
	SAYS("openSUSE", "conncheck.opensuse.org", "/", TEXT, NM_ONLINE),
	SAYS("KDE", "networkcheck.kde.org", "/", TEXT, "OK\n"),

	SAYS("Kindle", "spectrum.s3.amazonaws.com", "/kindle-wifi/wifistub.html", HTML,
	     "<!DOCTYPE html><html><head><title>Kindle Reachability Probe Page</title></head><body>"
	     "81ce4465-7167-4dcb-835b-dcc9e44c112a</body></html>"),
	SAYS("Nintendo", "ctest.cdn.nintendo.net", "/", TEXT, "ok"),
	SAYS("Nintendo", "conntest.nintendowifi.net", "/", HTML,
	     "<!DOCTYPE html><html><head><title>HTML Page</title></head><body>"
	     "This is test.html page</body></html>"),
};

static bool same(const char *ours, const char *asked)
{
	size_t n = strlen(asked);

	/* "connectivity-check.ubuntu.com." is the same name, written whole */
	if (n > 1 && asked[n - 1] == '.')
		n--;
	return strlen(ours) == n && memcmp(ours, asked, n) == 0;
}

const struct probe *probe_find(const char *host, const char *path)
{
	/* A name that our DNS led here, with another path: a person, or what a system opens for one
	 * (Windows: /redirect). */
	static const struct probe looks = {.system = "a person", .body = ""};
	const struct probe *anywhere = NULL;

	for (size_t i = 0; i < ARRAY_LEN(probes); i++) {
		const struct probe *p = &probes[i];

		if (strcmp(p->path, path) != 0)
			continue;
		if (p->host && same(p->host, host))
			return p;
		if (!p->host && !anywhere)
			anywhere = p;
	}
	for (const struct probe_host *h = probe_hosts; !anywhere && h->name; h++) {
		if (same(h->name, host))
			return &looks;
	}
	return anywhere;
}

const struct probe_host probe_hosts[] = {
	{"connectivitycheck.gstatic.com", NULL},
	{"connectivitycheck.android.com", NULL},
	{"clients3.google.com", NULL},
	{"www.google.com", NULL},
	{"play.googleapis.com", NULL},
	{"www.gstatic.com", NULL},
	{"clients1.google.com", NULL},
	{"connect.rom.miui.com", NULL},
	{"connectivitycheck.platform.hicloud.com", NULL},
	{"wifi.vivo.com.cn", NULL},
	{"conn1.oppomobile.com", NULL},
	{"conn2.oppomobile.com", NULL},
	{"connectivity.samsung.com.cn", NULL},
	{"fireoscaptiveportal.com", NULL},
	{"tabletcaptiveportal.com", NULL},
	{"connectivitycheck.grapheneos.network", NULL},
	{"captive.apple.com", NULL},
	{"www.apple.com", NULL},
	{"www.appleiphonecell.com", NULL},
	{"www.itools.info", NULL},
	{"www.ibook.info", NULL},
	{"www.airport.us", NULL},
	{"www.thinkdifferent.us", NULL},
	{"www.msftconnecttest.com", NULL},
	{"ipv6.msftconnecttest.com", NULL},
	{"www.msftncsi.com", NULL},
	{"dns.msftncsi.com", "131.107.255.255"},
	{"detectportal.firefox.com", NULL},
	{"nmcheck.gnome.org", NULL},
	{"network-test.debian.org", NULL},
	{"connectivity-check.ubuntu.com", NULL},
	{"fedoraproject.org", NULL},
	{"ping.archlinux.org", NULL},
	{"conncheck.opensuse.org", NULL},
	{"networkcheck.kde.org", NULL},
	{"spectrum.s3.amazonaws.com", NULL},
	{"ctest.cdn.nintendo.net", NULL},
	{"conntest.nintendowifi.net", NULL},
	{NULL, NULL},
};
