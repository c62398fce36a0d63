#!/bin/sh
# SPDX-License-Identifier: AGPL-3.0-or-later
# The vectors of the number that people compare, by an implementation of its own.
cd "${SOURCE:-$(dirname "$0")/../..}" || exit 1
exec python3 tests/vectors/pair.py check tests/vectors/pair.json
