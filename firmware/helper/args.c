/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What an argument may be. Whatever is not named here is refused. */
#include "firmware/helper/helper_priv.h"
#include <errno.h>

enum { DIGITS = 18, BUNDLE = 100, DEVICE = 32, ZONE = 64, ZONE_PARTS = 3 };

static bool only(const char *s, size_t n, const char *extra)
{
	for (size_t i = 0; i < n; i++) {
		char c = s[i];
		bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');

		if (!plain && !strchr(extra, c))
			return false;
	}
	return true;
}

#define UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

static bool number_ok(const struct arg_spec *spec, const char *s)
{
	size_t n = strlen(s);
	int64_t v;

	if (n > DIGITS || strspn(s, "0123456789") != n || (n > 1 && *s == '0'))
		return false;
	v = strtoll(s, NULL, 10);
	return v >= spec->min && v <= spec->max;
}

static bool choice_ok(const char *choices, const char *s)
{
	size_t n = strlen(s);

	for (const char *at = choices; *at;) {
		size_t len = strcspn(at, " ");

		if (len == n && memcmp(at, s, n) == 0)
			return true;
		at += len + (at[len] == ' ');
	}
	return false;
}

static bool host_ok(const char *s)
{
	size_t n = strlen(s);

	return n <= 63 && only(s, n, "-") && s[0] != '-' && s[n - 1] != '-';
}

static bool device_ok(const char *s)
{
	size_t n = strlen(s);

	return n <= DEVICE && s[0] >= 'a' && s[0] <= 'z' && only(s, n, "");
}

static bool bundle_ok(const char *s)
{
	size_t n = strlen(s), end = strlen(".raucb");

	return n > end && n <= BUNDLE && strcmp(s + n - end, ".raucb") == 0 && s[0] != '.' &&
	       s[0] != '-' && only(s, n, UPPER "._-") && !strstr(s, "..");
}

static bool zone_ok(const char *s)
{
	size_t parts = 0;

	if (strlen(s) > ZONE)
		return false;
	for (;;) {
		size_t n = strcspn(s, "/");

		if (!n || ++parts > ZONE_PARTS || !only(s, n, UPPER "_+-") || s[0] == '-')
			return false;
		if (!s[n])
			return true;
		s += n + 1;
	}
}

bool arg_check(const struct arg_spec *spec, const char *word)
{
	if (!*word)
		return false;
	switch (spec->kind) {
	case ARG_NONE:
		return false;
	case ARG_NUMBER:
		return number_ok(spec, word);
	case ARG_CHOICE:
		return choice_ok(spec->choices, word);
	case ARG_HOST:
		return host_ok(word);
	case ARG_DEVICE:
		return device_ok(word);
	case ARG_BUNDLE:
		return bundle_ok(word);
	case ARG_ZONE:
		return zone_ok(word);
	}
	return false;
}
