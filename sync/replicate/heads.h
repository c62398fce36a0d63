/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Heads: what a box holds of the logs of a space, and the digest by which two boxes know that they
 * hold the same. PROTOCOL.md section 6.
 *
 * The digest covers exactly what two honest boxes agree on once they have exchanged everything: of
 * each log the live head and the mark that ends it (lowest fork, or the entry whose author did not
 * sign it). It leaves out what is theirs alone: which branch of a forked log lies behind the mark,
 * which payloads are missing, logs of appliances that are not admitted, arrival numbers.
 *
 * Everything here only reads. (R) on log_store.
 */
#pragma once
#include "sync/replicate/stream.h"

/* The heads of the space's logs that take part (admitted, or founding), sorted by log id. Logs of
 * which nothing is live and no mark is known are left out. The array lives in the arena. */
struct error *heads_collect(struct log_store *l, const struct hash *space, struct arena *a,
			    struct head **ret, size_t *ret_n) MUST;
/* The rows of those logs, in order of first sight. */
struct error *heads_logs(struct log_store *l, const struct hash *space, struct arena *a,
			 struct log_info **ret, size_t *ret_n) MUST;
/* The live entries of a log whose payloads are not held, as ranges; the first ones if there are
 * more. */
struct error *heads_missing(struct log_store *l, const struct log_info *info,
			    struct seq_range ranges[LIMIT_MISSING_RANGES], size_t *ret_n) MUST;
/* One log's head from its row. */
/* Does the row say that a fork left nothing but what founds the space? (Its hash is the space's id.) */
bool head_founds(const struct head *h);
struct error *head_of_log(struct log_store *l, const struct log_info *info, struct head *ret) MUST;
/* Does this log take part in replication here? */
struct error *log_takes_part(struct log_store *l, const struct log_info *info, bool *ret) MUST;
bool head_eq(const struct head *a, const struct head *b);
/* In a sorted array; NULL when absent. */
const struct head *heads_find(const struct head *heads, size_t n, const struct log_id *id);
void heads_sort(struct head *heads, size_t n);

/* Over heads sorted by log id. */
struct hash heads_digest(const struct hash *space, const struct head *heads, size_t n);
/* The row of a space for FRAME_DIGESTS: heads and missing payloads. */
struct error *heads_space_digest(struct log_store *l, const struct hash *space,
				 struct space_digest *ret) MUST;
/* Rows for all spaces that `wants` (NULL: all) says yes to, sorted by space id, at most max. */
typedef bool heads_filter(void *ctx, const struct hash *space);
struct error *heads_all(struct log_store *l, heads_filter *wants, void *ctx,
			struct space_digest *rows, size_t max, size_t *ret_n) MUST;
/* One digest over several spaces' rows (sorted here by space id; missing payloads do not count):
 * for the TXT record. */
struct hash heads_digest_spaces(const struct space_digest *rows, size_t n);

/* Sampled hashes of a log for finding a fork: at `from` (at most the held head), then 1, 2, 4, 8 …
 * back, and at 1. */
struct error *heads_locator(struct log_store *l, const struct log_info *info, uint64_t from,
			    struct locator_sample out[LIMIT_LOCATOR], size_t *ret_n) MUST;
/* The range of our entries in which the log of `samples` leaves ours: behind the highest sample
 * that we hold alike, up to the lowest that we hold otherwise. false: no sample differs. */
struct error *heads_locate(struct log_store *l, const struct log_info *info,
			   const struct locator_sample *samples, size_t n, struct seq_range *ret,
			   bool *ret_differs) MUST;
