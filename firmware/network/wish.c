/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "firmware/network/wish.h"
#include <arpa/inet.h>
#include <stddef.h>
#include <string.h>

#define WISH_WORD_ROW(id, word) [id] = word,
const char *const wish_wifi_words[] = {WISH_WIFI_TABLE(WISH_WORD_ROW) NULL};
const char *const wish_lock_words[] = {WISH_LOCK_TABLE(WISH_WORD_ROW) NULL};
const char *const wish_band_words[] = {WISH_BAND_TABLE(WISH_WORD_ROW) NULL};
const char *const wish_wired_words[] = {WISH_WIRED_TABLE(WISH_WORD_ROW) NULL};

int wish_word(const char *const words[], const char *word)
{
	for (int i = 0; word && words[i]; i++) {
		if (strcmp(words[i], word) == 0)
			return i;
	}
	return -1;
}

/* --- by key --- */

enum value_kind { VALUE_TEXT, VALUE_NUMBER, VALUE_WORD, VALUE_YES };

static const struct field {
	const char *key;
	enum value_kind kind;
	size_t at, size; /* size: of a text, with its zero */
	const char *const *words;
} fields[] = {
#define TEXT(key, member)                                                                          \
	{                                                                                          \
		key, VALUE_TEXT, offsetof(struct network_wish, member),                            \
			sizeof(((struct network_wish *)0)->member), NULL                           \
	}
#define OTHER(key, kind, member, words)                                                            \
	{                                                                                          \
		key, kind, offsetof(struct network_wish, member), 0, words                         \
	}
	OTHER("wifi", VALUE_WORD, wifi, wish_wifi_words),
	TEXT("ssid", ssid),
	OTHER("lock", VALUE_WORD, lock, wish_lock_words),
	TEXT("password", password),
	OTHER("band", VALUE_WORD, band, wish_band_words),
	OTHER("channel", VALUE_NUMBER, channel, NULL),
	TEXT("country", country),
	OTHER("from", VALUE_NUMBER, from, NULL),
	OTHER("to", VALUE_NUMBER, to, NULL),
	OTHER("wired", VALUE_WORD, wired, wish_wired_words),
	TEXT("address", address),
	OTHER("prefix", VALUE_NUMBER, prefix, NULL),
	TEXT("gateway", gateway),
	TEXT("dns", dns),
	OTHER("visitors", VALUE_YES, visitors, NULL),
#undef TEXT
#undef OTHER
};
const char *const network_wish_keys[] = {
	"wifi", "ssid",	 "lock",    "password", "band",	   "channel", "country",  "from",
	"to",	"wired", "address", "prefix",	"gateway", "dns",     "visitors", NULL};

static const struct field *field_of(const char *key)
{
	for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
		if (strcmp(fields[i].key, key) == 0)
			return &fields[i];
	}
	return NULL;
}

static bool small_number(const char *s, int *ret)
{
	int v = 0;

	if (!*s || strlen(s) > 4)
		return false;
	for (; *s; s++) {
		if (*s < '0' || *s > '9')
			return false;
		v = v * 10 + (*s - '0');
	}
	*ret = v;
	return true;
}

struct error *network_wish_set(struct network_wish *w, const char *key, const char *value)
{
	const struct field *f = field_of(key);
	void *to = f ? (char *)w + f->at : NULL;
	int v;

	ENSURE(f, error_new(ERR_NOT_FOUND, N_("The network has no setting “%s”."), key));
	switch (f->kind) {
	case VALUE_TEXT:
		ENSURE(strlen(value) < f->size,
		       error_new(ERR_INVALID, N_("“%s” is too long."), value));
		memcpy(to, value, strlen(value) + 1);
		return NULL;
	case VALUE_WORD:
		v = wish_word(f->words, value);
		ENSURE(v >= 0, error_new(ERR_INVALID, N_("“%s” is none of the choices."), value));
		*(unsigned *)to = (unsigned)v; /* the enums above are this wide: asserted below */
		return NULL;
	case VALUE_YES:
		*(bool *)to = strcmp(value, "yes") == 0;
		return NULL;
	case VALUE_NUMBER:
		break;
	}
	/* left out: none */
	ENSURE(!*value || small_number(value, &v),
	       error_new(ERR_INVALID, N_("“%s” is not a number."), value));
	*(int *)to = *value ? v : 0;
	return NULL;
}
_Static_assert(sizeof(enum wish_wifi) == sizeof(unsigned) &&
		       sizeof(enum wish_lock) == sizeof(unsigned) &&
		       sizeof(enum wish_band) == sizeof(unsigned) &&
		       sizeof(enum wish_wired) == sizeof(unsigned),
	       "network_wish_set writes them as one");

char *network_wish_get(const struct network_wish *w, const char *key, char *buf, size_t n)
{
	const struct field *f = field_of(key);
	const void *at = f ? (const char *)w + f->at : NULL;

	if (!f)
		snprintf(buf, n, "%s", "");
	else if (f->kind == VALUE_TEXT)
		snprintf(buf, n, "%s", (const char *)at);
	else if (f->kind == VALUE_NUMBER)
		snprintf(buf, n, "%d", *(const int *)at);
	else if (f->kind == VALUE_WORD)
		snprintf(buf, n, "%s", f->words[*(const unsigned *)at]);
	else
		snprintf(buf, n, "%s", *(const bool *)at ? "yes" : "no");
	return buf;
}

/* --- a new box --- */

/* Consonant and vowel in turn: said over a counter, typed on a phone, never confused. 75^6 (37
 * bits) is little against a guesser at home, and is the price of a password on a poster, which
 * everybody in the house reads anyway. */
static void easy_password(char *out, const struct env *env)
{
	static const char consonants[] = "bcdfgklmnprstvz", vowels[] = "aeiou";
	uint8_t r;

	for (int i = 0; i < 12; i++) {
		bool vowel = i % 2;

		do
			env_random(env, &r, 1);
		while (r == 255); /* 15 and 5 both divide 255 */
		out[i] = vowel ? vowels[r % 5] : consonants[r % 15];
	}
	out[12] = 0;
}

/* Cut at a character's end. */
static void cut_text(char *out, size_t most, const char *s)
{
	size_t n = strlen(s);

	if (n > most) {
		n = most;
		while (n && ((uint8_t)s[n] & 0xc0) == 0x80)
			n--;
	}
	memcpy(out, s, n);
	out[n] = 0;
}

void network_wish_begin(struct network_wish *w, const char *box_name, const struct env *env)
{
	*w = (struct network_wish){.country = "ES", .prefix = 24};
	cut_text(w->ssid, WISH_SSID, *box_name ? box_name : "Lliure");
	easy_password(w->password, env);
}

/* --- checking --- */

bool network_address_parse(const char *text, uint32_t *ret)
{
	struct in_addr a;

	if (inet_pton(AF_INET, text, &a) != 1)
		return false;
	*ret = ntohl(a.s_addr);
	return true;
}

static uint32_t mask(int prefix)
{
	return prefix == 0 ? 0 : UINT32_MAX << (32 - prefix);
}

static bool printable(const char *s)
{
	for (; *s; s++) {
		if (*s < 0x20 || *s > 0x7e)
			return false;
	}
	return true;
}

/* Text of one line; that it is UTF-8 was seen to where it came in. */
static bool one_line(const char *s)
{
	for (; *s; s++) {
		if ((uint8_t)*s < 0x20 || *s == 0x7f)
			return false;
	}
	return true;
}

/* 5 GHz: only channels without radar, where an access point may begin at once. */
static bool channel_good(enum wish_band band, int channel)
{
	if (channel == 0)
		return true;
	if (band == BAND_2GHZ)
		return channel >= 1 && channel <= 13;
	return channel == 36 || channel == 40 || channel == 44 || channel == 48;
}

static struct error *check_wifi(const struct network_wish *w)
{
	size_t n = strlen(w->password);

	ENSURE(*w->ssid && one_line(w->ssid),
	       error_new(ERR_INVALID, N_("The Wi-Fi needs a name, on one line.")));
	if (w->lock != LOCK_OPEN)
		ENSURE(n >= 8 && printable(w->password),
		       error_new(ERR_INVALID,
				 N_("The Wi-Fi's password needs from 8 to 63 letters, digits or "
				    "signs, without accents.")));
	ENSURE(channel_good(w->band, w->channel),
	       error_new(ERR_INVALID,
			 N_("This channel does not exist, or it is not for this use. Choose from 1 "
			    "to 13; at 5 GHz 36, 40, 44 or 48; or none, and the box chooses.")));
	ENSURE(strlen(w->country) == 2 && w->country[0] >= 'A' && w->country[0] <= 'Z' &&
		       w->country[1] >= 'A' && w->country[1] <= 'Z',
	       error_new(ERR_INVALID,
			 N_("The country is written as two capital letters, such as ES.")));
	ENSURE(w->from >= 0 && w->from <= 23 && w->to >= 0 && w->to <= 23,
	       error_new(ERR_INVALID, N_("An hour is a number from 0 to 23.")));
	return NULL;
}

static bool own_range(uint32_t a)
{
	return a >> 24 != 0 && a >> 24 != 127 && a >> 28 != 0xe && a >> 28 != 0xf &&
	       a >> 16 != 0xa9fe;
}

static struct error *check_fixed(const struct network_wish *w)
{
	uint32_t address, gateway, dns, m = mask(w->prefix);

	ENSURE(network_address_parse(w->address, &address) && own_range(address),
	       error_new(ERR_INVALID, N_("“%s” is not an address such as 192.168.1.20."),
			 w->address));
	ENSURE(w->prefix >= 8 && w->prefix <= 30,
	       error_new(ERR_INVALID,
			 N_("The size of the network is a number from 8 to 30, mostly 24.")));
	ENSURE((address & ~m) != 0 && (address & ~m) != ~m,
	       error_new(ERR_INVALID, N_("“%s” is the address of the whole network, not of a box."),
			 w->address));
	if (*w->gateway)
		ENSURE(network_address_parse(w->gateway, &gateway) && gateway != address &&
			       ((gateway ^ address) & m) == 0,
		       error_new(ERR_INVALID,
				 N_("“%s” is not in the same network as the box, so it can't be "
				    "its way to the internet."),
				 w->gateway));
	if (*w->dns)
		ENSURE(network_address_parse(w->dns, &dns) && own_range(dns),
		       error_new(ERR_INVALID, N_("“%s” is not an address such as 192.168.1.20."),
				 w->dns));
	return NULL;
}

struct error *network_wish_check(const struct network_wish *w)
{
	if (w->wifi != WIFI_OFF)
		TRY(check_wifi(w));
	if (w->wired == WIRED_FIXED)
		TRY(check_fixed(w));
	ENSURE(!(w->wifi == WIFI_OWN && w->wired == WIRED_OWN),
	       error_new(ERR_INVALID,
			 N_("The box runs one network of its own: the Wi-Fi or the wired one.")));
	return NULL;
}

bool network_wish_same(const struct network_wish *a, const struct network_wish *b)
{
	return a->wifi == b->wifi && strcmp(a->ssid, b->ssid) == 0 && a->lock == b->lock &&
	       strcmp(a->password, b->password) == 0 && a->band == b->band &&
	       a->channel == b->channel && strcmp(a->country, b->country) == 0 &&
	       a->from == b->from && a->to == b->to && a->wired == b->wired &&
	       strcmp(a->address, b->address) == 0 && strcmp(a->gateway, b->gateway) == 0 &&
	       strcmp(a->dns, b->dns) == 0 && a->prefix == b->prefix && a->visitors == b->visitors;
}

static bool radio_same(const struct network_wish *a, const struct network_wish *b)
{
	if (a->wifi != b->wifi || a->wifi == WIFI_OFF)
		return a->wifi == b->wifi;
	return strcmp(a->ssid, b->ssid) == 0 && a->lock == b->lock &&
	       (a->lock == LOCK_OPEN || strcmp(a->password, b->password) == 0) &&
	       a->band == b->band && a->channel == b->channel &&
	       strcmp(a->country, b->country) == 0;
}

static bool wired_same(const struct network_wish *a, const struct network_wish *b)
{
	if (a->wired != b->wired || a->wired != WIRED_FIXED)
		return a->wired == b->wired;
	return strcmp(a->address, b->address) == 0 && strcmp(a->gateway, b->gateway) == 0 &&
	       strcmp(a->dns, b->dns) == 0 && a->prefix == b->prefix;
}

unsigned network_wish_touches(const struct network_wish *before, const struct network_wish *after)
{
	return (radio_same(before, after) ? 0 : WISH_RADIO) |
	       (wired_same(before, after) ? 0 : WISH_WIRED);
}

bool network_wish_on_air(const struct network_wish *w, int minute)
{
	int hour = minute / 60;

	if (w->wifi == WIFI_OFF)
		return false;
	if (w->from == w->to)
		return true;
	if (w->from < w->to)
		return hour >= w->from && hour < w->to;
	return hour >= w->from || hour < w->to;
}

bool network_wish_own(const struct network_wish *w)
{
	return w->wifi == WIFI_OWN || w->wired == WIRED_OWN;
}

/* --- the short address --- */

/* Short to type; far from what routers for homes come with. */
static const char *const short_addresses[] = {
	"10.1.1.1", "10.2.2.2", "10.9.9.9", "172.20.0.1", "192.168.77.1",
};

static bool overlap(uint32_t ours, const struct network_range *r)
{
	int p = r->prefix < WISH_PREFIX ? r->prefix : WISH_PREFIX;

	return ((ours ^ r->address) & mask(p)) == 0;
}

const char *network_short_address(const struct network_range *taken, size_t n)
{
	for (size_t i = 0; i < ARRAY_LEN(short_addresses); i++) {
		uint32_t ours = 0;
		bool is_free = network_address_parse(short_addresses[i], &ours);

		for (size_t k = 0; k < n; k++)
			is_free = is_free && !overlap(ours, &taken[k]);
		if (is_free)
			return short_addresses[i];
	}
	return short_addresses[0];
}

/* --- what a camera reads --- */

static size_t add(char *buf, size_t at, size_t n, const char *s, bool escape)
{
	for (; *s && at + 3 < n; s++) {
		if (escape && strchr("\\;,:\"", *s))
			buf[at++] = '\\';
		buf[at++] = *s;
	}
	buf[at] = 0;
	return at;
}

char *network_wifi_code(const struct network_wish *w, char *buf, size_t n)
{
	size_t at = 0;

	at = add(buf, at, n, w->lock == LOCK_OPEN ? "WIFI:T:nopass;S:" : "WIFI:T:WPA;S:", false);
	at = add(buf, at, n, w->ssid, true);
	if (w->lock != LOCK_OPEN) {
		at = add(buf, at, n, ";P:", false);
		at = add(buf, at, n, w->password, true);
	}
	add(buf, at, n, ";;", false);
	return buf;
}
