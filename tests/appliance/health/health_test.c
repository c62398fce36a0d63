/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The eight lights of a box on a made-up machine; the watchdog. */
#include "tests/appliance/site.h"
#include "appliance/box/box.h"
#include "appliance/health/health.h"
#include "appliance/health/opening.h"
#include "appliance/health/watchdog.h"
#include "firmware/update/outcome.h"
#include <pthread.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>

/* --- the lights --------------------------------------------------------------------------------
 */

static void put(struct site *s, const char *path, const char *text)
{
	_cleanup_(freep) char *whole = path_join(s->dir, path), *folder = strdup(whole);

	*strrchr(folder, '/') = 0;
	assert_ok(dir_make(folder, 0755));
	assert_ok(file_write(whole, span_str(text), 0644));
}

/* The site's own folder is the root of the machine, too. */
static void begin(struct site *s)
{
	box_paths(s->dir, &s->app->box);
	assert_ok(health_start(s->app, &s->app->health));
}

static void end(struct site *s)
{
	health_stop(STEAL(s->app->health));
}

static struct light *find(struct light lights[HEALTH_LIGHTS], const char *name)
{
	for (size_t i = 0; i < HEALTH_LIGHTS; i++)
		if (strcmp(lights[i].name, name) == 0)
			return &lights[i];
	fail_msg("there is no light %s", name);
	return NULL;
}

/* The light is so, and says so; every light that is not in order says what to do. */
static void expect(struct site *s, const char *name, enum health_state want, const char *says)
{
	_cleanup_(conn_closep) struct conn *c = NULL;
	struct light lights[HEALTH_LIGHTS], *l;

	assert_ok(app_conn(s->app, &c));
	assert_ok(health_look(s->app, c, lights));
	l = find(lights, name);
	if (l->state != want || !strstr(error_english(l->says), says))
		fail_msg("%s: wanted %s \"%s\", is %s \"%s\"", name, health_state_name(want), says,
			 health_state_name(l->state), error_english(l->says));
	for (size_t i = 0; i < HEALTH_LIGHTS; i++)
		assert_true(lights[i].action || lights[i].state == HEALTH_OK ||
			    lights[i].state == HEALTH_UNKNOWN);
	lights_release(lights);
}

static void power_tells_of_a_weak_supply_and_a_battery(void **state)
{
	struct site s;

	(void)state;
	site_open(&s);
	begin(&s);
	expect(&s, "power", HEALTH_OK, "does not measure its voltage");
	put(&s, "sys/class/hwmon/hwmon0/name", "rpi_volt\n");
	put(&s, "sys/class/hwmon/hwmon0/in0_lcrit_alarm", "0\n");
	expect(&s, "power", HEALTH_OK, "as it should be");
	put(&s, "sys/class/hwmon/hwmon0/in0_lcrit_alarm", "1\n");
	expect(&s, "power", HEALTH_ACT, "too low at this moment");
	put(&s, "sys/class/hwmon/hwmon0/in0_lcrit_alarm", "0\n");
	put(&s, "sys/class/power_supply/BAT0/type", "Battery\n");
	put(&s, "sys/class/power_supply/BAT0/status", "Discharging\n");
	put(&s, "sys/class/power_supply/BAT0/capacity", "60\n");
	expect(&s, "power", HEALTH_ATTENTION, "60 % left");
	put(&s, "sys/class/power_supply/BAT0/capacity", "9\n");
	expect(&s, "power", HEALTH_ACT, "9 % left");
	end(&s);
	site_close(&s);
}

static void a_box_that_is_often_cut_off_says_so(void **state)
{
	struct site s;

	(void)state;
	site_open(&s);
	for (int i = 0; i < 3; i++) {
		begin(&s);
		expect(&s, "power", HEALTH_OK, "");
		end(&s);
	}
	/* As if it had been pulled: what a stopped daemon removes is still there. */
	for (int i = 0; i < 3; i++) {
		put(&s, "running", "");
		begin(&s);
		expect(&s, "power", i == 2 ? HEALTH_ATTENTION : HEALTH_OK, i == 2 ? "3 times" : "");
		end(&s);
	}
	/* Nonsense in the file is no end. */
	put(&s, "sudden-ends", "x\n");
	begin(&s);
	expect(&s, "power", HEALTH_OK, "");
	end(&s);
	site_close(&s);
}

/* Who reads it is on the health page already: it must name a light that is there, or what to do. */
static void check_action(struct site *s, enum update_why why)
{
	_cleanup_(conn_closep) struct conn *c = NULL;
	struct light lights[HEALTH_LIGHTS], *l;

	assert_ok(app_conn(s->app, &c));
	assert_ok(health_look(s->app, c, lights));
	l = find(lights, "updates");
	assert_int_equal(l->state, HEALTH_ATTENTION);
	assert_non_null(l->action);
	if (strstr(l->action, "health page"))
		fail_msg("%s: %s", update_why_name(why), l->action);
	if (strstr(l->action, "light “"))
		assert_non_null(strstr(l->action, find(lights, "wear")->title));
	lights_release(lights);
}

static void an_update_that_ended_badly_sends_nobody_to_the_page_that_they_read(void **state)
{
	static const char *const ends[] = {"failed", "rolled-back"};
	struct site s;

	(void)state;
	site_open(&s);
	begin(&s);
	put(&s, "run/lliure-helper.sock", "");
	for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
		for (int w = WHY_NOTHING + 1; w < UPDATE_WHYS; w++) {
			char text[100];

			snprintf(text, sizeof(text), "stage=%s\nwhy=%s\nversion=2026.12.1\n", ends[i],
				 update_why_name((enum update_why)w));
			put(&s, "state/lliure/update", text);
			check_action(&s, (enum update_why)w);
		}
	}
	end(&s);
	site_close(&s);
}

static void temperature_and_updates_follow_the_machine(void **state)
{
	struct site s;

	(void)state;
	site_open(&s);
	begin(&s);
	expect(&s, "temperature", HEALTH_UNKNOWN, "no thermometer");
	put(&s, "sys/class/thermal/thermal_zone0/temp", "45000\n");
	expect(&s, "temperature", HEALTH_OK, "45 °C");
	put(&s, "sys/class/thermal/thermal_zone0/temp", "80000\n");
	expect(&s, "temperature", HEALTH_ATTENTION, "80 °C");
	put(&s, "sys/class/thermal/thermal_zone0/temp", "92000\n");
	expect(&s, "temperature", HEALTH_ACT, "92 °C");
	expect(&s, "updates", HEALTH_UNKNOWN, "as it was installed");
	put(&s, "run/lliure-helper.sock", "");
	put(&s, "etc/os-release", "ID=debian\nVERSION_ID=\"2026.11.25\"\n");
	expect(&s, "updates", HEALTH_OK, "version 2026.11.25");
	put(&s, "state/lliure/update", "stage=rolled-back\nwhy=page\nversion=2026.12.1\n");
	expect(&s, "updates", HEALTH_ATTENTION, "2026.12.1");
	put(&s, "state/lliure/update", "stage=failed\nwhy=install\nversion=2026.12.1\n");
	expect(&s, "updates", HEALTH_ATTENTION, "2026.12.1");
	/* Refused: nothing was changed. And what went wrong long ago is no news. */
	put(&s, "state/lliure/update", "stage=refused\nwhy=older\nversion=2026.10.1\n");
	expect(&s, "updates", HEALTH_OK, "version 2026.11.25");
	put(&s, "state/lliure/update", "stage=rolled-back\nwhy=page\nversion=2026.12.1\nwhen=1000\n");
	expect(&s, "updates", HEALTH_OK, "version 2026.11.25");
	end(&s);
	site_close(&s);
}

/* The folder lies on a partition of "sdz". */
static void own_disk(struct site *s)
{
	char link[300];
	struct stat st;

	put(s, "sys/devices/block/sdz/sdz7/partition", "7\n");
	put(s, "sys/dev/block/none", "");
	assert_int_equal(stat(s->app->dir, &st), 0);
	snprintf(link, sizeof(link), "%s/sys/dev/block/%u:%u", s->dir, major(st.st_dev),
		 minor(st.st_dev));
	assert_int_equal(symlink("../../devices/block/sdz/sdz7", link), 0);
}

static void a_disk_that_had_to_be_mended_says_so(void **state)
{
	struct site s;

	(void)state;
	site_open(&s);
	begin(&s);
	expect(&s, "wear", HEALTH_UNKNOWN, "does not say how worn");
	own_disk(&s);
	put(&s, "sys/fs/ext4/sdz7/errors_count", "0\n");
	expect(&s, "wear", HEALTH_UNKNOWN, "does not say how worn");
	put(&s, "sys/fs/ext4/sdz7/errors_count", "1\n");
	expect(&s, "wear", HEALTH_ACT, "made errors while the box was running");
	put(&s, "sys/fs/ext4/sdz7/errors_count", "0\n");
	put(&s, "run/lliure/state-lost", "");
	expect(&s, "wear", HEALTH_ACT, "could not read its own settings");
	put(&s, "run/lliure/data-mended", "");
	expect(&s, "wear", HEALTH_ACT, "was damaged when the box started, and was mended");
	end(&s);
	site_close(&s);
}

static void the_other_lights_begin_with_what_is_to_do(void **state)
{
	struct site s;

	(void)state;
	site_open(&s);
	begin(&s);
	expect(&s, "wear", HEALTH_UNKNOWN, "does not say");
	expect(&s, "space", HEALTH_OK, "is free");
	expect(&s, "clock", HEALTH_UNKNOWN, "nothing speaks against it");
	put(&s, "clock", "1764086400000 seen 0\n");
	expect(&s, "clock", HEALTH_ATTENTION, "not sure of the time");
	expect(&s, "backups", HEALTH_ATTENTION, "there are none");
	expect(&s, "peers", HEALTH_UNKNOWN, "only here");
	end(&s);
	/* Without a daemon the lights are looked at all the same. */
	expect(&s, "backups", HEALTH_ATTENTION, "there are none");
	site_close(&s);
}

static void the_page_is_for_volunteers(void **state)
{
	struct site s;
	struct reply r;

	(void)state;
	site_open(&s);
	begin(&s);
	r = site_ask(&s, JOAN, "/admin/health.json", NULL);
	assert_int_equal(r.status, 403);
	reply_release(&r);
	r = site_ask(&s, VOL, "/admin/health.json", NULL);
	assert_int_equal(r.status, 200);
	assert_string_equal(TEXT(&r, "lights.0.name"), "power");
	assert_string_equal(TEXT(&r, "lights.7.name"), "updates");
	assert_string_equal(TEXT(&r, "summary.state"), "attention");
	assert_string_equal(TEXT(&r, "box"), "false");
	reply_release(&r);
	r = site_ask(&s, VOL, "/admin.json", NULL);
	assert_int_equal(r.status, 200);
	assert_string_equal(TEXT(&r, "health.attention"), "true");
	assert_null(strstr(buf_str(&r.body), "act now"));
	reply_release(&r);
	/* A light that is red is the first thing on the volunteers' page. */
	put(&s, "sys/class/thermal/thermal_zone0/temp", "93000\n");
	r = site_ask(&s, VOL, "/admin.json", NULL);
	assert_non_null(strstr(TEXT(&r, "warnings.0.text"), "act now (Temperature"));
	assert_string_equal(TEXT(&r, "warnings.0.url"), "/admin/health");
	assert_string_equal(TEXT(&r, "warnings.0.grave"), "true");
	reply_release(&r);
	/* There is no helper here: nothing restarts, and the page says why. */
	r = site_ask(&s, VOL, "/admin/health/restart", "{}");
	assert_int_equal(r.status, 404);
	reply_release(&r);
	r = site_ask(&s, JOAN, "/admin/health/power-off", "{}");
	assert_int_equal(r.status, 403);
	reply_release(&r);
	end(&s);
	site_close(&s);
}

/* --- the watchdog ------------------------------------------------------------------------------
 */

struct dog {
	bool serves, writes;
	int asked, fed;
};

static bool dog_serves(void *ctx)
{
	struct dog *d = ctx;

	d->asked++;
	return d->serves;
}

static bool dog_writes(void *ctx)
{
	return ((struct dog *)ctx)->writes;
}

static void dog_notify(void *ctx, const char *state)
{
	assert_string_equal(state, "WATCHDOG=1");
	((struct dog *)ctx)->fed++;
}

static void the_watchdog_is_fed_only_by_one_that_serves_and_writes(void **state)
{
	struct dog d = {.serves = true, .writes = true};
	struct watchdog_env e = {&d, dog_serves, dog_writes, dog_notify};

	(void)state;
	assert_true(watchdog_round(&e));
	assert_int_equal(d.fed, 1);
	d.writes = false;
	assert_false(watchdog_round(&e));
	d.writes = true;
	d.serves = false;
	assert_false(watchdog_round(&e));
	assert_int_equal(d.fed, 1);
	assert_int_equal(d.asked, 3);
}

static int64_t dog_worked(void *ctx)
{
	return ((struct dog *)ctx)->asked;
}

static void dog_extends(void *ctx, const char *state)
{
	assert_non_null(strstr(state, "EXTEND_TIMEOUT_USEC=60000000\n"));
	((struct dog *)ctx)->fed++;
}

static void a_box_that_is_being_opened_has_time_while_it_gets_on(void **state)
{
	struct dog d = {.asked = 100};
	struct opening_env e = {&d, dog_worked, dog_extends};
	struct opening_state s = {.rounds = 0};

	(void)state;
	assert_true(opening_round(&e, &s));
	assert_false(opening_round(&e, &s)); /* a disk that hangs */
	d.asked += OPENING_WORK_MS - 1;
	assert_false(opening_round(&e, &s));
	d.asked += OPENING_WORK_MS;
	assert_true(opening_round(&e, &s));
	assert_int_equal(d.fed, 2);
	while (s.rounds < OPENING_ROUNDS) {
		d.asked += 10000;
		assert_true(opening_round(&e, &s));
	}
	d.asked += 10000;
	assert_false(opening_round(&e, &s)); /* in circles */
}

/* The real proofs against a real box, and systemd's socket played by the test. */
static void systemd_hears_of_a_box_that_lives(void **state)
{
	struct site s;
	struct watchdog *w;
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int sock = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct timeval wait = {.tv_sec = 30};
	char said[200] = "", pid[20];

	(void)state;
	site_open(&s);
	snprintf(a.sun_path, sizeof(a.sun_path), "%s/notify", s.dir);
	assert_int_equal(bind(sock, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait)), 0);
	snprintf(pid, sizeof(pid), "%d", getpid());
	setenv("NOTIFY_SOCKET", a.sun_path, 1);
	setenv("WATCHDOG_USEC", "400000", 1);
	setenv("WATCHDOG_PID", pid, 1);
	w = watchdog_start(http_port(s.http), s.app->writer);
	assert_non_null(w);
	assert_true(recv(sock, said, sizeof(said) - 1, 0) > 0);
	assert_non_null(strstr(said, "READY=1"));
	for (int i = 0; i < 2; i++) {
		memset(said, 0, sizeof(said));
		assert_true(recv(sock, said, sizeof(said) - 1, 0) > 0);
		assert_string_equal(said, "WATCHDOG=1");
	}
	watchdog_stop(w);
	unsetenv("WATCHDOG_USEC");
	/* Nobody asked for it: nothing is fed. */
	assert_null(watchdog_start(http_port(s.http), s.app->writer));
	unsetenv("NOTIFY_SOCKET");
	close(sock);
	site_close(&s);
}

/* A commit that does not come back: a card that hangs in its own clean-up. */
struct hang {
	struct app *app;
	int begun[2], go_on[2];
};

static struct error *hanging_job(struct conn *c, void *arg)
{
	struct hang *h = arg;
	char byte;

	(void)c;
	assert_int_equal(write(h->begun[1], "x", 1), 1);
	assert_int_equal(read(h->go_on[0], &byte, 1), 1);
	return NULL;
}

static void *hang_the_writer(void *arg)
{
	struct hang *h = arg;

	assert_ok(writer_run(h->app->writer, hanging_job, h));
	return NULL;
}

static void hear_nothing_but_old_words(int sock)
{
	struct timeval moment = {.tv_usec = 600 * 1000};
	char said[200];
	int heard = 0;

	assert_int_equal(setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &moment, sizeof(moment)), 0);
	while (recv(sock, said, sizeof(said), 0) > 0)
		assert_true(++heard < 1000); /* what was said before it hung */
	/* Six times as long as from one word to the next. */
	assert_true(recv(sock, said, sizeof(said), 0) < 0);
}

static void a_writer_that_hangs_is_not_fed(void **state)
{
	struct site s;
	struct hang h;
	struct watchdog *w;
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int sock = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct timeval wait = {.tv_sec = 30};
	char said[200] = "", pid[20];
	pthread_t t;

	(void)state;
	site_open(&s);
	h.app = s.app;
	assert_int_equal(pipe(h.begun), 0);
	assert_int_equal(pipe(h.go_on), 0);
	snprintf(a.sun_path, sizeof(a.sun_path), "%s/notify", s.dir);
	assert_int_equal(bind(sock, (struct sockaddr *)&a, sizeof(a)), 0);
	snprintf(pid, sizeof(pid), "%d", getpid());
	setenv("NOTIFY_SOCKET", a.sun_path, 1);
	setenv("WATCHDOG_USEC", "400000", 1);
	setenv("WATCHDOG_PID", pid, 1);
	w = watchdog_start(http_port(s.http), s.app->writer);
	assert_non_null(w);
	assert_int_equal(pthread_create(&t, NULL, hang_the_writer, &h), 0);
	assert_int_equal(read(h.begun[0], said, 1), 1);
	hear_nothing_but_old_words(sock);
	assert_int_equal(write(h.go_on[1], "x", 1), 1);
	pthread_join(t, NULL);
	assert_int_equal(setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait)), 0);
	memset(said, 0, sizeof(said));
	assert_true(recv(sock, said, sizeof(said) - 1, 0) > 0);
	assert_string_equal(said, "WATCHDOG=1");
	watchdog_stop(w);
	unsetenv("WATCHDOG_USEC");
	unsetenv("NOTIFY_SOCKET");
	close(sock);
	for (int i = 0; i < 2; i++)
		close(h.begun[i]), close(h.go_on[i]);
	site_close(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(power_tells_of_a_weak_supply_and_a_battery),
		cmocka_unit_test(a_box_that_is_often_cut_off_says_so),
		cmocka_unit_test(temperature_and_updates_follow_the_machine),
		cmocka_unit_test(an_update_that_ended_badly_sends_nobody_to_the_page_that_they_read),
		cmocka_unit_test(a_disk_that_had_to_be_mended_says_so),
		cmocka_unit_test(the_other_lights_begin_with_what_is_to_do),
		cmocka_unit_test(the_page_is_for_volunteers),
		cmocka_unit_test(the_watchdog_is_fed_only_by_one_that_serves_and_writes),
		cmocka_unit_test(a_box_that_is_being_opened_has_time_while_it_gets_on),
		cmocka_unit_test(systemd_hears_of_a_box_that_lives),
		cmocka_unit_test(a_writer_that_hangs_is_not_fed),
	};

	return run_group(tests);
}
