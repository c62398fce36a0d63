/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * A malicious peer: speaks the real protocol over real TLS with a key that the victim approved, and
 * does one thing that an honest peer does not, for some seconds.
 *
 *   hostile_tool key NUMBER                                     prints the key
 *   hostile_tool VERB NUMBER ADDR:PORT SPACE SECONDS [KEY]      asks the victim; says what it got
 *   hostile_tool serve-VERB NUMBER SPACE                        prints a port, and waits to be
 * asked
 *
 * SPACE is one that the victim carries and in which this key was admitted. KEY: of another box.
 */
#define TEST_WITHOUT_CMOCKA
#include "tests/lib/test.h"
#include "tests/hostile/evil.h"
#include <fcntl.h>
#include <signal.h>

#define STATUS "GET /sync/1/status HTTP/1.1\r\nHost: x\r\n\r\n"

struct act {
	struct evil evil;
	struct hash space;
	struct pubkey other;
	int64_t until; /* monotonic */
	atomic_uint ok, refused, gone;
};

static bool time_left(const struct act *a)
{
	return env_mono(&env_system) < a->until;
}

static void note(struct act *a, int status)
{
	atomic_fetch_add(status == 200 ? &a->ok : status ? &a->refused : &a->gone, 1);
}

/* In so many threads at once. */
static void at_once(struct act *a, unsigned n, void *(*fn)(void *act))
{
	pthread_t t[64];

	for (unsigned i = 0; i < n; i++)
		if (pthread_create(&t[i], NULL, fn, a))
			abort();
	for (unsigned i = 0; i < n; i++)
		pthread_join(t[i], NULL);
}

static void rest(int ms)
{
	usleep((useconds_t)ms * 1000);
}

/* --- too much --- */
static void *flood_one(void *arg)
{
	struct act *a = arg;

	while (time_left(a)) {
		struct line l;

		if (!line_dial(&l, &a->evil)) {
			note(a, 0);
			rest(2); /* we are on the same machine: leave it some of the processor */
		}
		while (l.up && time_left(a)) {
			int status = line_text(&l, STATUS) ? line_status(&l) : 0;

			note(a, status);
			if (status != 200)
				break;
		}
		line_close(&l);
	}
	return NULL;
}

static void flood(struct act *a)
{
	at_once(a, 6, flood_one);
}

/* One key from fifty addresses, and nothing said after the first request. */
static void addresses(struct act *a)
{
	struct line lines[60];
	size_t open = 0;

	for (int i = 0; i < 60; i++) {
		char from[20];

		snprintf(from, sizeof(from), "127.0.1.%d", i + 1);
		a->evil.from = from;
		if (line_dial(&lines[i], &a->evil) && line_text(&lines[i], STATUS))
			note(a, line_status(&lines[i]));
	}
	rest(1500); /* the guard looks twice a second */
	for (int i = 0; i < 60; i++) {
		open += lines[i].up && line_is_open(&lines[i]);
		line_close(&lines[i]);
	}
	printf("open %zu\n", open);
}

/* --- rubbish --- */
static void rubbish(struct act *a)
{
	static uint8_t bytes[300000];
	static const char *const paths[] = {SYNC_PATH_PULL, SYNC_PATH_PUSH};

	for (unsigned i = 0; time_left(a) && i < 60; i++) {
		size_t n = (size_t)1 << (i % 19);

		crypto_random(bytes, n);
		if (i % 3) /* past the magic */
			memcpy(bytes, "LLIURE\0\1", 8);
		if (i % 3 == 2) { /* and a frame that says less than it is */
			bytes[8] = FRAME_ENTRIES;
			memset(bytes + 9, 0, 4);
		}
		note(a, evil_post(&a->evil, paths[i % 2], span_of(bytes, n)));
	}
}

/* Frames that say four gigabytes, and whole ones of four megabytes that nobody knows. */
static void huge_frames(struct act *a)
{
	_cleanup_(buf_release) struct buf b = {0};
	struct hash check;

	buf_add(&b, "LLIURE\0\1", 8);
	buf_u8(&b, FRAME_ENTRIES);
	buf_u32(&b, UINT32_MAX);
	memset(buf_reserve(&b, 1 << 20), 7, 1 << 20);
	b.n += 1 << 20;
	note(a, evil_post(&a->evil, SYNC_PATH_PUSH, buf_span(&b)));
	b.n = 8;
	for (int i = 0; i < 12; i++) {
		size_t at = b.n;

		buf_u8(&b, 200);
		buf_u32(&b, LIMIT_FRAME);
		memset(buf_reserve(&b, LIMIT_FRAME), 7, LIMIT_FRAME);
		b.n += LIMIT_FRAME;
		check = hash_bytes(span_of(b.p + at, b.n - at));
		buf_add(&b, check.b, 16);
	}
	for (int i = 0; i < 4 && time_left(a); i++)
		note(a, evil_post(&a->evil, SYNC_PATH_PUSH, buf_span(&b)));
}

/* --- slowness --- */
static void *stall_one(void *arg)
{
	struct act *a = arg;
	struct line l;

	/* a length that never comes, at one byte in half a second */
	if (line_dial(&l, &a->evil) &&
	    line_text(&l, "POST /sync/1/push HTTP/1.1\r\nHost: x\r\nContent-Length: 9000000\r\n"
			  "\r\nLLIURE"))
		while (time_left(a) && line_say(&l, "\0", 1))
			rest(500);
	note(a, 0);
	line_close(&l);
	return NULL;
}

static void stall(struct act *a)
{
	at_once(a, 40, stall_one);
}

/* On one line, until it is cut. */
static void stall_long(struct act *a)
{
	stall_one(a);
}

static void *drip_one(void *arg)
{
	struct act *a = arg;
	struct line l;

	/* a request whose head never ends */
	if (line_dial(&l, &a->evil) && line_text(&l, "GET /sync/1/status HTTP/1.1\r\nX: "))
		while (time_left(a) && line_text(&l, "x"))
			rest(300);
	note(a, 0);
	line_close(&l);
	return NULL;
}

static void slow_drip(struct act *a)
{
	at_once(a, 40, drip_one);
}

/* --- more than anybody wants --- */
static int push(struct act *a, struct buf *stream, struct stream_writer *w)
{
	int status;

	stream_put_end(w);
	status = evil_post(&a->evil, SYNC_PATH_PUSH, buf_span(stream));
	note(a, status);
	buf_clear(stream);
	stream_begin(w, stream);
	return status;
}

/* A new community with each entry, then a new log with each entry. */
static void million_logs(struct act *a)
{
	_cleanup_(buf_release) struct buf b = {0};
	struct stream_writer w;
	uint64_t n = 1;

	stream_begin(&w, &b);
	for (int i = 0; i < 5 && time_left(a); i++) {
		for (int k = 0; k < 2000; k++) {
			struct pen p = pen_new(a->evil.self, NULL, n++);

			pen_stream(&p, &w, 1, 60);
		}
		push(a, &b, &w);
	}
	for (int i = 0; i < 6 && time_left(a); i++) {
		for (int k = 0; k < 2000; k++) {
			struct pen p = pen_new(a->evil.self, &a->space, n++);

			pen_stream(&p, &w, 1, 60);
		}
		push(a, &b, &w);
	}
	printf("offered %llu logs\n", (unsigned long long)n);
}

/* Communities as somebody founds them, with a name and a steward, and nothing else. */
static void communities(struct act *a)
{
	_cleanup_(buf_release) struct buf b = {0};
	uint8_t salt[ENTRY_SALT] = {1};
	struct stream_writer w;
	int n;

	stream_begin(&w, &b);
	for (n = 0; n < 100; n++) {
		struct pen p = pen_new(a->evil.self, NULL, (uint64_t)n + 1);
		struct stored e = {.state = PAYLOAD_HELD, .seq = 1};
		char text[400];

		snprintf(text, sizeof(text),
			 "{\"type\":\"space.found\",\"private\":false,\"name\":\"Junk %d\","
			 "\"about\":\"\",\"steward\":{\"key\":\"%s\",\"name\":\"x\"},"
			 "\"appliance\":{\"key\":\"%s\",\"name\":\"x\"}}",
			 n, ID(&p.id.appliance), ID(&p.id.appliance));
		e.payload = span_str(text);
		memcpy(e.salt, salt, sizeof(salt));
		pen_write(&p, a->evil.self, e.payload, salt, &e.raw);
		stream_entries_begin(&w, &p.id);
		if (!stream_entries_add(&w, &e, false))
			abort();
		stream_entries_end(&w);
	}
	push(a, &b, &w);
	printf("offered %d communities\n", n);
}

/* Entries without end in a log of its own, 16 MiB at a time. */
static void volume(struct act *a)
{
	_cleanup_(buf_release) struct buf b = {0};
	struct pen p = pen_new(a->evil.self, &a->space, (uint64_t)env_mono(&env_system));
	struct stream_writer w;
	uint64_t offered = 0;

	stream_begin(&w, &b);
	while (time_left(a)) {
		pen_stream(&p, &w, 80, 200000);
		offered += 80 * 200000;
		if (push(a, &b, &w) != 200)
			break;
	}
	printf("offered %llu bytes\n", (unsigned long long)offered);
}

/* The same valid entries again and again. */
static void replay(struct act *a)
{
	_cleanup_(buf_release) struct buf once = {0}, b = {0};
	struct pen p = pen_new(a->evil.self, &a->space, 4242);
	struct stream_writer w;
	int copies;

	stream_begin(&w, &once);
	pen_stream(&p, &w, 3000, 60);
	buf_add_span(&b, buf_span(&once));
	for (copies = 0; copies < 10; copies++)
		buf_add(&b, once.p + 8, once.n - 8);
	w.out = &b;
	w.frames *= (uint64_t)copies + 1;
	stream_put_end(&w);
	for (int i = 0; i < 4 && time_left(a); i++)
		note(a, evil_post(&a->evil, SYNC_PATH_PUSH, buf_span(&b)));
}

/* --- lies and forgeries --- */
/* Another's certificate, without another's key. */
static void claim_key(struct act *a)
{
	_cleanup_(secret_freep) struct secret *victim = test_key(4711);
	_cleanup_(tls_identity_freep) struct tls_identity *theirs = NULL;
	struct line l;
	int fd = evil_dial(&a->evil);

	evil_must(tls_identity_new(victim, &theirs));
	line_begin(&l, fd, false, tls_cert_pem(theirs), tls_key_pem(a->evil.tls),
		   GNUTLS_CERTIFICATE_SKIP_KEY_CERT_MATCH);
	note(a, l.up && line_text(&l, STATUS) ? line_status(&l) : 0);
	line_close(&l);
}

static void forge(struct act *a)
{
	_cleanup_(buf_release) struct buf b = {0};
	struct pen p = pen_new(a->evil.self, &a->space, 99);
	struct fork_proof proof;
	uint8_t salt[ENTRY_SALT] = {1};
	struct stream_writer w;
	struct stored e = {.state = PAYLOAD_HELD, .seq = 1, .payload = span_str("{}")};

	stream_begin(&w, &b);
	/* in the name of another box */
	pen_write(&p, NULL, e.payload, salt, &e.raw);
	memcpy(e.raw.b + 64, a->other.b, 32);
	memcpy(e.raw.b + 96, a->other.b, 32);
	p.id.appliance = a->other;
	stream_entries_begin(&w, &p.id);
	stream_entries_add(&w, &e, false);
	stream_entries_end(&w);
	/* and a proof that it has two histories */
	proof.a = proof.b = e.raw;
	proof.b.b[200] ^= 1;
	stream_put_fork(&w, &proof);
	push(a, &b, &w);
	/* an author who did not sign, in a log of our own */
	p = pen_new(a->evil.self, &a->space, 100);
	pen_write(&p, a->evil.self, e.payload, salt, &e.raw);
	memcpy(e.raw.b + 96, a->other.b, 32);
	memcpy(e.salt, salt, sizeof(salt));
	stream_entries_begin(&w, &p.id);
	stream_entries_add(&w, &e, false);
	stream_entries_end(&w);
	push(a, &b, &w);
}

static void write_history(struct act *a, uint64_t incarnation, size_t which)
{
	_cleanup_(buf_release) struct buf b = {0};
	struct pen p = pen_new(a->evil.self, &a->space, incarnation);
	struct stream_writer w;

	stream_begin(&w, &b);
	pen_stream(&p, &w, 5, 80 + which);
	push(a, &b, &w);
}

/* Two histories of one log, another each time: of one it is noted once. */
static void fork_log(struct act *a)
{
	uint64_t incarnation = (uint64_t)env_mono(&env_system);

	write_history(a, incarnation, 0);
	write_history(a, incarnation, 1);
}

/* One of them alone, so that each box can be given another. */
static void one_history(struct act *a)
{
	write_history(a, 55, 0);
}

static void other_history(struct act *a)
{
	write_history(a, 55, 1);
}

/* The second entry of a log is said to be a person's, who did not sign it; we sign that. */
static void false_author(struct act *a)
{
	_cleanup_(buf_release) struct buf b = {0};
	_cleanup_(secret_freep) struct secret *person = test_key(9);
	struct pen p = pen_new(a->evil.self, &a->space, 77);
	struct stored e = {.state = PAYLOAD_HELD, .seq = 2, .payload = span_str("{}")};
	uint8_t salt[ENTRY_SALT] = {2};
	struct entry_bytes signed_too;
	struct stream_writer w;
	struct hash first;

	stream_begin(&w, &b);
	pen_stream(&p, &w, 1, 60);
	first = p.prev;
	pen_write(&p, person, e.payload, salt, &signed_too);
	signed_too.b[224] ^= 1;
	entry_carry(&signed_too, p.seq, p.id.incarnation, &first, a->evil.self, &e.raw);
	memcpy(e.salt, salt, sizeof(salt));
	stream_entries_begin(&w, &p.id);
	stream_entries_add(&w, &e, false);
	stream_entries_end(&w);
	push(a, &b, &w);
}

/* --- listening: what the victim gets when it asks us --- */
struct server {
	struct act *act;
	const char *kind;
	int fd;
};

static void serve_body(struct line *l, struct span body)
{
	char head[120];

	snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", body.n);
	if (line_text(l, head))
		line_say(l, body.p, body.n);
}

/* Digests of nothing that exists, as the status and behind each pull. */
static void serve_lie(struct server *s, struct line *l, const char *path)
{
	_cleanup_(buf_release) struct buf b = {0};
	struct space_digest row = {.space = s->act->space};
	struct head head = {.id = {.space = s->act->space}, .seq = 1000000};
	struct stream_writer w;

	head.id.appliance = *secret_pubkey(s->act->evil.self);
	head.id.incarnation = 9;
	row.heads = hash_bytes(span_str("nothing"));
	head.hash = row.heads;
	stream_begin(&w, &b);
	if (strcmp(path, SYNC_PATH_STATUS) == 0)
		stream_put_hello(&w, 0, "Liar");
	else if (strcmp(path, SYNC_PATH_PUSH) == 0)
		stream_put_result(&w, 0, 0, 0);
	else
		stream_put_heads(&w, &s->act->space, &head, 1);
	stream_put_digests(&w, &row, 1);
	stream_put_end(&w);
	serve_body(l, buf_span(&b));
}

static void serve_endless(struct server *s, struct line *l, const char *path);

/* Agrees to everything and has nothing, but whatever file it is asked for, without an end. */
static void serve_file(struct server *s, struct line *l, const char *path)
{
	_cleanup_(buf_release) struct buf b = {0};
	struct stream_writer w;

	if (strncmp(path, SYNC_PATH_BLOB, strlen(SYNC_PATH_BLOB)) == 0) {
		serve_endless(s, l, path);
		return;
	}
	stream_begin(&w, &b);
	if (strcmp(path, SYNC_PATH_STATUS) == 0)
		stream_put_hello(&w, 0, "Files");
	if (strcmp(path, SYNC_PATH_PUSH) == 0)
		stream_put_result(&w, 0, 0, 0);
	stream_put_digests(&w, NULL, 0);
	stream_put_end(&w);
	serve_body(l, buf_span(&b));
}

/* The status never ends. */
static void serve_endless(struct server *s, struct line *l, const char *path)
{
	static const uint8_t piece[16000];

	line_text(l, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
	while (line_text(l, "3e80\r\n") && line_say(l, piece, sizeof(piece)) &&
	       line_text(l, "\r\n"))
		;
}

static void serve_rubbish(struct server *s, struct line *l, const char *path)
{
	uint8_t bytes[4000];

	crypto_random(bytes, sizeof(bytes));
	memcpy(bytes, "LLIURE\0\1", 8);
	serve_body(l, span_of(bytes, sizeof(bytes)));
}

/* A stranger to it, who asks for something that it never heard of. */
static void serve_older(struct server *s, struct line *l, const char *path)
{
	line_text(l, "HTTP/1.1 403 Forbidden\r\nContent-Length: 3\r\nConnection: close\r\n\r\n{}\n");
}

/* Says nothing, for as long as they wait. */
static void serve_stall(struct server *s, struct line *l, const char *path)
{
	line_text(l, "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\nLLI");
	rest(600000);
}

/* As serve_file, and the file is another. */
static void serve_other_file(struct server *s, struct line *l, const char *path)
{
	static const uint8_t other[70000];

	if (strncmp(path, SYNC_PATH_BLOB, strlen(SYNC_PATH_BLOB)) == 0)
		serve_body(l, span_of(other, sizeof(other)));
	else
		serve_file(s, l, path);
}

static const struct {
	const char *name;
	void (*answer)(struct server *s, struct line *l, const char *path);
} answers[] = {
	{"serve-lie", serve_lie},
	{"serve-endless", serve_endless},
	{"serve-file", serve_file},
	{"serve-rubbish", serve_rubbish},
	{"serve-stall", serve_stall},
	{"serve-older", serve_older},
	{"serve-other-file", serve_other_file},
};

/* Is the request here whole? Its body has a length, or comes in chunks and ends with an empty one. */
static bool request_is_whole(const char *text, size_t n)
{
	const char *end = strstr(text, "\r\n\r\n"), *length = strstr(text, "Content-Length: ");

	if (!end)
		return false;
	if (length && length < end)
		return n >= (size_t)(end + 4 - text) + strtoul(length + 16, NULL, 10);
	return text[0] != 'P' || memcmp(text + n - 5, "0\r\n\r\n", 5) == 0;
}

/* Requests of one connection. */
static void *serve_line(void *arg)
{
	struct server *s = arg;
	char text[65536], path[200];
	struct line l;
	size_t n = 0;

	line_begin(&l, s->fd, true, tls_cert_pem(s->act->evil.tls), tls_key_pem(s->act->evil.tls),
		   0);
	while (l.up) {
		ssize_t got = gnutls_record_recv(l.session, text + n, sizeof(text) - 1 - n);

		if (got == GNUTLS_E_INTERRUPTED)
			continue;
		if (got <= 0)
			break;
		n += (size_t)got;
		text[n] = 0;
		if (n > sizeof(text) / 2) { /* the head and the last bytes tell all */
			memmove(text + 2000, text + n - 100, 101);
			n = 2100;
		}
		if (!request_is_whole(text, n))
			continue;
		if (sscanf(text, "%*9s %199s", path) != 1)
			break;
		for (size_t i = 0; i < ARRAY_LEN(answers); i++)
			if (strcmp(s->kind, answers[i].name) == 0)
				answers[i].answer(s, &l, path);
		n = 0;
	}
	line_close(&l);
	free(s);
	return NULL;
}

static int serve(struct act *a, const char *kind)
{
	struct address at;
	int fd, port;

	evil_must(address_parse("127.0.0.1:0", &at));
	evil_must(address_listen(&at, &fd, &port));
	fcntl(fd, F_SETFL, 0);
	printf("%d\n", port);
	fflush(stdout);
	for (;;) {
		struct server *s = calloc(1, sizeof(*s));
		pthread_t t;

		*s = (struct server){a, kind, accept4(fd, NULL, NULL, SOCK_CLOEXEC)};
		if (s->fd < 0 || pthread_create(&t, NULL, serve_line, s))
			return 2;
		pthread_detach(t);
	}
}

static const struct {
	const char *name;
	void (*run)(struct act *a);
} verbs[] = {
	{"flood", flood},
	{"addresses", addresses},
	{"rubbish", rubbish},
	{"huge-frames", huge_frames},
	{"stall", stall},
	{"stall-long", stall_long},
	{"slow-drip", slow_drip},
	{"million-logs", million_logs},
	{"communities", communities},
	{"volume", volume},
	{"replay", replay},
	{"claim-key", claim_key},
	{"forge", forge},
	{"fork", fork_log},
	{"one-history", one_history},
	{"other-history", other_history},
	{"false-author", false_author},
};

static void act_release(struct act *a)
{
	evil_release(&a->evil);
}

int main(int argc, char **argv)
{
	_cleanup_(act_release) struct act a = {.until = 0};
	const char *verb = argc > 2 ? argv[1] : "";
	bool serves = strncmp(verb, "serve-", 6) == 0;

	test_init();
	signal(SIGPIPE, SIG_IGN);
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc < 3) {
		fprintf(stderr, "see the head of %s\n", __FILE__);
		return 2;
	}
	evil_init(&a.evil, (unsigned)strtoul(argv[2], NULL, 10),
		  serves || argc < 4 ? NULL : argv[3]);
	if (strcmp(verb, "key") == 0) {
		printf("%s\n", ID(secret_pubkey(a.evil.self)));
		return 0;
	}
	if (argc < (serves ? 4 : 6) || !id_parse(argv[serves ? 3 : 4], a.space.b))
		return 2;
	if (serves)
		return serve(&a, verb);
	a.until = env_mono(&env_system) + strtol(argv[5], NULL, 10) * 1000;
	if (argc > 6 && !id_parse(argv[6], a.other.b))
		return 2;
	for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
		if (strcmp(verb, verbs[i].name) == 0) {
			verbs[i].run(&a);
			printf("%s: %u answered, %u refused, %u cut off\n", verb, a.ok, a.refused,
			       a.gone);
			return 0;
		}
	return 2;
}
