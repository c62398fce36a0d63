/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "sync/peer/addresses.h"
#include "sync/peer/address.h"
#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <strings.h>
#include <sys/socket.h>

static const char signed_context[] = "lliure-addresses-1", tag_context[] = "lliure-tell-1";

static struct hash tag_of(const struct pubkey *key, uint64_t number, const struct pubkey *reader)
{
	_cleanup_(buf_release) struct buf b = {0};

	buf_puts(&b, tag_context);
	buf_add(&b, key->b, sizeof(key->b));
	buf_u64(&b, number);
	buf_add(&b, reader->b, sizeof(reader->b));
	return hash_bytes(buf_span(&b));
}

static int compare_tags(const void *a, const void *b)
{
	return memcmp(a, b, STATED_TAG);
}

static struct signature sign_it(const struct secret *self, struct span said)
{
	_cleanup_(buf_release) struct buf m = {0};

	buf_puts(&m, signed_context);
	buf_add_span(&m, said);
	return sign(self, buf_span(&m));
}

void statement_make(const struct secret *self, uint64_t number,
		    const char (*addresses)[PEER_ADDRESS], size_t n, const struct pubkey *tell,
		    size_t n_tell, struct buf *out)
{
	uint8_t tags[LIMIT_TOLD][STATED_TAG];
	size_t from = out->n;
	struct signature sig;

	n = n < LIMIT_STATED ? n : LIMIT_STATED;
	n_tell = n_tell < LIMIT_TOLD ? n_tell : LIMIT_TOLD;
	for (size_t i = 0; i < n_tell; i++) {
		struct hash tag = tag_of(secret_pubkey(self), number, &tell[i]);

		memcpy(tags[i], tag.b, STATED_TAG);
	}
	qsort(tags, n_tell, STATED_TAG, compare_tags);
	buf_add(out, secret_pubkey(self)->b, 32);
	buf_u64(out, number);
	buf_u8(out, (uint8_t)n);
	for (size_t i = 0; i < n; i++) {
		buf_u8(out, (uint8_t)strlen(addresses[i]));
		buf_puts(out, addresses[i]);
	}
	buf_u16(out, (uint16_t)n_tell);
	buf_add(out, tags, n_tell * STATED_TAG);
	sig = sign_it(self, span_of(out->p + from, out->n - from));
	buf_add(out, sig.b, sizeof(sig.b));
}

/* --- reading --- */
static bool means_something(const char *text)
{
	struct in_addr v4;
	struct in6_addr v6;
	struct address a;
	struct error *err = address_parse(text, &a);
	bool ok = !err && a.host[0] && a.port && !a.scope[0];

	error_free(err);
	if (!ok)
		return false;
	if (inet_pton(AF_INET, a.host, &v4) == 1)
		return v4.s_addr != 0 && !IN_MULTICAST(ntohl(v4.s_addr)) &&
		       v4.s_addr != INADDR_NONE;
	if (a.v6 && inet_pton(AF_INET6, a.host, &v6) == 1)
		return !IN6_IS_ADDR_UNSPECIFIED(&v6) && !IN6_IS_ADDR_MULTICAST(&v6) &&
		       !IN6_IS_ADDR_LINKLOCAL(&v6);
	return true;
}

static void read_addresses(struct reader *in, struct statement *s)
{
	size_t count = reader_u8(in);

	if (count > LIMIT_STATED)
		in->failed = true;
	for (size_t i = 0; i < count && !in->failed; i++) {
		struct span text = reader_bytes(in, reader_u8(in));

		if (!text.n || text.n >= PEER_ADDRESS || memchr(text.p, 0, text.n))
			continue;
		snprintf(s->address[s->n], PEER_ADDRESS, "%.*s", (int)text.n, (const char *)text.p);
		s->n += means_something(s->address[s->n]);
	}
}

static bool rising(const uint8_t *tags, size_t n)
{
	for (size_t i = 1; i < n; i++)
		if (memcmp(tags + (i - 1) * STATED_TAG, tags + i * STATED_TAG, STATED_TAG) >= 0)
			return false;
	return true;
}

static struct error *malformed(void)
{
	return error_new(ERR_MALFORMED, N_("What the other box says of addresses makes no sense."));
}

/* ret_said: what the signature is over. */
static struct error *parse(struct span body, struct statement *ret, struct span *ret_said,
			   struct signature *ret_sig)
{
	struct statement s = {.n = 0};
	struct reader in = reader_of(body);

	reader_copy(&in, s.key.b, sizeof(s.key.b));
	s.number = reader_u64(&in);
	read_addresses(&in, &s);
	s.n_tags = reader_u16(&in);
	if (s.n_tags > LIMIT_TOLD)
		in.failed = true;
	s.tags = reader_bytes(&in, in.failed ? 0 : s.n_tags * STATED_TAG).p;
	*ret_said = span_of(body.p, body.n - in.rest.n);
	reader_copy(&in, ret_sig->b, sizeof(ret_sig->b));
	ENSURE(reader_at_end(&in) && s.number && s.number <= INT64_MAX && rising(s.tags, s.n_tags),
	       malformed());
	*ret = s;
	return NULL;
}

struct error *statement_peek(struct span body, struct statement *ret)
{
	struct signature sig;
	struct span said;

	return parse(body, ret, &said, &sig);
}

struct error *statement_read(struct span body, struct statement *ret)
{
	_cleanup_(buf_release) struct buf m = {0};
	struct statement s;
	struct signature sig;
	struct span said;

	TRY(parse(body, &s, &said, &sig));
	buf_puts(&m, signed_context);
	buf_add_span(&m, said);
	ENSURE(verify(&s.key, buf_span(&m), &sig),
	       error_new(ERR_SIGNATURE,
			 N_("What is said of the addresses of box %s is not signed "
			    "by it."),
			 ID_SHORT(&s.key)));
	*ret = s;
	return NULL;
}

bool statement_is_for(const struct statement *s, const struct pubkey *reader)
{
	struct hash tag = tag_of(&s->key, s->number, reader);

	return s->n_tags && bsearch(tag.b, s->tags, s->n_tags, STATED_TAG, compare_tags);
}

/* --- this machine --- */
static bool parses(const char *text, struct address *ret)
{
	struct error *err = address_parse(text, ret);
	bool ok = !err;

	error_free(err);
	return ok;
}

bool address_is_loopback(const char *text)
{
	struct in_addr v4;
	struct in6_addr v6;
	struct address a;

	if (!parses(text, &a))
		return false;
	if (inet_pton(AF_INET, a.host, &v4) == 1)
		return ntohl(v4.s_addr) >> 24 == 127;
	if (a.v6 && inet_pton(AF_INET6, a.host, &v6) == 1)
		return IN6_IS_ADDR_LOOPBACK(&v6) ||
		       (IN6_IS_ADDR_V4MAPPED(&v6) && v6.s6_addr[12] == 127);
	return strcmp(a.host, "localhost") == 0;
}

static bool name_is_private(const char *host)
{
	const char *dot = strrchr(host, '.');

	return !dot || strcasecmp(dot, ".local") == 0 || strcasecmp(dot, ".lan") == 0 ||
	       strcasecmp(dot, ".home") == 0 || strcasecmp(dot, ".internal") == 0;
}

static bool v4_is_private(uint32_t ip)
{
	/* 10/8, 172.16/12, 192.168/16, 169.254/16, 127/8, and behind a provider's own router: 100.64/10 */
	return ip >> 24 == 10 || ip >> 20 == 0xac1 || ip >> 16 == 0xc0a8 || ip >> 16 == 0xa9fe ||
	       ip >> 24 == 127 || ip >> 22 == 0x191 || ip == 0;
}

bool address_is_private(const char *text)
{
	struct in_addr v4;
	struct in6_addr v6;
	struct address a;

	if (!parses(text, &a) || !a.host[0] || a.scope[0])
		return true;
	if (inet_pton(AF_INET, a.host, &v4) == 1)
		return v4_is_private(ntohl(v4.s_addr));
	if (!a.v6 || inet_pton(AF_INET6, a.host, &v6) != 1)
		return name_is_private(a.host);
	if (IN6_IS_ADDR_V4MAPPED(&v6))
		return v4_is_private((uint32_t)v6.s6_addr[12] << 24 | (uint32_t)v6.s6_addr[13] << 16 |
				     (uint32_t)v6.s6_addr[14] << 8 | v6.s6_addr[15]);
	return IN6_IS_ADDR_LOOPBACK(&v6) || IN6_IS_ADDR_LINKLOCAL(&v6) ||
	       IN6_IS_ADDR_UNSPECIFIED(&v6) || (v6.s6_addr[0] & 0xfe) == 0xfc;
}

/* The bytes of an address of that family, for a mask; NULL: of another one. */
static const uint8_t *bytes_of(const struct sockaddr *a, int family)
{
	if (!a || a->sa_family != family)
		return NULL;
	return family == AF_INET
		       ? (const uint8_t *)&((const struct sockaddr_in *)(const void *)a)->sin_addr
		       : ((const struct sockaddr_in6 *)(const void *)a)->sin6_addr.s6_addr;
}

static bool is_in_network(const struct ifaddrs *i, int family, const uint8_t *ip, size_t n)
{
	const uint8_t *own = bytes_of(i->ifa_addr, family), *mask = bytes_of(i->ifa_netmask, family);

	if (!own || !mask || !(i->ifa_flags & IFF_UP) || (i->ifa_flags & IFF_POINTOPOINT))
		return false;
	for (size_t k = 0; k < n; k++)
		if ((own[k] ^ ip[k]) & mask[k])
			return false;
	return true;
}

bool address_is_near(const char *text)
{
	struct ifaddrs *all;
	struct address a;
	bool near = false;
	uint8_t ip[16];
	int family;

	if (!parses(text, &a))
		return false;
	family = a.v6 ? AF_INET6 : AF_INET;
	if (inet_pton(family, a.host, ip) != 1 || getifaddrs(&all))
		return false;
	for (const struct ifaddrs *i = all; i && !near; i = i->ifa_next)
		near = is_in_network(i, family, ip, family == AF_INET ? 4 : 16);
	freeifaddrs(all);
	return near;
}

int address_likely(const char *text)
{
	enum { NEAR, PUBLIC, PRIVATE = PUBLIC + 3 }; /* of either: a name, IPv4, IPv6 */
	struct in_addr v4;
	struct address a;
	int kind;

	if (!parses(text, &a))
		return PRIVATE + 3;
	if (address_is_near(text))
		return NEAR;
	kind = a.v6 ? 2 : inet_pton(AF_INET, a.host, &v4) == 1;
	return (address_is_private(text) ? PRIVATE : PUBLIC) + kind;
}

void addresses_likely_first(char (*io)[PEER_ADDRESS], size_t n)
{
	for (size_t i = 1; i < n; i++) {
		char one[PEER_ADDRESS];
		size_t at = i;
		int likely = address_likely(io[i]);

		memcpy(one, io[i], PEER_ADDRESS);
		for (; at > 0 && address_likely(io[at - 1]) > likely; at--)
			memcpy(io[at], io[at - 1], PEER_ADDRESS);
		memcpy(io[at], one, PEER_ADDRESS);
	}
}

/* 0 best: public IPv4, public IPv6, private IPv4, private IPv6; -1: of no use to others. */
static int rank_of(const struct sockaddr *a)
{
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)a;
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)a;

	if (a->sa_family == AF_INET) {
		uint32_t ip = ntohl(v4->sin_addr.s_addr);

		if (ip >> 24 == 127 || ip >> 16 == 0xa9fe)
			return -1;
		return ip >> 24 == 10 || ip >> 20 == 0xac1 || ip >> 16 == 0xc0a8 ? 2 : 0;
	}
	if (a->sa_family != AF_INET6 || IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr) ||
	    IN6_IS_ADDR_LINKLOCAL(&v6->sin6_addr))
		return -1;
	return (v6->sin6_addr.s6_addr[0] & 0xfe) == 0xfc ? 3 : 1;
}

static void write_address(const struct sockaddr *a, int port, char out[PEER_ADDRESS])
{
	char text[INET6_ADDRSTRLEN] = "";

	if (a->sa_family == AF_INET)
		inet_ntop(AF_INET, &((const struct sockaddr_in *)(const void *)a)->sin_addr, text,
			  sizeof(text));
	else
		inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)(const void *)a)->sin6_addr,
			  text, sizeof(text));
	snprintf(out, PEER_ADDRESS, a->sa_family == AF_INET ? "%s:%d" : "[%s]:%d", text, port);
}

static size_t of_interfaces(int port, bool v4_only, char (*out)[PEER_ADDRESS], size_t max)
{
	struct ifaddrs *all;
	size_t n = 0;

	if (getifaddrs(&all))
		return 0;
	for (int rank = 0; rank < 4; rank++)
		for (const struct ifaddrs *i = all; i && n < max; i = i->ifa_next)
			if (i->ifa_addr && (i->ifa_flags & IFF_UP) &&
			    rank_of(i->ifa_addr) == rank &&
			    !(v4_only && i->ifa_addr->sa_family != AF_INET))
				write_address(i->ifa_addr, port, out[n++]);
	freeifaddrs(all);
	return n;
}

size_t addresses_of_machine(const char *listen, int port, char (*out)[PEER_ADDRESS], size_t max)
{
	struct address a;

	if (!listen || !parses(listen, &a) || !max)
		return 0;
	if (!a.host[0] || strcmp(a.host, "::") == 0 || strcmp(a.host, "0.0.0.0") == 0)
		return of_interfaces(port, strcmp(a.host, "0.0.0.0") == 0, out, max);
	if (a.scope[0])
		return 0;
	snprintf(out[0], PEER_ADDRESS, a.v6 ? "[%.45s]:%d" : "%.60s:%d", a.host, port);
	return 1;
}

/* --- order --- */
static int promise(const struct known_address *a)
{
	if (a->source == ADDRESS_BY_HAND && !a->last_try_ms)
		return 0;
	if (!a->failures && a->last_ok_ms)
		return 1;
	return a->failures ? 3 : 2;
}

/* How likely each is costs a look at the interfaces: only where nothing else decides. */
struct ranked {
	struct known_address a;
	int likely; /* -1: not looked at */
};

static int likely_of(struct ranked *r)
{
	if (r->likely < 0)
		r->likely = address_likely(r->a.address);
	return r->likely;
}

static int compare_known(const struct known_address *a, const struct known_address *b)
{

	if (promise(a) != promise(b))
		return promise(a) - promise(b);
	if ((a->source == ADDRESS_BY_HAND) != (b->source == ADDRESS_BY_HAND))
		return a->source == ADDRESS_BY_HAND ? -1 : 1;
	if (a->failures != b->failures)
		return a->failures < b->failures ? -1 : 1;
	if (a->last_ok_ms != b->last_ok_ms)
		return a->last_ok_ms > b->last_ok_ms ? -1 : 1;
	return (a->source > b->source) - (a->source < b->source);
}

static int compare_promise(const void *va, const void *vb)
{
	struct ranked *a = (void *)(uintptr_t)va, *b = (void *)(uintptr_t)vb;
	int c = compare_known(&a->a, &b->a);

	if (!c)
		c = likely_of(a) - likely_of(b);
	return c ? c : strcmp(a->a.address, b->a.address);
}

void addresses_order(struct known_address *a, size_t n)
{
	struct ranked *all;

	if (n < 2)
		return;
	all = calloc(n, sizeof(*all));
	if (!all)
		abort();
	for (size_t i = 0; i < n; i++)
		all[i] = (struct ranked){a[i], -1};
	qsort(all, n, sizeof(*all), compare_promise);
	for (size_t i = 0; i < n; i++)
		a[i] = all[i].a;
	free(all);
}

size_t addresses_keep(struct known_address *a, size_t n, size_t most)
{
	addresses_order(a, n);
	for (size_t i = n; i-- > 0 && n > most;)
		if (a[i].source != ADDRESS_BY_HAND) {
			struct known_address gone = a[i];

			memmove(&a[i], &a[i + 1], (n - i - 1) * sizeof(*a));
			a[--n] = gone;
		}
	return n < most ? n : most;
}
