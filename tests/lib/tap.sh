# SPDX-License-Identifier: AGPL-3.0-or-later
# Test points as TAP has them, and a folder $T that is gone when the script ends. Sourced by bash; a script ends
# with finish.

T=$(mktemp -d "${TMPDIR:-/tmp}/lliure-test.XXXXXX")
trap 'rm -rf "$T"' EXIT
tests=0
failed=0

good() { tests=$((tests + 1)) && echo "ok $tests - $*"; }
bad() { # bad NAME: what standard input says comes with it
	tests=$((tests + 1))
	failed=$((failed + 1))
	echo "not ok $tests - $1"
	sed 's/^/# /'
}
# ok NAME COMMAND...: one test point; the command's output is shown when it fails.
ok() {
	local name=$1
	shift
	if "$@" >"$T/out" 2>&1; then good "$name"; else bad "$name" < <(tail -40 "$T/out"); fi
}
is() { # is NAME GOT WANTED
	if [ "$2" = "$3" ]; then good "$1"; else
		bad "$1" < <(printf 'got:    %s\nwanted: %s\n' "${2//$'\n'/ }" "${3//$'\n'/ }" | cut -c1-400)
	fi
}
none() { # none NAME: standard input must be empty. Behind a pipe it wants `shopt -s lastpipe`
	local found
	found=$(cat)
	if [ -z "$found" ]; then good "$1"; else bad "$1" < <(head -20 <<<"$found"); fi
}
skip() { good "$1 # SKIP $2"; } # skip NAME WHY
note() { echo "# $*"; }
skip_all() { echo "1..0 # SKIP $*"; exit 0; }
finish() { echo "1..$tests"; [ $failed = 0 ]; }
not() { ! "$@"; }

. "$(dirname "${BASH_SOURCE[0]}")/forms.sh"
