#!/bin/sh
# SPDX-License-Identifier: AGPL-3.0-or-later
# The vectors of secret sharing and of recovery sheets, by an implementation of its own.
cd "${SOURCE:-$(dirname "$0")/../..}" || exit 1
exec python3 tests/vectors/share.py check tests/vectors/share.json
