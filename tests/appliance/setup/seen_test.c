/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The first run lists the boxes on its network; choosing one trusts nobody. */
#include "tests/appliance/site.h"
#include "appliance/peers/peers.h"
#include "appliance/setup/folder.h"
#include "appliance/setup/setup.h"

struct network {
	struct found_box box[2];
	size_t n;
};

static size_t seen(void *ctx, struct found_box *out, size_t max)
{
	const struct network *w = ctx;
	size_t n = w->n < max ? w->n : max;

	memcpy(out, w->box, n * sizeof(*out));
	return n;
}

struct fresh {
	struct network network;
	struct setup *setup;
	CURL *curl; /* a browser, with its cookie */
	char *dir;
	struct reply last;
	char csrf[64];
};

static struct reply *ask(struct fresh *f, const char *path, const char *form)
{
	char url[600], *location = NULL;
	struct reply *r = &f->last;

	reply_release(r);
	memset(r, 0, sizeof(*r));
	snprintf(url, sizeof(url), "http://127.0.0.1:%d%s", setup_http_port(f->setup), path);
	curl_easy_setopt(f->curl, CURLOPT_URL, url);
	curl_easy_setopt(f->curl, CURLOPT_WRITEFUNCTION, site_body);
	curl_easy_setopt(f->curl, CURLOPT_WRITEDATA, &r->body);
	curl_easy_setopt(f->curl, CURLOPT_TIMEOUT, 60L);
	if (form)
		curl_easy_setopt(f->curl, CURLOPT_POSTFIELDS, form);
	else
		curl_easy_setopt(f->curl, CURLOPT_HTTPGET, 1L);
	assert_int_equal(curl_easy_perform(f->curl), CURLE_OK);
	curl_easy_getinfo(f->curl, CURLINFO_RESPONSE_CODE, &r->status);
	curl_easy_getinfo(f->curl, CURLINFO_REDIRECT_URL, &location);
	if (location)
		r->location = strdup(strchr(location + 8, '/'));
	return r;
}

static bool says(const struct reply *r, const char *text)
{
	return memmem(r->body.p, r->body.n, text, strlen(text)) != NULL;
}

static void begin(struct fresh *f)
{
	char code[40];
	const char *at;
	struct reply *r;

	*f = (struct fresh){.dir = test_dir(), .curl = curl_easy_init()};
	for (unsigned i = 0; i < 2; i++) {
		struct secret *s = test_key(710 + i);

		f->network.box[i].key = *secret_pubkey(s);
		snprintf(f->network.box[i].address, sizeof(f->network.box[i].address),
			 "127.0.0.1:%u", 1 + i);
		secret_free(s);
	}
	snprintf(f->network.box[0].name, sizeof(f->network.box[0].name), "Ateneu <b>");
	assert_ok(setup_start(&(struct setup_options){.dir = f->dir,
						      .env = &env_system,
						      .http = "127.0.0.1:0",
						      .https = "127.0.0.1:0",
						      .seen = seen,
						      .seen_ctx = &f->network},
			      &f->setup));
	curl_easy_setopt(f->curl, CURLOPT_COOKIEFILE, "");
	snprintf(code, sizeof(code), "code=%s", setup_code(f->setup));
	assert_int_equal(ask(f, "/setup/code", code)->status, 303);
	r = ask(f, "/setup/join", NULL);
	assert_int_equal(r->status, 200);
	at = memmem(r->body.p, r->body.n, "name=\"csrf\" value=\"", 19);
	assert_non_null(at);
	assert_int_equal(sscanf(at + 19, "%63[a-z2-7]", f->csrf), 1);
}

static void end(struct fresh *f)
{
	struct http_sockets sockets;

	setup_stop(f->setup, &sockets);
	close(sockets.http);
	close(sockets.https);
	reply_release(&f->last);
	curl_easy_cleanup(f->curl);
	test_dir_remove(f->dir);
}

static struct reply *join(struct fresh *f, const char *box)
{
	char form[600];

	snprintf(form, sizeof(form),
		 "csrf=%s&box=%s&name=Nova&admin=remei&password=una+frase+llarga&"
		 "password2=una+frase+llarga",
		 f->csrf, box);
	return ask(f, "/setup/join", form);
}

static void it_lists_the_boxes_by_name_or_says_that_there_is_none(void **state)
{
	struct fresh f;
	char text[200];
	struct reply *r;

	begin(&f);
	assert_true(says(&f.last, "No other box is on this network"));
	assert_true(says(&f.last, "href=\"/setup/join\">Look again"));
	f.network.n = 2;
	r = ask(&f, "/setup/join", NULL);
	assert_false(says(r, "No other box is on this network"));
	assert_true(says(r, "Connect with Ateneu &lt;b&gt;"));
	snprintf(text, sizeof(text), "Connect with %s", ID_SHORT(&f.network.box[1].key));
	assert_true(says(r, text));
	snprintf(text, sizeof(text), "/setup/join?box=%s", ID(&f.network.box[0].key));
	assert_true(says(r, text));
	r = ask(&f, text, NULL);
	assert_true(says(r, "name=\"box\""));
	assert_false(says(r, "name=\"addr\""));
	f.network.n = 0;
	r = ask(&f, text, NULL);
	assert_true(says(r, "not to be seen on this network any more"));
	assert_true(says(r, "name=\"addr\""));
	end(&f);
}

static void what_is_not_seen_any_more_makes_no_box(void **state)
{
	struct fresh f;
	struct reply *r;

	begin(&f);
	r = join(&f, ID(&f.network.box[0].key));
	assert_int_equal(r->status, 404);
	assert_true(says(r, "not to be seen on this network any more"));
	assert_true(says(r, "value=\"Nova\""));
	assert_int_equal(join(&f, "nonsense")->status, 404);
	assert_false(setup_is_box(f.dir));
	end(&f);
}

static struct error *count(void *ctx, const struct peer *p)
{
	++*(int *)ctx;
	return NULL;
}

static void the_chosen_one_is_no_peer_before_the_digits_are_compared(void **state)
{
	char path[300], still[300];
	_cleanup_(app_closep) struct app *app = NULL;
	_cleanup_(conn_closep) struct conn *c = NULL;
	struct reply *r;
	struct fresh f;
	int peers = 0;

	begin(&f);
	f.network.n = 2;
	r = join(&f, ID(&f.network.box[0].key));
	assert_int_equal(r->status, 303);
	snprintf(path, sizeof(path), "/setup/progress?meet=%s&addr=127.0.0.1%%3A1",
		 ID(&f.network.box[0].key));
	assert_string_equal(r->location, path);
	/* Who doesn't want the page to load itself doesn't lose the way to the digits. */
	r = ask(&f, path, NULL);
	snprintf(still, sizeof(still), "?meet=%s&amp;addr=127.0.0.1%%3A1&amp;still=1",
		 ID(&f.network.box[0].key));
	assert_true(says(r, still));
	for (int i = 0; i < 600 && !setup_done(f.setup); i++)
		usleep(100000);
	assert_true(setup_is_box(f.dir));
	assert_ok(app_open(f.dir, &env_system, &app));
	assert_ok(app_conn(app, &c));
	assert_ok(peer_each(c->local, count, &peers));
	assert_int_equal(peers, 0);
	end(&f);
}

static void the_running_box_goes_on_where_the_digits_are_compared(void **state)
{
	struct site s;
	struct secret *other = test_key(712);
	char from[300], to[300];
	struct reply r;

	site_open(&s);
	site_sign_in(&s, VOL, "vol");
	snprintf(from, sizeof(from), "/setup/progress?meet=%s&addr=127.0.0.1%%3A1",
		 ID(secret_pubkey(other)));
	snprintf(to, sizeof(to), "/admin/peers/%s/approve?addr=127.0.0.1%%3A1&first=1",
		 ID(secret_pubkey(other)));
	r = site_ask(&s, VOL, from, NULL);
	assert_string_equal(r.location, to);
	reply_release(&r);
	r = site_ask(&s, VOL, to, NULL);
	assert_int_equal(r.status, 200);
	reply_release(&r);
	r = site_ask(&s, NOBODY, from, NULL);
	assert_string_equal(r.location, "/sign-in");
	reply_release(&r);
	r = site_ask(&s, VOL, "/setup/progress?meet=nonsense&addr=//x", NULL);
	assert_string_equal(r.location, "/admin");
	reply_release(&r);
	secret_free(other);
	site_close(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_lists_the_boxes_by_name_or_says_that_there_is_none),
		cmocka_unit_test(what_is_not_seen_any_more_makes_no_box),
		cmocka_unit_test(the_chosen_one_is_no_peer_before_the_digits_are_compared),
		cmocka_unit_test(the_running_box_goes_on_where_the_digits_are_compared),
	};

	return run_group(tests);
}
