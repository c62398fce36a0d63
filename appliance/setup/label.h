/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What stands on the label of a new box, and on its screen: its Wi-Fi with the password, where its
 * first page is, and the code of the first run. As text; RUN/lliure-label/sheet.txt holds it for who
 * prints labels, readable by the daemon's user and root only, until the machine restarts.
 */
#pragma once
#include "appliance/app.h"
#include "firmware/network/label.h"

enum { LABEL_TEXT = 1024 };
struct label {
	struct network_label wifi;
	char host[NETWORK_LABEL_HOST]; /* "lliure-1a2b.local" */
	const char *code;
};
/* All but the code, as the network left it in BOX.label. false: it has not said it yet, or it is no
 * box. */
bool label_wifi(const struct app_box *box, struct label *ret);
/* Zero-terminated. */
void label_text(const struct label *l, char out[LABEL_TEXT]);
/* Beside the Wi-Fi's. */
struct error *label_write(const struct app_box *box, const struct label *l) MUST;
