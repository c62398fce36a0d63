/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Short words from strangers: what stands in headers, cookies and addresses, and the names of files
 * on sticks. What is understood has one spelling, and leads out of no folder. */
#include "tests/fuzz/fuzz.h"
#include "appliance/carry/stick.h"
#include "appliance/files/kind.h"
#include "appliance/library/path.h"
#include "appliance/member/session.h"
#include "appliance/page/language.h"
#include "appliance/recovery/plan.h"
#include "sync/base/base32.h"
#include "sync/base/cleanup.h"
#include "sync/peer/receipt_talk.h"
#include "sync/peer/successor.h"
#include <string.h>

static void check_ids(const char *text)
{
	static const struct pubkey to = {{7}};
	char again[SUCCESSOR_TEXT];
	uint8_t exchange[RECEIPT_EXCHANGE];
	struct successor s;
	struct ticket t;
	struct hash id;

	if (id_parse(text, &id))
		FUZZ_CHECK(!strcmp(ID(&id), text));
	if (exchange_parse(text, exchange)) {
		exchange_text(exchange, again);
		FUZZ_CHECK(!strcmp(again, text));
	}
	if (successor_parse(text, &to, &s)) {
		successor_text(&s, again);
		FUZZ_CHECK(!strcmp(again, text) && successor_ok(&s));
	}
	if (ticket_parse("session", text, &t))
		FUZZ_CHECK(strlen(text) == BASE32_KEY_LEN && strlen(t.csrf) == CSRF_TEXT - 1);
}

static bool leads_out(const char *path)
{
	return path[0] == '/' || path[0] == '.' || path[0] == '-' || strstr(path, "/.") ||
	       strstr(path, "..") || strstr(path, "//");
}

static void check_path(const char *text)
{
	char made[LIMIT_PATH + 1], folder[LIMIT_PATH + 2];
	struct error *e = path_check(text);

	if (!e) {
		FUZZ_CHECK(!leads_out(text) && strlen(text) <= LIMIT_PATH);
		FUZZ_CHECK(!strpbrk(text, " \n\r\t\\\"'<>%:?*|~@"));
	}
	error_free(e);
	path_made("", text, 1, made);
	e = path_check(made);
	FUZZ_CHECK(!e);
	snprintf(folder, sizeof(folder), "%s/", made);
	path_made(folder, text, 12, made);
	e = path_check(made);
	FUZZ_CHECK(!e);
}

/* The names of files on a stick and in a folder of backups, and of the stick itself. */
static void check_stick(const char *text)
{
	static const struct pubkey box = {{1}};
	struct usb_part part = {.use = USB_OPENS}, *found;
	struct stick_place p;
	char name[STICK_NAME];
	enum backup_scope scope;
	int64_t when;

	if (carry_name_ok(text))
		FUZZ_CHECK(!strchr(text, '/') && !leads_out(text) && strlen(text) < CARRY_NAME);
	if (backup_name_parse(text, &box, &scope, &when))
		FUZZ_CHECK(!strchr(text, '/') && !leads_out(text) && strlen(text) < BACKUP_NAME);
	stick_place_name(&p, text, text);
	FUZZ_CHECK(strlen(p.label) <= LIMIT_NAME && !strpbrk(p.label, "\n\r\t"));
	snprintf(part.uuid, sizeof(part.uuid), "%s", text);
	snprintf(part.label, sizeof(part.label), "%s", p.label);
	if (stick_name(&part, name)) {
		struct error *e = stick_by_name(&part, 1, name, (const struct usb_part **)&found);

		FUZZ_CHECK(!e && found == &part);
	}
}

static void check_language(const char *text)
{
	static struct languages *all;
	const struct language *l;

	if (!all) {
		static const struct asset none[] = {{NULL}};

		FUZZ_CHECK(!languages_load(none, &all));
	}
	l = languages_pick(all, NULL, text, NULL);
	FUZZ_CHECK(l && languages_find(all, language_code(l)) == l);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = strndup((const char *)data, size);

	FUZZ_CHECK(text && !crypto_init());
	check_ids(text);
	check_path(text);
	check_stick(text);
	check_language(text);
	FUZZ_CHECK(
		file_kind_find(span_of(data, size < FILE_HEAD ? size : FILE_HEAD), text)->end[0] ==
		'.');
	free(text);
	return 0;
}
