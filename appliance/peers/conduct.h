/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What a volunteer does about a box that costs too much or behaves oddly: stop swapping with it and
 * begin again, let it bring more, forget what was noted. The records are sync/'s
 * (sync/peer/conduct.h, ledger.h). Any thread; each waits for its commit, and the engine knows at
 * once.
 */
#pragma once
#include "appliance/app.h"

/* Nothing more comes from it or goes to it until it is resumed; it stays approved. ERR_NOT_FOUND
 * when it is not. */
struct error *peers_pause(struct app *a, const struct pubkey *key, bool on) MUST;
/* Forget what was noted of it: it is not waited with any longer. */
struct error *peers_forgive(struct app *a, const struct pubkey *key) MUST;
/* So many times the usual quota; 0: as much as it likes. */
struct error *peers_allow(struct app *a, const struct pubkey *key, unsigned times) MUST;
/* A volunteer has read the record. */
struct error *peers_saw_conduct(struct app *a, const struct pubkey *key) MUST;
