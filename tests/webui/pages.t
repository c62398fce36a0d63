#!/bin/bash
# SPDX-License-Identifier: AGPL-3.0-or-later
# People on a running box: reading, writing as a guest, signing in, looking after it, at 320 px without
# script and at 1280 px with it.
. "$(dirname "$0")/../e2e/lib.sh"
export SOURCE BUILD
mkdir -p "$T/sticks/Kingston"
make_box ateneu --demo "$SOURCE/appliance/demo.json" && start_box ateneu --sticks "$T/sticks" || {
	echo "Bail out! the box did not start"
	exit 1
}
"$SOURCE/tests/webui/with-browser" pages.mjs "$(url ateneu '')" admin "$(cat "$T/password")"
