/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The side that answers in an exchange: status, pull and push. Pure as session.h: bytes of the
 * request in, batches for the writer, bytes of the answer out, a frame at a time. PROTOCOL.md
 * section 7.
 *
 *   serve_status                                              GET  /sync/1/status
 *   serving_new(SERVE_PULL) feed… end answer… free            POST /sync/1/pull
 *   serving_new(SERVE_PUSH) feed, next/written… end answer… free    POST /sync/1/push
 *
 * An error means: answer with error_http_status(error_code(e)) and its sentence as text/plain.
 * During the answer: break the connection off. What was written stays in either case. One thread at
 * a time; the log_store given to each call is the calling thread's reader.
 */
#pragma once
#include "sync/replicate/session.h"

/* The whole body of the status answer, appended (at most LIMIT_STATUS). What it says of the spaces goes
 * to the tally. */
struct error *serve_status(const struct session_options *o, struct log_store *log,
			   struct buf *out) MUST;

enum serving_kind { SERVE_PULL, SERVE_PUSH };
struct serving;
struct serving *serving_new(const struct session_options *o, enum serving_kind kind);
void serving_free(struct serving *v);
DEFINE_CLEANUP(struct serving *, serving_free)

/* Bytes of the request's body; copied. */
void serving_feed(struct serving *v, struct span bytes);
/* The next batch for the writer: run intake_run on it, then serving_written, and ask again. NULL:
 * feed more. */
struct error *serving_next(struct serving *v, struct log_store *log, struct intake **ret) MUST;
void serving_written(struct serving *v);
/* The request's body is over: plan the answer. A push that was cut off is ERR_MALFORMED; what came
 * whole is kept. */
struct error *serving_end(struct serving *v, struct log_store *log) MUST;
/* Append the next piece of the answer (at most a frame and a bit); *ret_end when it was the last.
 */
struct error *serving_answer(struct serving *v, struct log_store *log, struct buf *out,
			     bool *ret_end) MUST;
/* What of a push so far had no room: when it is too much, refuse the rest (ERR_LIMIT). */
struct in_vain serving_in_vain(const struct serving *v);
const struct sync_report *serving_report(const struct serving *v);
