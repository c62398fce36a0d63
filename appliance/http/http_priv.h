/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What the files of http/ share: the server and a request on its way.
 *
 *          MHD thread                               pool thread
 *   uri -> begin: check head, find route -----+
 *            | cached, static, refused        | body (fed to the form) -> suspend -> job: who asks,
 *            v                                |                                     may they,
 * handler queue <----------------------------+------------------------- resume <-- answer
 *
 * Invariants
 *  1. A request is used by one thread at a time: the MHD thread until the connection is suspended,
 * a pool thread until it is resumed, then the MHD thread again.
 *  2. When the job is done r->answer is set, always.
 */
#pragma once
#include "appliance/http/cache.h"
#include "appliance/http/cookie.h"
#include "appliance/http/form.h"
#include "appliance/http/head.h"
#include "appliance/http/http.h"
#include "appliance/http/multipart.h"
#include "appliance/http/pool.h"
#include "appliance/http/uploads.h"
#include "appliance/http/watch.h"
#include "appliance/page/language.h"
#include "appliance/page/templates.h"
#include <pthread.h>
#include <stdatomic.h>

struct authority;
struct static_files;

enum { DOORS = 2, HTTP_HEAVY_WAITING = 8, MHD_POOL = 24 * 1024 };

struct http_server {
	struct app *app;
	const struct route *const *routes;
	const struct viewer_source *viewers;
	page_hook_fn *const *hooks;
	front_fn *front;
	char box_host[LIMIT_NAME + 8]; /* "NAME.local" */
	uint8_t secret[32];	       /* signs flash cookies; drawn at start, never stored */
	struct limits *limits;
	struct watch *watch;
	struct pool *pool;
	struct cache *cache;
	struct static_files *files;
	struct authority *authority; /* NULL without https */
	struct door_state {
		struct http_server *server;
		bool tls;
		int port;
		struct MHD_Daemon *daemon;
	} doors[DOORS];
	pthread_mutex_t heavy;
	_Atomic int heavy_waiting;
	_Atomic int jobs; /* requests on the pool */
	struct uploads *uploads;
	atomic_bool stopping;
	int64_t next_renewal;
};

enum phase { PHASE_NEW, PHASE_BODY, PHASE_JOB, PHASE_DONE };
struct request {
	struct http_server *server;
	struct door_state *door_state;
	struct MHD_Connection *mhd;
	struct watched *watched;
	struct arena arena;
	enum phase phase;
	struct pool_job job;

	const char *target;	     /* as sent, whole */
	const char *target_in_place; /* the same in MHD's buffer, to compare pointers only */
	struct http_head head;
	const char *path;
	struct span raw_path, raw_query;
	bool json, read_only; /* asked for JSON; GET or HEAD */
	enum door door;
	const char *host;
	const struct route *route;
	struct fields params, query;
	const struct language *language;

	/* the body */
	enum body_kind { BODY_NONE, BODY_FORM, BODY_JSON, BODY_MULTIPART } body_kind;
	struct buf body; /* whole; or, of a multipart, the field that is being read */
	struct multipart *multipart;
	struct fields fields;
	json_t *json_body;
	const char *part_name;
	struct blob_writer *part_blob;
	size_t parts_n; /* bytes in all of its fields */
	bool part_is_file, uploaded;
	struct hash upload;
	uint64_t upload_size;
	const char *upload_name;
	int spool; /* of a file that is read once; -1 */
	struct sending sending; /* the file that comes with it */
	struct error *body_error;

	/* who asks */
	struct conn *conn;
	struct viewer viewer;
	bool viewer_known;
	bool no_trace; /* request_leave_no_trace */

	/* the answer */
	const char *wrong;     /* the field of a form with the mistake; NULL: not known */
	uint64_t generation;   /* of the view, before anything was read */
	const char *cache_key; /* NULL: not kept */
	struct answer *answer;
	struct set_cookie {
		const char *header;
	} cookies[4];
	int cookies_n;
};

/* --- request.c --- */
struct request *request_new(struct door_state *d, struct MHD_Connection *mhd, const char *target);
void request_free(struct request *r);
/* Head, path, language, route: what can be known before the body. REFUSE_NOTHING, or why not. */
enum refusal_id request_begin(struct request *r, const char *method, const char *version);
/* --- request_run.c --- */
/* On a pool thread: who asks, whether they may, and the handler. Sets r->answer. */
void request_run(struct request *r);
bool request_cookie(struct request *r, const char *name, struct span *ret);
const char *session_cookie_name(enum door door);
struct error *need_to_sign_in(void) MUST;
bool request_has_identity(struct request *r); /* a session cookie or a token was sent */

/* --- router.c --- */
/* *ret_allow: the methods of the routes that fit, when none fits with the method. */
const struct route *route_find(const struct route *const *tables, struct arena *a,
			       const char *method, const char *path, struct fields *ret_params,
			       const char **ret_allow);

/* --- body.c --- */
/* Is this body acceptable here? Prepares for it. REFUSE_NOTHING or why not; *ret_too_large: a 413.
 */
enum refusal_id body_begin(struct request *r, bool *ret_too_large);
void body_feed(struct request *r, struct span bytes); /* keeps the first error in r->body_error */
struct error *body_finish(struct request *r) MUST;
/* The uploaded file becomes a blob: after it is known that it may. */
struct error *body_keep(struct request *r) MUST;
void body_release(struct request *r); /* also twice */

/* --- respond.c --- */
void respond_error(struct request *r, struct error *take_e);
void respond_refusal(struct request *r, enum refusal_id why, const char *allow);
/* Copies the bytes. type NULL: no body. Adds the security headers and the cookies. */
void respond_raw(struct request *r, int status, const char *type, struct span body);
void respond_not_modified(struct request *r, const char *etag);
void headers_common(struct MHD_Response *m);
void header_add(struct MHD_Response *m, const char *name, const char *value);
bool etag_matches(struct request *r, const char *etag);
void respond_cookie(struct request *r, const char *name, const char *value, int64_t max_age_s,
		    bool script);

/* --- page.c --- */
json_t *page_common(struct request *r, const char *title); /* the `page` of every context */
json_t *page_error(struct request *r, int status, const char *name, const char *text);

/* --- flash.c --- */
void flash_set(struct request *r, const char *msgid);
json_t *flash_take(struct request *r); /* {kind, text}, and forgets it; NULL */
bool flash_waits(struct request *r);

/* --- static.c --- */
struct static_files *static_new(const struct asset *assets);
void static_free(struct static_files *f);
/* True when the path is one of ours: r->answer is set. */
bool static_serve(struct request *r);
