/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "firmware/update/update_priv.h"
#include "firmware/helper/helper.h"
#include "firmware/update/history.h"
#include <errno.h>
#include <jansson.h>
#include <sys/file.h>
#include <time.h>

enum {
	INFO_S = 300,
	INSTALL_S = 40 * 60,
	JSON_MAX = 65536,
	CONF_MAX = 16384,
	FORMAT_MAX = 100000,
	STATUS_MAX = 65536,
	HOLD_TRIES = 100,
};

/* --- what the bundle is ------------------------------------------------------------------------
 */

static bool take(const json_t *o, const char *name, char out[UPDATE_VERSION])
{
	const char *s = json_string_value(json_object_get(o, name));

	if (!s || !*s || strlen(s) >= UPDATE_VERSION)
		return false;
	memcpy(out, s, strlen(s) + 1);
	return true;
}

/* "format-3": the manifest's field `build`. */
static int format_of(const json_t *o)
{
	const char *s = json_string_value(json_object_get(o, "build"));
	long n = s && strncmp(s, "format-", 7) == 0 ? strtol(s + 7, NULL, 10) : 0;

	return n > 0 && n <= FORMAT_MAX ? (int)n : 0;
}

bool bundle_info_parse(struct span json, struct bundle_info *ret)
{
	struct bundle_info b = {.format = 0};
	json_t *o = json.n <= JSON_MAX ? json_loadb((const char *)json.p, json.n, 0, NULL) : NULL;
	bool ok = take(o, "compatible", b.compatible) && take(o, "version", b.version);

	b.format = format_of(o);
	json_decref(o);
	if (ok)
		*ret = b;
	return ok;
}

enum update_why bundle_judge(const struct bundle_info *b, const struct update_here *h)
{
	if (strcmp(b->compatible, h->compatible) != 0)
		return WHY_MACHINE;
	if (!version_ok(b->version) || version_compare(b->version, h->version) <= 0)
		return WHY_OLDER;
	if (b->format && b->format < h->format)
		return WHY_FORMAT;
	return WHY_NOTHING;
}

/* --- what runs here ----------------------------------------------------------------------------
 */

/* The value of NAME= in a file of such lines, without quotes; "" when there is none. */
static void value_of(const char *path, const char *name, char out[UPDATE_VERSION])
{
	_cleanup_(buf_release) struct buf b = {0};
	struct error *e = file_read(path, CONF_MAX, &b);
	size_t n = strlen(name);

	error_free(e); /* then nothing is known */
	out[0] = 0;
	for (const char *at = buf_str(&b); *at; at += strcspn(at, "\n"), at += *at == '\n') {
		size_t len;

		if (strncmp(at, name, n) != 0 || at[n] != '=')
			continue;
		at += n + 1;
		at += *at == '"';
		len = strcspn(at, "\"\n");
		snprintf(out, UPDATE_VERSION, "%.*s", (int)(len < UPDATE_VERSION ? len : 0), at);
		return;
	}
}

void update_running(const struct updater *u, char out[UPDATE_VERSION])
{
	value_of(u->release, "VERSION_ID", out);
}

int update_data_format(const struct updater *u)
{
	_cleanup_(freep) char *path = path_join(u->data, "format");
	_cleanup_(buf_release) struct buf b = {0};
	struct error *e = file_read(path, 20, &b);
	long n = e ? 0 : strtol(buf_str(&b), NULL, 10);

	error_free(e); /* no data yet */
	return n > 0 && n <= FORMAT_MAX ? (int)n : 0;
}

static void look_here(const struct updater *u, struct update_here *ret)
{
	ret->format = update_data_format(u);
	value_of(u->conf, "compatible", ret->compatible);
	update_running(u, ret->version);
}

/* --- installing --------------------------------------------------------------------------------
 */

void update_note(const struct updater *u, struct outcome *o, enum update_stage stage,
		 enum update_why why)
{
	_cleanup_(freep) char *path = path_join(u->state, "update"),
			      *history = path_join(u->state, UPDATE_HISTORY);

	o->stage = stage;
	o->why = why;
	o->when_ms = u->now_ms(u->ctx);
	/* A page that shows an old outcome is no reason to leave the box without the update. */
	error_free(update_outcome_write(path, o));
	if (update_ended(stage))
		error_free(update_history_add(history, o));
}

typedef int run_fn(void *ctx, const char *const *argv, int seconds, struct buf *out);

static int rauc_info(struct updater *u, run_fn *run, const char *conf, const char *file,
		     bool verify, struct buf *out)
{
	const char *argv[] = {"/usr/bin/rauc",
			      conf,
			      "info",
			      "--output-format=json",
			      file,
			      verify ? NULL : "--no-verify",
			      NULL};

	return run(u->ctx, argv, INFO_S, out);
}

/* It was not begun, took too long, or was ended from outside: that says nothing about the bundle.
 */
static bool says_nothing(int status)
{
	return status < 0 || status == 255;
}

/* Read without its signature it is a bundle: then it is the signature. Anybody's bytes are read
 * there: not as root. */
static enum update_why without_signature(struct updater *u, const char *conf, const char *file)
{
	_cleanup_(buf_release) struct buf out = {0};
	int status = rauc_info(u, u->run, conf, file, false, &out);

	if (says_nothing(status))
		return WHY_CUT_OFF;
	return status == 0 ? WHY_STRANGER : WHY_DAMAGED;
}

static enum update_why by_its_words(const char *said)
{
	return strstr(said, "signature verification failed") ? WHY_STRANGER : WHY_DAMAGED;
}

/* Whether it may be installed, and what it is. `bare`: what is not signed is read, too, to tell
 * what it is. WHY_CUT_OFF: it could not be looked at. */
static enum update_why check(struct updater *u, const char *conf, const char *file, bool bare,
			     struct outcome *o)
{
	_cleanup_(buf_release) struct buf said = {0};
	struct update_here here;
	struct bundle_info info;
	int status;

	status = rauc_info(u, u->run, conf, file, true, &said);
	if (says_nothing(status))
		return WHY_CUT_OFF;
	if (status != 0) {
		buf_clear(&said);
		rauc_info(u, u->run_saying, conf, file, true, &said);
		update_said(buf_span(&said), o->said);
		return bare ? without_signature(u, conf, file) : by_its_words(buf_str(&said));
	}
	if (!bundle_info_parse(buf_span(&said), &info))
		return WHY_DAMAGED;
	snprintf(o->version, sizeof(o->version), "%s", info.version);
	look_here(u, &here);
	return bundle_judge(&info, &here);
}

/* One request, once: what was asked before a power cut is not done by itself after it. */
static bool take_request(const struct updater *u, const char *name, char file[UPDATE_FILE])
{
	_cleanup_(freep) char *path = path_join(u->tmp, name);
	_cleanup_(buf_release) struct buf b = {0};
	struct error *e = file_read(path, UPDATE_FILE - 1, &b);
	bool ok = !e && arg_check(&(struct arg_spec){.kind = ARG_BUNDLE}, buf_str(&b));

	error_free(e);
	unlink(path);
	if (ok)
		snprintf(file, UPDATE_FILE, "%s", buf_str(&b));
	return ok;
}

int update_restart(struct updater *u)
{
	static const char *const argv[] = {"/usr/bin/systemctl", "--no-block", "reboot", NULL};
	_cleanup_(buf_release) struct buf out = {0};

	return u->run(u->ctx, argv, 60, &out) ? 1 : 0;
}

/* The daemon's user owns the folder of bundles: what RAUC installed may be another file than the
 * one that was checked, with a good signature and an older system in it. What was written says
 * RAUC's own file on `state`, a value "bundle.version=" in the part of each slot. */
static bool written_is(const struct updater *u, const char *version)
{
	_cleanup_(freep) char *path = path_join(u->state, "rauc.status");
	_cleanup_(buf_release) struct buf b = {0};
	struct error *e = file_read(path, STATUS_MAX, &b);
	const char *at = buf_str(&b), *key = "\nbundle.version=";
	size_t n = strlen(version);
	bool any = false;

	error_free(e); /* then it says nothing */
	while ((at = strstr(at, key))) {
		at += strlen(key);
		any = true;
		if (strncmp(at, version, n) == 0 && (at[n] == '\n' || !at[n]))
			return true;
	}
	return !any;
}

static int give_back(struct updater *u, struct outcome *o)
{
	char slot[2] = "";
	const char *bad[] = {"/usr/bin/lliure-boot", "bad", slot, NULL};
	_cleanup_(buf_release) struct buf out = {0};
	struct boot_now now;

	if (update_boot_now(u, &now)) {
		slot[0] = now.running == 'A' ? 'B' : 'A';
		if (u->run(u->ctx, bad, 60, &out) != 0)
			fprintf(stderr, "lliure-boot could not be told that %s is bad\n", slot);
	}
	update_note(u, o, UPDATE_FAILED, WHY_OLDER);
	return 1;
}

static int write_slot(struct updater *u, const char *conf, const char *file, struct outcome *o)
{
	const char *argv[] = {"/usr/bin/rauc", conf, "install", file, NULL};
	_cleanup_(buf_release) struct buf out = {0};

	update_note(u, o, UPDATE_INSTALLING, WHY_NOTHING);
	if (u->run_saying(u->ctx, argv, INSTALL_S, &out) != 0) {
		update_said(buf_span(&out), o->said);
		/* For the journal. */
		fprintf(stderr, "rauc: %s\n", *o->said ? o->said : "failed without a word");
		update_note(u, o, UPDATE_FAILED, WHY_INSTALL);
		return 1;
	}
	if (!written_is(u, o->version))
		return give_back(u, o);
	update_note(u, o, UPDATE_RESTARTING, WHY_NOTHING);
	unlink(file); /* it takes the room of a year's posts */
	return update_restart(u);
}

/* What the request asks for, and by which settings; false: nothing is asked for. */
static bool begin(const struct updater *u, const char *request, struct outcome *o, char **ret_file,
		  struct buf *ret_conf)
{
	if (!take_request(u, request, o->file))
		return false;
	*ret_file = path_join(u->updates, o->file);
	buf_printf(ret_conf, "--conf=%s", u->conf);
	update_running(u, o->before);
	return true;
}

/* Nothing is installed, and nothing of it decides what may be: who looks is the daemon's own user.
 */
int update_look(struct updater *u)
{
	_cleanup_(freep) char *file = NULL, *path = path_join(u->updates, UPDATE_LOOKED);
	_cleanup_(buf_release) struct buf conf = {0};
	struct outcome o = {.stage = UPDATE_NONE};
	struct error *e;
	bool failed;

	if (!begin(u, "look-request", &o, &file, &conf))
		return 2;
	o.why = check(u, buf_str(&conf), file, true, &o);
	o.stage = o.why == WHY_NOTHING	 ? UPDATE_DONE
		  : o.why == WHY_CUT_OFF ? UPDATE_FAILED
					 : UPDATE_REFUSED;
	o.when_ms = u->now_ms(u->ctx);
	e = update_outcome_write(path, &o);
	failed = e != NULL;
	error_free(e);
	return failed;
}

/* A lock, which a process that ended holds no more, however it ended. */
static int hold(const struct updater *u, int how)
{
	_cleanup_(freep) char *path = path_join(u->tmp, "under-way");
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd >= 0 && flock(fd, how | LOCK_NB) != 0) {
		close(fd);
		fd = -EWOULDBLOCK;
	}
	return fd;
}

bool update_under_way(const struct updater *u)
{
	_cleanup_(closep) int fd = hold(u, LOCK_SH);

	return fd == -EWOULDBLOCK;
}

/* Whoever looks whether one is under way holds it for a moment. */
static int hold_for_long(const struct updater *u)
{
	int fd = hold(u, LOCK_EX);

	for (int i = 0; i < HOLD_TRIES && fd == -EWOULDBLOCK; i++) {
		nanosleep(&(struct timespec){.tv_nsec = 50 * 1000000}, NULL);
		fd = hold(u, LOCK_EX);
	}
	return fd;
}

int update_install(struct updater *u)
{
	_cleanup_(closep) int held = hold_for_long(u);
	_cleanup_(buf_release) struct buf conf = {0};
	_cleanup_(freep) char *file = NULL;
	struct outcome o = {.stage = UPDATE_NONE};
	enum update_why why;

	(void)held; /* without it the page may call it cut off; it is done all the same */
	if (!begin(u, "update-request", &o, &file, &conf))
		return 2;
	o.format = update_data_format(u);
	update_note(u, &o, UPDATE_CHECKING, WHY_NOTHING);
	why = check(u, buf_str(&conf), file, false, &o);
	if (why != WHY_NOTHING) {
		update_note(u, &o, UPDATE_REFUSED, why);
		return 1;
	}
	return write_slot(u, buf_str(&conf), file, &o);
}
