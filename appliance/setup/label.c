/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/setup/label.h"
#include "sync/base/file.h"

bool label_wifi(const struct app_box *box, struct label *ret)
{
	if (!network_label_read(box->label, &ret->wifi))
		return false;
	network_label_host(box->label, box->state, ret->host);
	return true;
}

void label_text(const struct label *l, char out[LABEL_TEXT])
{
	size_t n = 0;

	if (*l->wifi.ssid)
		n = (size_t)snprintf(out, LABEL_TEXT,
				     "  its Wi-Fi       %s (where it has a radio)\n"
				     "  the password    %s\n",
				     l->wifi.ssid, *l->wifi.password ? l->wifi.password : "none: it is open");
	snprintf(out + n, LABEL_TEXT - n,
		 "  its first page  http://%s\n"
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
