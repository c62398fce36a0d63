/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The volunteer's pages of other boxes: /admin/peers and below, /admin/receipts, /pair. */
#pragma once
#include "appliance/http/http.h"

extern const struct route peers_routes[], peer_routes[], invite_routes[], number_routes[];
extern const struct route address_routes[];
