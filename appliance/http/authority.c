/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/http/authority.h"
#include "appliance/app.h"
#include "appliance/http/certificate.h"
#include "sync/base/limits.h"
#include <pthread.h>

/* No certificate of ours is older than this, whatever the clock says. */
static const time_t not_before_floor = LIMIT_TIME_FIRST / 1000;
enum { DAY = 86400 };

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
	char *dir;
	char host[LIMIT_NAME + 8];
	struct app_box box;
	gnutls_x509_crt_t crt;
	gnutls_x509_privkey_t key;
	pthread_mutex_t mutex;
	struct leaf *leaf;
};

static char *file_of(const char *data_dir, const char *name)
{
	char path[64];

	snprintf(path, sizeof(path), "tls/%s", name);
	return path_join(data_dir, path);
}

/* --- files --- */

static struct error *damaged(const char *path)
{
	return error_new(
		ERR_CORRUPT,
		N_("The file %s of the safe door is damaged. Put it back from a backup, or "
		   "remove the folder it is in: then the box makes a new authority, and "
		   "people have to trust it again."),
		path);
}

static struct error *write_key(const char *dir, const char *name, gnutls_x509_privkey_t key)
{
	_cleanup_(freep) char *path = file_of(dir, name);
	gnutls_datum_t pem = {0};
	struct error *e;

	TRY(certificate_tls(gnutls_x509_privkey_export2(key, GNUTLS_X509_FMT_PEM, &pem)));
	e = file_write(path, span_of(pem.data, pem.size), 0600);
	crypto_wipe(pem.data, pem.size);
	gnutls_free(pem.data);
	return e;
}

static struct error *write_certificate(const char *dir, const char *name, gnutls_x509_crt_t crt)
{
	_cleanup_(freep) char *path = file_of(dir, name);
	gnutls_datum_t pem = {0};
	struct error *e;

	TRY(certificate_tls(gnutls_x509_crt_export2(crt, GNUTLS_X509_FMT_PEM, &pem)));
	e = file_write(path, span_of(pem.data, pem.size), 0644);
	gnutls_free(pem.data);
	return e;
}

static struct error *read_key(const char *dir, const char *name, gnutls_x509_privkey_t *ret)
{
	_cleanup_(freep) char *path = file_of(dir, name);
	_cleanup_(buf_release) struct buf b = {0};
	gnutls_x509_privkey_t key;
	gnutls_datum_t d;
	int rc;

	TRY(file_read(path, 65536, &b));
	TRY(certificate_tls(gnutls_x509_privkey_init(&key)));
	d = (gnutls_datum_t){b.p, (unsigned)b.n};
	rc = gnutls_x509_privkey_import(key, &d, GNUTLS_X509_FMT_PEM);
	if (b.n)
		crypto_wipe(b.p, b.n);
	if (rc < 0) {
		gnutls_x509_privkey_deinit(key);
		return damaged(path);
	}
	*ret = key;
	return NULL;
}

static struct error *read_certificate(const char *dir, const char *name, gnutls_x509_crt_t *ret)
{
	_cleanup_(freep) char *path = file_of(dir, name);
	_cleanup_(buf_release) struct buf b = {0};
	gnutls_x509_crt_t crt;
	gnutls_datum_t d;

	TRY(file_read(path, 65536, &b));
	TRY(certificate_tls(gnutls_x509_crt_init(&crt)));
	d = (gnutls_datum_t){b.p, (unsigned)b.n};
	if (gnutls_x509_crt_import(crt, &d, GNUTLS_X509_FMT_PEM) < 0) {
		gnutls_x509_crt_deinit(crt);
		return damaged(path);
	}
	*ret = crt;
	return NULL;
}

/* What the clock says, unless it is certainly wrong. */
static time_t now(const struct env *env)
{
	time_t t = (time_t)(env_now(env) / 1000);

	return t < not_before_floor ? not_before_floor : t;
}

static struct error *make_authority(struct authority *a)
{
	char name[128];
	time_t t = now(a->env);

	snprintf(name, sizeof(name), "Equipaments Lliures, %s", a->host);
	name[63] = 0; /* as long as a common name may be */
	TRY(certificate_key(&a->key));
	TRY(certificate_tls(gnutls_x509_crt_init(&a->crt)));
	TRY(certificate_fill(a->crt, a->key, name, t - DAY, t + AUTHORITY_YEARS * 365 * DAY));
	TRY(certificate_tls(gnutls_x509_crt_set_basic_constraints(a->crt, 1, 0)));
	TRY(certificate_tls(gnutls_x509_crt_set_key_usage(a->crt, GNUTLS_KEY_KEY_CERT_SIGN)));
	TRY(certificate_constrain(a->crt));
	return certificate_tls(gnutls_x509_crt_sign2(a->crt, a->crt, a->key, GNUTLS_DIG_SHA256, 0));
}

/* --- the certificate in use --- */

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

/* From a certificate and its key to what GnuTLS sends. */
static struct error *ready(struct authority *a, struct leaf *l, gnutls_x509_privkey_t key)
{
	TRY(certificate_tls(gnutls_pcert_import_x509(&l->chain[0], l->crt, 0)));
	TRY(certificate_tls(gnutls_pcert_import_x509(&l->chain[1], a->crt, 0)));
	TRY(certificate_tls(gnutls_privkey_init(&l->key)));
	return certificate_tls(gnutls_privkey_import_x509(l->key, key, GNUTLS_PRIVKEY_IMPORT_COPY));
}

static struct error *sign_leaf(struct authority *a, struct leaf *l, gnutls_x509_privkey_t key,
			       const struct certificate_names *names)
{
	uint8_t id[32];
	size_t id_n = sizeof(id);

	TRY(certificate_tls(gnutls_x509_crt_init(&l->crt)));
	TRY(certificate_fill(l->crt, key, a->host, l->from, l->until));
	TRY(certificate_tls(gnutls_x509_crt_set_basic_constraints(l->crt, 0, -1)));
	TRY(certificate_tls(gnutls_x509_crt_set_key_usage(l->crt, GNUTLS_KEY_DIGITAL_SIGNATURE)));
	TRY(certificate_tls(
		gnutls_x509_crt_set_key_purpose_oid(l->crt, GNUTLS_KP_TLS_WWW_SERVER, 0)));
	TRY(certificate_tls(gnutls_x509_crt_get_subject_key_id(a->crt, id, &id_n, NULL)));
	TRY(certificate_tls(gnutls_x509_crt_set_authority_key_id(l->crt, id, id_n)));
	TRY(certificate_set_names(l->crt, names));
	TRY(certificate_tls(gnutls_x509_crt_sign2(l->crt, a->crt, a->key, GNUTLS_DIG_SHA256, 0)));
	return ready(a, l, key);
}

/* So that a restart is nothing that a browser would notice. The names' hash is written last and
 * says that all is there. */
static struct error *save_leaf(struct authority *a, const struct leaf *l, gnutls_x509_privkey_t key)
{
	_cleanup_(freep) char *names_path = file_of(a->dir, "server.names");

	TRY(write_key(a->dir, "server.key", key));
	TRY(write_certificate(a->dir, "server.pem", l->crt));
	return file_write(names_path, span_str(ID(&l->names)), 0644);
}

/* Any fault: there is none, a new one is made. */
static struct error *load_leaf(struct authority *a, struct leaf **ret)
{
	_cleanup_(leaf_freep) struct leaf *l = calloc(1, sizeof(*l));
	_cleanup_(freep) char *names_path = file_of(a->dir, "server.names");
	_cleanup_(buf_release) struct buf names = {0};
	gnutls_x509_privkey_t key = NULL;
	struct error *e;

	ENSURE(l, error_new(ERR_NOMEM, N_("The box has run out of memory.")));
	TRY(file_read(names_path, 100, &names));
	ENSURE(id_parse(buf_str(&names), l->names.b), damaged(names_path));
	TRY(read_certificate(a->dir, "server.pem", &l->crt));
	TRY(read_key(a->dir, "server.key", &key));
	l->from = gnutls_x509_crt_get_activation_time(l->crt);
	l->until = gnutls_x509_crt_get_expiration_time(l->crt);
	e = gnutls_x509_crt_check_issuer(l->crt, a->crt) ? ready(a, l, key) : damaged(names_path);
	gnutls_x509_privkey_deinit(key);
	TRY(e);
	*ret = STEAL(l);
	return NULL;
}

static struct error *make_leaf(struct authority *a, const struct certificate_names *names,
			       const struct hash *hash)
{
	_cleanup_(leaf_freep) struct leaf *l = calloc(1, sizeof(*l));
	gnutls_x509_privkey_t key;
	struct error *e;

	ENSURE(l, error_new(ERR_NOMEM, N_("The box has run out of memory.")));
	l->from = now(a->env) - DAY;
	l->until = l->from + AUTHORITY_LEAF_DAYS * DAY;
	l->names = *hash;
	TRY(certificate_key(&key));
	e = sign_leaf(a, l, key, names);
	if (!e)
		e = save_leaf(a, l, key);
	gnutls_x509_privkey_deinit(key);
	TRY(e);
	l->older = a->leaf;
	a->leaf = STEAL(l);
	return NULL;
}

struct error *authority_renew(struct authority *a)
{
	struct error *e = NULL;
	struct certificate_names names;
	struct hash hash;
	time_t t = now(a->env);

	certificate_names(a->host, &a->box, &names, &hash);
	pthread_mutex_lock(&a->mutex);
	if (!a->leaf || !hash_eq(&a->leaf->names, &hash) || t < a->leaf->from ||
	    t > a->leaf->until - AUTHORITY_RENEW_DAYS * DAY)
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

struct error *authority_open(const char *data_dir, const char *box_name, const struct app_box *box,
			     const struct env *env, struct authority **ret)
{
	_cleanup_(authority_freep) struct authority *a = calloc(1, sizeof(*a));
	_cleanup_(freep) char *dir = path_join(data_dir, "tls");
	struct error *e;

	ENSURE(a, error_new(ERR_NOMEM, N_("The box has run out of memory.")));
	pthread_mutex_init(&a->mutex, NULL);
	a->env = env;
	a->box = *box;
	authority_host(box_name, a->host, sizeof(a->host));
	a->dir = strdup(data_dir);
	ENSURE(a->dir, error_new(ERR_NOMEM, N_("The box has run out of memory.")));
	e = read_certificate(a->dir, "authority.pem", &a->crt);
	if (!e)
		e = read_key(a->dir, "authority.key", &a->key);
	else if (error_is(e, ERR_NOT_FOUND)) {
		error_free(e);
		TRY(dir_make(dir, 0700));
		TRY(make_authority(a));
		TRY(write_key(a->dir, "authority.key", a->key));
		/* last: its presence says that both are there */
		e = write_certificate(a->dir, "authority.pem", a->crt);
	}
	TRY(e);
	error_free(load_leaf(a, &a->leaf));
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
	free(a->dir);
	free(a);
}

struct error *authority_certificate(const char *data_dir, struct buf *b)
{
	_cleanup_(freep) char *path = file_of(data_dir, "authority.pem");

	return file_read(path, 65536, b);
}

struct error *authority_fingerprint(const char *data_dir, char *ret_text)
{
	gnutls_x509_crt_t crt;
	uint8_t sum[32];
	size_t n = sizeof(sum);
	int rc;

	TRY(read_certificate(data_dir, "authority.pem", &crt));
	rc = gnutls_x509_crt_get_fingerprint(crt, GNUTLS_DIG_SHA256, sum, &n);
	gnutls_x509_crt_deinit(crt);
	TRY(certificate_tls(rc));
	for (int i = 0; i < 32; i++)
		snprintf(ret_text + 3 * i, 4, i < 31 ? "%02X:" : "%02X", sum[i]);
	return NULL;
}
