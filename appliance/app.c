/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/app_priv.h"
#include "appliance/ballast.h"
#include "appliance/carry/sieve.h"
#include "appliance/config/config.h"
#include "appliance/member/ended.h"
#include "appliance/migration.h"
#include "appliance/page/language.h"
#include "appliance/peers/peers.h"
#include "appliance/recovery/ask.h"
#include <sys/stat.h>
#include <sys/vfs.h>

void app_whereabouts(const char *dir, char *out, size_t n)
{
	_cleanup_(buf_release) struct buf machine = {0};
	struct statfs fs = {0};
	struct stat st = {0};

	error_free(file_read("/etc/machine-id", 64, &machine));
	if (statfs(dir, &fs) || stat(dir, &st))
		memset(&fs, 0, sizeof(fs));
	snprintf(out, n, "%.32s %08x%08x %llu", buf_str(&machine), (unsigned)fs.f_fsid.__val[0],
		 (unsigned)fs.f_fsid.__val[1], (unsigned long long)st.st_ino);
}

static struct error *open_writer(struct app *a)
{
	char where[200];
	struct conn *c;

	app_whereabouts(a->dir, where, sizeof(where));
	TRY(conn_open(&(struct community_open){.dir = a->dir,
					       .env = a->env,
					       .self = *secret_pubkey(a->self),
					       .appliance = a->self,
					       .mode = DB_WRITER,
					       .whereabouts = where},
		      &c));
	return writer_start(c, &a->writer);
}

struct error *app_format(struct app *a, int64_t *ret)
{
	_cleanup_(conn_closep) struct conn *c = NULL;
	int64_t local, log;

	TRY(app_conn(a, &c));
	TRY(db_format(c->local, &local));
	TRY(db_format(log_db(c->log), &log));
	*ret = local + log;
	return NULL;
}

/* For the updater, which can't look into databases: no older system is put over newer data. */
static struct error *note_format(struct app *a)
{
	_cleanup_(freep) char *path = path_join(a->dir, "format");
	_cleanup_(buf_release) struct buf was = {0};
	struct error *e = file_read(path, 24, &was);
	char text[24];
	int64_t format;

	error_free(e); /* not written yet */
	TRY(app_format(a, &format));
	snprintf(text, sizeof(text), "%lld\n", (long long)format);
	if (strcmp(buf_str(&was), text) == 0)
		return NULL;
	e = file_write(path, span_str(text), 0600);
	if (!error_is(e, ERR_FULL))
		return e;
	error_free(e); /* a full disk must not keep the box from serving */
	return NULL;
}

static struct error *open_parts(const char *dir, const struct env *env, struct secret *take_self,
				struct app **ret)
{
	_cleanup_(app_closep) struct app *a = calloc(1, sizeof(*a));
	_cleanup_(freep) char *blobs = path_join(dir, "blobs");

	if (!a)
		abort();
	a->self = take_self;
	a->dir = strdup(dir);
	a->env = env;
	a->password_cost = password_cost_default;
	a->sieves = sieves_new("/proc/self/exe");
	a->peers = peers_new(a);
	a->ask = ask_new(a);
	a->ended = ended_new();
	TRY(blob_open(blobs, &a->blobs));
	TRY(open_writer(a));
	TRY(app_read_name(a));
	TRY(note_format(a));
	*ret = STEAL(a);
	return NULL;
}

/* Data that were just brought to a newer format: are they whole, and does everybody know? */
static struct error *settle_format(struct app *a, const struct app_told *told)
{
	_cleanup_(conn_closep) struct conn *c = NULL;

	TRY(app_conn(a, &c));
	TRY(db_quick_check(c->local));
	TRY(db_quick_check(log_db(c->log)));
	return told ? told->newer_data(told->ctx) : NULL;
}

static struct error *open_migrating(const char *dir, const struct env *env,
				    struct secret *take_self, const struct app_told *told,
				    struct app **ret)
{
	_cleanup_(app_closep) struct app *a = NULL;
	bool begun = false;
	struct error *e = migration_begin(dir, &begun);

	if (e) {
		secret_free(take_self);
		return e;
	}
	e = open_parts(dir, env, take_self, &a);
	if (!e && begun)
		e = settle_format(a, told);
	if (e && begun) {
		app_close(STEAL(a));
		/* What fails of it is done by whoever opens the folder next. */
		error_free(migration_take_back(dir));
	} else if (!e && begun) {
		e = migration_keep(dir);
	}
	TRY(e);
	*ret = STEAL(a);
	return NULL;
}

struct error *app_open_with(const char *dir, const struct env *env, struct secret *take_self,
			    struct app **ret)
{
	return open_migrating(dir, env, take_self, NULL, ret);
}

static struct error *open_with_its_key(const char *dir, const struct env *env,
				       const struct app_told *told, struct app **ret)
{
	_cleanup_(freep) char *key = path_join(dir, "key");
	struct secret *self;
	struct error *e;

	TRY(crypto_init());
	e = secret_load(key, &self);
	if (error_is(e, ERR_NOT_FOUND)) {
		error_free(e);
		return error_new(ERR_NOT_FOUND,
				 N_("There is no box in %s. Make one with: lliure init --data %s"
				    " --name NAME"),
				 dir, dir);
	}
	TRY(e);
	return open_migrating(dir, env, self, told, ret);
}

struct error *app_open_telling(const char *dir, const struct env *env, const struct app_told *told,
			       struct app **ret)
{
	struct error *e;

	ballast_make_room(dir);
	e = open_with_its_key(dir, env, told, ret);
	if (error_is(e, ERR_FULL) && ballast_throw_out(dir)) {
		error_free(e);
		e = open_with_its_key(dir, env, told, ret);
	}
	TRY(e);
	ballast_take_in(dir);
	writer_keep_reserve((*ret)->writer);
	return NULL;
}

struct error *app_open(const char *dir, const struct env *env, struct app **ret)
{
	return open_with_its_key(dir, env, NULL, ret);
}

struct error *app_read_name(struct app *a)
{
	_cleanup_(conn_closep) struct conn *c = NULL;
	char name[SETTING_MAX + 1];

	TRY(app_conn(a, &c));
	TRY(config_get(c, SETTING_NAME, name));
	snprintf(a->name, sizeof(a->name), "%.*s", LIMIT_NAME, name);
	return NULL;
}

struct error *app_read_language(struct app *a)
{
	_cleanup_(conn_closep) struct conn *c = NULL;
	char code[SETTING_MAX + 1];

	TRY(app_conn(a, &c));
	TRY(config_get(c, SETTING_LANGUAGE, code));
	a->speaks = languages_find(a->languages, code);
	return NULL;
}

void app_close(struct app *a)
{
	if (!a)
		return;
	/* Nobody asks for anything any more. The writer's connection is the last to be closed: the one that may
	 * checkpoint. */
	ask_free(a->ask);
	peers_free(a->peers);
	if (a->writer) {
		ended_settle(a->ended, a->writer);
		writer_stop(a->writer);
	}
	ended_free(a->ended);
	sieves_free(a->sieves);
	blob_close(a->blobs);
	secret_free(a->self);
	free(a->dir);
	free(a);
}

struct error *app_conn(struct app *a, struct conn **ret)
{
	return conn_open(&(struct community_open){.dir = a->dir,
						  .env = a->env,
						  .self = *secret_pubkey(a->self),
						  .mode = DB_READER},
			 ret);
}

struct sync_options app_sync_options(struct app *a, struct app_paths *ret_paths)
{
	snprintf(ret_paths->log, sizeof(ret_paths->log), "%s/log.db", a->dir);
	snprintf(ret_paths->local, sizeof(ret_paths->local), "%s/local.db", a->dir);
	snprintf(ret_paths->blobs, sizeof(ret_paths->blobs), "%s/blobs", a->dir);
	snprintf(ret_paths->kept, sizeof(ret_paths->kept), "%s/kept", a->dir);
	return (struct sync_options){.log_path = ret_paths->log,
				     .local_path = ret_paths->local,
				     .blob_dir = ret_paths->blobs,
				     .keep_dir = ret_paths->kept,
				     .env = a->env,
				     .self = a->self,
				     .name = a->name,
				     .host = peers_host(a)};
}
