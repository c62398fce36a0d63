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
	SETTINGS
};
enum { SETTING_MAX = 400 };

/* The value, or the default; cut to SETTING_MAX bytes. */
struct error *config_get(struct conn *c, enum setting which, char out[SETTING_MAX + 1]) MUST;
/* On the writer. ERR_INVALID when the value does not fit the setting. */
struct error *config_set(struct conn *c, enum setting which, const char *value) MUST;

/* What a box may be called: 1 to 63 letters a-z, digits and single hyphens inside, because it is
 * also its name on the network. Makes one from any text ("Ateneu de Gràcia" -> "ateneu-de-gracia").
 */
void config_host_name(const char *name, char out[64]);
