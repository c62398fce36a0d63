/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What moved in one exchange, for the volunteer's page, the receipts and the tests. Plain data. */
#pragma once
#include "sync/log/entry.h"

enum { REPORT_REFUSALS = 16, REPORT_EXCHANGE = 16, REPORT_UNKEPT = 16 };

/* Bytes of one answer or push for which there was no room; and of these what came of a log of which something
 * had been refused just before. */
struct in_vain {
	uint64_t all, more;
};

struct refusal {
	struct log_id id;
	uint64_t seq;	     /* from here on; 0 when it is about the whole log */
	enum error_code why; /* ERR_NOT_ADMITTED: known, not held, tried again next time */
	bool by_peer;	     /* they refused ours; else we refused theirs */
	bool vouched;	     /* the log's own appliance signed the end of it: no fault of who brings it */
};

struct sync_report {
	uint64_t received;	      /* new entries from the peer */
	uint64_t filled;	      /* payloads that were missing here */
	uint64_t known;		      /* entries that came though we had them */
	uint64_t sent;		      /* entries given */
	uint64_t accepted;	      /* of those, new to the peer (as it says) */
	uint64_t bytes_in, bytes_out; /* bodies, without TLS and HTTP */
	uint64_t blobs;		      /* files that came whole */
	unsigned requests;
	unsigned rounds;       /* of pull and push; 0 when the digests were equal at once */
	unsigned spaces;       /* that differed */
	unsigned forks;	       /* logs frozen, or frozen lower, by what came */
	unsigned not_admitted; /* logs that came and are not admitted here */
	unsigned carried;      /* own ops carried over into a new incarnation */
	bool new_incarnation;  /* this box was an old copy, or its log was disputed */
	bool heads_differ;     /* at the end both sides held other entries */
	bool twins;	       /* somebody else writes with our key */
	bool equal;	       /* both sides held the same at the end */
	bool cut;	       /* the answer or the file ended early */
	unsigned parts;	       /* bundles in the file, one behind the other */
	bool unknown_spaces;   /* the peer carries spaces that we do not follow */
	int64_t clock_skew_ms; /* their clock minus ours, as they said: for people only */
	uint32_t keeps_days;   /* it says that it keeps payloads of so many days; 0: of all */
	size_t unkept_n;       /* and that it fetches nothing of these spaces any more: the first of them */
	struct hash unkept[REPORT_UNKEPT];
	uint8_t clock_said;    /* enum hello_clock: what they say vouches for theirs */
	uint64_t peer_incarnation; /* in which they write now; 0: they did not say */
	char peer_name[LIMIT_NAME + 1];
	/* A signed receipt (sync/peer/receipt.h) was made of it, under this number. */
	bool signed_too;
	uint8_t exchange[REPORT_EXCHANGE];
	size_t refusals; /* all of them; the first REPORT_REFUSALS are kept */
	struct refusal refused[REPORT_REFUSALS];
};

/* One row more; the same log and reason twice counts once. The row, when it is new and kept. */
struct refusal *report_refusal(struct sync_report *r, const struct log_id *id, uint64_t seq,
		    enum error_code why, bool by_peer);
/* Why, as a sentence for people: a message id with one %s for the appliance's short key. */
const char *refusal_msgid(enum error_code why, bool by_peer);
