/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * A box that is sync/ alone: log.db, local.db and the engine, with a writer that is a mutex, and no
 * appliance above. For tests of the transport, in one process or several.
 */
#pragma once
#include "sync/peer/receipt.h"
#include "sync/sync.h"
#include <pthread.h>
#include <stdatomic.h>

struct net_box {
	char *dir, *log_path, *local_path, *blob_dir;
	char name[40];
	struct secret *self;
	pthread_mutex_t writing;
	struct log_store *log; /* the writer; with `writing` */
	struct db *local;
	struct sync *sync; /* NULL: not started */
	atomic_int commits;
	atomic_bool refuse_writes; /* the disk is full */
	atomic_uint twin_signs;	   /* enum twin_sign */
};

/* In a folder of its own; the key is test_key(number). */
void net_box_open(struct net_box *b, const char *dir, const char *name, unsigned number);
void net_box_close(struct net_box *b); /* stops it, too */
void net_box_start(struct net_box *b, const char *listen, bool mdns);
void net_box_stop(struct net_box *b);
struct sync_options net_box_options(struct net_box *b, const char *listen, bool mdns);

/* Found a space; admit an appliance to it (as the layer above would from the rules). */
struct hash net_box_found(struct net_box *b);
void net_box_admit(struct net_box *b, const struct hash *space, const struct pubkey *who);
/* Append n entries of `bytes` bytes of payload in one commit, by `authors` authors in turn (0: by
 * the appliance). */
void net_box_write(struct net_box *b, const struct hash *space, unsigned n, size_t bytes,
		   unsigned authors);
void net_box_peer(struct net_box *b, const struct pubkey *key, const char *address);
void net_box_remove_peer(struct net_box *b, const struct pubkey *key);
/* Ops of the space that live in any log, each once. */
size_t net_box_live_ops(struct net_box *b, const struct hash *space);
uint64_t net_box_entries(struct net_box *b, const struct hash *space);
/* The digest of the heads of a space. */
struct hash net_box_digest(struct net_box *b, const struct hash *space);
/* The newest that it has; when_ms 0: none. */
struct receipt net_box_receipt(struct net_box *b);
const struct pubkey *net_box_key(const struct net_box *b);
