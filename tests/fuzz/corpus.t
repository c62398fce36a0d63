#!/bin/sh
# SPDX-License-Identifier: AGPL-3.0-or-later
# Every fuzz target accepts its whole corpus. By hand: BUILD=build/asan tests/fuzz/corpus.t
cd "${SOURCE:-$(dirname "$0")/../..}" || exit 1
BUILD=${BUILD:-build/release}
n=0
for target in tests/fuzz/fuzz_*.c; do
	name=$(basename "$target" .c)
	name=${name#fuzz_}
	n=$((n + 1))
	if [ ! -x "$BUILD/replay/fuzz_$name" ]; then
		echo "not ok $n - $name: $BUILD/replay/fuzz_$name is not built (make test-build)"
	elif said=$("$BUILD/replay/fuzz_$name" "tests/fuzz/corpus/$name" 2>&1); then
		echo "ok $n - $name: $said"
	else
		echo "not ok $n - $name"
		echo "$said" | sed 's/^/# /'
	fi
done
echo "1..$n"
