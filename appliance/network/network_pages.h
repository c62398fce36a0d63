/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The volunteers' page about the box's network. */
#pragma once
#include "appliance/http/http.h"

extern const struct route network_routes[];
