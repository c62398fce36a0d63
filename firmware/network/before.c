/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A line a key, "KEY VALUE"; without profiles only the first line. */
#include "firmware/network/before.h"
#include "sync/base/file.h"
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILE_MAX = 4096, VALUE = 128, MODE = 0600 };
static const char head[] = "lliure-network 1\n";

struct error *network_before_write(const char *path, const struct network_wish *wish, bool any)
{
	_cleanup_(buf_release) struct buf b = {0};
	char value[VALUE];

	buf_puts(&b, head);
	for (size_t i = 0; any && network_wish_keys[i]; i++)
		buf_printf(&b, "%s %s\n", network_wish_keys[i],
			   network_wish_get(wish, network_wish_keys[i], value, sizeof(value)));
	return file_write(path, buf_span(&b), MODE);
}

static struct error *broken(void)
{
	return error_new(ERR_INVALID, "This does not say what the network was.");
}

static struct error *read_line(struct network_wish *w, char *line)
{
	char *space = strchr(line, ' ');

	ENSURE(space, broken());
	*space = 0;
	return network_wish_set(w, line, space + 1);
}

struct error *network_before_read(const char *path, struct network_wish *ret_wish, bool *ret_any)
{
	_cleanup_(buf_release) struct buf b = {0};
	struct network_wish w = {0};
	char *at, *line;

	TRY(file_read(path, FILE_MAX, &b));
	buf_add(&b, "", 1);
	at = (char *)b.p;
	ENSURE(strlen(at) + 1 == b.n && strncmp(at, head, sizeof(head) - 1) == 0, broken());
	at += sizeof(head) - 1;
	*ret_any = *at != 0;
	while ((line = strsep(&at, "\n")) && *line)
		TRY(read_line(&w, line));
	if (*ret_any) {
		TRY(network_wish_check(&w));
		*ret_wish = w;
	}
	return NULL;
}

void network_before_remove(const char *path)
{
	(void)unlink(path);
}
