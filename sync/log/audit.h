/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Checks author signatures on all cores. Pure work on memory: the caller fetches jobs from a reader
 * (log_audit_next), gives them here, and hands the verdicts to the writer. Any one thread at a
 * time.
 */
#pragma once
#include "sync/log/log.h"

struct audit_pool;
/* threads 0: one per core. */
struct error *audit_pool_new(int threads, struct audit_pool **ret) MUST;
void audit_pool_free(struct audit_pool *p);
DEFINE_CLEANUP(struct audit_pool *, audit_pool_free)
/* ok[i] tells whether the author (or the appliance) of jobs[i] signed it. Returns when all are
 * checked. */
void audit_pool_check(struct audit_pool *p, const struct audit_job *jobs, size_t n, bool *ok);
