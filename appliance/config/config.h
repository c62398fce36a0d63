/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * This box's own settings, in local.db: they never replicate. A setting is a row of the table in
 * config.c: its name, what it holds, and its value when nobody has set it.
 */
#pragma once
#include "appliance/community/feature.h"

extern const struct feature config_feature;

enum setting {
	SETTING_NAME,	  /* the box's name, for people and for NAME.local */
	SETTING_LANGUAGE, /* the language of a visitor whose browser names none of ours */
	SETTING_ALIVE,	   /* when the watchdog last had something written */
	SETTING_KEEP_DAYS, /* payloads of so many days are fetched from others; 0: of all */
	SETTING_KEEP_BLOBS, /* files up to so many bytes are fetched from others; 0: of any size */
	SETTING_UPDATES,   /* how updates of the system come (appliance/update/offer.h) */
	SETTINGS
};
enum { SETTING_MAX = 400 };

/* The value, or the default; cut to SETTING_MAX bytes. */
struct error *config_get(struct conn *c, enum setting which, char out[SETTING_MAX + 1]) MUST;
/* On the writer. ERR_INVALID when the value does not fit the setting. */
struct error *config_set(struct conn *c, enum setting which, const char *value) MUST;
