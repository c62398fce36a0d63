/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* /erased/ID: at which boxes the bytes of an erased text are gone. */
#pragma once
#include "appliance/http/http.h"

extern const struct route erased_routes[];
