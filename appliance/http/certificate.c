/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/http/certificate.h"
#include "appliance/http/authority.h"
#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>

struct error *certificate_tls(int rc)
{
	if (rc >= 0)
		return NULL;
	return error_new(ERR_INTERNAL,
			 N_("The certificate of the safe door could not be made: %s."),
			 gnutls_strerror(rc));
}

void authority_host(const char *box_name, char *out, size_t n)
{
	size_t at = 0;

	for (const char *p = box_name; *p && at + 8 < n && at < 63; p++) {
		char lower = *p | 0x20;

		if ((*p >= '0' && *p <= '9'))
			out[at++] = *p;
		else if (lower >= 'a' && lower <= 'z')
			out[at++] = lower;
		else if (at && out[at - 1] != '-' && !(*p & 0x80))
			out[at++] = '-';
	}
	while (at && out[at - 1] == '-')
		at--;
	if (!at) {
		memcpy(out, "lliure", 6);
		at = 6;
	}
	snprintf(out + at, n - at, ".local");
}

/* --- making certificates --- */

struct error *certificate_key(gnutls_x509_privkey_t *ret)
{
	gnutls_x509_privkey_t key = NULL;

	TRY(certificate_tls(gnutls_x509_privkey_init(&key)));
	if (gnutls_x509_privkey_generate(key, GNUTLS_PK_ECDSA,
					 GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0) < 0) {
		gnutls_x509_privkey_deinit(key);
		return error_new(ERR_INTERNAL, N_("A key for the safe door could not be made."));
	}
	*ret = key;
	return NULL;
}

struct error *certificate_fill(gnutls_x509_crt_t c, gnutls_x509_privkey_t key, const char *name,
			       time_t from, time_t until)
{
	uint8_t serial[16], id[32];
	size_t id_n = sizeof(id);

	crypto_random(serial, sizeof(serial));
	serial[0] &= 0x7f;
	serial[0] |= 0x40;
	TRY(certificate_tls(gnutls_x509_crt_set_version(c, 3)));
	TRY(certificate_tls(gnutls_x509_crt_set_serial(c, serial, sizeof(serial))));
	TRY(certificate_tls(gnutls_x509_crt_set_activation_time(c, from)));
	TRY(certificate_tls(gnutls_x509_crt_set_expiration_time(c, until)));
	TRY(certificate_tls(gnutls_x509_crt_set_key(c, key)));
	TRY(certificate_tls(gnutls_x509_crt_set_dn_by_oid(c, GNUTLS_OID_X520_COMMON_NAME, 0, name,
							  (unsigned)strlen(name))));
	TRY(certificate_tls(gnutls_x509_crt_get_key_id(c, GNUTLS_KEYID_USE_SHA1, id, &id_n)));
	return certificate_tls(gnutls_x509_crt_set_subject_key_id(c, id, id_n));
}

/* Addresses that the authority may vouch for: private, link-local, loopback. */
static const struct range {
	const char *address;
	int bits;
} ranges[] = {{"10.0.0.0", 8},	   {"172.16.0.0", 12}, {"192.168.0.0", 16},
	      {"169.254.0.0", 16}, {"127.0.0.0", 8},   {"100.64.0.0", 10},
	      {"fc00::", 7},	   {"fe80::", 10},     {"::1", 128}};

static size_t address_of(const char *text, uint8_t out[16])
{
	if (inet_pton(AF_INET, text, out) == 1)
		return 4;
	return inet_pton(AF_INET6, text, out) == 1 ? 16 : 0;
}

static void mask_of(int bits, size_t n, uint8_t *out)
{
	for (size_t i = 0; i < n; i++, bits -= 8)
		out[i] = bits >= 8 ? 0xff : bits > 0 ? (uint8_t)(0xff << (8 - bits)) : 0;
}

static bool in_ranges(const uint8_t *address, size_t n)
{
	for (size_t i = 0; i < ARRAY_LEN(ranges); i++) {
		uint8_t base[16], mask[16];
		bool same = address_of(ranges[i].address, base) == n;

		mask_of(ranges[i].bits, n, mask);
		for (size_t k = 0; same && k < n; k++)
			same = (address[k] & mask[k]) == base[k];
		if (same)
			return true;
	}
	return false;
}

struct error *certificate_constrain(gnutls_x509_crt_t c)
{
	static const char *const domains[] = {"local", "localhost"};
	gnutls_x509_name_constraints_t nc;
	struct error *e;

	TRY(certificate_tls(gnutls_x509_name_constraints_init(&nc)));
	e = NULL;
	for (size_t i = 0; !e && i < ARRAY_LEN(domains); i++) {
		gnutls_datum_t d = {(void *)domains[i], (unsigned)strlen(domains[i])};

		e = certificate_tls(
			gnutls_x509_name_constraints_add_permitted(nc, GNUTLS_SAN_DNSNAME, &d));
	}
	for (size_t i = 0; !e && i < ARRAY_LEN(ranges); i++) {
		uint8_t both[32];
		size_t n = address_of(ranges[i].address, both);
		gnutls_datum_t d = {both, (unsigned)(2 * n)};

		mask_of(ranges[i].bits, n, both + n);
		e = certificate_tls(
			gnutls_x509_name_constraints_add_permitted(nc, GNUTLS_SAN_IPADDRESS, &d));
	}
	if (!e)
		e = certificate_tls(gnutls_x509_crt_set_name_constraints(c, nc, 1));
	gnutls_x509_name_constraints_deinit(nc);
	return e;
}

/* --- names --- */

static void add_address(struct certificate_names *to, const void *address, size_t n)
{
	for (size_t i = 0; i < to->n; i++) {
		if (to->ip_n[i] == n && memcmp(to->ip[i], address, n) == 0)
			return;
	}
	if (to->n == AUTHORITY_ADDRESSES || !in_ranges(address, n))
		return;
	memcpy(to->ip[to->n], address, n);
	to->ip_n[to->n++] = n;
}

static int by_bytes(const void *x, const void *y)
{
	return memcmp(x, y, 32);
}

/* A name of the machine itself, when it is another one than those that are there. */
static void add_own_name(const char *name, struct certificate_names *to)
{
	size_t n = 0;

	while (to->dns[n] && strcmp(to->dns[n], name) != 0)
		n++;
	if (!to->dns[n] && strcmp(name, "localhost.local") != 0 &&
	    strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-.") == strlen(name))
		to->dns[n] = name;
}

/* What the box is called right now; *ret_hash does not depend on the order of interfaces. */
void certificate_names(const char *host, const struct app_box *box, struct certificate_names *to,
		       struct hash *ret_hash)
{
	static const uint8_t four[4] = {127, 0, 0, 1}, six[16] = {[15] = 1};
	struct ifaddrs *all = NULL;
	struct hash each[AUTHORITY_ADDRESSES];
	struct hash_state st;

	*to = (struct certificate_names){.dns = {host, "localhost"}};
	network_label_host(NULL, box->state, to->own[0]);
	network_label_host(box->label, box->state, to->own[1]);
	for (size_t i = 0; i < ARRAY_LEN(to->own); i++)
		add_own_name(to->own[i], to);
	add_address(to, four, 4);
	add_address(to, six, 16);
	if (getifaddrs(&all) == 0) {
		for (struct ifaddrs *i = all; i; i = i->ifa_next) {
			const struct sockaddr_in *v4 = (const void *)i->ifa_addr;
			const struct sockaddr_in6 *v6 = (const void *)i->ifa_addr;

			if (!v4 || !(i->ifa_flags & IFF_UP))
				continue;
			if (v4->sin_family == AF_INET)
				add_address(to, &v4->sin_addr, 4);
			else if (v4->sin_family == AF_INET6)
				add_address(to, &v6->sin6_addr, 16);
		}
		freeifaddrs(all);
	}
	for (size_t i = 0; i < to->n; i++)
		each[i] = hash_bytes(span_of(to->ip[i], to->ip_n[i]));
	qsort(each, to->n, sizeof(each[0]), by_bytes);
	hash_init(&st);
	hash_add(&st, host, strlen(host));
	for (size_t i = 2; to->dns[i]; i++)
		hash_add(&st, to->dns[i], strlen(to->dns[i]));
	hash_add(&st, each, to->n * sizeof(each[0]));
	*ret_hash = hash_final(&st);
}

struct error *certificate_set_names(gnutls_x509_crt_t c, const struct certificate_names *n)
{
	for (int i = 0; n->dns[i]; i++)
		TRY(certificate_tls(gnutls_x509_crt_set_subject_alt_name(
			c, GNUTLS_SAN_DNSNAME, n->dns[i], (unsigned)strlen(n->dns[i]),
			GNUTLS_FSAN_APPEND)));
	for (size_t i = 0; i < n->n; i++)
		TRY(certificate_tls(gnutls_x509_crt_set_subject_alt_name(
			c, GNUTLS_SAN_IPADDRESS, n->ip[i], (unsigned)n->ip_n[i],
			GNUTLS_FSAN_APPEND)));
	return NULL;
}
