/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * A bad network switch: takes the frames of some tap devices and hands them on with loss, delay and
 * doubles drawn from a seed, and parts them on command. (netem is not in every kernel; this needs
 * /dev/net/tun alone.)
 *
 *   switch_tool SOCKET SEED PID…
 *   switch_tool SOCKET say COMMAND…      gives it a command, and prints the answer
 *
 * In the network namespace of each process it makes the device eth0, whose cable ends here.
 * Commands come as datagrams on the unix socket SOCKET, and are answered when who asks has a name:
 *
 *   loss N          of a thousand frames N are lost
 *   double N        of a thousand N come twice
 *   delay MS MORE   each is MS ms late, and up to MORE more (so they overtake each other)
 *   groups G G …    a group for each cable, in order: only cables of one group hear each other
 *   clean           no loss, doubles, delay or groups
 *   facts           answers: frames taken, handed on, lost, doubled, kept apart
 *
 * It ends with the process that began it, and with SIGTERM.
 */
#define TEST_WITHOUT_CMOCKA
#include "tests/lib/test.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { CABLES = 32, FRAME = 2048, MACS = 256, WAITING = 8192 };

struct frame {
	int64_t at; /* when it goes on, µs */
	uint64_t order;
	int to;
	uint16_t n;
	uint8_t bytes[FRAME];
};

struct mac {
	uint8_t address[6];
	int cable;
};

struct bad_switch {
	struct test_env rand;
	int fd[CABLES], group[CABLES], n, command;
	unsigned loss, twice, delay, more;
	struct mac mac[MACS];
	int n_mac;
	struct frame *waiting[WAITING]; /* a heap */
	int n_waiting;
	uint64_t order, taken, passed, lost, doubled, apart;
};

static int64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void die(const char *what)
{
	fprintf(stderr, "switch_tool: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* The device lives as long as its file is open. */
static int tap_in(const char *pid)
{
	struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI, .ifr_name = "eth0"};
	int own = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC), theirs, fd;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%s/ns/net", pid);
	theirs = open(path, O_RDONLY | O_CLOEXEC);
	if (own < 0 || theirs < 0 || setns(theirs, CLONE_NEWNET))
		die(path);
	fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0 || ioctl(fd, TUNSETIFF, &request))
		die("/dev/net/tun");
	if (setns(own, CLONE_NEWNET))
		die("back");
	close(own);
	close(theirs);
	return fd;
}

static int listen_at(const char *path)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	snprintf(at.sun_path, sizeof(at.sun_path), "%s", path);
	if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)))
		die(path);
	return fd;
}

/* --- frames that wait --- */
static bool earlier(const struct frame *a, const struct frame *b)
{
	return a->at != b->at ? a->at < b->at : a->order < b->order;
}

static void put(struct bad_switch *s, struct frame *f)
{
	int i = s->n_waiting++;

	for (; i && earlier(f, s->waiting[(i - 1) / 2]); i = (i - 1) / 2)
		s->waiting[i] = s->waiting[(i - 1) / 2];
	s->waiting[i] = f;
}

static struct frame *take(struct bad_switch *s)
{
	struct frame *first = s->waiting[0], *last = s->waiting[--s->n_waiting];
	int i = 0, k;

	while ((k = 2 * i + 1) < s->n_waiting) {
		if (k + 1 < s->n_waiting && earlier(s->waiting[k + 1], s->waiting[k]))
			k++;
		if (!earlier(s->waiting[k], last))
			break;
		s->waiting[i] = s->waiting[k];
		i = k;
	}
	s->waiting[i] = last;
	return first;
}

static void send_later(struct bad_switch *s, int to, const uint8_t *bytes, size_t n)
{
	struct frame *f;

	if (s->n_waiting == WAITING) {
		s->lost++; /* the buffer of a real one is full, too */
		return;
	}
	f = malloc(sizeof(*f));
	if (!f)
		abort();
	f->to = to;
	f->n = (uint16_t)n;
	f->order = s->order++;
	f->at = now_us() + 1000 * (int64_t)s->delay +
		(int64_t)test_below(&s->rand, 1000 * (uint64_t)s->more + 1);
	memcpy(f->bytes, bytes, n);
	put(s, f);
}

static void send_now(struct bad_switch *s)
{
	int64_t now = now_us();

	while (s->n_waiting && s->waiting[0]->at <= now) {
		struct frame *f = take(s);

		if (write(s->fd[f->to], f->bytes, f->n) == f->n)
			s->passed++;
		free(f);
	}
}

/* --- where a frame goes --- */
static int cable_of(struct bad_switch *s, const uint8_t *address)
{
	for (int i = 0; i < s->n_mac; i++)
		if (memcmp(s->mac[i].address, address, 6) == 0)
			return s->mac[i].cable;
	return -1;
}

static void learn(struct bad_switch *s, const uint8_t *address, int cable)
{
	if ((address[0] & 1) || s->n_mac == MACS || cable_of(s, address) >= 0)
		return;
	memcpy(s->mac[s->n_mac].address, address, 6);
	s->mac[s->n_mac++].cable = cable;
}

static void pass_on(struct bad_switch *s, int from, int to, const uint8_t *bytes, size_t n)
{
	if (s->group[from] != s->group[to]) {
		s->apart++;
		return;
	}
	if (test_below(&s->rand, 1000) < s->loss) {
		s->lost++;
		return;
	}
	send_later(s, to, bytes, n);
	if (test_below(&s->rand, 1000) < s->twice) {
		s->doubled++;
		send_later(s, to, bytes, n);
	}
}

static void frames_of(struct bad_switch *s, int from)
{
	uint8_t bytes[FRAME];
	ssize_t n;

	while ((n = read(s->fd[from], bytes, sizeof(bytes))) >= 14) {
		int to = bytes[0] & 1 ? -1 : cable_of(s, bytes);

		s->taken++;
		learn(s, bytes + 6, from);
		for (int i = 0; i < s->n; i++)
			if (i != from && (to < 0 || to == i))
				pass_on(s, from, i, bytes, (size_t)n);
	}
}

/* --- commands --- */
static void set_groups(struct bad_switch *s, const char *list)
{
	for (int i = 0; i < s->n; i++) {
		char *end;
		long group = strtol(list, &end, 10);

		if (end == list)
			return;
		s->group[i] = (int)group;
		list = end;
	}
}

static void obey(struct bad_switch *s, char *line, char *answer, size_t size)
{
	unsigned a = 0, b = 0;

	snprintf(answer, size, "ok\n");
	if (sscanf(line, "loss %u", &a) == 1) {
		s->loss = a;
	} else if (sscanf(line, "double %u", &a) == 1) {
		s->twice = a;
	} else if (sscanf(line, "delay %u %u", &a, &b) == 2) {
		s->delay = a;
		s->more = b;
	} else if (strncmp(line, "groups ", 7) == 0) {
		set_groups(s, line + 7);
	} else if (strncmp(line, "clean", 5) == 0) {
		s->loss = s->twice = s->delay = s->more = 0;
		memset(s->group, 0, sizeof(s->group));
	} else if (strncmp(line, "facts", 5) == 0) {
		snprintf(answer, size,
			 "%llu frames, %llu handed on, %llu lost, %llu doubled, %llu kept apart\n",
			 (unsigned long long)s->taken, (unsigned long long)s->passed,
			 (unsigned long long)s->lost, (unsigned long long)s->doubled,
			 (unsigned long long)s->apart);
	} else {
		snprintf(answer, size, "what?\n");
	}
}

static void commands(struct bad_switch *s)
{
	char line[256], answer[256];
	struct sockaddr_un from;
	socklen_t n_from = sizeof(from);
	ssize_t n;

	while ((n = recvfrom(s->command, line, sizeof(line) - 1, 0, (struct sockaddr *)&from,
			     &n_from)) >= 0) {
		line[n] = 0;
		obey(s, line, answer, sizeof(answer));
		if (n_from > sizeof(sa_family_t))
			(void)!sendto(s->command, answer, strlen(answer), 0,
				      (struct sockaddr *)&from, n_from);
		n_from = sizeof(from);
	}
}

/* The other end: one command, one answer. */
static int say(const char *path, int argc, char **argv)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX}, own = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	char line[256] = "", answer[256];
	ssize_t n;

	for (int i = 0; i < argc; i++)
		snprintf(line + strlen(line), sizeof(line) - strlen(line), "%s%s", i ? " " : "",
			 argv[i]);
	snprintf(to.sun_path, sizeof(to.sun_path), "%s", path);
	/* An address of the kernel's choice. */
	if (fd < 0 || bind(fd, (struct sockaddr *)&own, sizeof(sa_family_t)) ||
	    sendto(fd, line, strlen(line), 0, (struct sockaddr *)&to, sizeof(to)) < 0)
		die(path);
	n = recv(fd, answer, sizeof(answer), 0);
	if (n < 0)
		die(path);
	fwrite(answer, 1, (size_t)n, stdout);
	return strncmp(answer, "what?", 5) == 0;
}

static int wait_ms(const struct bad_switch *s)
{
	int64_t us;

	if (!s->n_waiting)
		return 1000;
	us = s->waiting[0]->at - now_us();
	return us <= 0 ? 0 : (int)(us / 1000 + 1);
}

int main(int argc, char **argv)
{
	static struct bad_switch s;
	struct pollfd p[CABLES + 1];

	if (argc < 4 || argc - 3 > CABLES) {
		fprintf(stderr, "usage: switch_tool SOCKET SEED PID... | SOCKET say COMMAND...\n");
		return 2;
	}
	if (strcmp(argv[2], "say") == 0)
		return say(argv[1], argc - 3, argv + 3);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	test_env_init(&s.rand, 0, strtoull(argv[2], NULL, 10));
	for (int i = 3; i < argc; i++)
		s.fd[s.n++] = tap_in(argv[i]);
	s.command = listen_at(argv[1]);
	for (;;) {
		for (int i = 0; i < s.n; i++)
			p[i] = (struct pollfd){.fd = s.fd[i], .events = POLLIN};
		p[s.n] = (struct pollfd){.fd = s.command, .events = POLLIN};
		if (poll(p, (nfds_t)s.n + 1, wait_ms(&s)) < 0 && errno != EINTR)
			die("poll");
		for (int i = 0; i < s.n; i++)
			if (p[i].revents & POLLIN)
				frames_of(&s, i);
		if (p[s.n].revents)
			commands(&s);
		send_now(&s);
	}
}
