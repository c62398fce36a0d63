/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * HTTP for people: the door through which page handlers see a request and answer it. libmicrohttpd stays
 * behind it. A page handler is three steps: read the request, call the rules, fill the template.
 *
 * One arena per request: what a handler is given or allocates lives until the answer has been sent.
 * Handlers run on an HTTP worker thread with that thread's reading connection; they write through
 * request_write (the writer).
 */
#pragma once
#include "appliance/app.h"
#include <jansson.h>

struct request;
typedef struct error *handler_fn(struct request *r);

enum route_flags {
	ROUTE_SIGNED_IN = 1,  /* else 401 (or to the sign-in page) */
	ROUTE_VOLUNTEER = 2,  /* the box's volunteers only, and only on the safe door (https or loopback) */
	ROUTE_SAFE_DOOR = 4,  /* passwords: https or loopback only */
	ROUTE_CACHED = 8,     /* for people without a cookie the page may be kept until the view changes */
	ROUTE_NO_CSRF = 16,   /* POST that needs no token (guests have no cookie to abuse) */
	ROUTE_UPLOAD = 32     /* multipart with a file, streamed to a blob */
};
struct route {
	const char *method;  /* "GET" (also answers HEAD), "POST" */
	const char *pattern; /* "/topic/:id", "/library/ *path" (rest of the path, without the space);
			      * every GET also answers PATTERN.json with its context as JSON */
	handler_fn *handler;
	unsigned flags;
};
/* Route tables of the features, ending with NULL; appliance/routes.c. */
extern const struct route *const route_tables[]; /* each table ends with a NULL method */

/* Who asks. */
struct viewer {
	struct pubkey key;
	const char *name;
	const struct secret *secret; /* unsealed for this request; NULL for a token without signing right */
	bool volunteer;
	bool may_moderate_here; /* false on the plain door: a cookie from there grants no more than posting */
	int64_t account;
};
enum door { DOOR_HTTP, DOOR_HTTPS, DOOR_LOOPBACK };

/* --- reading the request --- */
struct arena *request_arena(struct request *r);
struct app *request_app(struct request *r);
struct conn *request_conn(struct request *r);
const struct viewer *request_viewer(struct request *r); /* NULL: nobody signed in */
enum door request_door(struct request *r);
const char *request_path(struct request *r);                    /* without query and .json */
const char *request_param(struct request *r, const char *name); /* from the pattern; never NULL */
const char *request_query(struct request *r, const char *name); /* NULL when absent */
/* A field of the form or of the JSON body, valid UTF-8, CRLF turned to LF; NULL when absent. */
const char *request_field(struct request *r, const char *name);
const json_t *request_json(struct request *r); /* the JSON body, NULL for forms */
bool request_wants_json(struct request *r);
const char *request_lang(struct request *r); /* "ca" */
const char *request_text(struct request *r, const char *msgid); /* translated */
/* The uploaded file of a ROUTE_UPLOAD: its blob and name; false when there is none. */
bool request_upload(struct request *r, struct hash *ret_blob, uint64_t *ret_size, const char **ret_name);
/* "5 minutes ago" / "23 November 2026", in the reader's language, in the arena. */
const char *request_date_text(struct request *r, int64_t ms);
const char *request_date(struct request *r, int64_t ms); /* RFC 3339, UTC */
/* Rate limit by what: a bucket per (what, viewer or network prefix kept only in memory and only hashed). */
struct error *request_limit(struct request *r, const char *what, int burst, int per_minute) MUST;

/* Run a job on the writer and wait for its commit. */
struct error *request_write(struct request *r, write_fn *fn, void *arg) MUST;

/* --- answering: exactly one of these, or an error --- */
/* Fill the template with the page's own context (consumed) joined by the common part; as JSON when the
 * path ended in .json or Accept asks for it. title is a translated text. */
struct error *respond_page(struct request *r, const char *template, const char *title,
			   json_t *take_context) MUST;
struct error *respond_page_status(struct request *r, int status, const char *template, const char *title,
				  json_t *take_context) MUST;
/* After a POST: 303 to a path of ours (JSON clients get 201/200 with take_result, may be NULL). */
struct error *respond_done(struct request *r, const char *location, json_t *take_result) MUST;
/* The same, with a sentence shown once on the next page (msgid translated). */
struct error *respond_done_saying(struct request *r, const char *location, const char *msgid,
				  json_t *take_result) MUST;
struct error *respond_bytes(struct request *r, int status, const char *content_type, struct span body) MUST;
struct error *respond_blob(struct request *r, const struct hash *blob, const char *name) MUST; /* ranges */
/* Set-Cookie for the session; used by member/ only. */
void respond_cookie(struct request *r, const char *name, const char *value, int64_t max_age_s);

/* --- the server --- */
struct http_options {
	const char *http, *https; /* "ADDR:PORT" or NULL */
	int threads;              /* 0: one per core */
};
struct http_server;
struct error *http_start(struct app *app, const struct http_options *o, struct http_server **ret) MUST;
void http_stop(struct http_server *s);
int http_port(struct http_server *s);
int https_port(struct http_server *s);
