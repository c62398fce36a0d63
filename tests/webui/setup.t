#!/bin/bash
# SPDX-License-Identifier: AGPL-3.0-or-later
# The first run in a browser, and what a volunteer then does against the day that the box dies: WIDTH=320 without
# script, and 1280 with it.
. "$(dirname "$0")/../e2e/lib.sh"
export SOURCE BUILD
mkdir -p "$T/disk"
for width in 320 1280; do
	: >"$T/$width.out"
	"$LLIURE" serve --data "$T/$width" --http 127.0.0.1:0 --https 127.0.0.1:0 --sync 127.0.0.1:0 --no-mdns --backups "$T/disk" \
		>"$T/$width.out" 2>"$T/$width.err" &
	daemon[$width]=$!
	until_ok 30 grep -q 'Ctrl-C' "$T/$width.out"
	port=$(sed -n 's|.*http://localhost:\([0-9]*\)$|\1|p' "$T/$width.out" | head -1)
	code=$(sed -n 's|.*the code *\([a-z2-7-]*\)$|\1|p' "$T/$width.out")
	"$SOURCE/tests/webui/with-browser" setup.mjs "http://127.0.0.1:$port" "$code" "$width" >"$T/$width.tap" 2>&1
	echo "status $?" >>"$T/$width.tap"
done
grep -h '# SKIP' "$T/320.tap" && exit 0
# Two runs of one script, as one.
cat "$T/320.tap" "$T/1280.tap" | awk '/^(not )?ok / { n++; sub(/[0-9]+/, n); print; next } /^1\.\./ { ends++; next }
	/^status / { if ($2) print "# ended with " $2; next } { print "# " $0 }
	END { if (ends != 2) { n++; print "not ok " n " - the browser came to the end" } print "1.." n }'
