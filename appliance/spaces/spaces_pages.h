/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The volunteer's pages of spaces: /admin/spaces. */
#pragma once
#include "appliance/http/http.h"

extern const struct route spaces_routes[];
