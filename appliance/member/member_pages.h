/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The pages about people: sign in and out, claim, your own, a person's, and the volunteers' list.
 */
#pragma once
#include "appliance/http/http.h"

extern const struct route member_routes[];
extern const struct viewer_source member_viewers;

/* "Steward", "Member" …, in the reader's language. */
const char *role_text(struct request *r, enum role role);
