/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The control socket: how a command line beside a running daemon has its command run.
 *
 * One connection is one command. The command line sends one message: a count of words and the
 * words, each ended by a zero byte, and with it (SCM_RIGHTS) its standard output, its standard
 * error and the files its arguments name, in the order of the command's row. The daemon runs the
 * function, which writes straight to those files, and answers one byte: the exit status.
 *
 * The socket lies in the data folder (mode 0600), and only the daemon's own user and root are
 * heard.
 */
#include "appliance/command/command.h"
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

enum { SAY_WITHIN_S = 5 }; /* a caller who says nothing must not keep the box from stopping */
enum { MESSAGE_MAX = 16384, FDS_MAX = 2 + COMMAND_ARGS + COMMAND_OPTIONS, WORDS_MAX = 64 };

struct control {
	struct app *app;
	int fd, wake[2];
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t idle;
	int running;
};

static struct error *socket_address(const char *dir, struct sockaddr_un *ret)
{
	int n;

	*ret = (struct sockaddr_un){.sun_family = AF_UNIX};
	n = snprintf(ret->sun_path, sizeof(ret->sun_path), "%s/control.sock", dir);
	ENSURE(n > 0 && (size_t)n < sizeof(ret->sun_path),
	       error_new(ERR_INVALID, N_("The path %s is too long; use a shorter one."), dir));
	return NULL;
}

/* --- the command line's side ------------------------------------------------------------------ */

/* The open files of a run in the order both sides know. */
static int collect_fds(const struct command_run *run, int *fds)
{
	int n = 0;

	fds[n++] = fileno(run->out);
	fds[n++] = fileno(run->note);
	for (int k = 0; k < COMMAND_ARGS; k++)
		if (run->arg_fds[k] >= 0)
			fds[n++] = run->arg_fds[k];
	for (int k = 0; k < COMMAND_OPTIONS; k++)
		if (run->option_fds[k] >= 0)
			fds[n++] = run->option_fds[k];
	return n;
}

static struct error *send_run(int sock, const struct command_run *run, int argc, char **argv)
{
	union {
		char space[CMSG_SPACE(sizeof(int) * FDS_MAX)];
		struct cmsghdr align;
	} control = {0};
	_cleanup_(buf_release) struct buf b = {0};
	int fds[FDS_MAX], n = collect_fds(run, fds);
	struct iovec iov;
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.space};
	struct cmsghdr *c;

	for (int i = 0; i < argc; i++)
		buf_add(&b, argv[i], strlen(argv[i]) + 1);
	ENSURE(b.n <= MESSAGE_MAX && argc <= WORDS_MAX,
	       error_new(ERR_USAGE, N_("The command line is too long.")));
	iov = (struct iovec){b.p, b.n};
	msg.msg_controllen = CMSG_SPACE(sizeof(int) * (size_t)n);
	c = CMSG_FIRSTHDR(&msg);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int) * (size_t)n);
	memcpy(CMSG_DATA(c), fds, sizeof(int) * (size_t)n);
	ENSURE(sendmsg(sock, &msg, MSG_NOSIGNAL) == (ssize_t)b.n,
	       error_new(ERR_NET, N_("The running box does not take commands. Try again soon.")));
	return NULL;
}

struct error *control_call(struct command_run *run, int argc, char **argv, int *ret_status)
{
	_cleanup_(closep) int sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	struct sockaddr_un address;
	unsigned char status;

	TRY(socket_address(run->dir, &address));
	ENSURE(sock >= 0, file_error(errno, address.sun_path));
	ENSURE(!connect(sock, (struct sockaddr *)&address, sizeof(address)),
	       error_new(ERR_NOT_FOUND,
			 N_("Another lliure is using %s and does not listen. Wait a"
			    " moment and try again."),
			 run->dir));
	TRY(send_run(sock, run, argc, argv));
	ENSURE(recv(sock, &status, 1, 0) == 1,
	       error_new(ERR_STOPPED,
			 N_("The box stopped while it ran the command. See whether it was done, and"
			    " try again.")));
	*ret_status = status;
	return NULL;
}

/* --- the daemon's side ------------------------------------------------------------------------ */

static bool trusted_caller(int sock)
{
	struct ucred who;
	socklen_t n = sizeof(who);

	return !getsockopt(sock, SOL_SOCKET, SO_PEERCRED, &who, &n) &&
	       (who.uid == 0 || who.uid == geteuid());
}

struct call {
	struct control *control;
	int sock, fds[FDS_MAX], nfds;
	char message[MESSAGE_MAX + 1];
	size_t n;
};

static bool receive_call(struct call *c)
{
	union {
		char space[CMSG_SPACE(sizeof(int) * FDS_MAX)];
		struct cmsghdr align;
	} control;
	struct iovec iov = {c->message, MESSAGE_MAX};
	struct msghdr msg = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = control.space,
			     .msg_controllen = sizeof(control.space)};
	struct timeval wait = {.tv_sec = SAY_WITHIN_S};
	ssize_t n = setsockopt(c->sock, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait))
			    ? -1
			    : recvmsg(c->sock, &msg, MSG_CMSG_CLOEXEC);
	struct cmsghdr *h = n > 0 ? CMSG_FIRSTHDR(&msg) : NULL;

	if (h && h->cmsg_level == SOL_SOCKET && h->cmsg_type == SCM_RIGHTS) {
		c->nfds = (int)((h->cmsg_len - CMSG_LEN(0)) / sizeof(int));
		memcpy(c->fds, CMSG_DATA(h), sizeof(int) * (size_t)c->nfds);
	}
	c->n = n > 0 ? (size_t)n : 0;
	return n > 0 && c->message[n - 1] == 0 && c->nfds >= 2;
}

/* Give the files that came along to the arguments that name files. */
static bool hand_out_fds(struct command_run *run, const struct call *c)
{
	int next = 2;

	for (int k = 0; k < COMMAND_ARGS; k++)
		if (run->args[k] && run->command->args[k].kind >= OPTION_FILE_IN)
			run->arg_fds[k] = next < c->nfds ? c->fds[next++] : -1;
	for (int k = 0; k < COMMAND_OPTIONS; k++)
		if (run->options[k] && run->command->options[k].kind >= OPTION_FILE_IN)
			run->option_fds[k] = next < c->nfds ? c->fds[next++] : -1;
	return next == c->nfds;
}

static int run_call(struct call *c)
{
	_cleanup_(fclosep) FILE *out = fdopen(dup(c->fds[0]), "w");
	_cleanup_(fclosep) FILE *note = fdopen(dup(c->fds[1]), "w");
	struct command_run run;
	char *argv[WORDS_MAX];
	int argc = 0;

	for (char *s = c->message; s < c->message + c->n && argc < WORDS_MAX; s += strlen(s) + 1)
		argv[argc++] = s;
	_cleanup_(error_freep) struct error *e = command_parse(argc, argv, &run);

	if (e || !out || !note || !hand_out_fds(&run, c) ||
	    run.command->flags & (COMMAND_NEW_BOX | COMMAND_ALONE))
		return 2;
	run.app = c->control->app;
	run.dir = run.app->dir;
	run.out = out;
	run.note = note;
	return command_perform(&run);
}

static void *call_thread(void *arg)
{
	struct call *c = arg;
	struct control *control = c->control;
	unsigned char status;

	if (trusted_caller(c->sock) && receive_call(c)) {
		status = (unsigned char)run_call(c);
		if (send(c->sock, &status, 1, MSG_NOSIGNAL) != 1)
			status = 1; /* the caller has gone; what was done stays done */
	}
	for (int i = 0; i < c->nfds; i++)
		close(c->fds[i]);
	close(c->sock);
	free(c);
	pthread_mutex_lock(&control->lock);
	control->running--;
	pthread_cond_signal(&control->idle);
	pthread_mutex_unlock(&control->lock);
	return NULL;
}

static void start_call(struct control *control, int sock)
{
	struct call *c = calloc(1, sizeof(*c));
	pthread_attr_t attr;
	pthread_t t;

	if (!c) {
		close(sock);
		return;
	}
	c->control = control;
	c->sock = sock;
	pthread_mutex_lock(&control->lock);
	control->running++;
	pthread_mutex_unlock(&control->lock);
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	if (pthread_create(&t, &attr, call_thread, c)) {
		pthread_mutex_lock(&control->lock);
		control->running--;
		pthread_mutex_unlock(&control->lock);
		close(sock);
		free(c);
	}
	pthread_attr_destroy(&attr);
}

static void *listen_thread(void *arg)
{
	struct control *c = arg;
	struct pollfd p[2] = {{.fd = c->fd, .events = POLLIN},
			      {.fd = c->wake[0], .events = POLLIN}};

	while (poll(p, 2, -1) >= 0 || errno == EINTR) {
		int sock;

		if (p[1].revents)
			break;
		sock = accept4(c->fd, NULL, NULL, SOCK_CLOEXEC);
		if (sock >= 0)
			start_call(c, sock);
	}
	return NULL;
}

struct error *control_start(struct app *app, struct control **ret)
{
	struct control *c = calloc(1, sizeof(*c));
	struct sockaddr_un address;
	struct error *e = socket_address(app->dir, &address);

	if (e || !c) {
		free(c);
		return e ? e : error_new(ERR_NOMEM, N_("The box has run out of memory."));
	}
	c->app = app;
	pthread_mutex_init(&c->lock, NULL);
	pthread_cond_init(&c->idle, NULL);
	c->fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	unlink(address.sun_path); /* we hold the lock: what lies there is of a daemon that died */
	if (c->fd < 0 || pipe(c->wake) ||
	    bind(c->fd, (struct sockaddr *)&address, sizeof(address)) ||
	    chmod(address.sun_path, 0600) || listen(c->fd, 8) ||
	    pthread_create(&c->thread, NULL, listen_thread, c)) {
		if (c->fd >= 0)
			close(c->fd);
		free(c);
		return file_error(errno, address.sun_path);
	}
	*ret = c;
	return NULL;
}

void control_stop(struct control *c)
{
	struct sockaddr_un address;

	if (!c)
		return;
	if (write(c->wake[1], "", 1) == 1)
		pthread_join(c->thread, NULL);
	error_free(socket_address(c->app->dir, &address));
	unlink(address.sun_path);
	pthread_mutex_lock(&c->lock);
	while (c->running)
		pthread_cond_wait(&c->idle, &c->lock);
	pthread_mutex_unlock(&c->lock);
	close(c->fd);
	close(c->wake[0]);
	close(c->wake[1]);
	pthread_cond_destroy(&c->idle);
	pthread_mutex_destroy(&c->lock);
	free(c);
}
