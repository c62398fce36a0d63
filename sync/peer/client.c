/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "sync/peer/client.h"
#include "sync/peer/address.h"
#include "sync/peer/successor.h"
#include "sync/peer/uplink.h"
#include <curl/curl.h>
#include <inttypes.h>
#include <pthread.h>

enum {
	GRACE_MS = 60000,   /* before the least speed is asked for */
	LEAST_SPEED = 1024, /* bytes a second */
	HTTP_PROXY_AUTH = 407,
};

enum client_state { CLIENT_IDLE, CLIENT_ASKING, CLIENT_ENDED, CLIENT_QUIT };

/*
 *  IDLE -> ASKING -> ENDED -> ASKING …      QUIT from anywhere
 * The caller moves to ASKING and QUIT, the transfer's thread to ENDED.
 */
struct client {
	CURL *curl;
	struct curl_slist *headers, *body_headers, *post_headers; /* of GET; of POST, PUT … */
	struct buf posted; /* … and of client_post: its body, until the next request */
	char url[400];
	const struct env *env;
	int64_t stall_ms;
	const _Atomic bool *ending; /* may be NULL */
	char who[16], address[96]; /* for the sentences */
	pthread_t thread;
	bool started;

	pthread_mutex_t lock; /* what is below */
	pthread_cond_t moved;
	enum client_state state;
	bool cancelled, met;
	struct buf in, out;
	size_t out_at; /* what of `out` has gone already */
	bool out_end, answering;
	CURLcode code;
	long status, proxy_status;
	/* progress of the request in hand */
	int64_t began_ms, last_ms; /* monotonic; waiting for the caller is taken out */
	uint64_t bytes;
	bool stalled;
	uint64_t answer, answer_most; /* bytes of the answer */
	uint64_t length; /* of the answer, as it says; CLIENT_UNSAID */
	bool endless;
};

/* --- the transfer's thread: called by curl --- */

/* Wait for the caller, and do not hold it against the peer. With the lock. */
static void wait_for_caller(struct client *c)
{
	int64_t before = env_mono(c->env), waited;

	pthread_cond_wait(&c->moved, &c->lock);
	waited = env_mono(c->env) - before;
	c->began_ms += waited;
	c->last_ms += waited;
}

static bool over(const struct client *c)
{
	return c->cancelled || c->state == CLIENT_QUIT;
}

static void progress(struct client *c, size_t n)
{
	c->bytes += n;
	c->last_ms = env_mono(c->env);
}

static size_t take_body(char *p, size_t size, size_t n, void *arg)
{
	struct client *c = arg;
	long status = 0;
	curl_off_t length = -1;
	size_t taken = n * size;

	curl_easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_getinfo(c->curl, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
	pthread_mutex_lock(&c->lock);
	c->answering = c->met = true;
	c->status = status;
	c->length = length < 0 ? CLIENT_UNSAID : (uint64_t)length;
	if (status == 200 || status == 206) {
		while (c->in.n >= CLIENT_QUEUE && !over(c) && !c->endless)
			wait_for_caller(c);
		c->answer += n * size;
		c->endless |= c->answer > c->answer_most;
		if (over(c) || c->endless)
			taken = 0;
		else
			buf_add(&c->in, p, n * size);
	} else if (c->bytes > CLIENT_QUEUE) {
		taken = 0; /* a refusal need not be that long */
	}
	progress(c, n * size);
	pthread_cond_broadcast(&c->moved);
	pthread_mutex_unlock(&c->lock);
	return taken;
}

static size_t give_body(char *p, size_t size, size_t n, void *arg)
{
	struct client *c = arg;
	size_t given;

	pthread_mutex_lock(&c->lock);
	c->met = true; /* curl asks for the body once the handshake is over and the key checked */
	while (c->out_at == c->out.n && !c->out_end && !over(c))
		wait_for_caller(c);
	given = c->out.n - c->out_at < n * size ? c->out.n - c->out_at : n * size;
	if (given)
		memcpy(p, c->out.p + c->out_at, given);
	c->out_at += given;
	progress(c, given);
	if (over(c))
		given = CURL_READFUNC_ABORT;
	pthread_cond_broadcast(&c->moved);
	pthread_mutex_unlock(&c->lock);
	return given;
}

/* Called about once a second, whatever happens. */
static int watch(void *arg, curl_off_t dltotal, curl_off_t dlnow, curl_off_t ultotal,
		 curl_off_t ulnow)
{
	struct client *c = arg;
	int64_t now, spent;
	bool stop;

	pthread_mutex_lock(&c->lock);
	c->cancelled |= c->ending && *c->ending;
	now = env_mono(c->env);
	spent = now - c->began_ms;
	c->stalled =
		now - c->last_ms > c->stall_ms ||
		(spent > GRACE_MS && (int64_t)(c->bytes / LEAST_SPEED) * 1000 + GRACE_MS < spent);
	stop = over(c) || c->stalled || c->endless;
	pthread_mutex_unlock(&c->lock);
	return stop;
}

static void *transfer(void *arg)
{
	struct client *c = arg;

	pthread_mutex_lock(&c->lock);
	for (;;) {
		CURLcode code;
		long status = 0, proxy = 0;

		while (c->state != CLIENT_ASKING && c->state != CLIENT_QUIT)
			pthread_cond_wait(&c->moved, &c->lock);
		if (c->state == CLIENT_QUIT)
			break;
		pthread_mutex_unlock(&c->lock);
		code = curl_easy_perform(c->curl);
		curl_easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, &status);
		curl_easy_getinfo(c->curl, CURLINFO_HTTP_CONNECTCODE, &proxy);
		pthread_mutex_lock(&c->lock);
		c->code = code;
		c->status = status;
		c->proxy_status = proxy;
		c->met |= code == CURLE_OK;
		if (c->state == CLIENT_ASKING)
			c->state = CLIENT_ENDED;
		pthread_cond_broadcast(&c->moved);
	}
	pthread_mutex_unlock(&c->lock);
	return NULL;
}

/* --- making one --- */
static struct error *no_curl(void)
{
	return error_new(ERR_INTERNAL, N_("The connection to another box could not be prepared."));
}

static bool add_header(struct curl_slist **list, const char *line)
{
	struct curl_slist *longer = curl_slist_append(*list, line);

	if (longer)
		*list = longer;
	return longer != NULL;
}

/* Only where little is said: it is long. */
static bool add_successor(struct client *c, const char *text)
{
	char line[SUCCESSOR_TEXT + 40];

	if (!text || !text[0])
		return true;
	snprintf(line, sizeof(line), CLIENT_HEADER_SUCCESSOR ": %s", text);
	return add_header(&c->headers, line);
}

/* Headers that curl would add and nobody reads: bytes on a thin line. */
static bool leave_out(struct curl_slist **list)
{
	return add_header(list, "Accept:") && add_header(list, "Expect:") &&
	       add_header(list, "Content-Type:");
}

static bool make_headers(struct client *c, const struct client_options *o)
{
	char *name = curl_easy_escape(c->curl, o->name, 0);
	char line[400], port[64], exchange[64], invite[100];
	bool ok;

	snprintf(line, sizeof(line), CLIENT_HEADER_NAME ": %s", name ? name : "");
	snprintf(port, sizeof(port), CLIENT_HEADER_LISTEN ": %d", o->listen_port);
	snprintf(exchange, sizeof(exchange), CLIENT_HEADER_EXCHANGE ": %.32s",
		 o->exchange ? o->exchange : "");
	snprintf(invite, sizeof(invite), CLIENT_HEADER_INVITE ": %s",
		 o->claim ? ID(o->claim) : "");
	curl_free(name);
	ok = leave_out(&c->headers) && add_header(&c->headers, line) &&
	     (!o->knocks || add_header(&c->post_headers, line)) &&
	     (!o->listen_port || (add_header(&c->headers, port) &&
				  add_header(&c->post_headers, port))) &&
	     add_successor(c, o->successor) &&
	     (!o->exchange || (add_header(&c->headers, exchange) &&
			       add_header(&c->body_headers, exchange) &&
			       add_header(&c->post_headers, exchange))) &&
	     (!o->claim || add_header(&c->headers, invite)) && leave_out(&c->body_headers) &&
	     leave_out(&c->post_headers) &&
	     add_header(&c->body_headers, "Transfer-Encoding: chunked");
	return ok;
}

/* Whoever offers Digest does not get to see the password. */
static bool set_proxy(CURL *h, const struct proxy *p)
{
	bool ok = curl_easy_setopt(h, CURLOPT_PROXY, p ? p->url : "") == CURLE_OK &&
		  curl_easy_setopt(h, CURLOPT_NOPROXY, "") == CURLE_OK;

	if (!p || !p->url[0] || !p->user[0])
		return ok;
	return ok &&
	       curl_easy_setopt(h, CURLOPT_PROXYAUTH, (long)(CURLAUTH_BASIC | CURLAUTH_DIGEST)) ==
		       CURLE_OK &&
	       curl_easy_setopt(h, CURLOPT_PROXYUSERNAME, p->user) == CURLE_OK &&
	       curl_easy_setopt(h, CURLOPT_PROXYPASSWORD, p->password) == CURLE_OK;
}

static bool set_options(struct client *c, const struct client_options *o)
{
	CURL *h = c->curl;
	struct tls_pin pin = tls_pin(&o->peer);

	/* The chain and the name mean nothing: the pin is the whole check. */
	return curl_easy_setopt(h, CURLOPT_PINNEDPUBLICKEY, pin.s) == CURLE_OK &&
	       curl_easy_setopt(h, CURLOPT_SSL_VERIFYPEER, 0L) == CURLE_OK &&
	       curl_easy_setopt(h, CURLOPT_SSL_VERIFYHOST, 0L) == CURLE_OK &&
	       /* else it reads every authority that the machine knows, at each connection */
	       curl_easy_setopt(h, CURLOPT_CAINFO, NULL) == CURLE_OK &&
	       curl_easy_setopt(h, CURLOPT_CAPATH, NULL) == CURLE_OK &&
	       curl_easy_setopt(h, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_3) == CURLE_OK &&
	       curl_easy_setopt(h, CURLOPT_SSLCERT, tls_cert_file(o->tls)) == CURLE_OK &&
	       curl_easy_setopt(h, CURLOPT_SSLKEY, tls_key_file(o->tls)) == CURLE_OK &&
	       curl_easy_setopt(h, CURLOPT_SSL_SESSIONID_CACHE, 0L) == CURLE_OK &&
	       curl_easy_setopt(h, CURLOPT_SSL_ENABLE_ALPN, 0L) == CURLE_OK &&
	       curl_easy_setopt(h, CURLOPT_PROTOCOLS_STR, "https") == CURLE_OK &&
	       curl_easy_setopt(h, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) == CURLE_OK &&
	       set_proxy(h, o->proxy) &&
	       curl_easy_setopt(h, CURLOPT_HTTPPROXYTUNNEL, 1L) == CURLE_OK &&
	       curl_easy_setopt(h, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L) == CURLE_OK &&
	       curl_easy_setopt(h, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK &&
	       curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
	       curl_easy_setopt(h, CURLOPT_CONNECTTIMEOUT_MS, (long)CLIENT_CONNECT_MS) ==
		       CURLE_OK &&
	       curl_easy_setopt(h, CURLOPT_BUFFERSIZE, 256 * 1024L) == CURLE_OK &&
	       curl_easy_setopt(h, CURLOPT_UPLOAD_BUFFERSIZE, 256 * 1024L) == CURLE_OK &&
	       curl_easy_setopt(h, CURLOPT_NOPROGRESS, 0L) == CURLE_OK &&
	       curl_easy_setopt(h, CURLOPT_XFERINFOFUNCTION, watch) == CURLE_OK &&
	       curl_easy_setopt(h, CURLOPT_XFERINFODATA, c) == CURLE_OK &&
	       curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, take_body) == CURLE_OK &&
	       curl_easy_setopt(h, CURLOPT_WRITEDATA, c) == CURLE_OK &&
	       curl_easy_setopt(h, CURLOPT_READFUNCTION, give_body) == CURLE_OK &&
	       curl_easy_setopt(h, CURLOPT_READDATA, c) == CURLE_OK;
}

static struct error *stopped(void)
{
	return error_new(ERR_STOPPED, N_("The exchange was broken off here."));
}

static void prepare_curl(void)
{
	curl_global_init(CURL_GLOBAL_DEFAULT);
}

struct error *client_new(const struct client_options *o, struct client **ret)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	_cleanup_(client_freep) struct client *c = calloc(1, sizeof(*c));
	struct address a;

	if (!c)
		abort();
	pthread_once(&once, prepare_curl);
	pthread_mutex_init(&c->lock, NULL);
	pthread_cond_init(&c->moved, NULL);
	ENSURE(!o->ending || !*o->ending, stopped());
	TRY(address_parse(o->address, &a));
	ENSURE(a.host[0] && a.port,
	       error_new(ERR_INVALID, N_("\"%s\" names no box to connect to."), o->address));
	address_url(&a, c->url, sizeof(c->url));
	c->env = o->env;
	c->stall_ms = o->stall_ms ? o->stall_ms : CLIENT_STALL_MS;
	c->ending = o->ending;
	c->answer_most = CLIENT_ANSWER;
	snprintf(c->who, sizeof(c->who), "%.12s", ID_SHORT(&o->peer));
	snprintf(c->address, sizeof(c->address), "%s", o->address);
	c->curl = curl_easy_init();
	ENSURE(c->curl && make_headers(c, o) && set_options(c, o), no_curl());
	ENSURE(pthread_create(&c->thread, NULL, transfer, c) == 0, no_curl());
	c->started = true;
	*ret = STEAL(c);
	return NULL;
}

void client_cancel(struct client *c)
{
	pthread_mutex_lock(&c->lock);
	c->cancelled = true;
	pthread_cond_broadcast(&c->moved);
	pthread_mutex_unlock(&c->lock);
	/* A transfer that waits for the network notices within a second, at its next `watch`. */
}

void client_free(struct client *c)
{
	if (!c)
		return;
	if (c->started) {
		pthread_mutex_lock(&c->lock);
		c->state = CLIENT_QUIT;
		pthread_cond_broadcast(&c->moved);
		pthread_mutex_unlock(&c->lock);
		pthread_join(c->thread, NULL);
	}
	curl_easy_cleanup(c->curl);
	curl_slist_free_all(c->headers);
	curl_slist_free_all(c->body_headers);
	curl_slist_free_all(c->post_headers);
	buf_release(&c->posted);
	buf_release(&c->in);
	buf_release(&c->out);
	pthread_cond_destroy(&c->moved);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

/* --- asking --- */
/* The lock is not needed: the transfer's thread rests. */
static struct error *begin_request(struct client *c, const char *method, const char *path,
				   bool body, uint64_t from)
{
	char url[sizeof(c->url) + 128], range[32];
	bool put = strcmp(method, "PUT") == 0, post = put || strcmp(method, "POST") == 0, ok;

	snprintf(url, sizeof(url), "%s%s", c->url, path);
	snprintf(range, sizeof(range), "%" PRIu64 "-", from);
	ok = curl_easy_setopt(c->curl, CURLOPT_URL, url) == CURLE_OK &&
	     curl_easy_setopt(c->curl, post ? CURLOPT_POST : CURLOPT_HTTPGET, 1L) == CURLE_OK &&
	     curl_easy_setopt(c->curl, CURLOPT_CUSTOMREQUEST, put ? "PUT" : NULL) == CURLE_OK &&
	     curl_easy_setopt(c->curl, CURLOPT_RANGE, from ? range : NULL) == CURLE_OK &&
	     curl_easy_setopt(c->curl, CURLOPT_HTTPHEADER,
			      !post	    ? c->headers
			      : c->posted.n ? c->post_headers
					    : c->body_headers) == CURLE_OK;
	/* Set in any case: what stays from the request before would be sent again. */
	ok = ok &&
	     curl_easy_setopt(c->curl, CURLOPT_POSTFIELDSIZE_LARGE,
			      c->posted.n ? (curl_off_t)c->posted.n : (curl_off_t)-1) == CURLE_OK &&
	     (!post || curl_easy_setopt(c->curl, CURLOPT_POSTFIELDS,
					c->posted.n ? (const char *)c->posted.p : NULL) == CURLE_OK);
	ENSURE(ok, no_curl());
	pthread_mutex_lock(&c->lock);
	buf_clear(&c->in);
	buf_clear(&c->out);
	c->out_at = 0;
	c->out_end = !body;
	c->answering = c->stalled = c->endless = false;
	c->bytes = c->answer = 0;
	c->length = CLIENT_UNSAID;
	c->status = 0;
	c->began_ms = c->last_ms = env_mono(c->env);
	c->state = CLIENT_ASKING;
	pthread_cond_broadcast(&c->moved);
	pthread_mutex_unlock(&c->lock);
	return NULL;
}

struct error *client_request(struct client *c, const char *method, const char *path, bool body,
			     uint64_t from)
{
	buf_clear(&c->posted);
	return begin_request(c, method, path, body, from);
}

struct error *client_post(struct client *c, const char *path, struct buf *io_bytes)
{
	buf_clear(&c->posted);
	buf_add_span(&c->posted, buf_span(io_bytes));
	buf_clear(io_bytes);
	return begin_request(c, "POST", path, false, 0);
}

void client_expect(struct client *c, uint64_t bytes)
{
	pthread_mutex_lock(&c->lock);
	c->answer_most = bytes;
	pthread_mutex_unlock(&c->lock);
}

bool client_endless(struct client *c)
{
	bool endless;

	pthread_mutex_lock(&c->lock);
	endless = c->endless;
	pthread_mutex_unlock(&c->lock);
	return endless;
}

bool client_send(struct client *c, struct buf *io_bytes)
{
	bool wanted;

	pthread_mutex_lock(&c->lock);
	while (c->out.n - c->out_at >= CLIENT_QUEUE / 2 && c->state == CLIENT_ASKING &&
	       !c->answering && !c->cancelled)
		pthread_cond_wait(&c->moved, &c->lock);
	wanted = c->state == CLIENT_ASKING && !c->answering && !c->cancelled;
	buf_drop(&c->out, c->out_at);
	c->out_at = 0;
	if (wanted)
		buf_add_span(&c->out, buf_span(io_bytes));
	buf_clear(io_bytes);
	pthread_cond_broadcast(&c->moved);
	pthread_mutex_unlock(&c->lock);
	return wanted;
}

void client_send_end(struct client *c)
{
	pthread_mutex_lock(&c->lock);
	c->out_end = true;
	pthread_cond_broadcast(&c->moved);
	pthread_mutex_unlock(&c->lock);
}

bool client_receive(struct client *c, bool wait, struct buf *io_bytes)
{
	struct buf empty;

	pthread_mutex_lock(&c->lock);
	while (wait && !c->in.n && c->state == CLIENT_ASKING && !c->cancelled)
		pthread_cond_wait(&c->moved, &c->lock);
	buf_clear(io_bytes);
	empty = *io_bytes;
	*io_bytes = c->in; /* no copy of megabytes: the two are exchanged */
	c->in = empty;
	pthread_cond_broadcast(&c->moved);
	pthread_mutex_unlock(&c->lock);
	return io_bytes->n > 0;
}

uint64_t client_length(struct client *c)
{
	uint64_t length;

	pthread_mutex_lock(&c->lock);
	length = c->length;
	pthread_mutex_unlock(&c->lock);
	return length;
}

void client_drop(struct client *c)
{
	pthread_mutex_lock(&c->lock);
	c->endless = true;
	pthread_cond_broadcast(&c->moved);
	while (c->state == CLIENT_ASKING && !c->cancelled)
		pthread_cond_wait(&c->moved, &c->lock);
	pthread_mutex_unlock(&c->lock);
}

int client_status(struct client *c)
{
	int status;

	pthread_mutex_lock(&c->lock);
	status = (int)c->status;
	pthread_mutex_unlock(&c->lock);
	return status;
}

bool client_met(struct client *c)
{
	bool met;

	pthread_mutex_lock(&c->lock);
	met = c->met;
	pthread_mutex_unlock(&c->lock);
	return met;
}

/* --- what broke, in words --- */
static struct error *broken(struct client *c)
{
	if (c->cancelled)
		return stopped();
	if (c->stalled)
		return error_new(ERR_TIMEOUT,
				 N_("Box %s at %s stopped answering. It is tried again."), c->who,
				 c->address);
	if (c->endless)
		return error_new(ERR_LIMIT,
				 N_("Box %s at %s answers without an end. The exchange was broken "
				    "off."),
				 c->who, c->address);
	if (c->proxy_status == HTTP_PROXY_AUTH)
		return error_new(ERR_NET,
				 N_("The proxy through which other boxes are reached asks for a user name "
				    "and a password, or refuses those that are set. A volunteer can "
				    "change them."));
	switch (c->code) {
	case CURLE_COULDNT_RESOLVE_PROXY:
		return error_new(ERR_NET, N_("The proxy through which other boxes are reached "
					     "can't be found. A volunteer can change it."));
	case CURLE_COULDNT_RESOLVE_HOST:
		return error_new(ERR_NET, N_("There is no box with the address %s."), c->address);
	case CURLE_COULDNT_CONNECT:
		return error_new(ERR_NET,
				 N_("Box %s can't be reached at %s: nothing answers there. Is it "
				    "switched on and connected?"),
				 c->who, c->address);
	case CURLE_OPERATION_TIMEDOUT:
		return error_new(ERR_TIMEOUT, N_("Box %s did not answer at %s in time."), c->who,
				 c->address);
	case CURLE_SSL_PINNEDPUBKEYNOTMATCH:
		return error_new(ERR_DENIED,
				 N_("What answers at %s is not box %s: it has another key. "
				    "Nothing was exchanged."),
				 c->address, c->who);
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CERTPROBLEM:
		return error_new(ERR_NET,
				 N_("What answers at %s does not speak as a box of this kind."),
				 c->address);
	default:
		return error_new(
			ERR_NET,
			N_("The connection to box %s at %s broke off (%s). What came whole "
			   "is kept; the rest follows next time."),
			c->who, c->address, curl_easy_strerror(c->code));
	}
}

struct error *client_result(struct client *c, int *ret_status)
{
	struct error *err = NULL;

	pthread_mutex_lock(&c->lock);
	while (c->state == CLIENT_ASKING && !c->cancelled)
		pthread_cond_wait(&c->moved, &c->lock);
	/* Whoever refuses before it has read everything may close on us: the status came all the
	 * same, and says more than the break. */
	if (c->cancelled || (c->code != CURLE_OK && c->status < 400))
		err = broken(c);
	else
		*ret_status = (int)c->status;
	pthread_mutex_unlock(&c->lock);
	return err;
}

struct error *client_ask(struct client *c, const char *path, struct buf *io_bytes, uint64_t most,
			 int *ret_status)
{
	_cleanup_(buf_release) struct buf piece = {0};

	client_expect(c, most);
	TRY(client_post(c, path, io_bytes));
	/* To the end, or the transfer waits for us, and we for it. */
	while (client_receive(c, true, &piece))
		buf_add_span(io_bytes, buf_span(&piece));
	return client_result(c, ret_status);
}
