/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * News that people carry: bundles on USB sticks and visitors' phones. What is written is what the
 * receiver may see and is not known to hold (sync/bundle/known.h); what is read passes the sieve
 * (sieve.h), and then everything that the network's entries pass: spaces that this box carries,
 * logs that are admitted, chains and signatures. A bundle is never trusted more than the network.
 *
 * The files of sticks and phones are named by our own grammar (carry_name); no name from a stick
 * becomes a path but for opening it below the stick's own folder.
 */
#pragma once
#include "appliance/app.h"
#include "appliance/carry/sieve.h"

enum {
	CARRY_NAME = 96,     /* a file's name, with its end */
	CARRY_PHONES = 4,    /* visitors' files that wait or are being read */
	CARRY_STICKS = 16,   /* sticks at once */
	CARRY_LOOKED = 4096, /* names looked at in a stick's folder */
	CARRY_FILES = 8,     /* bundles read of one stick, the newest */
};
#define CARRY_PHONES_A_DAY ((uint64_t)2 * 1024 * 1024 * 1024)  /* bytes from visitors */
#define CARRY_PHONE_FILES  ((uint64_t)500 * 1000 * 1000)       /* of these, in library files */
#define CARRY_BUNDLE	   ((uint64_t)64 * 1024 * 1024 * 1024) /* one file of a stick */

/* --- bundles ---------------------------------------------------------------------------------- */

struct carry_plan {
	const struct pubkey *receiver; /* a peer; NULL: anybody, public spaces only */
	bool known_only; /* ERR_NOT_FOUND when it isn't known what the receiver holds */
	bool files;	 /* uploaded files of its spaces, too, the newest first … */
	uint64_t room;	 /* … as many as fit when it is to have so many bytes; 0: any */
	bool newest;	 /* of each log the newest entries only, when all have no room */
	bool receipt;	 /* sign one of it */
	bool (*progress)(void *ctx, uint64_t done, uint64_t total); /* true: give up */
	void *ctx;
	/* When all is written: what makes it stay. Only then is it signed for. NULL: nothing. */
	struct error *(*settle)(void *settle_ctx);
	void *settle_ctx;
};
struct carry_written {
	struct bundle_totals n;
	bool everything; /* nothing was known of the receiver, or there is none */
	bool newest_only; /* older entries had no room */
	struct hash receipt; /* zero: none */
};
/* Any thread, not the writer's. From the descriptor's current position. */
struct error *carry_write(struct app *a, const struct carry_plan *plan, int fd,
			  struct carry_written *ret) MUST;
struct carry_size {
	uint64_t bytes;	 /* of the file: entries, and the files that go along */
	uint64_t entries; /* bytes of the entries, of all if they have room or not */
	bool newest_only, all_files;
};
struct error *carry_estimate(struct app *a, const struct carry_plan *plan,
			     struct carry_size *ret) MUST;

enum carry_from {
	CARRY_VISITOR,	/* spaces that are here already */
	CARRY_VOLUNTEER /* and spaces that a peer founded */
};
struct carry_taking {
	enum carry_from from;
	int fd; /* borrowed; read from where it stands, again from the beginning if it can be */
	const char *name; /* for people */
	/* Bytes of files that may still come in; less by each that is taken up. And none comes that the disk
	 * has no room for beside what sync needs. NULL: as many as the disk holds. */
	uint64_t *files_left;
	struct hash *ret_receipt; /* of what was taken; zero: none was made; NULL: not wanted */
	bool (*progress)(void *ctx, uint64_t done, uint64_t total);
	void *ctx;
};
/* The report is filled in either case; the error says what stopped it, after what came whole was
 * taken in. */
struct error *carry_take(struct app *a, const struct carry_taking *t, struct sync_report *ret) MUST;

struct error *carry_check(struct app *a, int fd, struct sieve_summary *ret) MUST;
/* How many of its entries are not here and may be taken, as far as can be told beforehand. */
struct error *carry_news(struct conn *c, const struct sieve_summary *s, uint64_t *ret) MUST;

/* "athenaeum-20261125-1510.lliure": of the box's name what fits, and the time in UTC. for_key NULL:
 * for anybody. */
void carry_name(const char *box, const struct pubkey *for_key, int64_t now_ms,
		char out[CARRY_NAME]);
bool carry_name_ok(const char *name);
/* May everybody read this space? */
struct error *carry_public(struct conn *c, const struct hash *space, bool *ret) MUST;

/* --- the daemon's part ------------------------------------------------------------------------ */

/* Three threads: one sees sticks come and go, one does what volunteers ask for, one what visitors bring and
 * take along, each one thing after the other; the last rests while there is something for the second. Pages
 * ask what is going on and never wait for it. */
enum carry_kind {
	CARRY_CHECK_STICK, /* what is on it? */
	CARRY_TAKE_STICK,
	CARRY_WRITE_STICK,
	CARRY_TAKE_PHONE,
	CARRY_PREPARE, /* the file that visitors may take along */
};
enum carry_state { CARRY_WAITS = 1, CARRY_RUNS, CARRY_DONE, CARRY_FAILED };
enum { CARRY_ID = BASE32_KEY_LEN + 1, STICK_ID = 9, CARRY_JOBS = 64 };

/* What visitors take along: by how much room their phones have. */
enum carry_choice {
	CARRY_WORDS, /* no uploaded files */
	CARRY_SOME,  /* the newest files, as many as fit */
	CARRY_MORE,
	CARRY_CHOICES
};
struct carry_job {
	char id[CARRY_ID]; /* a secret: who knows it may look */
	enum carry_kind kind;
	enum carry_state state;
	uint64_t done, total; /* bytes */
	char stick[STICK_ID];
	struct pubkey receiver;	   /* of what is written; zero: everything, for anybody */
	enum carry_choice choice;  /* of what is prepared */
	char name[CARRY_NAME];	   /* of the file that was written */
	struct sync_report report; /* of what was taken */
	struct carry_written written;
	struct error *error; /* of a failed one; owned by the carry, of a copy by its caller */
};

struct carry_found {
	char name[CARRY_NAME];
	char from[LIMIT_NAME + 1]; /* as it says */
	char from_short[16];	   /* "" when nobody signed it */
	int64_t time_ms;
	uint64_t size, entries, news;
	bool whole, damaged, own; /* own: this box wrote it */
	struct pubkey receiver;
	char trouble[200]; /* English; "" when it could be read */
};
/* A stick's part, or a whole stick without parts. */
enum usb_use {
	USB_NOTHING, /* nothing to be opened, and nothing to say about it */
	USB_OPENS,
	USB_FOREIGN, /* what is on it this box does not read */
	USB_EMPTY,   /* it has no file system */
};
enum { USB_UUID = 40 };
struct usb_part {
	char device[40]; /* as the kernel names it: "sdb1" */
	char label[LIMIT_NAME + 1];
	unsigned major, minor;
	enum usb_use use;
	char uuid[USB_UUID]; /* of its file system: stays when it is plugged in elsewhere; "" none */
};
struct carry_stick {
	char id[STICK_ID];
	char device[40]; /* that the box's helper opened; "": somebody else did */
	char label[LIMIT_NAME + 1];
	bool checked; /* false: being looked at */
	bool busy;
	bool writable, more; /* more: there are files that were not looked at */
	bool safe;	     /* nothing of ours is on its way to it */
	uint64_t room, news;
	struct carry_found files[CARRY_FILES];
	size_t n_files;
	char job[CARRY_ID];  /* the last that a volunteer asked for; "" none */
	struct error *error; /* it could not be read; as in carry_job */
};

/* sticks_dir: every folder in it is a stick; NULL: only what udev knows. */
struct error *carry_start(struct app *a, const char *sticks_dir, struct carry **ret) MUST;
void carry_stop(struct carry *c); /* breaks off what runs; NULL: nothing */

/* Copies, the caller's: release_job and release_stick free their errors. Any thread. */
bool carry_job_get(struct carry *c, const char *id, struct carry_job *ret);
/* Sticks that are plugged in and not open: only where a helper can open them. */
size_t carry_plugged(struct app *a, struct usb_part *out, size_t max);
struct request;
/* The same for a page's "plugged" (the template _plugged), and what the page's button does: the stick
 * with the route's `device` is opened for reading. */
json_t *carry_plugged_json(struct request *r);
struct error *carry_open_plugged(struct request *r) MUST;
size_t carry_sticks(struct carry *c, struct carry_stick out[CARRY_STICKS]);
/* Entries that are not here, on a stick that is plugged in and that nobody has asked to take in since. */
uint64_t carry_sticks_news(struct carry *c);

/* ERR_NOT_FOUND: the stick is gone. ERR_BUSY: it is being written or read. */
struct error *carry_ask(struct carry *c, enum carry_kind kind, const char *stick,
			const struct pubkey *receiver, char ret_id[CARRY_ID]) MUST;
/* A visitor's file, consumed in any case. ERR_RATE: enough for today; ERR_BUSY: too many wait. */
struct error *carry_phone(struct carry *c, int take_fd, uint64_t size, char ret_id[CARRY_ID]) MUST;

/* The files that visitors take along. Each is made when somebody asks for it, and stays for an hour
 * behind the last who fetched it (a large one: two), so that a download that broke off goes on; one
 * that a newer one replaced for two hours at most. Of each choice there are two at most, and so many
 * bytes are written in a day (carry_priv.h): then the one that is there goes on being given. */
/* What the other house's form takes is the most that makes sense. */
#define CARRY_PHONE_SOME ((uint64_t)50 * 1000 * 1000)
#define CARRY_PHONE_MOST ((uint64_t)250 * 1000 * 1000)
struct carry_download {
	enum carry_choice choice;
	char name[CARRY_NAME];
	char etag[20];
	uint64_t size, entries, blobs;
	bool newest_only;
	bool all_files; /* that are here; of the words: those that travel as files of their own are none */
	bool offered;	/* there is something in it that the smaller ones have not */
	uint64_t about; /* bytes that it will have, when it is not made yet */
	bool ready, preparing, failed; /* failed: there is nothing, or no room for it */
	unsigned percent;	       /* while preparing */
};
/* All of them. Asks for newer words when those are old. */
void carry_downloads(struct carry *c, struct carry_download ret[CARRY_CHOICES]);
/* Have it made, unless it is there and fresh. ERR_BUSY, ERR_NOT_FOUND: not offered. */
struct error *carry_download_ask(struct carry *c, enum carry_choice choice) MUST;
/* An open file of that name, yours; ERR_NOT_FOUND when it has given way to a newer, or when
 * something that is in it was erased. */
struct error *carry_download_open(struct carry *c, struct conn *conn, const char *name, int *ret_fd,
				  struct carry_download *ret) MUST;

/* --- what was carried, newest first: this box's own record --------------------------------------
 * A line in words for each try. The signed receipt (sync/peer/receipt.h) says what moved and names
 * keys; it knows no stick, no file name and no failure, so the line stays and points to it. */
struct carry_record {
	int64_t when_ms;
	enum carry_kind kind;
	const char *who;  /* the box or the stick */
	const char *file; /* "" for phones */
	uint64_t entries, known, refused, bytes;
	bool cut;
	const char *error; /* English; "" when it went well */
	struct hash receipt; /* zero: none */
};
typedef struct error *carry_record_fn(void *ctx, const struct carry_record *r);
struct error *carry_records(struct conn *c, size_t max, carry_record_fn *fn, void *ctx) MUST;
struct error *carry_record_add(struct conn *c, const struct carry_record *r) MUST;
extern const struct feature carry_feature;
