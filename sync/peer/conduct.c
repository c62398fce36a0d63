/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "sync/peer/conduct.h"

#define ROW(NAME, name, severity, sentence) [NAME] = {name, severity, sentence},
static const struct {
	const char *name;
	unsigned severity;
	const char *sentence;
} misdeeds[MISDEEDS] = {MISDEED_TABLE(ROW)};
#undef ROW

const char *misdeed_name(enum misdeed what)
{
	return misdeeds[what].name;
}

const char *misdeed_msgid(enum misdeed what)
{
	return misdeeds[what].sentence;
}

unsigned misdeed_severity(enum misdeed what)
{
	return misdeeds[what].severity;
}

bool misdeed_is_proved(enum misdeed what)
{
	return what == MISDEED_AUTHOR || what == MISDEED_FORK;
}

/* --- how much it weighs --- */
/* 256 for one whole misdeed of severity 1. */
static uint64_t weight(const struct conduct *rows, size_t n, int64_t now)
{
	enum { ONE = 256, COUNT_MOST = 1000 };
	uint64_t sum = 0;

	for (size_t i = 0; i < n; i++) {
		int64_t age = now > rows[i].last_ms ? now - rows[i].last_ms : 0;
		int64_t halvings = age / CONDUCT_FORGIVEN_MS;
		uint64_t count = rows[i].count < COUNT_MOST ? rows[i].count : COUNT_MOST;

		if (halvings < 32)
			sum += count * misdeeds[rows[i].what].severity * ONE >> halvings;
	}
	return sum / ONE;
}

int64_t conduct_wait(const struct conduct *rows, size_t n, int64_t now)
{
	uint64_t sum = weight(rows, n, now);
	int64_t wait = CONDUCT_WAIT;

	if (!sum)
		return 0;
	for (uint64_t i = 1; i < sum && wait < CONDUCT_WAIT_LAST; i++)
		wait *= 2;
	return wait < CONDUCT_WAIT_LAST ? wait : CONDUCT_WAIT_LAST;
}

unsigned conduct_patience(const struct conduct *rows, size_t n, int64_t now)
{
	uint64_t sum = weight(rows, n, now) / 4;

	return sum < 1 ? 1 : sum < CONDUCT_PATIENCE ? (unsigned)sum : CONDUCT_PATIENCE;
}

/* --- reading a report --- */
/* Forks and ended logs are not read here: they are the signer's, whoever brings them. */
static unsigned of_refusal(const struct refusal *f)
{
	/* malformed: a fork that proves nothing, a header that is none */
	if (f->by_peer || f->vouched || (f->why != ERR_SIGNATURE && f->why != ERR_MALFORMED))
		return 0;
	return 1u << MISDEED_FORGED;
}

unsigned conduct_of_report(const struct sync_report *r, enum error_code error)
{
	size_t kept = r->refusals < REPORT_REFUSALS ? r->refusals : REPORT_REFUSALS;
	unsigned set = 0;

	for (size_t i = 0; i < kept; i++)
		set |= of_refusal(&r->refused[i]);
	/* A stream that only ended early came over a bad line. */
	if (error == ERR_MALFORMED && !r->cut)
		set |= 1u << MISDEED_RUBBISH;
	if (r->known > CONDUCT_KNOWN && r->known / CONDUCT_KNOWN_SHARE > r->received + r->filled)
		set |= 1u << MISDEED_REPLAY;
	return set;
}

bool conduct_no_progress(const struct sync_report *r)
{
	return r->heads_differ && r->rounds && !r->received && !r->filled && !r->accepted &&
	       !r->forks && !r->refusals && !r->new_incarnation && !r->cut;
}
