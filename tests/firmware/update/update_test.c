/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The updater against RAUC itself (where it is installed) for what bundles are, and against a
 * played RAUC, boot state and systemd for what follows. */
#include "tests/lib/test.h"
#include "firmware/helper/helper.h"
#include "firmware/update/history.h"
#include "firmware/update/update.h"
#include "sync/base/file.h"
#include <sys/stat.h>

struct box {
	char *dir, *state, *tmp, *updates, *data, *release, *conf;
	struct updater u;
	char did[2000];
	const char *info, *show; /* what `rauc info` and `lliure-boot show` print */
	const char *words;	 /* of `rauc install` */
	int info_status, bare_status, install_status, healthy_status;
	enum update_stage meanwhile; /* the daemon calls the system healthy in this stage */
};

static void expect_outcome(struct box *b, enum update_stage stage, enum update_why why)
{
	_cleanup_(freep) char *path = path_join(b->state, "update");
	struct outcome o = {.stage = UPDATE_NONE};

	assert_ok(update_outcome_read(path, &o));
	assert_string_equal(update_stage_name(o.stage), update_stage_name(stage));
	assert_string_equal(update_why_name(o.why), update_why_name(why));
}

static void called_healthy_in(struct box *b, enum update_stage stage)
{
	if (b->meanwhile != stage)
		return;
	b->meanwhile = UPDATE_NONE;
	assert_int_equal(update_healthy(&b->u), 0);
	expect_outcome(b, stage, WHY_NOTHING);
}

static int play(void *ctx, const char *const *argv, int seconds, struct buf *out)
{
	struct box *b = ctx;
	_cleanup_(buf_release) struct buf line = {0};
	size_t n = strlen(b->did);

	assert_true(seconds > 0);
	buf_puts(&line, strrchr(argv[0], '/') + 1);
	for (size_t i = 1; argv[i]; i++)
		buf_printf(&line, " %s",
			   strncmp(argv[i], "/", 1) == 0 ? strrchr(argv[i], '/') + 1 : argv[i]);
	snprintf(b->did + n, sizeof(b->did) - n, "%s\n", buf_str(&line));
	if (strstr(buf_str(&line), "--no-verify"))
		return b->bare_status;
	if (strstr(buf_str(&line), " info ")) {
		called_healthy_in(b, UPDATE_CHECKING);
		buf_puts(out, b->info ? b->info : "");
		return b->info_status;
	}
	if (strstr(buf_str(&line), " install ")) {
		called_healthy_in(b, UPDATE_INSTALLING);
		buf_puts(out, b->words ? b->words : "");
		return b->install_status;
	}
	if (strstr(buf_str(&line), "lliure-boot healthy"))
		return b->healthy_status;
	if (strstr(buf_str(&line), "lliure-boot show"))
		buf_puts(out, b->show);
	return 0;
}

static int64_t at_noon(void *ctx)
{
	(void)ctx;
	return 1780000000000;
}

static void put(const char *dir, const char *name, const char *text)
{
	_cleanup_(freep) char *path = path_join(dir, name);

	assert_ok(file_write(path, span_str(text), 0644));
}

static bool there(const char *dir, const char *name)
{
	_cleanup_(freep) char *path = path_join(dir, name);

	return access(path, F_OK) == 0;
}

static int open_box(void **state)
{
	struct box *b = calloc(1, sizeof(*b));

	b->dir = test_dir();
	b->state = path_join(b->dir, "state");
	b->tmp = path_join(b->dir, "run");
	b->updates = path_join(b->dir, "updates");
	b->data = path_join(b->dir, "box");
	b->release = path_join(b->dir, "os-release");
	b->conf = path_join(b->dir, "system.conf");
	assert_ok(dir_make(b->state, 0755));
	assert_ok(dir_make(b->tmp, 0755));
	assert_ok(dir_make(b->updates, 0755));
	assert_ok(dir_make(b->data, 0755));
	put(b->dir, "os-release", "NAME=x\nVERSION_ID=2026.11.20\nID=lliure\n");
	put(b->dir, "system.conf", "[system]\ncompatible=lliure-amd64\n");
	put(b->updates, "new.raucb", "bundle");
	b->info = "{\"compatible\":\"lliure-amd64\",\"version\":\"2026.11.25\",\"build\":\"format-"
		  "7\"}";
	b->show = "running=A\nnext=A\ngood=A\ntry=-\nok=AB\nn=0\narmed=-0\n";
	b->u = (struct updater){b,	play,	    play,    at_noon,	 b->state,
				b->tmp, b->updates, b->data, b->release, b->conf};
	*state = b;
	return 0;
}

static int close_box(void **state)
{
	struct box *b = *state;

	test_dir_remove(b->dir);
	free(b->state), free(b->tmp), free(b->updates), free(b->data), free(b->release),
		free(b->conf);
	free(b);
	return 0;
}

static int install(struct box *b, const char *file)
{
	put(b->tmp, "update-request", file);
	b->did[0] = 0;
	return update_install(&b->u);
}

/* --- installing --------------------------------------------------------------------------------
 */

static void a_good_bundle_is_written_and_the_box_restarts(void **state)
{
	struct box *b = *state;

	assert_int_equal(install(b, "new.raucb"), 0);
	assert_non_null(strstr(b->did, " install new.raucb\n"));
	assert_non_null(strstr(b->did, "systemctl --no-block reboot\n"));
	expect_outcome(b, UPDATE_RESTARTING, WHY_NOTHING);
	assert_false(there(b->updates, "new.raucb"));
	assert_false(there(b->tmp, "update-request"));
	/* Nothing was asked: nothing is done. */
	b->did[0] = 0;
	assert_int_equal(update_install(&b->u), 2);
	assert_string_equal(b->did, "");
}

static void refuse(struct box *b, enum update_why why)
{
	assert_int_equal(install(b, "new.raucb"), 1);
	assert_null(strstr(b->did, " install "));
	assert_null(strstr(b->did, "reboot"));
	assert_null(strstr(b->did, "--no-verify")); /* as root nothing unsigned is read */
	expect_outcome(b, UPDATE_REFUSED, why);
	assert_true(there(b->updates, "new.raucb"));
}

static void what_may_not_be_installed_is_refused_with_its_reason(void **state)
{
	struct box *b = *state;

	b->info_status = 1;
	b->info = "signature verification failed: Verify error: self-signed certificate\n";
	refuse(b, WHY_STRANGER); /* readable, but not signed by us */
	b->info =
		"Invalid bundle format: Signature size (7957085066972966886) exceeds bundle size\n";
	refuse(b, WHY_DAMAGED);
	b->info_status = 0;
	b->info = "{\"compatible\":\"lliure-arm64\",\"version\":\"2026.11.25\"}";
	refuse(b, WHY_MACHINE);
	b->info = "{\"compatible\":\"lliure-amd64\",\"version\":\"2026.11.20\"}";
	refuse(b, WHY_OLDER);
	b->info = "{\"compatible\":\"lliure-amd64\",\"version\":\"2026.9.30\"}";
	refuse(b, WHY_OLDER);
	b->info = "{\"compatible\":\"lliure-amd64\",\"version\":\"newest\"}";
	refuse(b, WHY_OLDER);
	b->info = "{\"compatible\":\"lliure-amd64\",\"version\":\"2026.11.25\",\"build\":\"format-"
		  "7\"}";
	put(b->data, "format", "8\n");
	refuse(b, WHY_FORMAT);
	b->info = "{\"compatible\":[],\"version\":1}";
	refuse(b, WHY_DAMAGED);
	b->info = "nonsense";
	refuse(b, WHY_DAMAGED);
}

static void only_a_file_of_the_folder_is_looked_at(void **state)
{
	static const char *const bad[] = {"",  "../new.raucb", "/etc/passwd",
					  "x", "a b.raucb",    "-x.raucb"};
	struct box *b = *state;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_int_equal(install(b, bad[i]), 2);
		assert_string_equal(b->did, "");
	}
}

static void a_bundle_that_cant_be_written_says_so(void **state)
{
	struct box *b = *state;

	_cleanup_(freep) char *path = path_join(b->state, "update");
	struct outcome o = {.stage = UPDATE_NONE};

	b->install_status = 1;
	b->words = "installing\n  0% Installing\nLastError: Failed to open slot <b>\n"
		   "Installing `/x` failed\n";
	assert_int_equal(install(b, "new.raucb"), 1);
	assert_null(strstr(b->did, "reboot"));
	expect_outcome(b, UPDATE_FAILED, WHY_INSTALL);
	/* In the installer's own words. */
	assert_ok(update_outcome_read(path, &o));
	assert_string_equal(o.said, "Failed to open slot <b>");
}

static void of_what_was_printed_the_line_that_says_why_is_kept(void **state)
{
	static const char *const printed[][2] = {
		{"", ""},
		{"\n \n", ""},
		{"one\ntwo\n", "two"},
		{"rauc-Message: 22:43:48.166: Failed to load system status: No such file\n"
		 "Invalid bundle format: Signature size exceeds bundle size\n",
		 "Invalid bundle format: Signature size exceeds bundle size"},
		{"D-Bus error: no such name\n100% done\n", "D-Bus error: no such name"},
		{"it failed\nLastError: \x1b[1mno\x80 loop\r\nall failed\n", "[1mno loop"},
	};
	char said[UPDATE_SAID], full[3 * UPDATE_SAID];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(printed); i++) {
		update_said(span_str(printed[i][0]), said);
		assert_string_equal(said, printed[i][1]);
	}
	memset(full, 'x', sizeof(full));
	update_said(span_of(full, sizeof(full)), said);
	assert_int_equal(strlen(said), UPDATE_SAID - 1);
}

/* --- what follows ------------------------------------------------------------------------------
 */

static void another_file_than_the_one_that_was_checked_is_not_started(void **state)
{
	struct box *b = *state;

	b->show = "running=A\nnext=B\ngood=A\ntry=B\nok=A-\nn=0\narmed=B1\n";
	put(b->state, "rauc.status",
	    "[slot.rootfs.0]\nbundle.version=2026.11.20\nstatus=ok\n\n"
	    "[slot.rootfs.1]\nbundle.version=2026.10.1\nstatus=ok\n");
	assert_int_equal(install(b, "new.raucb"), 1);
	assert_non_null(strstr(b->did, "lliure-boot bad B\n"));
	assert_null(strstr(b->did, "reboot"));
	expect_outcome(b, UPDATE_FAILED, WHY_OLDER);
	/* A version that only begins like it is another. */
	put(b->state, "rauc.status", "[slot.rootfs.1]\nbundle.version=2026.11.250\n");
	assert_int_equal(install(b, "new.raucb"), 1);
	put(b->state, "rauc.status",
	    "[slot.rootfs.0]\nbundle.version=2026.11.20\n\n"
	    "[slot.rootfs.1]\nbundle.version=2026.11.25\nstatus=ok\n");
	assert_int_equal(install(b, "new.raucb"), 0);
	expect_outcome(b, UPDATE_RESTARTING, WHY_NOTHING);
}

static void a_healthy_new_system_closes_the_outcome(void **state)
{
	struct box *b = *state;

	assert_int_equal(install(b, "new.raucb"), 0);
	put(b->dir, "os-release", "VERSION_ID=\"2026.11.25\"\n");
	b->show = "running=B\nnext=B\ngood=B\ntry=-\nok=AB\nn=0\narmed=-0\n";
	assert_int_equal(update_healthy(&b->u), 0);
	expect_outcome(b, UPDATE_DONE, WHY_NOTHING);
	/* The next start changes nothing of it. */
	assert_int_equal(update_healthy(&b->u), 0);
	expect_outcome(b, UPDATE_DONE, WHY_NOTHING);
	b->healthy_status = 1;
	assert_int_equal(update_healthy(&b->u), 1);
}

static void a_new_system_that_is_not_well_is_given_up_and_the_former_says_why(void **state)
{
	struct box *b = *state;

	assert_int_equal(install(b, "new.raucb"), 0);
	b->show = "running=B\nnext=A\ngood=A\ntry=-\nok=A-\nn=1\narmed=B1\n";
	put(b->tmp, "unwell", "data");
	b->did[0] = 0;
	assert_int_equal(update_judge(&b->u), 0);
	assert_string_equal(b->did,
			    "lliure-boot show\nlliure-boot bad B\nsystemctl --no-block reboot\n");
	/* The former runs again. */
	b->show = "running=A\nnext=A\ngood=A\ntry=-\nok=A-\nn=0\narmed=-0\n";
	assert_int_equal(update_healthy(&b->u), 0);
	expect_outcome(b, UPDATE_ROLLED_BACK, WHY_DATA);
	assert_false(there(b->state, "unwell"));
}

static void a_try_that_was_cut_off_stays_open_until_it_is_tried_again(void **state)
{
	struct box *b = *state;

	assert_int_equal(install(b, "new.raucb"), 0);
	b->show = "running=A\nnext=B\ngood=A\ntry=B\nok=A-\nn=0\narmed=B2\n";
	b->did[0] = 0;
	assert_int_equal(update_healthy(&b->u), 0);
	assert_non_null(strstr(b->did, "systemctl --no-block reboot\n"));
	expect_outcome(b, UPDATE_RESTARTING, WHY_NOTHING);
	/* It never started: nobody said why. */
	b->show = "running=A\nnext=A\ngood=A\ntry=-\nok=A-\nn=0\narmed=-0\n";
	assert_int_equal(update_healthy(&b->u), 0);
	expect_outcome(b, UPDATE_ROLLED_BACK, WHY_START);
}

/* It was good, and then three plugs were pulled: the boot loader took the former one, which is
 * healthy. */
static void a_good_system_that_is_left_later_is_told_as_taken_back(void **state)
{
	struct box *b = *state;

	assert_int_equal(install(b, "new.raucb"), 0);
	b->show = "running=B\nnext=B\ngood=B\ntry=-\nok=AB\nn=0\narmed=-0\n";
	put(b->dir, "os-release", "VERSION_ID=2026.11.25\n");
	assert_int_equal(update_healthy(&b->u), 0);
	expect_outcome(b, UPDATE_DONE, WHY_NOTHING);
	assert_int_equal(update_healthy(&b->u), 0);
	expect_outcome(b, UPDATE_DONE, WHY_NOTHING);
	b->show = "running=A\nnext=A\ngood=A\ntry=-\nok=AB\nn=0\narmed=-0\n";
	put(b->dir, "os-release", "VERSION_ID=2026.11.20\n");
	assert_int_equal(update_healthy(&b->u), 0);
	expect_outcome(b, UPDATE_ROLLED_BACK, WHY_START);
	assert_int_equal(update_healthy(&b->u), 0);
	expect_outcome(b, UPDATE_ROLLED_BACK, WHY_START);
}

static void a_new_system_whose_daemon_crashes_is_given_up_and_any_other_starts_again(void **state)
{
	struct box *b = *state;

	assert_int_equal(install(b, "new.raucb"), 0);
	b->show = "running=B\nnext=A\ngood=A\ntry=-\nok=A-\nn=1\narmed=B1\n";
	b->did[0] = 0;
	assert_int_equal(update_crashed(&b->u), 0);
	assert_string_equal(b->did,
			    "lliure-boot show\nlliure-boot bad B\nsystemctl --no-block reboot\n");
	b->show = "running=A\nnext=A\ngood=A\ntry=-\nok=A-\nn=0\narmed=-0\n";
	assert_int_equal(update_healthy(&b->u), 0);
	expect_outcome(b, UPDATE_ROLLED_BACK, WHY_CRASH);
	/* The former one crashes: the boot state counts its starts. */
	for (int i = 0; i < 2; i++) {
		b->did[0] = 0;
		assert_int_equal(update_crashed(&b->u), 0);
		assert_string_equal(b->did, "lliure-boot show\nsystemctl --no-block reboot\n");
		b->show = "nothing";
	}
}

static void a_damaged_system_is_left_where_there_is_another(void **state)
{
	struct box *b = *state;

	b->show = "running=B\nnext=B\ngood=B\ntry=-\nok=AB\nn=0\narmed=-0\n";
	assert_int_equal(update_damaged(&b->u), 0);
	assert_string_equal(b->did,
			    "lliure-boot show\nlliure-boot bad B\nsystemctl --no-block reboot\n");
	expect_outcome(b, UPDATE_ROLLED_BACK, WHY_ROOT);
	/* The only one stays, and says so. */
	b->show = "running=A\nnext=A\ngood=A\ntry=-\nok=A-\nn=0\narmed=-0\n";
	b->did[0] = 0;
	assert_int_equal(update_damaged(&b->u), 0);
	assert_string_equal(b->did, "lliure-boot show\n");
	expect_outcome(b, UPDATE_FAILED, WHY_ALONE);
	/* One that is being tried out is given up. */
	assert_int_equal(install(b, "new.raucb"), 0);
	b->show = "running=B\nnext=A\ngood=A\ntry=-\nok=A-\nn=1\narmed=B1\n";
	assert_int_equal(update_damaged(&b->u), 0);
	b->show = "running=A\nnext=A\ngood=A\ntry=-\nok=A-\nn=0\narmed=-0\n";
	assert_int_equal(update_healthy(&b->u), 0);
	expect_outcome(b, UPDATE_ROLLED_BACK, WHY_ROOT);
}

static void a_system_that_was_healthy_once_is_not_given_up(void **state)
{
	struct box *b = *state;

	put(b->tmp, "unwell", "network");
	assert_int_equal(update_judge(&b->u), 0);
	assert_string_equal(b->did, "lliure-boot show\n");
	b->show = "no answer";
	assert_int_equal(update_judge(&b->u), 1);
}

static void a_former_system_that_cant_read_the_data_does_not_come_back(void **state)
{
	struct box *b = *state;

	put(b->data, "format", "7\n");
	assert_int_equal(install(b, "new.raucb"), 0);
	put(b->data, "format", "9\n"); /* the new one has made it newer */
	b->show = "running=B\nnext=A\ngood=A\ntry=-\nok=A-\nn=1\narmed=B1\n";
	b->did[0] = 0;
	assert_int_equal(update_judge(&b->u), 0);
	assert_string_equal(b->did, "lliure-boot show\n");
	expect_outcome(b, UPDATE_FAILED, WHY_KEPT);
}

static void newer_data_commit_the_system_that_made_them(void **state)
{
	struct box *b = *state;

	put(b->data, "format", "7\n");
	assert_int_equal(install(b, "new.raucb"), 0);
	b->show = "running=B\nnext=A\ngood=A\ntry=-\nok=A-\nn=1\narmed=B1\n";
	b->did[0] = 0;
	assert_int_equal(update_newer_data(&b->u), 0);
	assert_string_equal(b->did, "lliure-boot show\nlliure-boot healthy\nlliure-boot bad A\n");
	/* Its other checks are still to come, and what they find is said. */
	expect_outcome(b, UPDATE_RESTARTING, WHY_NOTHING);
	put(b->data, "format", "9\n");
	b->show = "running=B\nnext=B\ngood=B\ntry=-\nok=-B\nn=0\narmed=-0\n";
	b->did[0] = 0;
	assert_int_equal(update_judge(&b->u), 0);
	assert_string_equal(b->did, "lliure-boot show\n");
	expect_outcome(b, UPDATE_FAILED, WHY_KEPT);
	b->show = "no answer";
	assert_int_equal(update_newer_data(&b->u), 1);
}

static void an_install_that_was_cut_off_says_so(void **state)
{
	struct box *b = *state;

	put(b->state, "update", "stage=installing\nfile=new.raucb\nversion=2026.11.25\n");
	assert_int_equal(update_healthy(&b->u), 0);
	expect_outcome(b, UPDATE_FAILED, WHY_CUT_OFF);
}

/* A slow start is called healthy only when somebody has already given it an update. */
static void an_install_that_goes_on_is_not_called_cut_off(void **state)
{
	struct box *b = *state;

	b->meanwhile = UPDATE_CHECKING;
	assert_int_equal(install(b, "new.raucb"), 0);
	assert_int_equal(b->meanwhile, UPDATE_NONE);
	expect_outcome(b, UPDATE_RESTARTING, WHY_NOTHING);
	put(b->updates, "new.raucb", "bundle");
	b->meanwhile = UPDATE_INSTALLING;
	assert_int_equal(install(b, "new.raucb"), 0);
	assert_int_equal(b->meanwhile, UPDATE_NONE);
	expect_outcome(b, UPDATE_RESTARTING, WHY_NOTHING);
	/* Ended without a word, in the same start. */
	put(b->state, "update", "stage=installing\nfile=new.raucb\nversion=2026.11.25\n");
	assert_int_equal(update_healthy(&b->u), 0);
	expect_outcome(b, UPDATE_FAILED, WHY_CUT_OFF);
}

/* --- looking -----------------------------------------------------------------------------------
 */

static void expect_looked(struct box *b, enum update_why why, const char *version)
{
	_cleanup_(freep) char *path = path_join(b->updates, UPDATE_LOOKED);
	struct outcome o = {.stage = UPDATE_NONE};

	b->did[0] = 0;
	put(b->tmp, "look-request", "new.raucb");
	assert_int_equal(update_look(&b->u), 0);
	assert_null(strstr(b->did, " install "));
	assert_null(strstr(b->did, "reboot"));
	assert_ok(update_outcome_read(path, &o));
	assert_int_equal(o.stage, why == WHY_NOTHING   ? UPDATE_DONE
				  : why == WHY_CUT_OFF ? UPDATE_FAILED
						       : UPDATE_REFUSED);
	assert_string_equal(update_why_name(o.why), update_why_name(why));
	assert_string_equal(o.version, version);
	assert_string_equal(o.file, "new.raucb");
	assert_true(there(b->updates, "new.raucb"));
	assert_false(there(b->state, "update")); /* nothing was asked to be installed */
}

static void a_bundle_is_looked_at_without_being_installed(void **state)
{
	struct box *b = *state;

	expect_looked(b, WHY_NOTHING, "2026.11.25");
	b->info = "{\"compatible\":\"lliure-arm64\",\"version\":\"2026.11.25\"}";
	expect_looked(b, WHY_MACHINE, "2026.11.25");
	b->info = "{\"compatible\":\"lliure-amd64\",\"version\":\"2026.11.20\"}";
	expect_looked(b, WHY_OLDER, "2026.11.20");
	b->info_status = 1;
	expect_looked(b, WHY_STRANGER, "");
	b->bare_status = 1;
	expect_looked(b, WHY_DAMAGED, "");
	/* What was not begun, or was killed, says nothing of the bundle. */
	b->bare_status = 255;
	expect_looked(b, WHY_CUT_OFF, "");
	b->info_status = -1;
	expect_looked(b, WHY_CUT_OFF, "");
	b->info_status = -2;
	expect_looked(b, WHY_CUT_OFF, "");
	/* A file that the folder does not have the name of. */
	put(b->tmp, "look-request", "../new.raucb");
	assert_int_equal(update_look(&b->u), 2);
}

/* --- the history -------------------------------------------------------------------------------
 */

static size_t history_of(struct box *b, struct outcome *out)
{
	_cleanup_(freep) char *path = path_join(b->state, UPDATE_HISTORY);

	return update_history_read(path, out, HISTORY_MOST);
}

static void earlier_outcomes_are_kept_the_newest_first(void **state)
{
	struct box *b = *state;
	struct outcome all[HISTORY_MOST];

	assert_int_equal(history_of(b, all), 0);
	assert_int_equal(install(b, "new.raucb"), 0);
	assert_int_equal(history_of(b, all), 0); /* nothing has ended */
	put(b->dir, "os-release", "VERSION_ID=2026.11.25\n");
	assert_int_equal(update_healthy(&b->u), 0);
	assert_int_equal(history_of(b, all), 1);
	assert_int_equal(all[0].stage, UPDATE_DONE);
	assert_string_equal(all[0].before, "2026.11.20");
	assert_string_equal(all[0].version, "2026.11.25");
	/* The next start adds nothing. */
	assert_int_equal(update_healthy(&b->u), 0);
	assert_int_equal(history_of(b, all), 1);
	put(b->updates, "new.raucb", "bundle");
	assert_int_equal(install(b, "new.raucb"), 1); /* the same again: refused */
	assert_int_equal(history_of(b, all), 2);
	assert_int_equal(all[0].why, WHY_OLDER);
	assert_int_equal(all[1].stage, UPDATE_DONE);
	for (size_t i = 0; i < HISTORY_MOST + 5; i++)
		assert_int_equal(install(b, "new.raucb"), 1);
	assert_int_equal(history_of(b, all), HISTORY_MOST);
	for (size_t i = 0; i < HISTORY_MOST; i++)
		assert_int_equal(all[i].why, WHY_OLDER);
}

static void a_history_that_is_rubbish_is_none(void **state)
{
	static const char *const rubbish[] = {"",
					      "\n\n\n\n",
					      "stage=installing\n\nstage=none\n",
					      "\xff\xfe\n\n=\n\n==",
					      "stage=done",
					      "stage=done\n\n\n\nwhy=page\nstage=refused\n\n"};
	static const size_t want[] = {0, 0, 0, 0, 1, 2};
	struct box *b = *state;
	struct outcome all[HISTORY_MOST];

	for (size_t i = 0; i < ARRAY_LEN(rubbish); i++) {
		put(b->state, UPDATE_HISTORY, rubbish[i]);
		assert_int_equal(history_of(b, all), want[i]);
	}
	/* And one that is is written over it. */
	put(b->state, UPDATE_HISTORY, rubbish[3]);
	put(b->state, "update", "stage=installing\nfile=new.raucb\nversion=2026.11.25\n");
	assert_int_equal(update_healthy(&b->u), 0);
	assert_int_equal(history_of(b, all), 1);
}

/* --- files and versions ------------------------------------------------------------------------
 */

static void an_outcome_is_read_as_it_was_written(void **state)
{
	struct outcome o = {UPDATE_ROLLED_BACK, WHY_PAGE, "new.raucb", "2026.11.25",
			    "2026.1.1",		7,	  12345,       "no loop"};
	struct outcome p;
	char text[OUTCOME_MAX];
	size_t n = update_outcome_format(&o, text);

	(void)state;
	update_outcome_parse(span_of(text, n), &p);
	assert_int_equal(p.stage, o.stage);
	assert_int_equal(p.why, o.why);
	assert_string_equal(p.file, o.file);
	assert_string_equal(p.version, o.version);
	assert_string_equal(p.before, o.before);
	assert_int_equal(p.format, 7);
	assert_true(p.when_ms == o.when_ms);
	assert_string_equal(p.said, o.said);
	for (size_t cut = 0; cut < n; cut++) /* a torn file is no nonsense */
		update_outcome_parse(span_of(text, cut), &p);
	update_outcome_parse(
		span_str("stage=bogus\nfile=a/b\nversion=<b>\nwhen=99999999999999999\n=\nx\n"), &p);
	assert_int_equal(p.stage, UPDATE_NONE);
	assert_string_equal(p.file, "");
	assert_string_equal(p.version, "");
	assert_true(p.when_ms == 0);
}

static void versions_are_ordered_by_their_numbers(void **state)
{
	static const char *const bad[] = {"",	       ".",  "1.",  ".1", "1..2",
					  "1.2-rc1",   "v1", "1 2", "-1", "1.1.1.1.1.1.1.1.1",
					  "9999999999"};

	(void)state;
	assert_true(version_compare("2026.11.25", "2026.9.30") > 0);
	assert_true(version_compare("1.4", "1.4.1") < 0);
	assert_true(version_compare("1.4.1", "1.4.1") == 0);
	assert_true(version_compare("1.04", "1.4") == 0);
	assert_true(version_compare("g8832bb7", "1") < 0);
	assert_true(version_compare("1", "g8832bb7") > 0);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_false(version_ok(bad[i]));
	for (int w = 0; w < UPDATE_WHYS; w++) {
		assert_int_equal(update_why_by_name(update_why_name((enum update_why)w)), w);
		assert_true(strlen(update_why_text((enum update_why)w)) > 10);
	}
}

/* --- RAUC itself -------------------------------------------------------------------------------
 */

/* Runs it; true: it ended well. */
static bool run(struct box *b, const char *const *argv)
{
	_cleanup_(buf_release) struct buf out = {0};

	(void)b;
	return helper_ops_system.run(NULL, argv, 60, &out) == 0;
}

static bool make_key(struct box *b, const char *name, char key[400], char cert[400])
{
	char subject[100];
	const char *argv[] = {"/usr/bin/openssl",
			      "req",
			      "-x509",
			      "-newkey",
			      "ec",
			      "-pkeyopt",
			      "ec_paramgen_curve:prime256v1",
			      "-nodes",
			      "-keyout",
			      key,
			      "-out",
			      cert,
			      "-days",
			      "30",
			      "-subj",
			      subject,
			      NULL};

	snprintf(key, 400, "%s/%s.key", b->dir, name);
	snprintf(cert, 400, "%s/%s.pem", b->dir, name);
	snprintf(subject, sizeof(subject), "/CN=%s", name);
	return run(b, argv);
}

static bool make_bundle(struct box *b, const char *file, const char *compatible,
			const char *version, const char *key, const char *cert)
{
	char content[400], out[400], k[500], c[500], manifest[600];
	const char *argv[] = {"/usr/bin/rauc", c, k, "bundle", content, out, NULL};
	static uint8_t image[65536];

	snprintf(content, sizeof(content), "%s/%s.d", b->dir, file);
	snprintf(out, sizeof(out), "%s/%s", b->updates, file);
	snprintf(k, sizeof(k), "--key=%s", key);
	snprintf(c, sizeof(c), "--cert=%s", cert);
	snprintf(manifest, sizeof(manifest),
		 "[update]\ncompatible=%s\nversion=%s\n[bundle]\nformat=verity\n"
		 "[image.rootfs]\nfilename=root.img\n",
		 compatible, version);
	crypto_random(image, sizeof(image)); /* RAUC takes no bundle of 4,096 bytes */
	assert_ok(dir_make(content, 0755));
	put(content, "manifest.raucm", manifest);
	_cleanup_(freep) char *path = path_join(content, "root.img");

	assert_ok(file_write(path, span_of(image, sizeof(image)), 0644));
	unlink(out);
	return run(b, argv);
}

/* `rauc info` is RAUC's own; installing, restarting and the boot state are played. */
static int real_info(void *ctx, const char *const *argv, int seconds, struct buf *out)
{
	if (argv[2] && strcmp(argv[2], "info") == 0)
		return helper_ops_system.run(NULL, argv, seconds, out);
	return play(ctx, argv, seconds, out);
}

static int real_saying(void *ctx, const char *const *argv, int seconds, struct buf *out)
{
	struct box *b = ctx;
	size_t n = strlen(b->did);

	if (!argv[2] || strcmp(argv[2], "info") != 0)
		return play(ctx, argv, seconds, out);
	snprintf(b->did + n, sizeof(b->did) - n, "info %s\n", argv[5] ? argv[5] : "");
	return helper_run_saying(NULL, argv, seconds, out);
}

static void cut(struct box *b, const char *file)
{
	_cleanup_(freep) char *path = path_join(b->updates, file);
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(truncate(path, st.st_size / 2), 0);
}

static void flip(struct box *b, const char *file)
{
	_cleanup_(freep) char *path = path_join(b->updates, file);
	_cleanup_(fclosep) FILE *f = fopen(path, "r+e");
	int c;

	/* In the signature, near the end. */
	assert_int_equal(fseek(f, -200, SEEK_END), 0);
	c = fgetc(f);
	assert_int_equal(fseek(f, -200, SEEK_END), 0);
	fputc(c ^ 0x55, f);
}

static void hostile_bundles_are_refused_by_rauc_and_us(void **state)
{
	struct box *b = *state;
	char key[400], cert[400], key2[400], cert2[400], conf[1000];

	if (access("/usr/bin/rauc", X_OK) || access("/usr/bin/openssl", X_OK) ||
	    !make_key(b, "ours", key, cert) || !make_key(b, "stranger", key2, cert2) ||
	    !make_bundle(b, "new.raucb", "lliure-amd64", "2026.11.25", key, cert)) {
		skip_note("rauc or openssl is not here");
		return;
	}
	b->u.run = real_info;
	b->u.run_saying = real_saying;
	snprintf(conf, sizeof(conf),
		 "[system]\ncompatible=lliure-amd64\nbootloader=custom\n[keyring]\npath=%s\n"
		 "[handlers]\nbootloader-custom-backend=/bin/true\n[slot.rootfs.0]\ndevice=/dev/"
		 "null\n"
		 "type=raw\nbootname=A\n",
		 cert);
	put(b->dir, "system.conf", conf);
	assert_int_equal(install(b, "new.raucb"), 0);
	expect_outcome(b, UPDATE_RESTARTING, WHY_NOTHING);
	assert_true(make_bundle(b, "new.raucb", "lliure-amd64", "2026.11.25", key2, cert2));
	refuse(b, WHY_STRANGER);
	assert_true(make_bundle(b, "new.raucb", "lliure-arm64", "2026.11.25", key, cert));
	refuse(b, WHY_MACHINE);
	assert_true(make_bundle(b, "new.raucb", "lliure-amd64", "2026.11.19", key, cert));
	refuse(b, WHY_OLDER);
	assert_true(make_bundle(b, "new.raucb", "lliure-amd64", "2026.11.25", key, cert));
	cut(b, "new.raucb");
	refuse(b, WHY_DAMAGED);
	put(b->updates, "new.raucb", "not a bundle at all");
	refuse(b, WHY_DAMAGED);
	assert_true(make_bundle(b, "new.raucb", "lliure-amd64", "2026.11.25", key, cert));
	flip(b, "new.raucb");
	assert_int_equal(install(b, "new.raucb"), 1);
	assert_null(strstr(b->did, "reboot"));
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, open_box, close_box)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_good_bundle_is_written_and_the_box_restarts),
		CASE(what_may_not_be_installed_is_refused_with_its_reason),
		CASE(only_a_file_of_the_folder_is_looked_at),
		CASE(a_bundle_that_cant_be_written_says_so),
		CASE(of_what_was_printed_the_line_that_says_why_is_kept),
		CASE(another_file_than_the_one_that_was_checked_is_not_started),
		CASE(a_healthy_new_system_closes_the_outcome),
		CASE(a_new_system_that_is_not_well_is_given_up_and_the_former_says_why),
		CASE(a_try_that_was_cut_off_stays_open_until_it_is_tried_again),
		CASE(a_good_system_that_is_left_later_is_told_as_taken_back),
		CASE(a_new_system_whose_daemon_crashes_is_given_up_and_any_other_starts_again),
		CASE(a_damaged_system_is_left_where_there_is_another),
		CASE(a_system_that_was_healthy_once_is_not_given_up),
		CASE(a_former_system_that_cant_read_the_data_does_not_come_back),
		CASE(newer_data_commit_the_system_that_made_them),
		CASE(an_install_that_was_cut_off_says_so),
		CASE(an_install_that_goes_on_is_not_called_cut_off),
		CASE(a_bundle_is_looked_at_without_being_installed),
		CASE(earlier_outcomes_are_kept_the_newest_first),
		CASE(a_history_that_is_rubbish_is_none),
		CASE(an_outcome_is_read_as_it_was_written),
		CASE(versions_are_ordered_by_their_numbers),
		CASE(hostile_bundles_are_refused_by_rauc_and_us),
	};

	return run_group(tests);
}
