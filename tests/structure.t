#!/usr/bin/env bash
# SPDX-License-Identifier: AGPL-3.0-or-later
# The walls of the house: includes point down, private headers stay private, each outside library has its
# folder, SQL is in *_store.c, every file names its licence, every header compiles alone.
shopt -s lastpipe
cd "${SOURCE:-$(dirname "$0")/..}" || exit 1
. tests/lib/tap.sh
inc() { grep -rnE --include='*.[ch]' "$@"; }
sources() { git ls-files '*.c' '*.h' 2>/dev/null | grep . || find sync appliance firmware tests -name '*.[ch]'; }

inc '#include "(appliance|firmware|webui)/' sync | none "sync/ includes nothing from above"
for low in base crypto db; do
	case $low in
	base) above='crypto|db|log|blob|space|replicate|bundle|peer|discovery|tls' ;;
	crypto) above='db|log|blob|space|replicate|bundle|peer|discovery|tls' ;;
	db) above='crypto|log|blob|space|replicate|bundle|peer|discovery|tls' ;;
	esac
	inc "#include \"sync/($above)/" sync/$low | none "sync/$low includes nothing from above it"
done
inc '#include "sync/(replicate|bundle|peer|discovery|tls)/' sync/log sync/blob | none "sync/log and sync/blob include nothing from above them"
inc '#include "sync/(peer|discovery|tls)/' sync/replicate sync/bundle | none "replication knows no network"
inc '#include "appliance/(forum|library|moderation|search|member|peers|http|page|command)/' appliance/community | none "community/ knows no feature and no HTTP"
inc '#include ".*_priv\.h"' sync appliance | awk -F: '{d=$1; sub("/[^/]*$","",d); i=$3; sub(".*include \"","",i); sub("/[^/]*_priv.*","",i); if (i!=d && index(d, i "/") != 1 && !(i=="appliance" && d ~ /^appliance\/command/)) print}' | none "private headers are included in their own folder only"
inc '#include <microhttpd.h>' sync appliance | grep -v -e '^appliance/http/' -e '^sync/peer/' | none "libmicrohttpd only in appliance/http and sync/peer"
inc '#include <git2' sync appliance | grep -v '^appliance/library/' | none "libgit2 only in appliance/library"
inc '#include <sodium' sync appliance | grep -v '^sync/crypto/' | none "libsodium only in sync/crypto"
inc '#include <(seccomp|linux/landlock|libudev)' sync appliance | grep -v '^appliance/carry/' | none "libseccomp, Landlock and libudev only in appliance/carry"
inc "#include <systemd/sd-bus" sync appliance firmware | grep -v '^firmware/network/' | none "sd-bus only in firmware/network"
inc '#include <avahi' sync appliance | grep -v '^sync/discovery/' | none "Avahi only in sync/discovery"
inc '#include <cmark' sync appliance | grep -v '^appliance/page/' | none "cmark only in appliance/page"
inc '#include <qrencode' sync appliance | grep -v '^appliance/page/' | none "libqrencode only in appliance/page"
inc '#include <libgfshare' sync appliance | grep -v '^appliance/recovery/' | none "libgfshare only in appliance/recovery"
inc '#include <libxml' sync appliance | grep -v '^appliance/import/' | none "libxml2 only in appliance/import"
inc '"(SELECT|INSERT|UPDATE|DELETE|CREATE) ' appliance | grep -vE '(_store|config/config|community/[a-z_]+)\.c:' | none "SQL only in stores"
inc '#include <jansson.h>' sync | grep -vE '^sync/(replicate|peer|bundle)/' | none "sync/ reads JSON only at its edges"
grep -rnE '<(p|div|span|html|body|form|a|ul|li)[ >]' --include='*.c' appliance | grep -vE '^appliance/(page|import)/' | grep -v '^\S*:\s*/\?\*' | none "HTML only in templates"
sources | xargs grep -L 'SPDX-License-Identifier: AGPL-3.0-or-later' | none "every source file names its licence"
sources | grep '\.h$' | xargs grep -L '#pragma once' | none "every header guards itself"
sources | xargs awk 'length($0) - 0 > 110 {print FILENAME ":" FNR}' | none "lines fit the page"
if command -v ctags >/dev/null; then
	sources | grep '\.c$' | grep -v '^tests/' | xargs ctags -x --c-kinds=f --fields=+ne --_xformat='%{end} %n %N %F' 2>/dev/null | awk '$1-$2 > 100 {print $1-$2 " lines: " $3 " in " $4}' | none "no function is longer than 100 lines"
fi
# One that its own .c includes first has been shown to by every build.
alone() {
	local h flags
	flags=$(pkg-config --cflags libxml-2.0)
	for h in $(sources | grep '\.h$' | grep -v banned.h); do
		[ "$(grep -m1 '^#include' "${h%.h}.c" 2>/dev/null)" = "#include \"$h\"" ] || echo "$h"
	done | xargs -P2 -I@ sh -c "echo '#include \"@\"' | gcc -fsyntax-only -std=gnu11 -D_GNU_SOURCE -I. $flags -x c - 2>&1 | grep -m1 error | sed 's|^|@: |'"
}
alone | none "every header compiles alone"
finish
