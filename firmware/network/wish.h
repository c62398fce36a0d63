/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What the volunteers want the box's network to be: one struct, checked by one function. Pure. How
 * it comes about is nm.h; how it is tried and taken back is trial.h.
 *
 * A box is a polite guest on the wired network unless it is told to run it, and makes a Wi-Fi
 * network of its own unless it is told to join one. On a network of its own it gives addresses and
 * names, and stands at a short address.
 */
#pragma once
#include "sync/base/env.h"
#include "sync/base/error.h"
#include <stdint.h>

enum {
	WISH_SSID = 32,	    /* bytes, by IEEE 802.11 */
	WISH_PASSWORD = 63, /* by WPA */
	WISH_ADDRESS = 16,  /* an IPv4 address as text, with its zero */
	WISH_PREFIX = 24,   /* of a network of our own */
};

/* Words by which a choice is known in forms, JSON and NetworkManager's store: never changed. */
#define WISH_WIFI_TABLE(X)	X(WIFI_OWN, "own") X(WIFI_JOIN, "join") X(WIFI_OFF, "off")
#define WISH_LOCK_TABLE(X)	X(LOCK_WPA2, "wpa2") X(LOCK_WPA3, "wpa3") X(LOCK_OPEN, "open")
#define WISH_BAND_TABLE(X)	X(BAND_2GHZ, "2") X(BAND_5GHZ, "5")
#define WISH_WIRED_TABLE(X)	X(WIRED_AUTO, "auto") X(WIRED_FIXED, "fixed") X(WIRED_OWN, "own")
#define WISH_ENUM_ROW(id, word) id,
enum wish_wifi { WISH_WIFI_TABLE(WISH_ENUM_ROW) WIFIS };
enum wish_lock { WISH_LOCK_TABLE(WISH_ENUM_ROW) LOCKS };
enum wish_band { WISH_BAND_TABLE(WISH_ENUM_ROW) BANDS };
enum wish_wired { WISH_WIRED_TABLE(WISH_ENUM_ROW) WIREDS };
#undef WISH_ENUM_ROW
extern const char *const wish_wifi_words[],
	*const wish_lock_words[], *const wish_band_words[],
					  *const wish_wired_words[]; /* each ends with NULL */
/* The number of the word in such a table; -1: none. */
int wish_word(const char *const words[], const char *word);

struct network_wish {
	enum wish_wifi wifi;
	char ssid[WISH_SSID + 1];
	enum wish_lock lock;
	char password[WISH_PASSWORD + 1]; /* not of an open network */
	enum wish_band band;
	int channel;	 /* 0: the quietest that the driver finds */
	char country[3]; /* "ES": what the radio may do is the law there */
	int from, to;	 /* hours when the Wi-Fi is on; the same twice: always */
	enum wish_wired wired;
	char address[WISH_ADDRESS], gateway[WISH_ADDRESS], dns[WISH_ADDRESS]; /* WIRED_FIXED */
	int prefix;
	bool visitors; /* who is on a network of ours gets the internet when the box has it */
};

/* One choice by its key: wifi, ssid, lock, password, band, channel, country, from, to, wired,
 * address, prefix, gateway, dns, visitors ("yes", "no"). Takes what network_wish_check may still
 * refuse; ERR_INVALID when it can't even be held, ERR_NOT_FOUND for another key. */
extern const char *const network_wish_keys[]; /* ends with NULL */
struct error *network_wish_set(struct network_wish *w, const char *key, const char *value) MUST;
/* The same, written: into buf, cut at n. An empty text for another key. */
char *network_wish_get(const struct network_wish *w, const char *key, char *buf, size_t n);

/* What a new box begins with: its own Wi-Fi under its name, with a password that is easy to type.
 */
void network_wish_begin(struct network_wish *w, const char *box_name, const struct env *env);
/* ERR_INVALID with a sentence about the first thing that can't be. */
struct error *network_wish_check(const struct network_wish *w) MUST;
bool network_wish_same(const struct network_wish *a, const struct network_wish *b);
/* Which links a change touches, of those in use in either. Hours, and whether visitors get out, touch
 * none. */
enum { WISH_RADIO = 1, WISH_WIRED = 2 };
unsigned network_wish_touches(const struct network_wish *before, const struct network_wish *after);
/* Does the Wi-Fi belong on the air at this minute of the day? */
bool network_wish_on_air(const struct network_wish *w, int minute);
/* Is there a network of our own, on which we give the addresses? */
bool network_wish_own(const struct network_wish *w);

/* The short address for a network of our own: the first of a table that is in none of the networks
 * given (each an IPv4 address and a prefix). "10.1.1.1" and the like. */
struct network_range {
	uint32_t address; /* host order */
	int prefix;
};
const char *network_short_address(const struct network_range *taken, size_t n);
bool network_address_parse(const char *text, uint32_t *ret);

/* "WIFI:T:WPA;S:NAME;P:PASSWORD;;": what a phone's camera reads. Into buf, cut at n. */
char *network_wifi_code(const struct network_wish *w, char *buf, size_t n);
