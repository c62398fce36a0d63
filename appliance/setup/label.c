/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/setup/label.h"
#include "sync/base/file.h"
#include "sync/base/line.h"

enum { WIFI_MAX = 1024 };

/* The rest of the line that begins with this word; false: there is none. */
static bool line_of(const char *text, const char *word, char out[LABEL_LINE])
{
	size_t n = strlen(word);

	for (; *text; text += strcspn(text, "\n"), text += *text == '\n')
		if (strncmp(text, word, n) == 0 && text[n] == ' ') {
			line_clean(span_of(text + n + 1, strcspn(text + n + 1, "\n")), out,
				   LABEL_LINE);
			return true;
		}
	return false;
}

bool label_wifi(const struct app_box *box, struct label *ret)
{
	_cleanup_(freep) char *path = path_join(box->label, "wifi");
	_cleanup_(buf_release) struct buf b = {0};
	struct error *e = *box->label ? file_read(path, WIFI_MAX, &b) : NULL;
	char code[LABEL_LINE];

	error_free(e); /* not said yet */
	/* The last line: before it is there, the others may be half. */
	return line_of(buf_str(&b), "code", code) && strchr(buf_str(&b), '\n') &&
	       line_of(buf_str(&b), "ssid", ret->ssid) &&
	       line_of(buf_str(&b), "password", ret->password);
}

void label_text(const struct label *l, char out[LABEL_TEXT])
{
	size_t n = 0;

	if (*l->ssid)
		n = (size_t)snprintf(out, LABEL_TEXT,
				     "  its Wi-Fi       %s (where it has a radio)\n"
				     "  the password    %s\n",
				     l->ssid, *l->password ? l->password : "none: it is open");
	snprintf(out + n, LABEL_TEXT - n,
		 "  its first page  http://%s.local\n"
		 "  the code        %s\n",
		 l->host, l->code);
}

struct error *label_write(const struct app_box *box, const struct label *l)
{
	_cleanup_(freep) char *path = path_join(box->label, "sheet.txt");
	char text[LABEL_TEXT];

	if (!*box->label || access(box->label, W_OK) != 0)
		return NULL;
	label_text(l, text);
	return file_write(path, span_str(text), 0600);
}
