/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The client through a proxy that knows CONNECT, and over IPv6. */
#include "tests/lib/test.h"
#include "tests/lib/net_box.h"
#include "sync/peer/address.h"
#include "sync/peer/client.h"
#include "sync/peer/uplink.h"
#include "sync/replicate/session.h"
#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>

/* --- a proxy: for one connection, and for those before it that it asks for a name and a password --- */
struct proxy_server {
	int fd, port;
	pthread_t thread;
	bool refuses;
	const char *wants; /* what it asks for, as its header says ("Basic realm=…"); NULL: nothing */
	const char *right; /* the beginning of the answer that it takes */
	char asked[200];   /* the first line that came */
	char login[300];   /* the last answer */
	int challenges;
	bool saw_clear; /* something of ours was readable on the way */
};

static int dial(const char *host, const char *port)
{
	struct sockaddr_in to = {.sin_family = AF_INET,
				 .sin_port = htons((uint16_t)strtol(port, NULL, 10))};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	inet_pton(AF_INET, host, &to.sin_addr);
	return connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0 ? fd : -1;
}

static bool pass_on(struct proxy_server *p, int from, int to)
{
	char bytes[16384];
	ssize_t n = recv(from, bytes, sizeof(bytes), 0);

	p->saw_clear |= n > 0 && memmem(bytes, (size_t)n, "LLIURE", 6) != NULL;
	p->saw_clear |= n > 0 && memmem(bytes, (size_t)n, "/sync/1", 7) != NULL;
	return n > 0 && send(to, bytes, (size_t)n, MSG_NOSIGNAL) == n;
}

/* The head of a request, and what it answers to the question of who asks. */
static int hear(struct proxy_server *p, char head[4096])
{
	static const char field[] = "Proxy-Authorization: ";
	int in = accept4(p->fd, NULL, NULL, SOCK_CLOEXEC);
	ssize_t n = in < 0 ? 0 : recv(in, head, 4095, 0);
	const char *login;

	head[n > 0 ? n : 0] = 0;
	snprintf(p->asked, sizeof(p->asked), "%.*s", (int)strcspn(head, "\r"), head);
	login = strstr(head, field);
	p->login[0] = 0;
	if (login)
		snprintf(p->login, sizeof(p->login), "%.*s", (int)strcspn(login + strlen(field), "\r"),
			 login + strlen(field));
	return in;
}

/* Asks until the answer is right, three times at most. -1: it is not. */
static int let_in(struct proxy_server *p, char head[4096])
{
	char answer[300];
	int in = hear(p, head);

	while (in >= 0 && p->wants && strncmp(p->login, p->right, strlen(p->right)) != 0) {
		snprintf(answer, sizeof(answer),
			 "HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: %s\r\n"
			 "Content-Length: 0\r\nConnection: close\r\n\r\n",
			 p->wants);
		send(in, answer, strlen(answer), MSG_NOSIGNAL);
		close(in);
		if (++p->challenges == 2)
			return -1;
		in = hear(p, head);
	}
	return in;
}

static void *run_proxy(void *arg)
{
	static const char yes[] = "HTTP/1.1 200 Connection established\r\n\r\n";
	static const char no[] = "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n";
	struct proxy_server *p = arg;
	char head[4096], host[100], port[10];
	int in = let_in(p, head), out = -1;

	if (in < 0)
		return NULL;
	if (sscanf(head, "CONNECT %99[^:]:%9[0-9]", host, port) == 2 && !p->refuses)
		out = dial(host, port);
	send(in, out < 0 ? no : yes, out < 0 ? sizeof(no) - 1 : sizeof(yes) - 1, MSG_NOSIGNAL);
	while (out >= 0) {
		struct pollfd both[2] = {{in, POLLIN, 0}, {out, POLLIN, 0}};

		if (poll(both, 2, 10000) <= 0 || (both[0].revents && !pass_on(p, in, out)) ||
		    (both[1].revents && !pass_on(p, out, in)))
			break;
	}
	close(in);
	if (out >= 0)
		close(out);
	return NULL;
}

static void proxy_start(struct proxy_server *p)
{
	struct address any;

	assert_ok(address_parse("127.0.0.1:0", &any));
	assert_ok(address_listen(&any, &p->fd, &p->port));
	fcntl(p->fd, F_SETFL, 0);
	assert_int_equal(pthread_create(&p->thread, NULL, run_proxy, p), 0);
}

static void proxy_stop(struct proxy_server *p)
{
	pthread_join(p->thread, NULL);
	close(p->fd);
}

/* --- a box that listens, and key 2, its peer, that asks --- */
static struct error *ask(const char *address, const struct proxy *proxy, int *ret_status)
{
	_cleanup_(secret_freep) struct secret *box = test_key(1), *peer = test_key(2);
	_cleanup_(tls_identity_freep) struct tls_identity *tls = NULL;
	_cleanup_(client_freep) struct client *c = NULL;
	_cleanup_(buf_release) struct buf b = {0};
	struct client_options o = {.env = &env_system,
				   .peer = *secret_pubkey(box),
				   .address = address,
				   .proxy = proxy,
				   .name = "asks"};

	assert_ok(tls_identity_new(peer, &tls));
	o.tls = tls;
	assert_ok(client_new(&o, &c));
	assert_ok(client_request(c, "GET", SYNC_PATH_STATUS, false, 0));
	while (client_receive(c, true, &b))
		assert_memory_equal(b.p, "LLIURE", 6);
	return client_result(c, ret_status);
}

static char *dir;
static struct net_box box;

static void open_box(const char *listen)
{
	_cleanup_(secret_freep) struct secret *peer = test_key(2);

	dir = test_dir();
	net_box_open(&box, dir, "Ateneu", 1);
	net_box_peer(&box, secret_pubkey(peer), NULL);
	net_box_start(&box, listen, false);
}

static void close_box(void)
{
	net_box_close(&box);
	test_dir_remove(dir);
}

static void a_proxy_carries_what_it_can_t_read(void **state)
{
	struct proxy_server p = {.refuses = false};
	struct proxy proxy = {.user = ""};
	char address[40], want[80];
	int status;

	open_box("127.0.0.1:0");
	proxy_start(&p);
	snprintf(address, sizeof(address), "127.0.0.1:%d", sync_port(box.sync));
	snprintf(proxy.url, sizeof(proxy.url), "http://127.0.0.1:%d", p.port);
	assert_ok(ask(address, &proxy, &status));
	assert_int_equal(status, 200);
	proxy_stop(&p);
	snprintf(want, sizeof(want), "CONNECT %s HTTP/1.1", address);
	assert_string_equal(p.asked, want);
	assert_false(p.saw_clear);
	close_box();
}

static void a_proxy_that_refuses_is_a_fault_of_the_network(void **state)
{
	struct proxy_server p = {.refuses = true};
	struct proxy proxy = {.user = ""};
	char address[40];
	int status;

	open_box("127.0.0.1:0");
	proxy_start(&p);
	snprintf(address, sizeof(address), "127.0.0.1:%d", sync_port(box.sync));
	snprintf(proxy.url, sizeof(proxy.url), "http://127.0.0.1:%d", p.port);
	assert_fails(ask(address, &proxy, &status), ERR_NET);
	proxy_stop(&p);
	close_box();
}

/* *ret_answer: what the proxy heard last. */
static struct error *ask_through(struct proxy_server *p, const char *user, const char *password,
				 int *ret_status)
{
	struct proxy proxy = {.url = ""};
	struct error *err;
	char address[40];

	open_box("127.0.0.1:0");
	proxy_start(p);
	snprintf(address, sizeof(address), "127.0.0.1:%d", sync_port(box.sync));
	snprintf(proxy.url, sizeof(proxy.url), "http://127.0.0.1:%d", p->port);
	snprintf(proxy.user, sizeof(proxy.user), "%s", user);
	snprintf(proxy.password, sizeof(proxy.password), "%s", password);
	err = ask(address, &proxy, ret_status);
	shutdown(p->fd, SHUT_RDWR); /* who has nobody to wait for any more */
	proxy_stop(p);
	close_box();
	return err;
}

static void a_proxy_that_asks_who_it_is_is_told(void **state)
{
	struct proxy_server p = {.wants = "Basic realm=\"casa\"", .right = "Basic YXRlbmV1OnMzOmNyZXQ="};
	int status;

	assert_ok(ask_through(&p, "ateneu", "s3:cret", &status));
	assert_int_equal(status, 200);
	assert_int_equal(p.challenges, 1); /* it is not said before it is asked for */
	assert_false(p.saw_clear);
}

/* Digest (RFC 7616): the password does not go over the network. */
static void a_proxy_that_need_not_see_the_password_does_not(void **state)
{
	struct proxy_server p = {
		.wants = "Basic realm=\"casa\"\r\nProxy-Authenticate: Digest realm=\"casa\", "
			 "nonce=\"abc\", algorithm=SHA-256, qop=\"auth\"",
		.right = "Digest username=\"ateneu\""};
	int status;

	assert_ok(ask_through(&p, "ateneu", "s3cret", &status));
	assert_int_equal(status, 200);
	assert_null(strstr(p.login, "s3cret"));
}

static void a_wrong_password_is_said_in_words_without_it(void **state)
{
	struct proxy_server p = {.wants = "Basic realm=\"casa\"", .right = "Basic none"};
	struct error *err;
	int status;

	err = ask_through(&p, "ateneu", "s3cret", &status);
	assert_true(error_is(err, ERR_NET));
	assert_non_null(strstr(error_english(err), "user name and a password"));
	assert_null(strstr(error_english(err), "s3cret"));
	error_free(err);
	p = (struct proxy_server){.wants = "Basic realm=\"casa\"", .right = "Basic none"};
	err = ask_through(&p, "", "", &status); /* nothing is set */
	assert_true(error_is(err, ERR_NET));
	assert_non_null(strstr(error_english(err), "user name and a password"));
	error_free(err);
}

static void without_a_proxy_the_environment_s_is_not_used(void **state)
{
	char address[40];
	int status;

	setenv("https_proxy", "http://127.0.0.1:9", 1);
	open_box("127.0.0.1:0");
	snprintf(address, sizeof(address), "127.0.0.1:%d", sync_port(box.sync));
	assert_ok(ask(address, NULL, &status));
	assert_int_equal(status, 200);
	close_box();
	unsetenv("https_proxy");
}

static void ipv6_is_an_address_as_any_other(void **state)
{
	char address[40];
	struct address six;
	struct error *err;
	int status, fd, port;

	assert_ok(address_parse("[::1]:0", &six));
	err = address_listen(&six, &fd, &port);
	if (err) {
		error_free(err);
		skip_note("this machine has no IPv6");
		return;
	}
	close(fd);
	open_box("[::1]:0");
	snprintf(address, sizeof(address), "[::1]:%d", sync_port(box.sync));
	assert_ok(ask(address, NULL, &status));
	assert_int_equal(status, 200);
	/* with a scope, too */
	snprintf(address, sizeof(address), "[::1%%lo]:%d", sync_port(box.sync));
	assert_ok(ask(address, NULL, &status));
	assert_int_equal(status, 200);
	close_box();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_proxy_carries_what_it_can_t_read),
		cmocka_unit_test(a_proxy_that_refuses_is_a_fault_of_the_network),
		cmocka_unit_test(a_proxy_that_asks_who_it_is_is_told),
		cmocka_unit_test(a_proxy_that_need_not_see_the_password_does_not),
		cmocka_unit_test(a_wrong_password_is_said_in_words_without_it),
		cmocka_unit_test(without_a_proxy_the_environment_s_is_not_used),
		cmocka_unit_test(ipv6_is_an_address_as_any_other),
	};

	return run_group(tests);
}
