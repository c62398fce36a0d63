/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
#include "appliance/http/http.h"

extern const struct route recovery_routes[];
