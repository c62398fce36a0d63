/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What the table of commands says of itself: help on the terminal, and the manual page. */
#include "appliance/command/command.h"
#include "version.h"

bool command_asks_for_help(const char *word)
{
	return !strcmp(word, "help") || !strcmp(word, "--help") || !strcmp(word, "-h");
}

/* --- on the terminal -------------------------------------------------------------------------- */

static void print_options(FILE *out, const struct command_option *o, int n, const char *title)
{
	if (!o[0].name)
		return;
	fprintf(out, "\n%s\n", title);
	for (int k = 0; k < n && o[k].name; k++)
		fprintf(out, "  %-22s %s%s\n", o[k].name, o[k].help,
			o[k].required ? " (needed)" : "");
}

static void print_one(FILE *out, const struct command *c)
{
	fprintf(out, "lliure %s", c->words);
	for (int k = 0; k < COMMAND_ARGS && c->args[k].name; k++)
		fprintf(out, c->args[k].required ? " %s" : " [%s]", c->args[k].name);
	fprintf(out, " --data DIR%s\n\n%s\n", c->options[0].name ? " [OPTIONS]" : "", c->help);
	print_options(out, c->args, COMMAND_ARGS, "Arguments");
	print_options(out, c->options, COMMAND_OPTIONS, "Options");
	fprintf(out,
		"\nDIR is the box's data folder; LLIURE_DATA in the environment names it too,\n"
		"and otherwise it is /var/lib/lliure.\n");
}

/* "bundle" has "bundle export" and others. */
static bool is_of_group(const struct command *c, const char *group)
{
	size_t n = strlen(group);

	return !strncmp(c->words, group, n) && (!n || c->words[n] == ' ');
}

static int print_group(FILE *out, const char *group)
{
	int n = 0;

	for (const struct command *c = commands; c->words; c++)
		if (!(c->flags & COMMAND_HIDDEN) && is_of_group(c, group)) {
			fprintf(out, "  %-18s %s\n", c->words, c->help);
			n++;
		}
	return n;
}

static void print_all(FILE *out)
{
	fprintf(out, "lliure: a community server that lives in the centre itself\n\n"
		     "usage: lliure COMMAND [ARGUMENTS] --data DIR\n\n");
	print_group(out, "");
	fprintf(out, "\n  %-18s %s\n", "help COMMAND",
		"what a command takes; so does --help after it");
	fprintf(out, "  %-18s %s\n", "help --man", "the manual page, as groff reads it");
	fprintf(out, "\nExit status: 0 done, 1 it failed (one line says why), 2 wrong usage.\n");
}

/* --- the manual page: man(7) ------------------------------------------------------------------ */

/* One letter beyond ASCII of our own texts, which are whole UTF-8 of at most three bytes. Returns
 * the last of its bytes. */
static const char *roff_letter(FILE *out, const char *at)
{
	const unsigned char *u = (const unsigned char *)at;
	bool three = (u[0] & 0xe0) == 0xe0;
	unsigned point = three ? (u[0] & 15u) << 12 | (u[1] & 63u) << 6 | (u[2] & 63u)
			       : (u[0] & 31u) << 6 | (u[1] & 63u);

	fprintf(out, "\\[u%04X]", point);
	return at + (three ? 2 : 1);
}

/* Words of ours in groff's input: a hyphen is one, and no line begins with a request. */
static void roff(FILE *out, const char *text)
{
	if (*text == '.' || *text == '\'')
		fputs("\\&", out);
	for (; *text; text++)
		if (*text == '\\')
			fputs("\\e", out);
		else if (*text == '-')
			fputs("\\-", out);
		else if (*text & 0x80)
			text = roff_letter(out, text);
		else
			fputc(*text, out);
}

static void roff_item(FILE *out, const struct command_option *o)
{
	fputs(".TP\n.B ", out);
	roff(out, o->name);
	fputc('\n', out);
	roff(out, o->help);
	fputs(o->required ? " (needed)\n" : "\n", out);
}

static void roff_command(FILE *out, const struct command *c)
{
	fputs(".SS lliure ", out);
	roff(out, c->words);
	for (int k = 0; k < COMMAND_ARGS && c->args[k].name; k++) {
		fputs(c->args[k].required ? " " : " [", out);
		roff(out, c->args[k].name);
		fputs(c->args[k].required ? "" : "]", out);
	}
	fputc('\n', out);
	roff(out, c->help);
	fputs(".\n", out);
	for (int k = 0; k < COMMAND_ARGS && c->args[k].name; k++)
		roff_item(out, &c->args[k]);
	for (int k = 0; k < COMMAND_OPTIONS && c->options[k].name; k++)
		roff_item(out, &c->options[k]);
}

static void print_man(FILE *out)
{
	fprintf(out,
		".\\\" made by: lliure help \\-\\-man\n"
		".TH LLIURE 1 \"\" \"lliure %s\" \"Equipaments Lliures\"\n"
		".SH NAME\nlliure \\- a community server that lives in the centre itself\n"
		".SH SYNOPSIS\n.B lliure\n.I COMMAND\n.RI [ ARGUMENTS ]\n.RB [ \\-\\-data\n"
		".IR DIR ]\n"
		".SH DESCRIPTION\n"
		"A box serves forums and documents to whoever is on its network, keeps every"
		" change in signed logs, and swaps those with the boxes of other centres."
		" Everyday care of it needs no terminal: its pages do all of this.\n.PP\n"
		"Commands work beside a running\n.BR \"lliure serve\" :\n"
		"they are handed to it.\n"
		".SH COMMANDS\n",
		LLIURE_VERSION);
	for (const struct command *c = commands; c->words; c++)
		if (!(c->flags & COMMAND_HIDDEN))
			roff_command(out, c);
	fputs(".SS lliure help [COMMAND]\nwhat there is, or what a command takes.\n"
	      ".TP\n.B \\-\\-man\nthis page, as groff reads it\n"
	      ".SH ENVIRONMENT\n.TP\n.B LLIURE_DATA\n"
	      "the box's data folder, when\n.B \\-\\-data\ndoes not name it; otherwise\n"
	      ".I /var/lib/lliure\n"
	      ".SH EXIT STATUS\n0 done, 1 it failed (one line on standard error says why),"
	      " 2 wrong usage.\n"
	      ".SH FILES\n.TP\n.I /var/lib/lliure\nthe data folder:\n.I key\nis who the box is,\n"
	      ".I log.db\nwhat was written,\n.I local.db\nwhat is this box's alone. The rest is "
	      "made"
	      " from these.\n",
	      out);
}

/* --- what was asked for ----------------------------------------------------------------------- */

int command_help(int argc, char **argv, FILE *out)
{
	const struct command *one;
	int words, n = 0;

	while (n < argc && (argv[n][0] != '-' || !strcmp(argv[n], "--man")))
		n++;
	if (n == 1 && !strcmp(argv[0], "--man")) {
		print_man(out);
		return 0;
	}
	one = command_find(n, argv, &words);
	if (one) {
		print_one(out, one);
		return 0;
	}
	if (!n) {
		print_all(out);
		return 0;
	}
	return print_group(out, argv[0]) ? 0 : 2;
}
