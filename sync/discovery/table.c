/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "sync/discovery/table.h"
#include "sync/base/cleanup.h"
#include "sync/base/line.h"
#include <arpa/inet.h>

static bool place_eq(const struct seen_place *a, const struct seen_place *b)
{
	return a->interface == b->interface && a->protocol == b->protocol &&
	       strcmp(a->service, b->service) == 0;
}

struct seen_row *seen_find(struct seen_table *t, const struct seen_place *at)
{
	for (size_t i = 0; i < t->n; i++)
		if (place_eq(&t->rows[i]->at, at))
			return t->rows[i];
	return NULL;
}

struct seen_row *seen_add(struct seen_table *t, const struct seen_place *at, void **ret_dropped)
{
	struct seen_row *row = NULL;

	*ret_dropped = NULL;
	for (size_t i = 0; t->n == LIMIT_DISCOVERED && i < t->n; i++)
		if (!t->rows[i]->known) {
			*ret_dropped = t->rows[i]->resolver;
			seen_remove(t, t->rows[i]);
		}
	if (t->n == LIMIT_DISCOVERED)
		return NULL;
	row = calloc(1, sizeof(*row));
	if (!row)
		abort();
	row->at = *at;
	t->rows[t->n++] = row;
	return row;
}

void seen_remove(struct seen_table *t, struct seen_row *take_row)
{
	for (size_t i = 0; i < t->n; i++)
		if (t->rows[i] == take_row) {
			t->rows[i] = t->rows[--t->n];
			free(take_row);
			return;
		}
}

void seen_clear(struct seen_table *t)
{
	while (t->n)
		seen_remove(t, t->rows[0]);
}

/* --- adding up --- */
static void take_row_into(struct seen_box *box, const struct seen_row *row)
{
	if (row->seen_ms > box->last_seen_ms || !box->name[0]) {
		box->last_seen_ms = row->seen_ms;
		memcpy(box->name, row->name, sizeof(box->name));
		box->has_digest = row->txt.has_digest;
		memcpy(box->digest, row->txt.digest, sizeof(box->digest));
	}
	for (size_t i = 0; i < box->addresses; i++)
		if (strcmp(box->address[i], row->address) == 0)
			return;
	if (box->addresses < SEEN_ADDRESSES)
		memcpy(box->address[box->addresses++], row->address, SEEN_ADDRESS);
	if (!box->http_url[0])
		memcpy(box->http_url, row->http_url, sizeof(box->http_url));
}

static int by_rank(const void *a, const void *b)
{
	const struct seen_row *x = *(struct seen_row *const *)a, *y = *(struct seen_row *const *)b;

	return x->rank != y->rank ? x->rank - y->rank : strcmp(x->address, y->address);
}

static int newest_first(const void *a, const void *b)
{
	const struct seen_box *x = a, *y = b;

	if (x->last_seen_ms != y->last_seen_ms)
		return x->last_seen_ms < y->last_seen_ms ? 1 : -1;
	return memcmp(x->key.b, y->key.b, 32);
}

size_t seen_boxes(const struct seen_table *t, const struct pubkey *self, struct seen_box *out,
		  size_t max)
{
	struct seen_row *rows[LIMIT_DISCOVERED];
	size_t n = 0;

	memcpy(rows, t->rows, sizeof(rows[0]) * t->n);
	qsort(rows, t->n, sizeof(rows[0]), by_rank);
	for (size_t i = 0; i < t->n; i++) {
		size_t k = 0;

		if (!rows[i]->known || pubkey_eq(&rows[i]->txt.key, self))
			continue;
		while (k < n && !pubkey_eq(&out[k].key, &rows[i]->txt.key))
			k++;
		if (k == max)
			continue;
		if (k == n) {
			memset(&out[n++], 0, sizeof(*out));
			out[k].key = rows[i]->txt.key;
		}
		take_row_into(&out[k], rows[i]);
	}
	qsort(out, n, sizeof(*out), newest_first);
	return n;
}

bool seen_has(const struct seen_table *t, const struct pubkey *key)
{
	for (size_t i = 0; i < t->n; i++)
		if (t->rows[i]->known && pubkey_eq(&t->rows[i]->txt.key, key))
			return true;
	return false;
}

bool seen_twin(const struct seen_table *t, const struct pubkey *self, struct seen_box *ret)
{
	bool found = false;

	memset(ret, 0, sizeof(*ret));
	ret->key = *self;
	for (size_t i = 0; i < t->n; i++)
		if (t->rows[i]->known && !t->rows[i]->local &&
		    pubkey_eq(&t->rows[i]->txt.key, self)) {
			take_row_into(ret, t->rows[i]);
			found = true;
		}
	return found;
}

/* --- learning --- */
static bool format_v4(struct seen_row *row, const struct sockaddr_in *in)
{
	uint32_t a = ntohl(in->sin_addr.s_addr);
	char text[INET_ADDRSTRLEN];

	if (!in->sin_port || a == 0 || a >> 24 == 127 ||
	    a >> 28 >= 14) /* none, ourselves, everybody */
		return false;
	inet_ntop(AF_INET, &in->sin_addr, text, sizeof(text));
	row->rank = a >> 16 == 0xa9fe ? 2 : 0; /* 169.254: nobody gave out addresses */
	snprintf(row->address, sizeof(row->address), "%s:%d", text, ntohs(in->sin_port));
	if (row->txt.http_port)
		snprintf(row->http_url, sizeof(row->http_url), "http://%s:%d/", text,
			 row->txt.http_port);
	return true;
}

static bool format_v6(struct seen_row *row, const struct sockaddr_in6 *in, const char *interface)
{
	const struct in6_addr *a = &in->sin6_addr;
	bool local = IN6_IS_ADDR_LINKLOCAL(a);
	char text[INET6_ADDRSTRLEN];

	if (!in->sin6_port || IN6_IS_ADDR_UNSPECIFIED(a) || IN6_IS_ADDR_LOOPBACK(a) ||
	    IN6_IS_ADDR_MULTICAST(a) || IN6_IS_ADDR_V4MAPPED(a) || (local && !interface))
		return false;
	inet_ntop(AF_INET6, a, text, sizeof(text));
	row->rank = local ? 3 : 1;
	snprintf(row->address, sizeof(row->address), "[%s%s%.15s]:%d", text, local ? "%" : "",
		 local ? interface : "", ntohs(in->sin6_port));
	if (row->txt.http_port && !local) /* browsers know no scopes */
		snprintf(row->http_url, sizeof(row->http_url), "http://[%s]:%d/", text,
			 row->txt.http_port);
	return true;
}

/* Fit to stand in an address that people are shown and may click? */
static bool host_is_plain(const char *host)
{
	size_t n = host ? strlen(host) : 0;

	if (!n || n > 70)
		return false;
	for (size_t i = 0; i < n; i++)
		if (!((host[i] >= 'a' && host[i] <= 'z') || (host[i] >= 'A' && host[i] <= 'Z') ||
		      (host[i] >= '0' && host[i] <= '9') || (i && strchr("-.", host[i]))))
			return false;
	return true;
}

bool seen_learn(struct seen_row *row, const struct seen_answer *a)
{
	struct seen_row before = *row;
	bool same;

	row->known = false;
	memset(&row->txt, 0, sizeof(row->txt));
	memset(row->name, 0, sizeof(row->name));
	memset(row->address, 0, sizeof(row->address));
	memset(row->http_url, 0, sizeof(row->http_url));
	row->seen_ms = a->now_ms;
	if (!txt_read(a->txt, a->txt_n, &row->txt))
		return before.known;
	if (a->address->sa_family == AF_INET)
		row->known = format_v4(row, (const struct sockaddr_in *)(const void *)a->address);
	else
		row->known = format_v6(row, (const struct sockaddr_in6 *)(const void *)a->address,
				       a->interface);
	if (row->txt.http_port && !row->http_url[0] && host_is_plain(a->host))
		snprintf(row->http_url, sizeof(row->http_url), "http://%s:%d/", a->host,
			 row->txt.http_port);
	if (!line_clean(span_str(row->at.service), row->name, sizeof(row->name)))
		snprintf(row->name, sizeof(row->name), "%s", ID_SHORT(&row->txt.key));
	same = !before.known && !row->known;
	same |= before.known == row->known && txt_eq(&before.txt, &row->txt) &&
		strcmp(before.address, row->address) == 0 &&
		strcmp(before.http_url, row->http_url) == 0;
	return !same;
}
