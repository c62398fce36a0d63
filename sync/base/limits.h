/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Every length, count and depth that comes from outside, in one place. Sizes in bytes. Those marked
 * (P) are part of the protocol: a change is a new protocol version. */
#pragma once

enum {
	LIMIT_PAYLOAD = 262144,        /* (P) an entry's payload as stored */
	LIMIT_JSON_DEPTH = 16,         /* (P) nesting of an op's JSON */
	LIMIT_SEEN = 16,               /* (P) ops named in `seen` */
	LIMIT_FRAME = 4 * 1024 * 1024, /* (P) one frame of a stream, and so one batch in memory */
	LIMIT_FRAME_ENTRIES = 4096,    /* (P) entries in one frame */
	LIMIT_HEADS = 100000,          /* (P) heads in one message */
	LIMIT_RANGES = 16384,          /* (P) ranges of heads in one frame */
	LIMIT_SPACES = 256,            /* (P) spaces in one status */
	LIMIT_STATUS = 256 * 1024,     /* (P) a status answer */
	LIMIT_LOCATOR = 64,            /* (P) sampled hashes of one log */
	LIMIT_FORM = 1024 * 1024,      /* a form or JSON body */
	LIMIT_FORM_FIELDS = 320, /* one for each space, and a few */
	LIMIT_UPLOAD = 256 * 1024 * 1024, /* one uploaded file */
	LIMIT_FILE_INLINE = 64 * 1024, /* (P) a library's file of at most so many bytes is in its op */
	LIMIT_COOKIE_HEADER = 4096,
	LIMIT_URL = 2048,
	LIMIT_NAME = 80,          /* people's, spaces', boxes' names, in bytes of UTF-8 */
	LIMIT_TITLE = 200,        /* (P) */
	LIMIT_SLUG = 64,          /* (P) */
	LIMIT_TEXT = 200 * 1024,  /* (P) Markdown of a post or page */
	LIMIT_PATH = 255,         /* (P) a page's path in the library */
	LIMIT_PATH_DEPTH = 8,     /* (P) */
	LIMIT_TAGS = 16,
	LIMIT_EPOCHS = 65535,     /* (P) of a private space's key */
	LIMIT_KEY_BOXES = 512,    /* keys that are handed out in one op of ours */
	LIMIT_PEERS = 1000,
	LIMIT_INVITES = 64, /* that wait to be accepted, on one box */
	LIMIT_FORMER = 200, /* boxes of which it is remembered that they were removed */
	LIMIT_DISCOVERED = 256,
	LIMIT_HELD_POSTS = 500,   /* guests' posts that wait for approval, on one box */
	LIMIT_SESSIONS = 10000,
	/* Argon2id, as a backup or an account asks for it: a box of 512 MiB must live through a file
	 * of anybody's. Ours ask for 64 MiB and 2. */
	LIMIT_PASSWORD_MEMORY = 128 * 1024 * 1024, /* (P) of a backup */
	LIMIT_PASSWORD_PASSES = 16,                /* (P) */
	LIMIT_KEPT = 16 * 1024 * 1024, /* (P) a peer's backup that a box keeps */
	/* What one peer may cost: of a space half of it. A volunteer can raise them for a peer.
	 * A day's entries and bytes let in the first sync of a community of 2,000 logs and 1,000,000
	 * entries with room to spare: their headers come first and count, and count again with the
	 * payloads of the older ones (newest first); with posts of 300 letters that is 2,000,000 entries
	 * and 1.2 GiB. Volunteers approved the peer; a small disk is kept by LIMIT_DISK_KEPT. */
	LIMIT_PEER_DAY_ENTRIES = 6000000,
	LIMIT_PEER_ENTRIES = 20000000,
	LIMIT_PEER_DAY_LOGS = 5000,
	LIMIT_PEER_LOGS = 20000,
	LIMIT_PEER_SPACES = 64, /* that one peer founded */
	/* Of LIMIT_WRITER_DAY_ENTRIES those that are rules of a space are held in memory, 1.2 KiB each where
	 * each is about another key: 100,000 are 120 MiB, taken in 12 s of a processor and read again in one
	 * at a start. No other bound stands before a steward who writes nothing else. */
	/* Of what a peer brings and another wrote, so much of one writer in all spaces together: or who passes
	 * on what an appliance without measure wrote has no room left for what itself writes. */
	LIMIT_WRITER_DAY_ENTRIES = LIMIT_PEER_DAY_ENTRIES / 8,
	LIMIT_WRITER_ENTRIES = LIMIT_PEER_ENTRIES / 8,
	LIMIT_WRITER_DAY_LOGS = 64, /* a log is begun when a box was restored or copied */
	LIMIT_WRITER_LOGS = 1024,    /* both: in one space */
	LIMIT_WRITER_DAY_LOGS_ALL = LIMIT_SPACES, /* in all: one each, in a first sync */
	LIMIT_WRITER_LOGS_ALL = 4 * LIMIT_WRITER_LOGS,
	/* Rows of a day: of a writer one for each space, and one. Whoever has none shares one with the
	 * others of the space, which is as good as those of so many. */
	LIMIT_WRITERS = 16384,
	LIMIT_CROWD = 4,
	/* Logs of which something was refused today, and so is not asked for again; of more peers, or logs, those
	 * of which nothing is held are left out. */
	LIMIT_REFUSED = 16384,
	LIMIT_PEER_REFUSED = 512,
	/* Of an appliance that is revoked now, what is behind its cut. It is void, and taken all the same, a
	 * little each day, so that boxes hold the same in the end. */
	LIMIT_VOID_DAY_BYTES = 1024 * 1024,
	LIMIT_VOID_DAY_ENTRIES = 1000,
	LIMIT_VOID_DAY_LOGS = 4,
	/* What visitors bring in bundles, all of them together. (Sticks: as one peer.) */
	LIMIT_VISITORS_DAY_BYTES = 512 * 1024 * 1024,
	LIMIT_VISITORS_DAY_ENTRIES = 100000,
	LIMIT_VISITORS_DAY_LOGS = 200,
	LIMIT_VISITORS_WRITER = 8, /* of that, one writer may have so large a part: an eighth */
	/* New spaces, and what of LIMIT_SPACES stays free for whom: a box may found some, too. */
	LIMIT_STRANGER_SPACES = 8,      /* of a founder that is no peer */
	LIMIT_PEER_DAY_SPACES = 16,     /* such ones, brought by one peer */
	LIMIT_STRANGE_BROUGHT = 32,     /* such ones that are here and that nobody here wants: of who brought
					 * them first */
	LIMIT_STRANGE_DAYS = 7,		/* one is here for so long at the least before it gives way */
	LIMIT_BROUGHT = 4096,		/* of so many spaces it is remembered who brought them */
	LIMIT_SPACES_FEW = LIMIT_SPACES - 16, /* for the first LIMIT_STRANGER_SPACES of a peer */
	LIMIT_SPACES_MANY = LIMIT_SPACES / 4 * 3, /* for more of a peer */
	LIMIT_SPACES_STRANGE = LIMIT_SPACES / 2,  /* for those of founders that are no peers */
	LIMIT_PEER_DAY_BLOBS = 10000,
	LIMIT_PEER_BLOBS = 100000,
	LIMIT_PEER_DAY_REQUESTS = 50000,
	LIMIT_PEER_BURST = 3000, /* requests at once, ten to each; one to a request for a file */
	LIMIT_PEER_RATE = 100,	 /* of that, back a second */
};
#define LIMIT_PEER_DAY_BYTES ((uint64_t)6 << 30) /* of entries and files */
#define LIMIT_WRITER_DAY_BYTES (LIMIT_PEER_DAY_BYTES / 8)
/* No peer's entries are taken while less than an eighth of the disk is free, or less than this where an
 * eighth is more: that is for the people of this box, and for its pages, which grow with them. */
#define LIMIT_DISK_KEPT ((uint64_t)4 << 30)
/* Of files that one person may send in a day. */
#define LIMIT_FILE_DAY ((uint64_t)1 << 30)
/* No file is taken when less than this would be left on the disk. */
#define LIMIT_FILE_ROOM ((uint64_t)256 << 20)
/* Of files of a private space that it can't read, a box keeps the newest for each box that names them, up to
 * so many bytes. */
#define LIMIT_FILE_CARRIED ((uint64_t)4 << 30)
#define LIMIT_PEER_BYTES     ((uint64_t)16 << 30)
#define LIMIT_WRITER_BYTES   (LIMIT_PEER_BYTES / 8)
/* No clock that runs is before 2025, and what a person or a program says is earlier is a mistake. In
 * milliseconds since 1970. */
#define LIMIT_TIME_FIRST 1735689600000LL
