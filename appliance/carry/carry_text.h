/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Sizes and outcomes in words, for the pages; in the reader's language, in the request's arena. */
#pragma once
#include "appliance/carry/carry.h"
#include "appliance/http/http.h"

/* What was taken, as sentences. */
json_t *carry_report_json(struct request *r, const struct sync_report *report);
/* How a job stands: waits, runs, done, failed (one of them true), percent, sentences, error. */
json_t *carry_job_json(struct request *r, const struct carry_job *j);
/* busy: something on the page goes on. It loads itself again, unless the reader said not to
 * (?still=1). */
void carry_follow(struct request *r, json_t *context, bool busy);
