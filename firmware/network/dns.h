/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What the dnsmasq of a network of ours answers beside addresses: names of the box, the names by
 * which devices look for the internet, and DHCP option 114 (RFC 8910).
 *
 * Two files of data in two folders that dnsmasq watches (hostsdir and dhcp-optsdir in
 * image/files/etc/NetworkManager/dnsmasq-shared.d/lliure.conf). The daemon may write there and
 * nowhere into dnsmasq's configuration, which could name a program to be run as root. Files are
 * renamed into place, whole.
 */
#pragma once
#include "sync/base/error.h"

struct network_dns {
	const char *address; /* ours */
	const char *name;    /* "ateneu.local" */
	const char *api;     /* "https://…/captive"; NULL: no option 114 */
	bool portal;	     /* the devices' questions come to us */
};
#define NETWORK_WORD "lliure.lan" /* under which every box stands on its own network */
/* dir/hosts/lliure and dir/options/lliure. ERR_NOT_FOUND: there are no such folders, so this is no
 * box that does it. Cheap when nothing changes: *ret_changed. */
struct error *network_dns_write(const char *dir, const struct network_dns *d,
				bool *ret_changed) MUST;
