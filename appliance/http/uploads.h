/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Files that are being sent to this box: who may begin with one, and is there room for all that was
 * promised?
 *
 * A file is promised its room before its first byte is taken, by the length that its request says,
 * and what others were promised and have not sent yet counts as taken. So whoever begins many and
 * sends none of them can't get past the room that is kept: LIMIT_FILE_ROOM behind a large one,
 * WRITER_ROOM behind a small one, and below that nobody goes on, so that what a volunteer lets go
 * of the reserve is the volunteer's.
 *
 * One client (a household's address) sends UPLOADS_LARGE large ones at once, and no more bytes than
 * one file may have and a little; strangers all together have a part of what there is for
 * everybody. Who sends slowly may, for a while; but when somebody else finds no place, those who
 * are behind a pace that any line has lose theirs. Any thread.
 */
#pragma once
#include "appliance/http/limit.h"

enum {
	UPLOAD_LARGE = 4 * 1024 * 1024, /* bytes: from here on it is a large one */
	UPLOADS_LARGE = 2,
	UPLOADS_SMALL = 16,
	UPLOAD_MS = 3 * 3600 * 1000,	     /* 256 MiB at 25 KB/s */
	UPLOAD_STRANGER_MS = 30 * 60 * 1000, /* at 150 KB/s: they stand beside the box */
	UPLOAD_GRACE_MS = 20 * 1000,
	UPLOAD_PACE = 25,	   /* bytes in a ms … */
	UPLOAD_STRANGER_PACE = 100 /* … whom others wait for may not be slower */
};
#define UPLOADS_CLIENT	  ((uint64_t)300 * 1024 * 1024)
#define UPLOADS_STRANGERS ((uint64_t)600 * 1024 * 1024)
#define UPLOADS_ALL	  ((uint64_t)1024 * 1024 * 1024)

/* One file on its way; the caller's, and in the list from begin to end. */
struct sending {
	struct limit_key client;
	uint64_t length;   /* at most so many bytes come */
	unsigned copies;   /* how often they lie here before the request is answered */
	bool stranger;	   /* nobody need be signed in for it */
	uint64_t written;  /* so far */
	int64_t began;	   /* the rest is uploads.c's */
	bool listed, late; /* late: others have its place */
	struct sending *next;
};

struct uploads;
struct uploads *uploads_new(const struct env *env, const char *dir);
void uploads_free(struct uploads *u);
DEFINE_CLEANUP(struct uploads *, uploads_free)
/* ERR_FULL, ERR_BUSY: it is not listed. */
struct error *uploads_begin(struct uploads *u, struct sending *s) MUST;
/* Before n bytes more are written. ERR_FULL, ERR_LIMIT: too many, or too late. */
struct error *uploads_go_on(struct uploads *u, struct sending *s, size_t n) MUST;
void uploads_end(struct uploads *u, struct sending *s); /* also of one that is not listed */
