/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/carry/sieve.h"
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>

/* --- those that run -----------------------------------------------------------------------------
 */

struct sieves {
	const char *program;
	pthread_mutex_t lock;
	pid_t running[SIEVES]; /* 0: free */
	bool stop, tried;
	struct walls walls; /* once tried */
};

struct sieves *sieves_new(const char *program)
{
	struct sieves *all = calloc(1, sizeof(*all));

	if (!all)
		abort();
	all->program = program;
	pthread_mutex_init(&all->lock, NULL);
	return all;
}

void sieves_free(struct sieves *all)
{
	if (!all)
		return;
	pthread_mutex_destroy(&all->lock);
	free(all);
}

void sieves_stop(struct sieves *all)
{
	pthread_mutex_lock(&all->lock);
	all->stop = true;
	for (size_t i = 0; i < SIEVES; i++)
		if (all->running[i])
			kill(all->running[i],
			     SIGKILL); /* not yet waited for: it is still its own */
	pthread_mutex_unlock(&all->lock);
}

/* With the lock; NULL: as many as may be. */
static pid_t *place_of(struct sieves *all, pid_t pid)
{
	for (size_t i = 0; i < SIEVES; i++)
		if (all->running[i] == pid)
			return &all->running[i];
	return NULL;
}

/* --- the process --------------------------------------------------------------------------------
 */

static struct error *no_helper(const char *why)
{
	return error_new(ERR_IO, N_("The helper that reads foreign files can't be run: %s."), why);
}

static int spawn(const char *program, int fd, int out, enum sieve_mode mode, pid_t *ret)
{
	char *argv[] = {"lliure", "sieve", mode == SIEVE_SUMMARY ? "--summary" : NULL, NULL};
	char *environment[] = {NULL};
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	sigset_t none, ends;
	int failed;

	sigemptyset(&none);
	sigemptyset(&ends);
	sigaddset(&ends, SIGPIPE);
	posix_spawn_file_actions_init(&files);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setsigdefault(&attr, &ends);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	posix_spawn_file_actions_adddup2(&files, fd, 0);
	posix_spawn_file_actions_adddup2(&files, out, 1);
	failed = posix_spawn(ret, program, &files, &attr, argv, environment);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&files);
	return failed;
}

/* With the lock, so that none begins behind a stop. */
static struct error *begin(struct sieves *all, int fd, int out, enum sieve_mode mode, pid_t *ret)
{
	pid_t *place = place_of(all, 0);
	int failed;

	ENSURE(!all->stop, error_new(ERR_STOPPED, N_("The box is shutting down.")));
	ENSURE(place, error_new(ERR_BUSY, N_("Too many foreign files are being read at once. Try "
					     "again soon.")));
	failed = spawn(all->program, fd, out, mode, ret);
	ENSURE(!failed, no_helper(strerror(failed)));
	*place = *ret;
	return NULL;
}

struct error *sieve_start(struct sieves *all, int fd, enum sieve_mode mode, struct sieve *ret)
{
	struct timeval silence = {.tv_sec = mode == SIEVE_SUMMARY ? SIEVE_SUMMARY_S
								  : SIEVE_SILENCE_S};
	struct sieve s = {.all = all, .code = -1};
	struct walls walls;
	struct error *e;
	int ends[2];

	/* (the trial is a summary itself) */
	if (mode == SIEVE_FRAMES)
		TRY(sieves_walls(all, &walls));

	ENSURE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0,
	       no_helper(strerror(errno)));
	setsockopt(ends[0], SOL_SOCKET, SO_RCVTIMEO, &silence, sizeof(silence));
	/* One way only. */
	shutdown(ends[1], SHUT_RD);
	pthread_mutex_lock(&all->lock);
	e = begin(all, fd, ends[1], mode, &s.pid);
	pthread_mutex_unlock(&all->lock);
	close(ends[1]);
	if (e) {
		close(ends[0]);
		return e;
	}
	s.fd = ends[0];
	*ret = s;
	return NULL;
}

void sieve_end(struct sieve *s)
{
	int status = -1;

	if (s->fd < 0)
		return;
	close(s->fd);
	s->fd = -1;
	pthread_mutex_lock(&s->all->lock);
	*place_of(s->all, s->pid) = 0;
	pthread_mutex_unlock(&s->all->lock);
	kill(s->pid, SIGKILL);
	while (waitpid(s->pid, &status, 0) < 0 && errno == EINTR)
		;
	s->code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* --- its summary ------------------------------------------------------------------------------ */

static uint64_t number(const json_t *o, const char *name)
{
	json_int_t n = json_integer_value(json_object_get(o, name));

	return n > 0 ? (uint64_t)n : 0;
}

static bool flag(const json_t *o, const char *name)
{
	return json_is_true(json_object_get(o, name));
}

static bool key(const json_t *o, const char *name, struct pubkey *ret)
{
	const char *text = json_string_value(json_object_get(o, name));

	return text && id_parse(text, ret->b);
}

static bool parse_log(const json_t *row, struct sieve_log *ret)
{
	const char *space = json_string_value(json_array_get(row, 0));
	const char *appliance = json_string_value(json_array_get(row, 1));

	ret->id.incarnation = (uint64_t)json_integer_value(json_array_get(row, 2));
	ret->first = (uint64_t)json_integer_value(json_array_get(row, 3));
	ret->last = (uint64_t)json_integer_value(json_array_get(row, 4));
	return space && appliance && id_parse(space, ret->id.space.b) &&
	       id_parse(appliance, ret->id.appliance.b) && ret->first && ret->last >= ret->first;
}

static void parse_lists(const json_t *o, struct sieve_summary *s)
{
	const json_t *logs = json_object_get(o, "heads"), *spaces = json_object_get(o, "spaces");
	size_t n = json_array_size(logs);

	n = n < SIEVE_LOGS ? n : SIEVE_LOGS;
	s->logs = calloc(n + 1, sizeof(*s->logs));
	if (!s->logs)
		abort();
	for (size_t i = 0; i < n; i++)
		if (parse_log(json_array_get(logs, i), &s->logs[s->logs_kept]))
			s->logs_kept++;
	for (size_t i = 0; i < json_array_size(spaces) && s->spaces_n < LIMIT_SPACES; i++) {
		const char *text = json_string_value(json_array_get(spaces, i));

		if (text && id_parse(text, s->spaces[s->spaces_n].b))
			s->spaces_n++;
	}
}

struct error *sieve_parse_summary(struct span json, struct sieve_summary *ret)
{
	json_t *o = json_loadb((const char *)json.p, json.n, JSON_REJECT_DUPLICATES, NULL);
	const json_t *w = json_object_get(o, "walls");
	const char *name = json_string_value(json_object_get(o, "name"));
	struct sieve_summary s = {.parts = number(o, "parts"),
				  .bytes = number(o, "bytes"),
				  .frames = number(o, "frames"),
				  .entries = number(o, "entries"),
				  .payloads = number(o, "payloads"),
				  .forks = number(o, "forks"),
				  .blobs = number(o, "blobs"),
				  .logs_n = number(o, "logs"),
				  .whole = flag(o, "whole"),
				  .damaged = flag(o, "damaged"),
				  .time_ms = json_integer_value(json_object_get(o, "time")),
				  .walls = {flag(w, "limits"), flag(w, "no_new_privs"),
					    flag(w, "landlock"), flag(w, "seccomp")}};

	ENSURE(o, error_new(ERR_IO, N_("The helper that reads foreign files did not come to its "
				       "end. The file may be damaged on purpose.")));
	line_clean(span_str(name ? name : ""), s.name, sizeof(s.name));
	s.has_name = *s.name != 0;
	s.claimed = key(o, "writer", &s.writer) && key(o, "receiver", &s.receiver);
	parse_lists(o, &s);
	json_decref(o);
	*ret = s;
	return NULL;
}

void sieve_summary_release(struct sieve_summary *s)
{
	free(STEAL(s->logs));
}

static struct error *read_all(int fd, struct buf *b)
{
	for (;;) {
		ssize_t n = read(fd, buf_reserve(b, 65536), 65536);

		if (n < 0 && errno == EINTR)
			continue;
		ENSURE(n >= 0, no_helper(strerror(errno)));
		if (n == 0)
			return NULL;
		b->n += (size_t)n;
		ENSURE(b->n <= SIEVE_SUMMARY_MAX,
		       no_helper("what it says about the file is too long"));
	}
}

struct error *sieve_check(struct sieves *all, int fd, struct sieve_summary *ret)
{
	_cleanup_(buf_release) struct buf b = {0};
	struct sieve s;
	struct error *e;

	TRY(sieve_start(all, fd, SIEVE_SUMMARY, &s));
	e = read_all(s.fd, &b);
	sieve_end(&s);
	TRY(e);
	ENSURE(s.code != SIEVE_NO_WALLS,
	       error_new(ERR_DENIED,
			 N_("Foreign files are read behind walls (Landlock and seccomp). This"
			    " machine has them, but they could not be put up, so nothing is read."
			    " Start the machine again.")));
	return sieve_parse_summary(buf_span(&b), ret);
}

struct error *sieves_walls(struct sieves *all, struct walls *ret)
{
	_cleanup_(closep) int nothing = -1;
	struct sieve_summary s;
	bool tried;

	pthread_mutex_lock(&all->lock);
	tried = all->tried;
	*ret = all->walls;
	pthread_mutex_unlock(&all->lock);
	if (tried)
		return NULL;
	nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
	ENSURE(nothing >= 0, no_helper(strerror(errno)));
	TRY(sieve_check(all, nothing, &s));
	sieve_summary_release(&s);
	pthread_mutex_lock(&all->lock);
	all->walls = *ret = s.walls;
	all->tried = true;
	pthread_mutex_unlock(&all->lock);
	return NULL;
}
