/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The root helper, every verb: good arguments do one thing each, hostile ones do nothing at all. */
#include "tests/lib/test.h"
#include "appliance/box/box.h"
#include "firmware/helper/helper.h"
#include "sync/base/file.h"
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

/* --- a machine that remembers what was done to it ----------------------------------------------
 */

struct machine {
	struct helper h;
	struct helper_ops ops;
	char *dir, *sys, *dev, *proc, *sticks, *state, *updates, *run, *zones;
	char did[2000]; /* one line for each thing that was done */
	int run_status, mount_errno, unmount_errno;
	const char *prints, *only_type;
	int64_t now, set_to;
	bool synced;
	bool elsewhere; /* who asks does not read the button */
};

static void did(struct machine *m, const char *what, const char *on)
{
	size_t n = strlen(m->did);

	snprintf(m->did + n, sizeof(m->did) - n, "%s %s\n", what, on);
}

static int fake_run(void *ctx, const char *const *argv, int seconds, struct buf *out)
{
	struct machine *m = ctx;
	_cleanup_(buf_release) struct buf line = {0};

	assert_true(seconds > 0 && seconds <= 60);
	assert_int_equal(argv[0][0], '/');
	for (; *argv; argv++)
		buf_printf(&line, " %s", *argv);
	did(m, "run", buf_str(&line) + 1);
	buf_puts(out, m->prints ? m->prints : "");
	return m->run_status;
}

static int fake_mount(void *ctx, const char *source, const char *target, const char *type,
		      unsigned long flags, const char *data)
{
	struct machine *m = ctx;
	char line[1000];
	unsigned long always = MS_NODEV | MS_NOSUID | MS_NOEXEC | 256 /* no links */;

	assert_true((flags & always) == always);
	snprintf(line, sizeof(line), "%s %s %s %s %s", strrchr(source, '/') + 1,
		 strrchr(target, '/') + 1, type, flags & MS_RDONLY ? "ro" : "rw", data);
	if (m->only_type && strcmp(type, m->only_type) != 0)
		return EINVAL;
	if (!m->mount_errno)
		did(m, "mount", line);
	return m->mount_errno;
}

static int fake_unmount(void *ctx, const char *target, int flags)
{
	struct machine *m = ctx;

	assert_true(flags & UMOUNT_NOFOLLOW);
	did(m, flags & MNT_DETACH ? "detach" : "unmount", strrchr(target, '/') + 1);
	return m->unmount_errno;
}

static bool fake_block(void *ctx, const char *path, const char *number)
{
	(void)ctx;
	return access(path, F_OK) == 0 && number[0] >= '1';
}

static int64_t fake_now(void *ctx)
{
	return ((struct machine *)ctx)->now;
}

static bool fake_synced(void *ctx)
{
	return ((struct machine *)ctx)->synced;
}

static int fake_clock(void *ctx, int64_t ms)
{
	((struct machine *)ctx)->set_to = ms;
	did(ctx, "clock", "");
	return 0;
}

static int fake_name(void *ctx, const char *name)
{
	did(ctx, "name", name);
	return 0;
}

static void put(const char *dir, const char *path, const char *text)
{
	_cleanup_(freep) char *whole = path_join(dir, path), *folder = strdup(whole);

	*strrchr(folder, '/') = 0;
	assert_ok(dir_make(folder, 0755));
	assert_ok(file_write(whole, span_str(text), 0644));
}

static void link_to(const char *dir, const char *path, const char *to)
{
	_cleanup_(freep) char *whole = path_join(dir, path);

	assert_int_equal(symlink(to, whole), 0);
}

/* sda: the box's own disk. sdb: a stick with one part. sdc: a stick that the box boots from. sdd: a
 * stick without a table. mmcblk0: a card in the machine. */
static void fake_disks(struct machine *m)
{
	static const struct {
		const char *at, *dev;
	} blocks[] = {
		{"devices/pci0/ata1/block/sda", "8:0"},
		{"devices/pci0/usb1/1-1/block/sdb", "8:16"},
		{"devices/pci0/usb1/1-1/block/sdb/sdb1", "8:17"},
		{"devices/pci0/usb1/1-2/block/sdc", "8:32"},
		{"devices/pci0/usb1/1-2/block/sdc/sdc1", "8:33"},
		{"devices/pci0/usb1/1-2/block/sdc/sdc2", "8:34"},
		{"devices/pci0/usb2/2-1/block/sdd", "8:48"},
		{"devices/platform/mmc0/block/mmcblk0", "179:0"},
	};

	put(m->sys, "class/block/.keep", "");
	for (size_t i = 0; i < ARRAY_LEN(blocks); i++) {
		char path[200], to[200], name[200];
		const char *base = strrchr(blocks[i].at, '/') + 1;

		snprintf(path, sizeof(path), "%s/dev", blocks[i].at);
		put(m->sys, path, blocks[i].dev);
		snprintf(path, sizeof(path), "%s/partition", blocks[i].at);
		if (strncmp(base, "sd", 2) == 0 && base[3])
			put(m->sys, path, "1\n");
		snprintf(name, sizeof(name), "class/block/%s", base);
		snprintf(to, sizeof(to), "../../%s", blocks[i].at);
		link_to(m->sys, name, to);
		put(m->dev, base, "");
	}
	put(m->proc, "self/mountinfo", "20 1 8:34 / /data rw - ext4 /dev/sdc2 rw\n");
}

static int open_machine(void **state)
{
	struct machine *m = calloc(1, sizeof(*m));

	m->dir = test_dir();
	m->sys = path_join(m->dir, "sys");
	m->dev = path_join(m->dir, "dev");
	m->proc = path_join(m->dir, "proc");
	m->sticks = path_join(m->dir, "sticks");
	m->state = path_join(m->dir, "state");
	m->updates = path_join(m->dir, "updates");
	m->run = path_join(m->dir, "run");
	m->zones = path_join(m->dir, "zones");
	m->now = 1780000000000;
	m->ops = (struct helper_ops){m,	       fake_run,    fake_mount, fake_unmount, fake_block,
				     fake_now, fake_synced, fake_clock, fake_name};
	m->h = (struct helper){&m->ops,	  1234,	    1234,	0, m->sys, m->dev,	 m->proc,
			       m->sticks, m->state, m->updates, m->run, m->zones};
	fake_disks(m);
	put(m->state, ".keep", "");
	put(m->run, ".keep", "");
	put(m->updates, "lliure-2.raucb", "bundle");
	put(m->zones, "Europe/Madrid", "TZif2");
	put(m->zones, "Europe/notes", "not a zone");
	put(m->dir, "outside", "TZif2");
	link_to(m->zones, "Europe/out", "../../outside");
	link_to(m->updates, "link.raucb", "../outside");
	*state = m;
	return 0;
}

static int close_machine(void **state)
{
	struct machine *m = *state;

	test_dir_remove(m->dir);
	free(m->sys), free(m->dev), free(m->proc), free(m->sticks);
	free(m->state), free(m->updates), free(m->run), free(m->zones);
	free(m);
	return 0;
}

/* What is asked, as words with spaces between; `space` stands for one inside a word. */
static enum fault ask_as(struct machine *m, const char *line, char space, struct answer *ret)
{
	char message[3000];
	size_t n = strlen(line);

	memcpy(message, line, n + 1);
	for (size_t i = 0; i < n; i++)
		if (message[i] == ' ')
			message[i] = 0;
		else if (space && message[i] == space)
			message[i] = ' ';
	m->did[0] = 0;
	*ret = (struct answer){.fault = FAULT_NONE};
	helper_handle(&m->h, span_of(message, n + 1), !m->elsewhere, ret);
	return ret->fault;
}

static enum fault ask(struct machine *m, const char *line, struct answer *ret)
{
	return ask_as(m, line, 0, ret);
}

static void expect(struct machine *m, const char *line, enum fault want, const char *done)
{
	struct answer a;
	enum fault got = ask(m, line, &a);

	if (got != want || strcmp(m->did, done) != 0)
		fail_msg("%s: wanted %s \"%s\", got %s \"%s\" (%s)", line, fault_name(want), done,
			 fault_name(got), m->did, a.detail);
	buf_release(&a.out);
}

static char *said_file(const char *dir, const char *name, char out[200])
{
	_cleanup_(freep) char *path = path_join(dir, name);
	_cleanup_(buf_release) struct buf b = {0};

	assert_ok(file_read(path, 199, &b));
	snprintf(out, 200, "%s", buf_str(&b));
	return out;
}

static bool there(const char *dir, const char *name)
{
	_cleanup_(freep) char *path = path_join(dir, name);
	struct stat st;

	return lstat(path, &st) == 0;
}

/* --- what every verb does ----------------------------------------------------------------------
 */

static void the_machine_restarts_and_stops(void **state)
{
	struct machine *m = *state;

	expect(m, "reboot", FAULT_NONE, "run /usr/bin/systemctl --no-block reboot\n");
	expect(m, "power-off", FAULT_NONE, "run /usr/bin/systemctl --no-block poweroff\n");
	expect(m, "version", FAULT_NONE, "");
	m->run_status = 1;
	expect(m, "reboot", FAULT_PROGRAM, "run /usr/bin/systemctl --no-block reboot\n");
	m->run_status = -2;
	expect(m, "reboot", FAULT_TIMEOUT, "run /usr/bin/systemctl --no-block reboot\n");
}

static void a_host_name_is_kept_and_said(void **state)
{
	struct machine *m = *state;
	char text[200];

	expect(m, "host-name ateneu-2", FAULT_NONE,
	       "name ateneu-2\n"
	       "run /usr/bin/systemctl --no-block try-restart avahi-daemon.service\n");
	assert_string_equal(said_file(m->state, "hostname", text), "ateneu-2");
}

static void a_time_zone_is_one_of_the_systems(void **state)
{
	struct machine *m = *state;
	char text[200], link[300] = "";
	_cleanup_(freep) char *path = path_join(m->state, "localtime");

	expect(m, "time-zone Europe/Madrid", FAULT_NONE, "");
	assert_string_equal(said_file(m->state, "timezone", text), "Europe/Madrid");
	assert_true(readlink(path, link, sizeof(link) - 1) > 0);
	assert_non_null(strstr(link, "/zones/Europe/Madrid"));
	expect(m, "time-zone Europe/Nowhere", FAULT_NO_ZONE, "");
	expect(m, "time-zone Europe/notes", FAULT_NO_ZONE, "");
	expect(m, "time-zone Europe/out", FAULT_NO_ZONE, "");
	expect(m, "time-zone Europe", FAULT_NO_ZONE, "");
	assert_string_equal(said_file(m->state, "timezone", text), "Europe/Madrid");
}

static void the_clock_goes_forward_only(void **state)
{
	struct machine *m = *state;

	expect(m, "clock 1780000001000", FAULT_NONE, "clock \n");
	assert_true(m->set_to == 1780000001000);
	expect(m, "clock 1780000000000", FAULT_CLOCK_BACK, "");
	expect(m, "clock 1770000000000", FAULT_CLOCK_BACK, "");
	expect(m, "clock 4102444800001", FAULT_ARGUMENT, ""); /* beyond 2100 */
	expect(m, "clock 0", FAULT_ARGUMENT, "");
	m->synced = true;
	expect(m, "clock 1780000001000", FAULT_CLOCK_SURE, "");
}

static void a_stick_is_opened_for_reading(void **state)
{
	struct machine *m = *state;
	struct answer a;

	expect(m, "mount sdb1 read", FAULT_NONE,
	       "mount sdb1 sdb1 vfat ro uid=1234,gid=1234,umask=0077,utf8\n");
	m->only_type = "ext4";
	expect(m, "mount sdb1 read", FAULT_NONE, "mount sdb1 sdb1 ext4 ro noload\n");
	m->only_type = "exfat";
	expect(m, "mount sdd write", FAULT_NONE,
	       "mount sdd sdd exfat rw uid=1234,gid=1234,umask=0077\n");
	m->only_type = "ntfs";
	expect(m, "mount sdb1 read", FAULT_FILE_SYSTEM, "");
	m->only_type = NULL;
	m->mount_errno = EUCLEAN;
	expect(m, "mount sdb1 read", FAULT_DAMAGED, "");
	m->mount_errno = EIO;
	expect(m, "mount sdb1 read", FAULT_DAMAGED, "");
	m->mount_errno = EBUSY;
	expect(m, "mount sdb1 read", FAULT_IN_USE, "");
	m->mount_errno = 0;
	assert_int_equal(ask(m, "mount sdb1 read", &a), FAULT_NONE);
	assert_non_null(strstr(buf_str(&a.out), "/sticks/sdb1"));
	buf_release(&a.out);
}

static void only_a_usb_stick_is_opened(void **state)
{
	struct machine *m = *state;

	expect(m, "mount sda read", FAULT_NOT_USB, "");
	expect(m, "mount mmcblk0 read", FAULT_NOT_USB, "");
	/* A card that can be taken out is as good. */
	put(m->sys, "devices/platform/mmc0/block/mmcblk0/removable", "1\n");
	expect(m, "mount mmcblk0 read", FAULT_NONE,
	       "mount mmcblk0 mmcblk0 vfat ro uid=1234,gid=1234,umask=0077,utf8\n");
	put(m->sys, "devices/platform/mmc0/block/mmcblk0/removable", "0\n");
	expect(m, "mount mmcblk0 write", FAULT_NOT_USB, "");
	expect(m, "mount sde1 read", FAULT_NO_DEVICE, "");
	/* The box runs from another part of it. */
	expect(m, "mount sdc1 read", FAULT_SYSTEM_DISK, "");
	expect(m, "mount sdc write", FAULT_SYSTEM_DISK, "");
	put(m->sys, "devices/pci0/usb1/1-1/block/sdb/sdb1/holders/dm-0", "");
	expect(m, "mount sdb1 read", FAULT_SYSTEM_DISK, "");
}

static void a_stick_is_opened_again_and_closed(void **state)
{
	struct machine *m = *state;
	char line[600];

	expect(m, "unmount sdb1", FAULT_NOT_MOUNTED, "");
	snprintf(line, sizeof(line), "31 1 8:17 / %s/sdb1 ro - vfat /dev/sdb1 ro\n", m->sticks);
	put(m->proc, "self/mountinfo", line);
	/* In place; what can't be is closed and opened. */
	expect(m, "mount sdb1 write", FAULT_NONE, "mount sdb1 sdb1 none rw \n");
	expect(m, "mount sdb1 read", FAULT_NONE, "mount sdb1 sdb1 none ro \n");
	m->only_type = "ext4";
	expect(m, "mount sdb1 write", FAULT_NONE, "unmount sdb1\nmount sdb1 sdb1 ext4 rw \n");
	expect(m, "unmount sdb1", FAULT_NONE, "unmount sdb1\n");
	m->unmount_errno = EBUSY;
	m->only_type = "vfat";
	expect(m, "unmount sdb1", FAULT_IN_USE, "unmount sdb1\n");
	expect(m, "mount sdb1 read", FAULT_IN_USE, "unmount sdb1\n");
	/* Pulled out: nothing to wait for. */
	m->unmount_errno = 0;
	snprintf(line, sizeof(line), "31 1 8:65 / %s/sdx1 ro - vfat /dev/sdx1 ro\n", m->sticks);
	put(m->proc, "self/mountinfo", line);
	expect(m, "unmount sdx1", FAULT_NONE, "detach sdx1\n");
}

static void an_update_is_a_file_of_one_folder(void **state)
{
	struct machine *m = *state;
	char text[200];

	expect(m, "update lliure-2.raucb", FAULT_NONE,
	       "run /usr/bin/systemctl --no-block start lliure-update.service\n");
	assert_string_equal(said_file(m->run, "update-request", text), "lliure-2.raucb");
	expect(m, "look lliure-2.raucb", FAULT_NONE,
	       "run /usr/bin/systemctl --no-block start lliure-look.service\n");
	assert_string_equal(said_file(m->run, "look-request", text), "lliure-2.raucb");
	expect(m, "look other.raucb", FAULT_NO_FILE, "");
	expect(m, "update other.raucb", FAULT_NO_FILE, "");
	expect(m, "update link.raucb", FAULT_NO_FILE, "");
	expect(m, "healthy", FAULT_NONE, "run /usr/bin/lliure-update healthy\n");
	expect(m, "newer-data", FAULT_NONE, "run /usr/bin/lliure-update newer-data\n");
	expect(m, "unwell data", FAULT_NONE,
	       "run /usr/bin/systemctl --no-block start lliure-judge.service\n");
	assert_string_equal(said_file(m->run, "unwell", text), "data");
}

static void a_reset_is_left_to_the_next_start(void **state)
{
	struct machine *m = *state;
	char text[200];

	expect(m, "reset settings", FAULT_NONE, "run /usr/bin/systemctl --no-block reboot\n");
	assert_string_equal(said_file(m->state, "reset", text), "settings");
	expect(m, "reset all", FAULT_NONE, "run /usr/bin/systemctl --no-block reboot\n");
	assert_string_equal(said_file(m->state, "reset", text), "all");
}

/* A daemon that somebody has got into can ask for it, and does not get it. */
static void a_reset_needs_somebody_at_the_box(void **state)
{
	struct machine *m = *state;

	m->elsewhere = true;
	expect(m, "reset settings", FAULT_AT_BOX, "");
	expect(m, "reset all", FAULT_AT_BOX, "");
	assert_false(there(m->state, "reset"));
	expect(m, "reset everything", FAULT_ARGUMENT, "");
	expect(m, "reboot", FAULT_NONE, "run /usr/bin/systemctl --no-block reboot\n");
}

static void the_light_shows_what_is_asked(void **state)
{
	struct machine *m = *state;
	char text[200];

	expect(m, "light ok", FAULT_ABSENT, "");
	put(m->sys, "class/leds/ACT/trigger", "none");
	put(m->sys, "class/leds/ACT/delay_on", "0");
	put(m->sys, "class/leds/ACT/delay_off", "0");
	expect(m, "light attention", FAULT_NONE, "");
	assert_memory_equal(said_file(m->sys, "class/leds/ACT/trigger", text), "timer", 5);
	assert_memory_equal(said_file(m->sys, "class/leds/ACT/delay_on", text), "1000", 4);
	expect(m, "light ok", FAULT_NONE, "");
	assert_memory_equal(said_file(m->sys, "class/leds/ACT/trigger", text), "default-on", 10);
}

static void a_disk_says_how_worn_it_is(void **state)
{
	struct machine *m = *state;
	struct answer a;
	char want[600];

	m->prints = "{\"smart_status\":{\"passed\":true}}";
	m->run_status = 4; /* smartctl's set of findings is no failure */
	snprintf(want, sizeof(want),
		 "run /usr/sbin/smartctl --json=c --info --health --attributes --nocheck=standby "
		 "%s/sda\n",
		 m->dev);
	assert_int_equal(ask(m, "wear sda", &a), FAULT_NONE);
	assert_string_equal(m->did, want);
	assert_string_equal(buf_str(&a.out), m->prints);
	buf_release(&a.out);
	expect(m, "wear sdb1", FAULT_NO_DEVICE, ""); /* a part is no disk */
	expect(m, "wear sdz", FAULT_NO_DEVICE, "");
	m->prints = NULL;
	expect(m, "wear sda", FAULT_ABSENT, want);
}

/* --- what nobody gets it to do -----------------------------------------------------------------
 */

static const char *const hostile[] = {
	"..",
	".",
	"../../etc/passwd",
	"/etc/passwd",
	"/dev/sda",
	"a/../b",
	"-rf",
	"--help",
	"sdb1;reboot",
	"$(reboot)",
	"`reboot`",
	"sdb1\nsda",
	"sdb1\r",
	"\x01",
	"\xff\xfe",
	"sdb1\xc2\xa0",
	"SDB1",
	"a/b/c/d",
	"..raucb",
	"x..raucb",
	".raucb",
	"a/b.raucb",
	"../x.raucb",
	"-x.raucb",
	"x.raucb/",
	"Europe//Madrid",
	"/Europe/Madrid",
	"Europe/../Madrid",
	"Europe/Madrid/",
	"-Europe",
	"-1",
	"+1",
	"0x10",
	"1e9",
	"01",
	"99999999999999999999",
	"9223372036854775808",
	"1.5",
	"read,write",
	"readx",
	"rea",
	"READ",
	"ok ",
	"%s%n",
	"a\tb",
	"*",
	"?",
	"~",
	"name.local",
	"-a",
	"a-",
	"a_b",
	"\xe2\x80\xae",
	"👻",
};

static size_t args_of(const struct verb *v)
{
	size_t n = 0;

	while (n < HELPER_WORDS - 1 && v->args[n].kind)
		n++;
	return n;
}

static const char *a_good_one(const struct arg_spec *s)
{
	static const char *const good[] = {[ARG_NUMBER] = "1780000001000",
					   [ARG_HOST] = "ateneu",
					   [ARG_DEVICE] = "sdb1",
					   [ARG_BUNDLE] = "x.raucb",
					   [ARG_ZONE] = "Europe/Madrid"};

	if (s->kind == ARG_CHOICE)
		return strncmp(s->choices, "read", 4) ? NULL : "read";
	return good[s->kind];
}

static bool harmless(const struct arg_spec *s, const char *word)
{
	/* Words that are what the kind allows, and lead nowhere. */
	return (s->kind == ARG_ZONE && !strchr(word, '.') && !strchr(word, '/')) ||
	       (s->kind == ARG_HOST && (strcmp(word, "readx") == 0 || strcmp(word, "rea") == 0)) ||
	       (s->kind == ARG_HOST &&
		strspn(word, "0123456789abcdefghijklmnopqrstuvwxyz") == strlen(word)) ||
	       (s->kind == ARG_DEVICE && (strcmp(word, "readx") == 0 || strcmp(word, "rea") == 0));
}

static void try_hostile(struct machine *m, const struct verb *v, size_t at, const char *word)
{
	const char *words[HELPER_WORDS] = {v->name};
	_cleanup_(buf_release) struct buf message = {0};
	struct answer a = {.fault = FAULT_NONE};
	size_t n = args_of(v);

	for (size_t i = 0; i < n; i++)
		words[1 + i] = i == at ? word : a_good_one(&v->args[i]);
	for (size_t i = 0; i <= n; i++)
		buf_add(&message, words[i], strlen(words[i]) + 1);
	m->did[0] = 0;
	helper_handle(&m->h, buf_span(&message), true, &a);
	if (a.fault != FAULT_ARGUMENT && a.fault != FAULT_REQUEST && !harmless(&v->args[at], word))
		fail_msg("%s took \"%s\" (%s)", v->name, word, fault_name(a.fault));
	if (*m->did && !harmless(&v->args[at], word))
		fail_msg("%s did with \"%s\": %s", v->name, word, m->did);
	for (const char *s = a.detail; *s; s++)
		assert_true((unsigned char)*s >= ' ');
	buf_release(&a.out);
}

static void every_verb_refuses_every_hostile_argument(void **state)
{
	struct machine *m = *state;
	char longest[HELPER_WORD + 2];

	memset(longest, 'a', sizeof(longest));
	longest[HELPER_WORD + 1] = 0;
	for (const struct verb *v = verbs; v->name; v++)
		for (size_t at = 0; at < args_of(v); at++) {
			for (size_t i = 0; i < ARRAY_LEN(hostile); i++)
				try_hostile(m, v, at, hostile[i]);
			try_hostile(m, v, at, longest);
			longest[HELPER_WORD] = 0;
			try_hostile(m, v, at, longest);
			longest[HELPER_WORD] = 'a';
			try_hostile(m, v, at, "");
		}
}

static void every_verb_wants_its_number_of_arguments(void **state)
{
	struct machine *m = *state;

	for (const struct verb *v = verbs; v->name; v++) {
		char line[200];

		snprintf(line, sizeof(line), "%s%s", v->name, args_of(v) ? "" : " more");
		expect(m, line, FAULT_REQUEST, "");
		snprintf(line, sizeof(line), "%s sdb1 read more", v->name);
		expect(m, line, FAULT_REQUEST, "");
		assert_non_null(v->help);
	}
	expect(m, "format sda", FAULT_REQUEST, "");
	expect(m, "rebootx", FAULT_REQUEST, "");
	expect(m, "REBOOT", FAULT_REQUEST, "");
}

/* What a stranger would try on just this verb. Each verb of the table has its rows, or the test below
 * fails; a space ends a word, a tilde stands for a space in one. Nothing is done by any of them. */
static const struct {
	const char *verb, *rest;
} attacks[] = {
	{"version", "1"},
	{"version", "--help"},
	{"reboot", "now"},
	{"reboot", "--force"},
	{"power-off", "-f"},
	{"power-off", "reboot"},
	{"host-name", "a.b"},
	{"host-name", "localhost\nroot::0:0::/:/bin/sh"},
	{"host-name", "%n%n"},
	{"host-name", "xn--~"},
	{"time-zone", "../../../../etc/shadow"},
	{"time-zone", "Europe/../../../etc/shadow"},
	{"time-zone", "/etc/shadow"},
	{"time-zone", "posix/Europe/Madrid/x"},
	{"clock", "-1780000001000"},
	{"clock", "9223372036854775807"},
	{"clock", "1780000001000.5"},
	{"clock", "1735689599999"},
	{"mount", "sda write"},
	{"mount", "sdc1 write"},
	{"mount", "../sdb1 read"},
	{"mount", "mapper/root write"},
	{"mount", "sdb1 write,suid"},
	{"mount", "loop0 read"},
	{"unmount", "../../data"},
	{"unmount", "data"},
	{"unmount", "."},
	{"update", "../box/key.raucb"},
	{"update", "/tmp/x.raucb"},
	{"update", "link.raucb"},
	{"update", "folder.raucb"},
	{"update", "pipe.raucb"},
	{"update", "empty.raucb"},
	{"update", "-x.raucb"},
	{"look", "../box/key.raucb"},
	{"look", "/etc/shadow.raucb"},
	{"look", "link.raucb"},
	{"look", "pipe.raucb"},
	{"look", "--no-verify.raucb"},
	{"healthy", "B"},
	{"healthy", "--force"},
	{"newer-data", "9"},
	{"newer-data", "--format=9"},
	{"unwell", "start"},
	{"unwell", "page~data"},
	{"unwell", "../../reset"},
	{"reset", "everything"},
	{"reset", "settings~all"},
	{"reset", "settings all"},
	{"light", "off"},
	{"light", "../../../etc/passwd"},
	{"light", "ok\n"},
	{"wear", "sdb1"},
	{"wear", "../sda"},
	{"wear", "-d"},
	{"wear", "sda~-s~on"},
};
enum { ATTACKS_LEAST = 2 };

static void each_verb_has_attacks_of_its_own_and_none_does_anything(void **state)
{
	struct machine *m = *state;
	_cleanup_(freep) char *pipe = path_join(m->updates, "pipe.raucb");
	size_t known = 0;

	put(m->updates, "folder.raucb/x", "");
	put(m->updates, "empty.raucb", "");
	assert_int_equal(mkfifo(pipe, 0600), 0);
	for (const struct verb *v = verbs; v->name; v++) {
		size_t n = 0;

		for (size_t i = 0; i < ARRAY_LEN(attacks); i++) {
			struct answer a;
			char line[400];
			enum fault f;

			if (strcmp(attacks[i].verb, v->name) != 0)
				continue;
			n++;
			snprintf(line, sizeof(line), "%s %s", v->name, attacks[i].rest);
			f = ask_as(m, line, '~', &a);
			if (f == FAULT_NONE || *m->did)
				fail_msg("%s: %s, did \"%s\"", line, fault_name(f), m->did);
			buf_release(&a.out);
		}
		known += n;
		if (n < ATTACKS_LEAST + args_of(v))
			fail_msg("the verb %s has %zu attacks, and needs %zu", v->name, n,
				 ATTACKS_LEAST + args_of(v));
	}
	assert_int_equal(known, ARRAY_LEN(attacks)); /* none is about a verb that is gone */
	assert_false(there(m->state, "reset"));
	assert_false(there(m->state, "hostname"));
	assert_false(there(m->state, "localtime"));
	assert_false(there(m->run, "update-request"));
	assert_false(there(m->run, "look-request"));
	assert_false(there(m->run, "unwell"));
}

static void a_message_that_is_none_does_nothing(void **state)
{
	struct machine *m = *state;
	static const struct {
		const char *bytes;
		size_t n;
	} none[] = {{"", 0},
		    {"reboot", 6},
		    {"\0", 1},
		    {"\0reboot", 8},
		    {"reboot\0\0", 8},
		    {"reboot\0x", 8},
		    {"a\0b\0c\0d\0e\0", 10}};
	char huge[HELPER_REQUEST + 1];

	for (size_t i = 0; i < ARRAY_LEN(none); i++) {
		struct answer a = {.fault = FAULT_NONE};

		m->did[0] = 0;
		helper_handle(&m->h, span_of(none[i].bytes, none[i].n), true, &a);
		assert_int_equal(a.fault, FAULT_REQUEST);
		assert_string_equal(m->did, "");
	}
	memset(huge, 'a', sizeof(huge));
	huge[HELPER_REQUEST] = 0;
	struct answer a = {.fault = FAULT_NONE};

	helper_handle(&m->h, span_of(huge, sizeof(huge)), true, &a);
	assert_int_equal(a.fault, FAULT_REQUEST);
}

static void every_fault_has_its_sentence(void **state)
{
	(void)state;
	for (int f = 1; f < FAULTS; f++) {
		struct error *e = fault_error((enum fault)f, "sdb1");

		assert_non_null(e);
		assert_true(strlen(error_english(e)) > 10);
		assert_int_equal(fault_by_name(fault_name((enum fault)f)), f);
		error_free(e);
	}
	assert_null(fault_error(FAULT_NONE, ""));
	assert_int_equal(fault_by_name("nonsense"), FAULTS);
}

/* --- over the socket ---------------------------------------------------------------------------
 */

struct listening {
	struct machine *m;
	int sock, calls;
};

static void *serve_calls(void *arg)
{
	struct listening *l = arg;

	for (int i = 0; i < l->calls; i++) {
		int sock = accept(l->sock, NULL, NULL);

		helper_serve_one(&l->m->h, sock);
		close(sock);
	}
	return NULL;
}

static void the_daemon_asks_and_hears_the_sentence(void **state)
{
	struct machine *m = *state;
	_cleanup_(freep) char *path = path_join(m->dir, "s");
	struct listening l = {.m = m, .sock = test_listen_at(path), .calls = 3};
	struct buf out;
	struct error *e;
	pthread_t t;

	m->h.uid = geteuid();
	assert_true(box_has_helper(path));
	assert_int_equal(pthread_create(&t, NULL, serve_calls, &l), 0);
	assert_ok(BOX_ASK(path, &out, "version"));
	assert_string_equal(buf_str(&out), "1");
	buf_release(&out);
	e = BOX_ASK(path, NULL, "mount", "sda", "read");
	assert_true(error_is(e, ERR_DENIED));
	assert_string_equal(error_english(e), "sda is no USB stick: only sticks are opened.");
	error_free(e);
	assert_fails(BOX_ASK(path, NULL, "mount", "../sda", "read"), ERR_INVALID);
	pthread_join(t, NULL);
	/* What can't be sent is not. */
	assert_fails(BOX_ASK(path, NULL, "mount", "", "read"), ERR_INVALID);
	close(l.sock);
}

static void nobody_but_the_daemon_is_heard(void **state)
{
	struct machine *m = *state;
	_cleanup_(freep) char *path = path_join(m->dir, "s");
	struct listening l = {.m = m, .sock = test_listen_at(path), .calls = 1};
	pthread_t t;

	m->h.uid = geteuid() + 1; /* not even root */
	m->did[0] = 0;
	assert_int_equal(pthread_create(&t, NULL, serve_calls, &l), 0);
	assert_fails(BOX_ASK(path, NULL, "reboot"), ERR_DENIED);
	pthread_join(t, NULL);
	assert_string_equal(m->did, "");
	close(l.sock);
}

/* In a process of its own: with that group, or another. What it exits with is the fault. */
static int reset_as_member_of(struct machine *m, gid_t group)
{
	int status = -1;
	pid_t pid = fork();

	if (pid == 0) {
		static const char request[] = "reset\0all";
		char answer[100] = "";
		int sock[2];

		/* The kernel remembers the groups as they are when the two are made. */
		if (setgroups(1, &group) || socketpair(AF_UNIX, SOCK_SEQPACKET, 0, sock) ||
		    send(sock[0], request, sizeof(request), 0) < 0)
			_exit(100);
		helper_serve_one(&m->h, sock[1]);
		if (recv(sock[0], answer, sizeof(answer) - 1, 0) <= 0)
			_exit(101);
		_exit(fault_by_name(answer));
	}
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void who_reads_the_button_is_said_by_the_kernel(void **state)
{
	struct machine *m = *state;

	if (geteuid() != 0)
		return; /* only root can be a member of what it likes */
	m->h.uid = geteuid();
	m->h.button = 4321;
	assert_int_equal(reset_as_member_of(m, 4322), FAULT_AT_BOX);
	assert_false(there(m->state, "reset"));
	assert_int_equal(reset_as_member_of(m, 4321), FAULT_NONE);
	assert_true(there(m->state, "reset"));
	m->h.button = 0; /* a machine without such a group: nobody */
	assert_int_equal(reset_as_member_of(m, 0), FAULT_AT_BOX);
}

static void a_machine_without_a_helper_says_so(void **state)
{
	struct machine *m = *state;
	_cleanup_(freep) char *path = path_join(m->dir, "none");

	assert_false(box_has_helper(NULL));
	assert_false(box_has_helper(path));
	assert_fails(BOX_ASK(NULL, NULL, "reboot"), ERR_NOT_FOUND);
	assert_fails(BOX_ASK(path, NULL, "reboot"), ERR_NOT_FOUND);
}

static void a_program_is_run_without_a_shell_and_stopped_in_time(void **state)
{
	static const char *const echo[] = {"/bin/echo", "$HOME;", NULL};
	static const char *const nap[] = {"/bin/sleep", "30", NULL};
	static const char *const none[] = {"/nonexistent/program", NULL};
	_cleanup_(buf_release) struct buf out = {0};
	const struct helper_ops *o = &helper_ops_system;

	(void)state;
	assert_int_equal(o->run(NULL, echo, 10, &out), 0);
	assert_string_equal(buf_str(&out), "$HOME;\n");
	assert_int_equal(o->run(NULL, nap, 1, &out), -2);
	assert_int_not_equal(o->run(NULL, none, 5, &out), 0);
}

/* As one that waits for a disk that hangs: here it has left the group that is killed. */
static void a_program_that_can_not_be_ended_is_left_behind(void **state)
{
	static const char *const deaf[] = {"/usr/bin/perl", "-e",
					   "setpgrp(0, getpgrp(getppid)); sleep 60", NULL};
	_cleanup_(buf_release) struct buf out = {0};
	time_t began = time(NULL);

	(void)state;
	if (access(deaf[0], X_OK))
		return;
	assert_int_equal(helper_ops_system.run(NULL, deaf, 1, &out), -2);
	assert_true(time(NULL) - began < 50);
}

/* --- the real mounts, in a view of our own -------------------------------------------------------
 */

static bool can_write(const char *dir)
{
	_cleanup_(freep) char *path = path_join(dir, "x");
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static char heard(int from)
{
	char c = 0;

	return read(from, &c, 1) == 1 ? c : 0;
}

static void tell(int to, char c)
{
	if (write(to, &c, 1) != 1)
		_exit(9);
}

/* What a service sees: a copy of the mounts, into which new ones are passed on. */
static void as_the_daemon(const char *where, int from, int to)
{
	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL))
		_exit(1);
	tell(to, 'r');
	while (heard(from))
		tell(to, can_write(where) ? 'w' : '-');
	_exit(0);
}

/* 77: this machine lets nobody mount. */
static int as_the_helper(const char *dir)
{
	_cleanup_(freep) char *where = path_join(dir, "sdb1");
	const struct helper_ops *o = &helper_ops_system;
	int down[2], up[2];
	unsigned long flags = MS_NODEV | MS_NOSUID | MS_NOEXEC;

	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("none", dir, "tmpfs", 0, "") || mount(NULL, dir, NULL, MS_SHARED, NULL) ||
	    mkdir(where, 0755) || pipe(down) || pipe(up))
		return 77;
	if (fork() == 0) {
		close(down[1]);
		as_the_daemon(where, down[0], up[1]);
	}
	close(up[1]);
	if (heard(up[0]) != 'r')
		return 77;
	if (o->mount(NULL, "none", where, "tmpfs", flags | MS_RDONLY, "size=64k,mode=0777"))
		return 2;
	tell(down[1], '?');
	if (heard(up[0]) != '-')
		return 3;
	if (o->mount(NULL, "none", where, "none", flags | MS_REMOUNT, ""))
		return 4;
	tell(down[1], '?');
	if (heard(up[0]) != 'w')
		return 5;
	if (o->mount(NULL, "none", where, "none", flags | MS_REMOUNT | MS_RDONLY, ""))
		return 6;
	tell(down[1], '?');
	if (heard(up[0]) != '-')
		return 7;
	if (o->mount(NULL, "none", where, "nonsense", flags, "") == 0)
		return 8;
	return o->unmount(NULL, where, UMOUNT_NOFOLLOW) ? 9 : 0;
}

static void a_stick_becomes_writable_and_read_only_in_the_daemons_view_too(void **state)
{
	_cleanup_(test_dir_removep) char *dir = test_dir();
	pid_t child = fork();
	int status;

	(void)state;
	if (child == 0)
		_exit(as_the_helper(dir));
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77)
		skip_note("nothing can be mounted here");
	else
		assert_int_equal(WEXITSTATUS(status), 0);
}

/* --- real file systems, on a loop device --------------------------------------------------------
 */

static bool run_quietly(const char *const *argv, char *first, size_t size)
{
	_cleanup_(buf_release) struct buf out = {0};
	bool ok = helper_ops_system.run(NULL, argv, 30, &out) == 0;

	if (first)
		snprintf(first, size, "%.*s", (int)strcspn(buf_str(&out), "\n"), buf_str(&out));
	return ok;
}

static void write_at(const char *path, off_t at, size_t n)
{
	static const uint8_t rubbish[4096];
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, rubbish, n, at), n);
	close(fd);
}

/* What the helper answers about a stick with this image, with the real mount; 77: nothing can be
 * mounted. */
static int mount_image(const char *image, const char *where)
{
	const char *const up[] = {"/usr/sbin/losetup", "-f", "--show", image, NULL};
	char dev[64] = "";
	const char *const down[] = {"/usr/sbin/losetup", "-d", dev, NULL};
	unsigned long flags = MS_NODEV | MS_NOSUID | MS_NOEXEC | MS_RDONLY;
	int e;

	if (!run_quietly(up, dev, sizeof(dev)) || !*dev)
		return 77;
	e = helper_ops_system.mount(NULL, dev, where, "ext4", flags, "noload");
	if (!e)
		helper_ops_system.unmount(NULL, where, UMOUNT_NOFOLLOW);
	run_quietly(down, NULL, 0);
	return e;
}

static int try_images(const char *dir)
{
	_cleanup_(freep) char *image = path_join(dir, "image"), *where = path_join(dir, "where");
	const char *const make[] = {"/usr/sbin/mkfs.ext4", "-q", "-F", image, "8M", NULL};
	int e;

	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mkdir(where, 0755) || !run_quietly(make, NULL, 0))
		return 77;
	e = mount_image(image, where);
	if (e)
		return e == 77 || e == ENODEV ? 77 : 1;
	write_at(image, 2048, 4096); /* the table of its groups */
	e = mount_image(image, where);
	if (e != EUCLEAN && e != EBADMSG && e != EIO)
		return 2;
	write_at(image, 1024, 1024); /* what says that it is one */
	return mount_image(image, where) == EINVAL ? 0 : 3;
}

static void a_damaged_file_system_is_told_from_none(void **state)
{
	_cleanup_(test_dir_removep) char *dir = test_dir();
	pid_t child = fork();
	int status;

	(void)state;
	if (child == 0)
		_exit(try_images(dir));
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77)
		skip_note("nothing can be mounted here, or there is no loop device");
	else
		assert_int_equal(WEXITSTATUS(status), 0);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, open_machine, close_machine)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(the_machine_restarts_and_stops),
		CASE(a_host_name_is_kept_and_said),
		CASE(a_time_zone_is_one_of_the_systems),
		CASE(the_clock_goes_forward_only),
		CASE(a_stick_is_opened_for_reading),
		CASE(only_a_usb_stick_is_opened),
		CASE(a_stick_is_opened_again_and_closed),
		CASE(an_update_is_a_file_of_one_folder),
		CASE(a_reset_is_left_to_the_next_start),
		CASE(a_reset_needs_somebody_at_the_box),
		CASE(the_light_shows_what_is_asked),
		CASE(a_disk_says_how_worn_it_is),
		CASE(every_verb_refuses_every_hostile_argument),
		CASE(each_verb_has_attacks_of_its_own_and_none_does_anything),
		CASE(every_verb_wants_its_number_of_arguments),
		CASE(a_message_that_is_none_does_nothing),
		CASE(every_fault_has_its_sentence),
		CASE(the_daemon_asks_and_hears_the_sentence),
		CASE(nobody_but_the_daemon_is_heard),
		CASE(who_reads_the_button_is_said_by_the_kernel),
		CASE(a_machine_without_a_helper_says_so),
		cmocka_unit_test(a_stick_becomes_writable_and_read_only_in_the_daemons_view_too),
		cmocka_unit_test(a_damaged_file_system_is_told_from_none),
		CASE(a_program_is_run_without_a_shell_and_stopped_in_time),
		CASE(a_program_that_can_not_be_ended_is_left_behind),
	};

	return run_group(tests);
}
