/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/health/watchdog.h"
#include "appliance/config/config.h"
#include "sync/base/poked.h"
#include <curl/curl.h>
#include <systemd/sd-daemon.h>
#include <time.h>

enum { PAGE_S = 30, WRITE_EVERY_S = 900 };

struct watchdog {
	int port;
	struct writer *writer;
	int64_t wrote; /* when a row was written last, in seconds of the monotonic clock */
	int rest_ms;
	struct watchdog_env env;
	struct poked poked; /* by nobody */
};

bool watchdog_round(const struct watchdog_env *e)
{
	if (!e->serves(e->ctx) || !e->writes(e->ctx))
		return false;
	e->notify(e->ctx, "WATCHDOG=1");
	return true;
}

/* --- the proofs --------------------------------------------------------------------------------
 */

static size_t drop(char *p, size_t one, size_t n, void *ctx)
{
	(void)p;
	(void)ctx;
	return one * n;
}

/* An answer is one, whatever it says: "too many are asking" comes from a server that lives. */
bool page_served(int port)
{
	CURL *c = curl_easy_init();
	char url[64];
	long status = 0;

	if (!c)
		return false;
	snprintf(url, sizeof(url), "http://127.0.0.1:%d/", port);
	curl_easy_setopt(c, CURLOPT_URL, url);
	curl_easy_setopt(c, CURLOPT_PROXY, "");
	curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, drop);
	curl_easy_setopt(c, CURLOPT_TIMEOUT, (long)PAGE_S);
	if (curl_easy_perform(c) == CURLE_OK)
		curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_cleanup(c);
	return status >= 200;
}

static bool serves(void *ctx)
{
	return page_served(((struct watchdog *)ctx)->port);
}

static int64_t mono_s(void)
{
	return env_mono(&env_system) / 1000;
}

static struct error *proof_job(struct conn *c, void *arg)
{
	struct watchdog *w = arg;
	char text[24];

	if (w->wrote && mono_s() - w->wrote < WRITE_EVERY_S)
		return NULL;
	snprintf(text, sizeof(text), "%lld", (long long)env_now(&env_system));
	TRY(config_set(c, SETTING_ALIVE, text));
	w->wrote = mono_s();
	return NULL;
}

static bool writes(void *ctx)
{
	struct watchdog *w = ctx;
	struct error *e = w->writer ? writer_run(w->writer, proof_job, w) : NULL;
	bool ok = !e || error_is(e, ERR_FULL);

	error_free(e);
	return ok;
}

static void notify(void *ctx, const char *state)
{
	(void)ctx;
	sd_notify(0, state);
}

/* --- the thread --------------------------------------------------------------------------------
 */

static void *watchdog_thread(void *arg)
{
	struct watchdog *w = arg;

	do
		watchdog_round(&w->env);
	while (poked_rest(&w->poked, w->rest_ms));
	return NULL;
}

struct watchdog *watchdog_start(int port, struct writer *writer)
{
	uint64_t usec = 0;
	struct watchdog *w;

	sd_notify(0, "READY=1\nSTATUS=The doors are open.");
	if (sd_watchdog_enabled(0, &usec) <= 0)
		return NULL;
	w = calloc(1, sizeof(*w));
	if (!w)
		abort();
	w->port = port;
	w->writer = writer;
	w->rest_ms = (int)(usec / 4000);
	w->env = (struct watchdog_env){w, serves, writes, notify};
	poked_init(&w->poked, false);
	poked_start(&w->poked, watchdog_thread, w); /* else nobody feeds it, and systemd begins again */
	return w;
}

void watchdog_stop(struct watchdog *w)
{
	if (!w)
		return;
	poked_stop(&w->poked);
	poked_free(&w->poked);
	free(w);
}

void watchdog_stopping(void)
{
	sd_notify(0, "STOPPING=1");
}
