#!/bin/sh
# SPDX-License-Identifier: AGPL-3.0-or-later
# Everything that people read is there in every language.
cd "${SOURCE:-$(dirname "$0")/../..}" || exit 1
n=0
bad=0
ok() { # ok NAME COMMAND...
	name=$1
	n=$((n + 1))
	shift
	if said=$("$@" 2>&1); then
		echo "ok $n - $name"
	else
		echo "not ok $n - $name"
		echo "$said" | sed 's/^/# /'
		bad=1
	fi
}
none() { # no output is good
	out=$("$@" 2>&1)
	[ -z "$out" ] || { echo "$out" && return 1; }
}
for po in webui/locale/*.po; do
	l=$(basename "$po" .po)
	ok "the catalog $l is well formed" msgfmt -c -o /dev/null "$po"
	ok "nothing in the catalog $l is a guess" none msgattrib --only-fuzzy "$po"
	ok "nothing in the catalog $l is empty" none msgattrib --untranslated "$po"
done
ok "the catalogs have every message of the templates and of the program" webui/locale/extract --check
echo "1..$n"
exit $bad
