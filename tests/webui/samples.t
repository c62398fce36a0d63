#!/bin/sh
# SPDX-License-Identifier: AGPL-3.0-or-later
# Every page with every sample context, in a browser: nothing is wider than a phone of 320 px, WCAG 2.2
# AA as far as a machine can see it, targets of 44 px, one main heading, nothing that the policy refuses.
cd "${SOURCE:-$(dirname "$0")/../..}" || exit 1
SOURCE=$PWD
export SOURCE BUILD="${BUILD:-$PWD/build/release}"
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
"$BUILD/tests/webui/preview_tool" "$tmp" || {
	echo "Bail out! the pages could not be drawn"
	exit 1
}
tests/webui/with-browser samples.mjs "$tmp"
