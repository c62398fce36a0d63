/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The server: its parts, both doors, and what libmicrohttpd calls. */
#include "appliance/http/authority.h"
#include "appliance/http/http_priv.h"
#include "appliance/http/listen.h"
#include <netinet/in.h>
#include <sys/resource.h>

/* --- what libmicrohttpd calls, on its threads --- */

static void *on_uri(void *ctx, const char *uri, struct MHD_Connection *mhd)
{
	struct request *r = request_new(ctx, mhd, uri);

	if (r->watched)
		watch_head(r->server->watch, r->watched);
	return r;
}

static enum MHD_Result queue(struct request *r)
{
	enum MHD_Result rc;

	body_release(r);
	if (r->watched) {
		watch_send(r->server->watch, r->watched, r->answer->size);
		/* one that is shared is paid for by all who get it */
		watch_hold(r->server->watch, r->watched, r->answer->memory / r->answer->refs);
	}
	rc = MHD_queue_response(r->mhd, (unsigned)r->answer->status, r->answer->response);
	r->phase = PHASE_DONE;
	return rc;
}

static void run_job(struct pool_job *job)
{
	struct request *r = (struct request *)((char *)job - offsetof(struct request, job));
	struct http_server *s = r->server;

	request_run(r);
	/* After this line the request belongs to MHD's thread again. */
	MHD_resume_connection(r->mhd);
	s->jobs--;
}

static enum MHD_Result start_job(struct request *r)
{
	struct http_server *s = r->server;

	r->phase = PHASE_JOB;
	if (r->watched)
		watch_busy(s->watch, r->watched);
	r->job.run = run_job;
	r->job.client = r->watched ? watched_client(r->watched).v[1] : 0;
	s->jobs++;
	MHD_suspend_connection(r->mhd);
	if (!s->stopping && pool_submit(s->pool, &r->job))
		return MHD_YES;
	respond_refusal(r, REFUSE_BUSY, NULL);
	MHD_resume_connection(r->mhd);
	s->jobs--;
	return MHD_YES;
}

/* Refused before its body was read: MHD sends the answer and closes, and the watch reads for a
 * moment what still comes, so that the answer is not lost in a reset. */
static enum MHD_Result queue_early(struct request *r)
{
	const union MHD_ConnectionInfo *i;

	if (r->head.length) {
		i = MHD_get_connection_info(r->mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
		if (i)
			watch_linger(r->server->watch, i->connect_fd);
		header_add(r->answer->response, "Connection", "close");
	}
	return queue(r);
}

/* Everything that a page may depend on, but for the view's generation. */
static const char *cache_key(struct request *r)
{
	if (!r->read_only || request_has_identity(r) || flash_waits(r) || request_query(r, "lang"))
		return NULL;
	return arena_printf(&r->arena, "%d %d %d %s %.*s %s", r->door, r->json,
			    writer_has_room(r->server->app->writer), request_lang(r),
			    (int)r->head.host.n, (const char *)r->head.host.p, r->target);
}

static bool serve_cached(struct request *r)
{
	struct http_server *s = r->server;
	struct answer *a;

	r->cache_key = cache_key(r);
	if (!r->cache_key)
		return false;
	a = cache_get(s->cache, r->cache_key, writer_generation(s->app->writer));
	if (!a)
		return false;
	if (etag_matches(r, a->etag)) {
		respond_not_modified(r, a->etag);
		answer_unref(a);
	} else {
		r->answer = a;
	}
	return true;
}

static void remember_language(struct request *r)
{
	const char *want = request_query(r, "lang");

	if (want && languages_find(r->server->app->languages, want))
		respond_cookie(r, "lliure-lang", want, 365 * 86400, false);
}

static struct error *nothing_here(struct request *r)
{
	(void)r;
	return error_new(ERR_NOT_FOUND, N_("There is nothing at this address."));
}
/* For who is signed in perhaps: their page says so, also when there is none at the address. Others
 * are told without a look at anything. */
static const struct route nowhere = {"GET", "(nothing)", nothing_here, 0};

static enum MHD_Result begin(struct request *r, const char *method, const char *version)
{
	enum refusal_id why = request_begin(r, method, version);
	const char *allow = NULL;
	bool too_large = false;

	if (why == REFUSE_NOTHING &&
	    (r->server->front(r) || serve_cached(r) || static_serve(r)))
		return r->head.length ? queue_early(r) : queue(r);
	if (why == REFUSE_NOTHING) {
		r->route = route_find(r->server->routes, &r->arena, r->read_only ? "GET" : "POST",
				      r->path, &r->params, &allow);
		if (!r->route && !allow && r->read_only && request_has_identity(r))
			r->route = &nowhere;
		if (!r->route)
			why = allow ? REFUSE_METHOD : REFUSE_PATH;
		else
			why = body_begin(r, &too_large);
	}
	if (why == REFUSE_METHOD && !allow)
		allow = "GET, HEAD, POST";
	if (why != REFUSE_NOTHING) {
		respond_refusal(r, why, why == REFUSE_METHOD ? allow : NULL);
		return queue_early(r);
	}
	if (too_large) {
		respond_error(
			r, error_new(ERR_LIMIT, N_("What was sent is larger than this box accepts "
						   "here.")));
		return queue_early(r);
	}
	if (!r->read_only && !(r->route->flags & ROUTE_NO_CSRF) && !request_has_identity(r)) {
		respond_error(r, need_to_sign_in());
		return queue_early(r);
	}
	if (!(r->route->flags & ROUTE_CACHED))
		r->cache_key = NULL;
	remember_language(r);
	r->phase = PHASE_BODY;
	if (r->head.length && r->watched) {
		watch_body(r->server->watch, r->watched, r->head.length);
		watch_hold(r->server->watch, r->watched,
			   r->head.length < LIMIT_FORM ? r->head.length : LIMIT_FORM);
	}
	return MHD_YES;
}

static enum MHD_Result on_request(void *ctx, struct MHD_Connection *mhd, const char *url,
				  const char *method, const char *version, const char *upload,
				  size_t *upload_n, void **con_cls)
{
	struct request *r = *con_cls;

	switch (r->phase) {
	case PHASE_NEW:
		return begin(r, method, version);
	case PHASE_BODY:
		if (*upload_n) {
			body_feed(r, span_of(upload, *upload_n));
			*upload_n = 0;
			return MHD_YES;
		}
		return start_job(r);
	case PHASE_JOB:
		return queue(r);
	case PHASE_DONE:
		break;
	}
	return MHD_YES;
}

static void on_completed(void *ctx, struct MHD_Connection *mhd, void **con_cls,
			 enum MHD_RequestTerminationCode why)
{
	struct request *r = *con_cls;

	if (r && r->watched) {
		watch_hold(r->server->watch, r->watched, 0);
		watch_idle(r->server->watch, r->watched);
	}
	request_free(r);
	*con_cls = NULL;
}

/* The part of an address that one household has: all of an IPv4 one, 64 bits of an IPv6 one. */
static struct limit_key client_key(struct http_server *s, struct MHD_Connection *mhd)
{
	const union MHD_ConnectionInfo *i =
		MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	const struct sockaddr_in6 *six = i ? (const void *)i->client_addr : NULL;
	const struct sockaddr_in *four = (const void *)six;
	struct span who = span_of("", 0);

	if (six && six->sin6_family == AF_INET)
		who = span_of(&four->sin_addr, 4);
	else if (six && six->sin6_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&six->sin6_addr))
		who = span_of(six->sin6_addr.s6_addr + 12, 4);
	else if (six && six->sin6_family == AF_INET6)
		who = span_of(six->sin6_addr.s6_addr, 8);
	return limit_key(s->limits, "client", who);
}

static void on_connection(void *ctx, struct MHD_Connection *mhd, void **socket_context,
			  enum MHD_ConnectionNotificationCode what)
{
	struct door_state *d = ctx;
	const union MHD_ConnectionInfo *i;
	int fd;

	if (what == MHD_CONNECTION_NOTIFY_CLOSED) {
		watch_close(d->server->watch, *socket_context);
		*socket_context = NULL;
		return;
	}
	i = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
	if (!i)
		return;
	/* libmicrohttpd 1.0 answers every question about a connection in the same place. */
	fd = i->connect_fd;
	*socket_context = watch_open(d->server->watch, fd, client_key(d->server, mhd), d);
}

static size_t on_unescape(void *ctx, struct MHD_Connection *mhd, char *s)
{
	return strlen(s); /* we decode the path and the query ourselves, and strictly */
}

static int on_certificate(gnutls_session_t session, const gnutls_datum_t *req_ca, int req_ca_n,
			  const gnutls_pk_algorithm_t *algos, int algos_n, gnutls_pcert_st **pcert,
			  unsigned int *pcert_n, gnutls_privkey_t *key)
{
	struct MHD_Connection *mhd = gnutls_session_get_ptr(session);
	const union MHD_ConnectionInfo *i =
		mhd ? MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT) : NULL;
	struct door_state *d;

	if (!i || !i->socket_context)
		return -1;
	d = watched_owner(i->socket_context);
	authority_current(d->server->authority, pcert, pcert_n, key);
	return 0;
}

/* --- starting and stopping --- */

static struct error *open_socket(const char *address, int given, int *ret_fd, int *ret_port)
{
	struct sockaddr_in6 a;
	socklen_t n = sizeof(a);

	if (given < 0)
		return listen_open(address, ret_fd, ret_port);
	*ret_fd = given;
	/* the port stands at the same place for both families */
	*ret_port = getsockname(given, (struct sockaddr *)&a, &n) ? 0 : ntohs(a.sin6_port);
	return NULL;
}

static struct error *open_door(struct http_server *s, int which, const char *address, int given,
			       int threads)
{
	struct door_state *d = &s->doors[which];
	struct MHD_OptionItem more[8];
	int fd, port, n = 0;
	/* TLS not by epoll: see start_daemon in sync/peer/listener.c. */
	unsigned flags = which == 1 ? MHD_USE_POLL_INTERNAL_THREAD : MHD_USE_EPOLL_INTERNAL_THREAD;

	TRY(open_socket(address, given, &fd, &port));
	flags |= MHD_ALLOW_SUSPEND_RESUME;
	*d = (struct door_state){.server = s, .tls = which == 1};
	if (d->tls) {
		flags |= MHD_USE_TLS;
		more[n++] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_CERT_CALLBACK, 0,
						    (void *)on_certificate};
		more[n++] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_PRIORITIES, 0,
						    (void *)"SECURE128:-VERS-ALL:+VERS-TLS1.3:+"
							    "VERS-TLS1.2:-RSA:%SERVER_PRECEDENCE"};
	}
	if (threads > 1)
		more[n++] = (struct MHD_OptionItem){MHD_OPTION_THREAD_POOL_SIZE, threads, NULL};
#if MHD_VERSION >= 0x01000000
	more[n++] = (struct MHD_OptionItem){MHD_OPTION_CLIENT_DISCIPLINE_LVL, 1, NULL};
#else
	more[n++] = (struct MHD_OptionItem){MHD_OPTION_STRICT_FOR_CLIENT, 1, NULL};
#endif
	more[n] = (struct MHD_OptionItem){MHD_OPTION_END, 0, NULL};
	d->daemon = MHD_start_daemon(
		flags, 0, NULL, NULL, on_request, d, MHD_OPTION_LISTEN_SOCKET, fd,
		MHD_OPTION_CONNECTION_LIMIT,
		(unsigned)(2 * WATCH_ALL * (threads > 1 ? threads : 1)),
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)MHD_POOL,
		MHD_OPTION_CONNECTION_MEMORY_INCREMENT, (size_t)4096, MHD_OPTION_CONNECTION_TIMEOUT,
		(unsigned)(WATCH_KEEP_MS / 1000), MHD_OPTION_NOTIFY_COMPLETED, on_completed, NULL,
		MHD_OPTION_URI_LOG_CALLBACK, on_uri, d, MHD_OPTION_NOTIFY_CONNECTION, on_connection,
		d, MHD_OPTION_UNESCAPE_CALLBACK, on_unescape, NULL, MHD_OPTION_THREAD_STACK_SIZE,
		(size_t)(512 * 1024), MHD_OPTION_ARRAY, more, MHD_OPTION_END);
	if (!d->daemon) {
		close(fd);
		return error_new(ERR_NET, N_("The web server could not be started on %s."),
				 address);
	}
	d->port = port;
	return NULL;
}

/* Many slow visitors need many descriptors; the usual limit is 1,024. */
static void raise_descriptor_limit(void)
{
	struct rlimit l;
	rlim_t want = 4 * WATCH_ALL;

	if (getrlimit(RLIMIT_NOFILE, &l) || l.rlim_cur >= want)
		return;
	l.rlim_cur = l.rlim_max < want ? l.rlim_max : want;
	setrlimit(RLIMIT_NOFILE, &l);
}

static void every_second(void *ctx)
{
	struct http_server *s = ctx;
	int64_t t = env_mono(s->app->env);

	if (!s->authority || t < s->next_renewal)
		return;
	s->next_renewal = t + 60 * 1000;
	error_free(authority_renew(s->authority));
}

static void server_free(struct http_server *s)
{
	if (!s)
		return;
	for (int i = 0; i < DOORS; i++) {
		if (s->doors[i].daemon)
			MHD_stop_daemon(s->doors[i].daemon);
	}
	pool_free(s->pool);
	watch_free(s->watch);
	limits_free(s->limits);
	uploads_free(s->uploads);
	cache_free(s->cache);
	static_free(s->files);
	authority_free(s->authority);
	pthread_mutex_destroy(&s->heavy);
	crypto_wipe(s->secret, sizeof(s->secret));
	free(s);
}
DEFINE_CLEANUP(struct http_server *, server_free)

struct error *http_start(struct app *app, const struct http_options *o, struct http_server **ret)
{
	_cleanup_(server_freep) struct http_server *s = calloc(1, sizeof(*s));
	int threads = o->threads ? o->threads : (int)sysconf(_SC_NPROCESSORS_ONLN);

	ENSURE(s, error_new(ERR_NOMEM, N_("The box has run out of memory.")));
	raise_descriptor_limit();
	pthread_mutex_init(&s->heavy, NULL);
	s->app = app;
	s->routes = o->routes ? o->routes : route_tables;
	s->viewers = o->viewers ? o->viewers : viewer_source;
	s->hooks = o->hooks ? o->hooks : page_hooks;
	s->front = o->front ? o->front : request_front;
	authority_host(app->name, s->box_host, sizeof(s->box_host));
	env_random(app->env, s->secret, sizeof(s->secret));
	s->limits = limits_new(app->env);
	s->uploads = uploads_new(app->env, app->dir);
	s->watch = watch_new(app->env, s->limits);
	s->pool = pool_new(app);
	s->cache = cache_new();
	s->files = static_new(assets);
	watch_every_second(s->watch, every_second, s);
	if (o->https)
		TRY(authority_open(app->dir, app->name, &app->box, app->env, &s->authority));
	TRY(watch_start(s->watch));
	if (o->https)
		TRY(open_door(s, 1, o->https, o->sockets ? o->sockets->https : -1, threads));
	if (o->http)
		TRY(open_door(s, 0, o->http, o->sockets ? o->sockets->http : -1, threads));
	*ret = STEAL(s);
	return NULL;
}

void http_stop(struct http_server *s)
{
	if (!s)
		return;
	s->stopping = true;
	while (s->jobs)
		usleep(1000);
	server_free(s);
}

void http_stop_keeping(struct http_server *s, struct http_sockets *ret)
{
	int fd[DOORS];

	for (int i = 0; i < DOORS; i++)
		fd[i] = s->doors[i].daemon ? MHD_quiesce_daemon(s->doors[i].daemon) : -1;
	http_stop(s);
	*ret = (struct http_sockets){fd[0], fd[1]};
}

int http_port(struct http_server *s)
{
	return s->doors[0].port;
}

int https_port(struct http_server *s)
{
	return s->doors[1].port;
}
