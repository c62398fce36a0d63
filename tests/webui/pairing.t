#!/usr/bin/env bash
# SPDX-License-Identifier: AGPL-3.0-or-later
# Two volunteers connect two boxes, page by page (pairing.mjs). PICTURES=FOLDER keeps pictures.
. "$(dirname "$0")/../e2e/lib.sh"
export SOURCE BUILD
make_box casal >"$T/made" && make_box ateneu >>"$T/made" && start_box casal && start_box ateneu || {
	cat "$T/made"
	exit 1
}
"$SOURCE/tests/webui/with-browser" pairing.mjs "$(url casal '')" "$(url ateneu '')" admin "$(cat "$T/password")" ${PICTURES-}
