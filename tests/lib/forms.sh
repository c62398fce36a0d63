# SPDX-License-Identifier: AGPL-3.0-or-later
# What tests need to send a form. Sourced by bash.

# The word that the forms of a page, on standard input, have with them.
csrf_in() { sed -n 's/.*name="csrf" value="\([^"]*\)".*/\1/p' | head -1; }
