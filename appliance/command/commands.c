/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/command/cmd.h"

#define FLAG(name, help)                                                                           \
	{                                                                                          \
		name, OPTION_FLAG, false, help                                                     \
	}
#define TEXT(name, help)                                                                           \
	{                                                                                          \
		name, OPTION_TEXT, false, help                                                     \
	}
#define NEEDS(name, help)                                                                          \
	{                                                                                          \
		name, OPTION_TEXT, true, help                                                      \
	}
#define READS(name, help)                                                                          \
	{                                                                                          \
		name, OPTION_FILE_IN, false, help                                                  \
	}

/* What a peer gets and gives. */
#define TERMS                                                                                      \
	TEXT("--others", "both, give, take or none: of the spaces that are not named"),            \
		TEXT("--spaces", "SPACE=both|give|take|none, with commas between"),                \
		TEXT("--take-bytes", "of what it brings, kept here at most (500M)"),               \
		TEXT("--give-bytes", "what it is given in a day at most"),                         \
		TEXT("--until", "2027-12-31: the last day")

const struct command commands[] = {
	{"init", "make a box in DIR: it founds its community, or joins another box's", cmd_init,
	 COMMAND_NEW_BOX,
	 .options = {NEEDS("--name", "the name of the box and of its community"),
		     TEXT("--admin", "the first volunteer; without, serve prints a claim link"),
		     READS("--password-file", "the volunteer's password, on one line"),
		     TEXT("--join", "ADDR:PORT of a box to follow; its KEY comes after it"),
		     READS("--demo", "fill the community from this file (appliance/demo.json)")},
	 .args = {{"KEY", OPTION_TEXT, false, "with --join: the other box's key"}}},
	{"serve", "serve the box's pages, meet other boxes", cmd_serve, COMMAND_NEW_BOX,
	 .options = {TEXT("--sticks", "DIR whose folders are treated as USB sticks"),
		     TEXT("--http", "ADDR:PORT for visitors ([::]:8080)"),
		     TEXT("--https", "ADDR:PORT of the safe door ([::]:8444)"),
		     TEXT("--sync", "ADDR:PORT for other boxes ([::]:8443)"),
		     TEXT("--portal", "ADDRESS of this box on a Wi-Fi without internet whose DNS"
				      " leads to it: answers what phones ask there"),
		     TEXT("--backups", "a folder, such as a disk, where backups may be made"
				       " and are looked for"),
		     TEXT("--box", "ROOT of the machine that it runs (/): its helper, its"
				   " updates"),
		     FLAG("--no-mdns", "stay unseen on the local network")}},
	{"status", "who this box is, what it carries, whom it knows", cmd_status,
	 .options = {FLAG("--json", "for programs")}},
	{"claim", "print a link that makes one more volunteer, good for half an hour", cmd_claim},
	{"format", "the number of the format in which this program stores data", cmd_format,
	 COMMAND_NEW_BOX | COMMAND_HIDDEN},
	{"health", "the eight lights: power, temperature, disk, clock and the rest", cmd_health,
	 .options = {FLAG("--json", "for programs")}},
	{"peer add", "approve another box: swap logs with it from now on", cmd_peer_add,
	 .args = {{"ADDR:PORT", OPTION_TEXT, true, "where its sync listener is"},
		  {"KEY", OPTION_TEXT, true, "its key: 52 letters, from its status"}},
	 .options = {FLAG("--read-only", "it may read from us, its people do not write here"),
		     TEXT("--name", "what to call it here")}},
	{"peer address", "say where a box is", cmd_peer_address,
	 .args = {{"KEY", OPTION_TEXT, true, "its key"},
		  {"ADDR:PORT", OPTION_TEXT, true, "where its sync listener is: tried first"}},
	 .options = {FLAG("--forget", "it is not there any more")}},
	{"peer conduct", "what other boxes did that an honest one does not, and what one cost",
	 cmd_peer_conduct,
	 .args = {{"KEY", OPTION_TEXT, false, "its key; all when left out"}}},
	{"peer pause", "swap nothing with a box until it is resumed", cmd_peer_pause,
	 .args = {{"KEY", OPTION_TEXT, true, "its key"}}},
	{"peer resume", "swap with a paused box again, and forget what it did", cmd_peer_resume,
	 .args = {{"KEY", OPTION_TEXT, true, "its key"}}},
	{"peer allow", "let a box bring so many times as much as usual", cmd_peer_allow,
	 .args = {{"KEY", OPTION_TEXT, true, "its key"},
		  {"TIMES", OPTION_TEXT, true, "1 is usual; 0: as much as it likes"}}},
	{"peer list", "the approved boxes", cmd_peer_list,
	 .options = {FLAG("--json", "for programs, with their terms")}},
	{"peer still", "say of a box that came back with a backup that it still is a peer",
	 cmd_peer_still, .args = {{"KEY", OPTION_TEXT, true, "its key"}}},
	{"peer remove", "stop swapping logs with a box, at once", cmd_peer_remove,
	 .args = {{"KEY", OPTION_TEXT, true, "its key"}},
	 .options = {FLAG("--revoke", "and void what it writes from now on, wherever this box may"),
		     FLAG("--drop-backup", "and remove its sealed backup that is kept here")}},
	{"peer invite", "print a link that makes another box a peer, once", cmd_peer_invite,
	 .args = {{"ADDR:PORT", OPTION_TEXT, true, "where the other box finds this one's listener"}},
	 .options = {TEXT("--for", "whom it is for, as a note"),
		     TEXT("--days", "how long it is good (7)"),
		     {"--file", OPTION_FILE_OUT, false, "write it into this file, too"},
		     FLAG("--read-only", "it may read from us, its people do not write here"),
		     TERMS}},
	{"peer invites", "the invitations of this box", cmd_peer_invites,
	 .options = {TEXT("--take-back", "NUMBER of one that is not to be good any more")}},
	{"peer accept", "accept another box's invitation", cmd_peer_accept,
	 .args = {{"LINK", OPTION_TEXT, false, "as its volunteer sent it"}},
	 .options = {READS("--file", "or the file"),
		     FLAG("--read-only", "it may read from us, its people do not write here"),
		     TERMS}},
	{"peer terms", "which spaces a box gets and gives, how much, until when", cmd_peer_terms,
	 .args = {{"KEY", OPTION_TEXT, true, "its key"}},
	 .options = {TERMS}},
	{"reach", "how other boxes are reached: a line that is counted, hours, a proxy", cmd_reach,
	 .options = {TEXT("--metered", "yes: keep to the hours and megabytes; no"),
		     TEXT("--megabytes", "at most so many a day, both ways; 0: any"),
		     TEXT("--from", "the hour from which the line may be used, 0 to 23"),
		     TEXT("--to", "the hour until which it may; the same as --from: all day"),
		     TEXT("--proxy", "http://HOST:PORT; empty: none"),
		     TEXT("--address", "where this box can be reached from outside; empty: none")}},
	{"sync", "swap logs now, with one box or with all", cmd_sync,
	 .args = {{"PEER", OPTION_TEXT, false, "its key; all when left out"}}},
	{"bundle export", "write what this box carries into a file", cmd_bundle_export,
	 .args = {{"FILE", OPTION_FILE_OUT, true, "the file to write"}},
	 .options = {TEXT("--for", "KEY of a peer: only what it is not known to hold"),
		     FLAG("--since-receipt", "with --for: nothing, rather than everything, when"
					     " it was never heard of"),
		     FLAG("--json", "for programs")}},
	{"bundle import", "take in a file that another box exported", cmd_bundle_import,
	 .args = {{"FILE", OPTION_FILE_IN, true, "the file to read"}},
	 .options = {FLAG("--json", "for programs")}},
	{"bundle check", "say what is in a file, and take nothing in", cmd_bundle_check,
	 .args = {{"FILE", OPTION_FILE_IN, true, "the file to read"}},
	 .options = {FLAG("--json", "for programs")}},
	{"sieve", "the helper that reads foreign files", cmd_sieve,
	 COMMAND_NEW_BOX | COMMAND_HIDDEN,
	 .options = {FLAG("--summary", "what is in it, instead of its frames")}},
	{"keep", "say or set what this box fetches and keeps of older entries", cmd_keep,
	 .options = {TEXT("--payloads-since", "DAYS, or “all”: only what was written since then"),
		     TEXT("--blobs-up-to", "SIZE (20M), or “all”: only files up to that")}},
	{"verify", "read everything and check every signature, hash and chain", cmd_verify},
	{"rebuild", "make the pages' tables anew from the logs", cmd_rebuild},
	{"digest", "one hash per space: equal on boxes that hold the same", cmd_digest,
	 .options = {FLAG("--entries", "over the entries alone: equal also where payloads are not"
				       " kept")}},
	{"backup", "write a sealed copy of everything, keys included, into a file", cmd_backup,
	 .args = {{"FILE", OPTION_FILE_OUT, true, "the file to write"}},
	 .options = {READS("--passphrase-file",
			   "seal it with a passphrase; without, two recovery sheets open it"),
		     FLAG("--small", "only what other boxes can't give back")}},
	{"restore", "make a box in an empty DIR from a backup", cmd_restore, COMMAND_NEW_BOX,
	 .args = {{"FILE", OPTION_FILE_IN, true, "the backup"}},
	 .options = {READS("--sheets", "two recovery sheets, typed or scanned into a file"),
		     READS("--passphrase-file", "the passphrase it was sealed with")}},
	{"sheets", "three recovery sheets: two of them are the box's key", cmd_sheets},
	{"space list", "the spaces of this box, and the boxes that are admitted to them",
	 cmd_space_list},
	{"space add", "found another space", cmd_space_add,
	 .args = {{"NAME", OPTION_TEXT, true, "what to call it"}},
	 .options = {NEEDS("--as", "who is its first steward: the name of an account"),
		     {"--password-file", OPTION_FILE_IN, true, "their password, on one line"},
		     FLAG("--private", "only its boxes can read it, only its people see it")}},
	{"space admit", "admit a box to a space of which this one is a keeper", cmd_space_admit,
	 .args = {{"SPACE", OPTION_TEXT, true, "its id, or the first eight letters"},
		  {"KEY", OPTION_TEXT, true, "the box's key: 52 letters"}},
	 .options = {FLAG("--read-only", "its people read, and do not write"),
		     FLAG("--carry", "it keeps and passes on a private space that it can't read"),
		     TEXT("--name", "what to call it there")}},
	{"space remove", "withdraw a box from a space; a private one gets a new key",
	 cmd_space_remove,
	 .args = {{"SPACE", OPTION_TEXT, true, "its id, or the first eight letters"},
		  {"KEY", OPTION_TEXT, true, "the box's key"}}},
	{"space rotate", "give a private space a new key", cmd_space_rotate,
	 .args = {{"SPACE", OPTION_TEXT, true, "its id, or the first eight letters"}}},
	{"user add", "give a person an account on this box", cmd_user_add,
	 .args = {{"NAME", OPTION_TEXT, true, "their name"}},
	 .options = {{"--password-file", OPTION_FILE_IN, true, "their password, on one line"},
		     FLAG("--volunteer", "they may run the box")}},
	{"user list", "the accounts of this box", cmd_user_list},
	{"user password", "give an account a new password", cmd_user_password,
	 .args = {{"NAME", OPTION_TEXT, true, "whose"}},
	 .options = {READS("--old-password-file", "their password until now"),
		     {"--password-file", OPTION_FILE_IN, true, "the new one, on one line"}}},
	{"user token", "make a personal token for programs", cmd_user_token,
	 .args = {{"NAME", OPTION_TEXT, true, "whose"}},
	 .options = {{"--password-file", OPTION_FILE_IN, true, "their password"},
		     TEXT("--label", "what the token is for")}},
	{"import discourse", "take in topics of a Discourse forum", cmd_import_discourse,
	 .args = {{"FILE", OPTION_FILE_IN, true, "topics as JSON, one a line or one a file"}},
	 .options = {TEXT("--forum", "SLUG of the forum they go to (the first one)")}},
	{0},
};
