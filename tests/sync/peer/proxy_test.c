/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The client through a proxy that knows CONNECT, and over IPv6. */
#include "tests/lib/test.h"
#include "tests/lib/net_box.h"
#include "sync/peer/address.h"
#include "sync/peer/client.h"
#include "sync/replicate/session.h"
#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>

/* --- a proxy for one connection --- */
struct proxy {
	int fd, port;
	pthread_t thread;
	bool refuses;
	char asked[200]; /* the first line that came */
	bool saw_clear;	 /* something of ours was readable on the way */
};

static int dial(const char *host, const char *port)
{
	struct sockaddr_in to = {.sin_family = AF_INET,
				 .sin_port = htons((uint16_t)strtol(port, NULL, 10))};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	inet_pton(AF_INET, host, &to.sin_addr);
	return connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0 ? fd : -1;
}

static bool pass_on(struct proxy *p, int from, int to)
{
	char bytes[16384];
	ssize_t n = recv(from, bytes, sizeof(bytes), 0);

	p->saw_clear |= n > 0 && memmem(bytes, (size_t)n, "LLIURE", 6) != NULL;
	p->saw_clear |= n > 0 && memmem(bytes, (size_t)n, "/sync/1", 7) != NULL;
	return n > 0 && send(to, bytes, (size_t)n, MSG_NOSIGNAL) == n;
}

static void *run_proxy(void *arg)
{
	static const char yes[] = "HTTP/1.1 200 Connection established\r\n\r\n";
	static const char no[] = "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n";
	struct proxy *p = arg;
	char head[4096], host[100], port[10];
	int in = accept4(p->fd, NULL, NULL, SOCK_CLOEXEC), out = -1;
	ssize_t n = recv(in, head, sizeof(head) - 1, 0);

	head[n > 0 ? n : 0] = 0;
	snprintf(p->asked, sizeof(p->asked), "%.*s", (int)strcspn(head, "\r"), head);
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

static void proxy_start(struct proxy *p)
{
	struct address any;

	assert_ok(address_parse("127.0.0.1:0", &any));
	assert_ok(address_listen(&any, &p->fd, &p->port));
	fcntl(p->fd, F_SETFL, 0);
	assert_int_equal(pthread_create(&p->thread, NULL, run_proxy, p), 0);
}

static void proxy_stop(struct proxy *p)
{
	pthread_join(p->thread, NULL);
	close(p->fd);
}

/* --- a box that listens, and key 2, its peer, that asks --- */
static struct error *ask(const char *address, const char *proxy, int *ret_status)
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
	struct proxy p = {.refuses = false};
	char address[40], proxy[60], want[80];
	int status;

	open_box("127.0.0.1:0");
	proxy_start(&p);
	snprintf(address, sizeof(address), "127.0.0.1:%d", sync_port(box.sync));
	snprintf(proxy, sizeof(proxy), "http://127.0.0.1:%d", p.port);
	assert_ok(ask(address, proxy, &status));
	assert_int_equal(status, 200);
	proxy_stop(&p);
	snprintf(want, sizeof(want), "CONNECT %s HTTP/1.1", address);
	assert_string_equal(p.asked, want);
	assert_false(p.saw_clear);
	close_box();
}

static void a_proxy_that_refuses_is_a_fault_of_the_network(void **state)
{
	struct proxy p = {.refuses = true};
	char address[40], proxy[60];
	int status;

	open_box("127.0.0.1:0");
	proxy_start(&p);
	snprintf(address, sizeof(address), "127.0.0.1:%d", sync_port(box.sync));
	snprintf(proxy, sizeof(proxy), "http://127.0.0.1:%d", p.port);
	assert_fails(ask(address, proxy, &status), ERR_NET);
	proxy_stop(&p);
	close_box();
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
		cmocka_unit_test(without_a_proxy_the_environment_s_is_not_used),
		cmocka_unit_test(ipv6_is_an_address_as_any_other),
	};

	return run_group(tests);
}
