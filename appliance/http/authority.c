/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/http/authority.h"
#include <arpa/inet.h>
#include <gnutls/x509-ext.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <pthread.h>

/* No certificate of ours is older than this, whatever the clock says: 2025-01-01. */
static const time_t not_before_floor = 1735689600;
static const time_t day = 86400;

struct leaf {
	struct leaf *older; /* sessions may still point to it */
	gnutls_x509_crt_t crt;
	gnutls_pcert_st chain[2];
	gnutls_privkey_t key;
	time_t from, until;
	struct hash names; /* of the names and addresses in it */
};
struct authority {
	const struct env *env;
	char host[LIMIT_NAME + 8];
	gnutls_x509_crt_t crt;
	gnutls_x509_privkey_t key;
	pthread_mutex_t mutex;
	struct leaf *leaf;
};

static struct error *tls(int rc)
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

static char *file_of(const char *data_dir, const char *name)
{
	char path[64];

	snprintf(path, sizeof(path), "tls/%s", name);
	return path_join(data_dir, path);
}

/* --- making certificates --- */

/* What the clock says, unless it is certainly wrong. */
static time_t now(const struct env *env)
{
	time_t t = (time_t)(env_now(env) / 1000);

	return t < not_before_floor ? not_before_floor : t;
}

static struct error *new_key(gnutls_x509_privkey_t *ret)
{
	gnutls_x509_privkey_t key = NULL;

	TRY(tls(gnutls_x509_privkey_init(&key)));
	if (gnutls_x509_privkey_generate(key, GNUTLS_PK_ECDSA,
					 GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0) < 0) {
		gnutls_x509_privkey_deinit(key);
		return error_new(ERR_INTERNAL, N_("A key for the safe door could not be made."));
	}
	*ret = key;
	return NULL;
}

static struct error *fill(gnutls_x509_crt_t c, gnutls_x509_privkey_t key, const char *name,
			  time_t from, time_t until)
{
	uint8_t serial[16], id[32];
	size_t id_n = sizeof(id);

	crypto_random(serial, sizeof(serial));
	serial[0] &= 0x7f;
	serial[0] |= 0x40;
	TRY(tls(gnutls_x509_crt_set_version(c, 3)));
	TRY(tls(gnutls_x509_crt_set_serial(c, serial, sizeof(serial))));
	TRY(tls(gnutls_x509_crt_set_activation_time(c, from)));
	TRY(tls(gnutls_x509_crt_set_expiration_time(c, until)));
	TRY(tls(gnutls_x509_crt_set_key(c, key)));
	TRY(tls(gnutls_x509_crt_set_dn_by_oid(c, GNUTLS_OID_X520_COMMON_NAME, 0, name,
					      (unsigned)strlen(name))));
	TRY(tls(gnutls_x509_crt_get_key_id(c, GNUTLS_KEYID_USE_SHA1, id, &id_n)));
	return tls(gnutls_x509_crt_set_subject_key_id(c, id, id_n));
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

static struct error *constrain(gnutls_x509_crt_t c)
{
	static const char *const domains[] = {"local", "localhost"};
	gnutls_x509_name_constraints_t nc;
	struct error *e;

	TRY(tls(gnutls_x509_name_constraints_init(&nc)));
	e = NULL;
	for (size_t i = 0; !e && i < ARRAY_LEN(domains); i++) {
		gnutls_datum_t d = {(void *)domains[i], (unsigned)strlen(domains[i])};

		e = tls(gnutls_x509_name_constraints_add_permitted(nc, GNUTLS_SAN_DNSNAME, &d));
	}
	for (size_t i = 0; !e && i < ARRAY_LEN(ranges); i++) {
		uint8_t both[32];
		size_t n = address_of(ranges[i].address, both);
		gnutls_datum_t d = {both, (unsigned)(2 * n)};

		mask_of(ranges[i].bits, n, both + n);
		e = tls(gnutls_x509_name_constraints_add_permitted(nc, GNUTLS_SAN_IPADDRESS, &d));
	}
	if (!e)
		e = tls(gnutls_x509_crt_set_name_constraints(c, nc, 1));
	gnutls_x509_name_constraints_deinit(nc);
	return e;
}

static struct error *make_authority(struct authority *a)
{
	char name[128];
	time_t t = now(a->env);

	snprintf(name, sizeof(name), "Equipaments Lliures, %s", a->host);
	name[63] = 0; /* as long as a common name may be */
	TRY(new_key(&a->key));
	TRY(tls(gnutls_x509_crt_init(&a->crt)));
	TRY(fill(a->crt, a->key, name, t - day, t + AUTHORITY_YEARS * 365 * day));
	TRY(tls(gnutls_x509_crt_set_basic_constraints(a->crt, 1, 0)));
	TRY(tls(gnutls_x509_crt_set_key_usage(a->crt, GNUTLS_KEY_KEY_CERT_SIGN)));
	TRY(constrain(a->crt));
	return tls(gnutls_x509_crt_sign2(a->crt, a->crt, a->key, GNUTLS_DIG_SHA256, 0));
}

/* --- names --- */

struct names {
	const char *dns[3];
	uint8_t ip[AUTHORITY_ADDRESSES][16];
	size_t ip_n[AUTHORITY_ADDRESSES], n;
};

static void add_address(struct names *to, const void *address, size_t n)
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

/* What the box is called right now; *ret_hash does not depend on the order of interfaces. */
static void names_now(struct authority *a, struct names *to, struct hash *ret_hash)
{
	static const uint8_t four[4] = {127, 0, 0, 1}, six[16] = {[15] = 1};
	struct ifaddrs *all = NULL;
	struct hash each[AUTHORITY_ADDRESSES];
	struct hash_state st;

	*to = (struct names){.dns = {a->host, "localhost"}};
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
	hash_add(&st, a->host, strlen(a->host));
	hash_add(&st, each, to->n * sizeof(each[0]));
	*ret_hash = hash_final(&st);
}

static struct error *set_names(gnutls_x509_crt_t c, const struct names *n)
{
	for (int i = 0; n->dns[i]; i++)
		TRY(tls(gnutls_x509_crt_set_subject_alt_name(c, GNUTLS_SAN_DNSNAME, n->dns[i],
							     (unsigned)strlen(n->dns[i]),
							     GNUTLS_FSAN_APPEND)));
	for (size_t i = 0; i < n->n; i++)
		TRY(tls(gnutls_x509_crt_set_subject_alt_name(c, GNUTLS_SAN_IPADDRESS, n->ip[i],
							     (unsigned)n->ip_n[i],
							     GNUTLS_FSAN_APPEND)));
	return NULL;
}

/* --- the certificate in use: kept only in memory, a restart makes a new one --- */

static void leaf_free(struct leaf *l)
{
	if (!l)
		return;
	for (int i = 0; i < 2; i++) {
		if (l->chain[i].pubkey)
			gnutls_pcert_deinit(&l->chain[i]);
	}
	if (l->key)
		gnutls_privkey_deinit(l->key);
	if (l->crt)
		gnutls_x509_crt_deinit(l->crt);
	free(l);
}
DEFINE_CLEANUP(struct leaf *, leaf_free)

static struct error *sign_leaf(struct authority *a, struct leaf *l, gnutls_x509_privkey_t key,
			       const struct names *names)
{
	uint8_t id[32];
	size_t id_n = sizeof(id);

	TRY(tls(gnutls_x509_crt_init(&l->crt)));
	TRY(fill(l->crt, key, a->host, l->from, l->until));
	TRY(tls(gnutls_x509_crt_set_basic_constraints(l->crt, 0, -1)));
	TRY(tls(gnutls_x509_crt_set_key_usage(l->crt, GNUTLS_KEY_DIGITAL_SIGNATURE)));
	TRY(tls(gnutls_x509_crt_set_key_purpose_oid(l->crt, GNUTLS_KP_TLS_WWW_SERVER, 0)));
	TRY(tls(gnutls_x509_crt_get_subject_key_id(a->crt, id, &id_n, NULL)));
	TRY(tls(gnutls_x509_crt_set_authority_key_id(l->crt, id, id_n)));
	TRY(set_names(l->crt, names));
	TRY(tls(gnutls_x509_crt_sign2(l->crt, a->crt, a->key, GNUTLS_DIG_SHA256, 0)));
	TRY(tls(gnutls_pcert_import_x509(&l->chain[0], l->crt, 0)));
	TRY(tls(gnutls_pcert_import_x509(&l->chain[1], a->crt, 0)));
	TRY(tls(gnutls_privkey_init(&l->key)));
	return tls(gnutls_privkey_import_x509(l->key, key, GNUTLS_PRIVKEY_IMPORT_COPY));
}

static struct error *make_leaf(struct authority *a, const struct names *names,
			       const struct hash *hash)
{
	_cleanup_(leaf_freep) struct leaf *l = calloc(1, sizeof(*l));
	gnutls_x509_privkey_t key;
	struct error *e;

	ENSURE(l, error_new(ERR_NOMEM, N_("The box has run out of memory.")));
	l->from = now(a->env) - day;
	l->until = l->from + AUTHORITY_LEAF_DAYS * day;
	l->names = *hash;
	TRY(new_key(&key));
	e = sign_leaf(a, l, key, names);
	gnutls_x509_privkey_deinit(key);
	TRY(e);
	l->older = a->leaf;
	a->leaf = STEAL(l);
	return NULL;
}

struct error *authority_renew(struct authority *a)
{
	struct error *e = NULL;
	struct names names;
	struct hash hash;
	time_t t = now(a->env);

	names_now(a, &names, &hash);
	pthread_mutex_lock(&a->mutex);
	if (!a->leaf || !hash_eq(&a->leaf->names, &hash) || t < a->leaf->from ||
	    t > a->leaf->until - AUTHORITY_RENEW_DAYS * day)
		e = make_leaf(a, &names, &hash);
	pthread_mutex_unlock(&a->mutex);
	return e;
}

void authority_current(struct authority *a, gnutls_pcert_st **ret_chain, unsigned *ret_n,
		       gnutls_privkey_t *ret_key)
{
	pthread_mutex_lock(&a->mutex);
	*ret_chain = a->leaf->chain;
	*ret_n = 2;
	*ret_key = a->leaf->key;
	pthread_mutex_unlock(&a->mutex);
}

/* --- keeping it --- */

static struct error *save(struct authority *a, const char *data_dir)
{
	_cleanup_(freep) char *key_path = file_of(data_dir, "authority.key");
	_cleanup_(freep) char *crt_path = file_of(data_dir, "authority.pem");
	gnutls_datum_t pem = {0};
	struct error *e;

	TRY(tls(gnutls_x509_privkey_export2(a->key, GNUTLS_X509_FMT_PEM, &pem)));
	e = file_write(key_path, span_of(pem.data, pem.size), 0600);
	crypto_wipe(pem.data, pem.size);
	gnutls_free(pem.data);
	TRY(e);
	TRY(tls(gnutls_x509_crt_export2(a->crt, GNUTLS_X509_FMT_PEM, &pem)));
	/* last: its presence says that both are there */
	e = file_write(crt_path, span_of(pem.data, pem.size), 0644);
	gnutls_free(pem.data);
	return e;
}

static struct error *damaged(const char *path)
{
	return error_new(
		ERR_CORRUPT,
		N_("The file %s of the safe door is damaged. Put it back from a backup, or "
		   "remove the folder it is in: then the box makes a new authority, and "
		   "people have to trust it again."),
		path);
}

static struct error *load(struct authority *a, const char *data_dir)
{
	_cleanup_(freep) char *key_path = file_of(data_dir, "authority.key");
	_cleanup_(freep) char *crt_path = file_of(data_dir, "authority.pem");
	_cleanup_(buf_release) struct buf crt = {0}, key = {0};
	gnutls_datum_t d;
	int rc;

	TRY(file_read(crt_path, 65536, &crt));
	TRY(file_read(key_path, 65536, &key));
	TRY(tls(gnutls_x509_crt_init(&a->crt)));
	TRY(tls(gnutls_x509_privkey_init(&a->key)));
	d = (gnutls_datum_t){crt.p, (unsigned)crt.n};
	ENSURE(gnutls_x509_crt_import(a->crt, &d, GNUTLS_X509_FMT_PEM) == 0, damaged(crt_path));
	d = (gnutls_datum_t){key.p, (unsigned)key.n};
	rc = gnutls_x509_privkey_import(a->key, &d, GNUTLS_X509_FMT_PEM);
	crypto_wipe(key.p, key.n);
	ENSURE(rc == 0, damaged(key_path));
	return NULL;
}

struct error *authority_open(const char *data_dir, const char *box_name, const struct env *env,
			     struct authority **ret)
{
	_cleanup_(authority_freep) struct authority *a = calloc(1, sizeof(*a));
	_cleanup_(freep) char *dir = path_join(data_dir, "tls");
	struct error *e;

	ENSURE(a, error_new(ERR_NOMEM, N_("The box has run out of memory.")));
	pthread_mutex_init(&a->mutex, NULL);
	a->env = env;
	authority_host(box_name, a->host, sizeof(a->host));
	e = load(a, data_dir);
	if (error_is(e, ERR_NOT_FOUND) && !a->crt) {
		error_free(e);
		TRY(dir_make(dir, 0700));
		TRY(make_authority(a));
		e = save(a, data_dir);
	}
	TRY(e);
	TRY(authority_renew(a));
	*ret = STEAL(a);
	return NULL;
}

void authority_free(struct authority *a)
{
	if (!a)
		return;
	while (a->leaf) {
		struct leaf *l = a->leaf;

		a->leaf = l->older;
		leaf_free(l);
	}
	if (a->crt)
		gnutls_x509_crt_deinit(a->crt);
	if (a->key)
		gnutls_x509_privkey_deinit(a->key);
	pthread_mutex_destroy(&a->mutex);
	free(a);
}

struct error *authority_certificate(const char *data_dir, struct buf *b)
{
	_cleanup_(freep) char *path = file_of(data_dir, "authority.pem");

	return file_read(path, 65536, b);
}

struct error *authority_fingerprint(const char *data_dir, char *ret_text)
{
	_cleanup_(buf_release) struct buf pem = {0};
	gnutls_x509_crt_t crt;
	uint8_t sum[32];
	size_t n = sizeof(sum);
	gnutls_datum_t d;
	int rc;

	TRY(authority_certificate(data_dir, &pem));
	TRY(tls(gnutls_x509_crt_init(&crt)));
	d = (gnutls_datum_t){pem.p, (unsigned)pem.n};
	rc = gnutls_x509_crt_import(crt, &d, GNUTLS_X509_FMT_PEM);
	if (rc == 0)
		rc = gnutls_x509_crt_get_fingerprint(crt, GNUTLS_DIG_SHA256, sum, &n);
	gnutls_x509_crt_deinit(crt);
	ENSURE(rc == 0, damaged("tls/authority.pem"));
	for (int i = 0; i < 32; i++)
		snprintf(ret_text + 3 * i, 4, i < 31 ? "%02X:" : "%02X", sum[i]);
	return NULL;
}
