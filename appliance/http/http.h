/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * HTTP for people: the door through which page handlers see a request and answer it. libmicrohttpd
 * stays behind it. A page handler is three steps: read the request, call the rules, fill the
 * template.
 *
 * One arena per request: what a handler is given or allocates lives until the answer has been sent.
 * Handlers run on a thread of the server's pool (never on the threads that move bytes), each with a
 * reading connection of its own for the length of the request; they write through request_write.
 * An app without a writer (setup/, before there is a box) has neither.
 *
 * What the server does before a handler runs: refuses what is not strictly HTTP (request
 * smuggling), finds the route, decodes path, query, form, multipart or JSON body within limits.h,
 * picks the language, finds out who asks, checks the door, the origin and the CSRF token. What it
 * does after: security headers, ETag, the common part of every page, error pages. It never stores
 * or logs an address or an agent.
 */
#pragma once
#include "appliance/app.h"
#include <jansson.h>

struct request;
struct viewer;
typedef struct error *handler_fn(struct request *r);

enum route_flags {
	ROUTE_SIGNED_IN = 1, /* else 401 (or to the sign-in page) */
	ROUTE_VOLUNTEER =
		2, /* the box's volunteers only, and only on the safe door (https or loopback) */
	ROUTE_SAFE_DOOR = 4, /* passwords: https or loopback only */
	ROUTE_CACHED =
		8, /* for people without a cookie the page may be kept until the view changes */
	ROUTE_NO_CSRF = 16, /* POST that nobody need be signed in for (guests have no cookie to
			     * abuse); who has a cookie still needs the token. Other POSTs answer
			     * 401 to strangers */
	ROUTE_UPLOAD = 32,  /* multipart with a file, streamed to a blob */
	ROUTE_SPOOL = 128,  /* multipart with a file that is read once: request_spooled */
	ROUTE_FRESH = 64    /* heavy acts: signed in (or password given again) within FRESH_MS */
};
enum { FRESH_MS = 30 * 60 * 1000 };
struct route {
	const char *method; /* "GET" (also answers HEAD), "POST" */
	const char
		*pattern; /* "/topic/:id", "/library/ *path" (rest of the path, without the space);
			   * every GET also answers PATTERN.json with its context as JSON. The first
			   * route that fits wins: literal ones before those with parameters */
	handler_fn *handler;
	unsigned flags;
};
/* Route tables of the features, ending with NULL; appliance/routes.c. */
extern const struct route *const route_tables[]; /* each table ends with a NULL method */

/* Adds to the common part of every page (`page` in webui/README.md), e.g. page.held_count. Ends
 * with NULL. */
typedef struct error *page_hook_fn(struct request *r, json_t *page);
extern page_hook_fn *const page_hooks[];

/* Asked about each request whose head is good, before anything else, on the threads that move bytes:
 * it must not wait for anything. True: it has answered (respond_bytes, respond_redirect).
 * appliance/routes.c names the portal's. */
typedef bool front_fn(struct request *r);
extern front_fn *const request_front;

/* Who asks. */
struct viewer {
	struct pubkey key;
	const char *name;
	const char *role; /* in the home space, "" for none */
	const struct secret
		*secret; /* unsealed for this request; NULL for a token without signing right */
	bool volunteer;
	bool may_moderate_here; /* false on the plain door: a cookie from there grants no more than
				   posting */
	int64_t account;
	int64_t session;  /* 0: by a token */
	int64_t since_ms; /* when the session began */
	const char *csrf; /* the session's token for forms; NULL: by a personal token, needs none */
	struct secret *take_secret; /* owned by the request; secret points to it */
};
enum door { DOOR_HTTP, DOOR_HTTPS, DOOR_LOOPBACK };
/* Where viewers come from; appliance/routes.c names member/'s. Each sets *ret_known = false for
 * strangers, allocates in the request's arena, and may use request_conn. A cookie is valid at its
 * own door only. */
struct viewer_source {
	struct error *(*by_cookie)(struct request *r, const char *value, struct viewer *ret,
				   bool *ret_known);
	struct error *(*by_token)(struct request *r, const char *token, struct viewer *ret,
				  bool *ret_known);
};
extern const struct viewer_source *const viewer_source;

/* --- reading the request --- */
struct arena *request_arena(struct request *r);
struct app *request_app(struct request *r);
struct conn *request_conn(struct request *r);
const struct viewer *request_viewer(struct request *r); /* NULL: nobody signed in */
enum door request_door(struct request *r);
bool request_safe_door(struct request *r);   /* https or loopback */
const char *request_path(struct request *r); /* decoded, without query and .json */
const char *request_param(struct request *r, const char *name); /* from the pattern; never NULL */
const char *request_query(struct request *r, const char *name); /* NULL when absent */
/* A field of the form or of the JSON body, valid UTF-8, CRLF turned to LF; NULL when absent. Of
 * JSON: strings as they are, numbers in decimal, true as "1", false and null as absent. */
const char *request_field(struct request *r, const char *name);
const json_t *request_json(struct request *r); /* the JSON body, NULL for forms */
bool request_wants_json(struct request *r);
const char *request_lang(struct request *r);			/* "ca" */
/* What this page shows changes without a commit: no copy of it is kept for the next who asks. */
void request_is_passing(struct request *r);
const struct language *request_language(struct request *r);	/* appliance/page/language.h */
const char *request_text(struct request *r, const char *msgid); /* translated */
/* The error's sentence in the reader's language, in the arena; for form.error. Consumes the error.
 */
const char *request_error_text(struct request *r, struct error *take_e);
/* The sentence of an error that was kept (error_stored), likewise. */
const char *request_stored_text(struct request *r, const char *stored);
/* The uploaded file of a ROUTE_UPLOAD: its blob and name; false when there is none. */
bool request_upload(struct request *r, struct hash *ret_blob, uint64_t *ret_size,
		    const char **ret_name);
/* The uploaded file of a ROUTE_SPOOL: it has no name on the disk and is gone when the descriptor,
 * now yours, is closed. False when there is none. */
bool request_spooled(struct request *r, int *ret_fd, uint64_t *ret_size);
/* What its sender calls it; "" when it has no name. */
const char *request_file_name(struct request *r);
/* "23 Nov 2026, 22:00", in the reader's language and the box's time zone, in the arena. */
const char *request_date_text(struct request *r, int64_t ms);
/* The one way in which pages write an amount: "1,4 GB", "1.234", as the reader's language does. */
const char *request_size_text(struct request *r, uint64_t bytes);
/* A bound of whole mebibytes as a round number, which is a little less: "256 MB" of 256 MiB. */
const char *request_limit_text(struct request *r, uint64_t bytes);
const char *request_number_text(struct request *r, int64_t n);
const char *request_date(struct request *r, int64_t ms); /* RFC 3339, UTC */
/* Rate limit by what: a bucket per (what, viewer or network prefix kept only in memory and only
 * hashed). */
struct error *request_limit(struct request *r, const char *what, int burst, int per_minute) MUST;
/* The same for a bucket that all share who name the same thing (an account's name); "" is one for
 * all. */
struct error *request_limit_named(struct request *r, const char *what, const char *name, int burst,
				  int per_minute) MUST;
/* Work that takes much memory (Argon2id) runs one at a time; ERR_BUSY when too many wait already.
 */
struct error *request_heavy_begin(struct request *r) MUST;
void request_heavy_end(struct request *r);
/* Around a long wait in a handler (for a peer, say; request_write does it by itself): few handlers
 * work at a time, and meanwhile another may. */
void request_blocks(struct request *r);
void request_goes_on(struct request *r);
/* The link ("wlan0", "lo") whose address the request was sent to; "" when it can't be told. */
enum { REQUEST_LINK = 16 };
void request_link(struct request *r, char out[REQUEST_LINK]);
/* The host as the reader typed it, without port; "" when it is none of our names and addresses'
 * form. */
const char *request_host(struct request *r);
/* The path as it was sent, not decoded. */
const char *request_target_path(struct request *r);
bool request_reads(struct request *r); /* GET or HEAD */
/* The port of the plain door. */
int request_http_port(struct request *r);
/* Who is at the other end: a hash of the whole address under a key that dies with the process, so
 * it is good for comparing and for nothing else. */
void request_client(struct request *r, const char *what, uint64_t ret[2]);
/* "https://HOST:PORT/PATH" at the safe door; NULL when there is none. */
const char *request_https_url(struct request *r, const char *path);
/* The same at the door at which was asked: for programs that want whole addresses. */
const char *request_url(struct request *r, const char *path);
/* `next` when it is a path on this box ("/…", not "//…"), else otherwise. For where to go after a
 * form. */
const char *request_local_path(struct request *r, const char *next, const char *otherwise);
/* A string as a part of a path, percent-encoded, in the arena. */
const char *url_encode(struct arena *a, const char *s);

/* Run a job on the writer and wait for its commit. */
struct error *request_write(struct request *r, write_fn *fn, void *arg) MUST;
/* The same for what makes room and for what must be done before: when a volunteer asks, it is done on
 * a full disk, too (writer_run_care). */
struct error *request_write_care(struct request *r, bool volunteer, write_fn *fn,
				 void *arg) MUST;

/* The same for what only takes away and must not wait for room: for anybody in the little that is there
 * (writer_run_tidying), for volunteers as above. */
struct error *request_write_ending(struct request *r, write_fn *fn, void *arg) MUST;

/* --- answering: exactly one of these, or an error --- */
/* Fill the template with the page's own context (consumed) joined by the common part; as JSON when
 * the path ended in .json or Accept asks for it. title is a translated text. */
struct error *respond_page(struct request *r, const char *template, const char *title,
			   json_t *take_context) MUST;
struct error *respond_page_status(struct request *r, int status, const char *template,
				  const char *title, json_t *take_context) MUST;
/* After a POST: 303 to a path of ours (JSON clients get 201/200 with take_result, may be NULL). */
struct error *respond_done(struct request *r, const char *location, json_t *take_result) MUST;
/* The same, with a sentence shown once on the next page (msgid translated; carried by a cookie that
 * the server signs, so that nobody else can put words on a page). */
struct error *respond_done_saying(struct request *r, const char *location, const char *msgid,
				  json_t *take_result) MUST;
struct error *respond_bytes(struct request *r, int status, const char *content_type,
			    struct span body) MUST;
/* 302 to any address of ours, also one at another host name; for what is not a form. */
void respond_redirect(struct request *r, const char *location);
/* An answer for a machine that asks where it is. type NULL: no body; network_status NULL: no
 * X-NetworkManager-Status. */
void respond_probe(struct request *r, int status, const char *type, const char *body,
		   const char *network_status);
/* The file that is answered is not for everybody: no browser keeps it on a disk that others use, too. */
void request_leave_no_trace(struct request *r);
struct error *respond_blob(struct request *r, const struct hash *blob,
			   const char *name) MUST; /* ranges */
/* An open file, consumed, of that size; ranges. etag: without quotes. */
struct error *respond_file(struct request *r, int take_fd, uint64_t size, const char *etag,
			   const char *name) MUST;
/* Bytes that a function gives, of that size, from any place; ranges. It is called on the threads that move
 * bytes, after the handler returned, and gives as many as it likes up to n; 0 or less: the rest can't be
 * had. ctx is consumed: `close` is called in any case. */
typedef ssize_t respond_read_fn(void *ctx, uint64_t at, void *out, size_t n);
typedef void respond_close_fn(void *ctx);
struct error *respond_content(struct request *r, respond_read_fn *read, respond_close_fn *close_fn,
			      void *take_ctx, uint64_t size, const char *etag,
			      const char *name) MUST;
/* A form came back with a mistake: JSON clients get the error itself, people the page with
 * form.error in it: true means "answer with the template", and *ret_text and *ret_status are set;
 * false: return take_e. */
bool respond_form_error(struct request *r, struct error *e, const char **ret_text, int *ret_status);
/* The mistake is in this field of the form: the page says it there, leads there from its top, and begins
 * there. Of several the first counts. `field`: its name and its id in the template; borrowed. Returns
 * take_e, which may be NULL: then nothing is noted. */
struct error *request_wrong(struct request *r, const char *field, struct error *take_e) MUST;
void request_wrong_is(struct request *r, const char *field); /* the same, where the sentence is made */
/* Nobody said where the mistake is: in the first of these that was sent and is empty, if there is one. */
void request_wrong_empty(struct request *r, const char *const *fields, size_t n);
/* Set-Cookie for the session at this door; used by member/ only. max_age_s < 0: until the browser
 * closes; 0: forget. */
void respond_session_cookie(struct request *r, const char *value, int64_t max_age_s);

/* --- the server --- */
/* Listening sockets that one server leaves to the next; -1: none. */
struct http_sockets {
	int http, https;
};
struct http_options {
	const char *http, *https; /* "ADDR:PORT" or NULL */
	int threads;		  /* 0: one per core */
	/* NULL: those of appliance/routes.c. For tests. */
	const struct route *const *routes;
	const struct viewer_source *viewers;
	page_hook_fn *const *hooks;
	front_fn *front; /* NULL: likewise */
	/* Sockets that listen already, instead of http and https; taken. */
	const struct http_sockets *sockets;
};
/* GET /authority.crt: the certificate of the box's own authority (authority_pages.c). */
extern const struct route authority_routes[];

struct http_server;
/* Makes the box's own authority in DATA/tls when there is none and https is asked for. ERR_NET when
 * an address is taken. The app must outlive the server. */
struct error *http_start(struct app *app, const struct http_options *o,
			 struct http_server **ret) MUST;
void http_stop(struct http_server *s); /* finishes the requests that run */
/* The same, but the doors stay: who knocks meanwhile waits for the server that is started with
 * *ret. */
void http_stop_keeping(struct http_server *s, struct http_sockets *ret);
int http_port(struct http_server *s);  /* 0: closed */
int https_port(struct http_server *s);
