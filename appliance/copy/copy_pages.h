/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* /admin/copy: this box's key, a second box that has it, and who goes on for whom. */
#pragma once
#include "appliance/http/http.h"

extern const struct route copy_routes[];
