#!/bin/sh
# SPDX-License-Identifier: AGPL-3.0-or-later
# Every fuzz target accepts its whole corpus, and the seeds that are made anew. By hand: BUILD=build/asan tests/fuzz/corpus.t
cd "${SOURCE:-$(dirname "$0")/../..}" || exit 1
BUILD=${BUILD:-build/release}
n=0
made=$(mktemp -d)
trap 'rm -rf "$made"' EXIT
"$BUILD/tests/fuzz/exchange_tool" "$made" tests/fuzz/corpus/op || echo "# no seeds could be made"
for target in tests/fuzz/fuzz_*.c; do
	name=$(basename "$target" .c)
	name=${name#fuzz_}
	n=$((n + 1))
	set -- "tests/fuzz/corpus/$name"
	case $name in bundle | sieve | known | heads | status | seal) set -- "$@" "$made/$name" ;; esac
	if [ ! -x "$BUILD/replay/fuzz_$name" ]; then
		echo "not ok $n - $name: $BUILD/replay/fuzz_$name is not built (make test-build)"
	elif said=$("$BUILD/replay/fuzz_$name" "$@" 2>&1); then
		echo "ok $n - $name: $said"
	else
		echo "not ok $n - $name"
		echo "$said" | sed 's/^/# /'
	fi
done
echo "1..$n"
