/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A whole box in this process, served on free ports, and a client that says exactly what it is told
 * to, for tests of http/ and of pages. */
#pragma once
#include "appliance/app_priv.h"
#include "appliance/http/http.h"
#include "appliance/page/assets.h"
#include <jansson.h>

struct web {
	char *dir;
	struct app *app;
	struct http_server *server;
	int http, https;	/* ports */
	struct secret *steward; /* who founded the space; NULL without one */
	struct hash space;
};
struct web_options {
	const struct env *env;	    /* NULL: the real clock */
	const struct asset *assets; /* NULL: the program's own templates */
	bool found;		    /* found a space called "Box" with a steward called "Ada" */
	bool https;
	struct http_options http; /* routes and the like; addresses are set here */
};
/* Aborts when anything fails: a test needs a box. */
void web_start(struct web *w, const struct web_options *o);
void web_stop(struct web *w); /* removes the folder, too */

/* The founder does an op in the space that was found, on the writer. take_body: consumed. Aborts when it
 * is refused. */
struct hash web_submit(struct web *w, const char *type, const struct hash *object, json_t *take_body);

/* One answer. Everything malloc'd, released by web_answer_release. */
struct web_answer {
	int status; /* 0: the connection ended without one */
	char *head, *body;
	size_t body_n;
};
void web_answer_release(struct web_answer *a);
/* A connected socket, to 127.0.0.1. */
int web_connect(int port);
/* The same from another address: 127.0.0.(1 + client). */
int web_connect_from(int port, int client);
void web_send(int fd, const void *p, size_t n);
/* Reads one answer (by its Content-Length, or to the end). Waits at most ten seconds. */
struct web_answer web_receive(int fd);
/* Connects, sends the text, receives, closes. */
struct web_answer web_talk(int port, const char *request);
/* GET, with more header lines ("" or "Name: value\r\n…"). */
struct web_answer web_get(int port, const char *path, const char *headers);
/* POST of a form. */
struct web_answer web_post(int port, const char *path, const char *headers, const char *body);
struct web_answer web_post_json(int port, const char *path, const char *headers, const char *body);
/* The value of a header of the answer, malloc'd; NULL. */
char *web_header(const struct web_answer *a, const char *name);
/* "NAME=VALUE" of the cookie that the answer sets, malloc'd; NULL. */
char *web_cookie(const struct web_answer *a, const char *name);
