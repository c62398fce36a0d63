#!/usr/bin/env bash
# SPDX-License-Identifier: AGPL-3.0-or-later
# Help on the command line and the manual page: both are made from the table of commands, and lack none of it.
. "$(dirname "$0")/lib.sh"

status_of() { "$@" >"$T/said" 2>"$T/err"; echo $?; }
is "help is help" "$(status_of "$LLIURE" help)" 0
sed -nE 's/^  ([a-z]+( [a-z]+)?)  .*/\1/p' "$T/said" >"$T/commands"
ok "it lists the commands" [ "$(wc -l <"$T/commands")" -ge 30 ]
is "no word at all is wrong usage" "$(status_of "$LLIURE") $(grep -c '^usage' "$T/err") $(wc -c <"$T/said")" "2 1 0"
is "a group alone is, too" "$(status_of "$LLIURE" bundle)" 2
ok "and its commands are listed" eval 'grep -q "bundle export" "$T/err" && grep -q "bundle import" "$T/err" && ! grep -q "peer add" "$T/err"'
is "--help after a group lists them" "$(status_of "$LLIURE" bundle --help) $(grep -c '^  bundle' "$T/said")" "0 3"
is "help about what is not there" "$(status_of "$LLIURE" help nonsense) $(wc -c <"$T/said")" "2 0"
is "so is an unknown command" "$(status_of "$LLIURE" nonsense)" 2
is "--help touches no box" "$(status_of "$LLIURE" serve --help --data "$T/none") $(test -e "$T/none"; echo $?)" "0 1"
ok "and says what it takes" grep -q -- --no-mdns "$T/said"

"$LLIURE" help --man >"$T/lliure.1"
plain() { sed 's/\\-/-/g; s/\\&//g; s/\\e/\\/g' "$T/lliure.1"; }
bad=
while read -r c; do
	# shellcheck disable=SC2086 # words of a command
	a=$("$LLIURE" help $c) && b=$("$LLIURE" $c --help) && [ "$a" = "$b" ] || bad="$bad; $c has no help"
	section=$(plain | awk -v h=".SS lliure $c" 'index($0, h) == 1 { on = 1; next } /^\.S[SH]/ { on = 0 } on')
	[ -n "$section" ] || bad="$bad; $c is not in the manual page"
	for o in $(sed -n 's/^  \(\S\S*\)  *\S.*/\1/p' <<<"$a"); do
		grep -qxF -- ".B $o" <<<"$section" || bad="$bad; $o of $c is not in the manual page"
	done
done <"$T/commands"
is "every command has its help, and is with all it takes in the manual page" "$bad" ""
if command -v groff >/dev/null; then
	is "groff reads it without a word" "$(groff -man -Tutf8 -ww "$T/lliure.1" 2>&1 >"$T/page" | head -5)" ""
	ok "it can be read" grep -q 'approve another box' "$T/page"
fi
if [ "${BUILD##*/}" = release ] && command -v make >/dev/null; then
	ok "it is installed where it is told" make -s -C "$SOURCE" install DESTDIR="$T/root" prefix=/opt
	is "with its manual page and its source, and nothing else" "$(cd "$T/root" && find . -type f | sort | tr '\n' ' ')" "./opt/bin/lliure ./opt/share/lliure/source.tar.gz ./opt/share/man/man1/lliure.1 "
fi
finish
