/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "firmware/update/history.h"
#include "sync/base/buf.h"
#include "sync/base/file.h"

/* Where the first outcome ends: behind its last line. */
static size_t first_of(struct span text)
{
	const uint8_t *end = text.n ? memmem(text.p, text.n, "\n\n", 2) : NULL;

	return end ? (size_t)(end - text.p) + 1 : text.n;
}

size_t update_history_parse(struct span text, struct outcome *out, size_t max)
{
	size_t n = 0;

	while (text.n && n < max) {
		size_t len = first_of(text);

		update_outcome_parse(span_of(text.p, len), &out[n]);
		n += update_ended(out[n].stage);
		len += len < text.n;
		text = span_of(text.p + len, text.n - len);
	}
	return n;
}

size_t update_history_read(const char *path, struct outcome *out, size_t max)
{
	_cleanup_(buf_release) struct buf b = {0};
	struct error *e = file_read(path, HISTORY_BYTES, &b);
	size_t n = e ? 0 : update_history_parse(buf_span(&b), out, max);

	error_free(e); /* then none is known */
	return n;
}

struct error *update_history_add(const char *path, const struct outcome *o)
{
	_cleanup_(freep) struct outcome *all = calloc(HISTORY_MOST, sizeof(*all));
	_cleanup_(buf_release) struct buf b = {0};
	char text[OUTCOME_MAX];
	size_t n;

	if (!all)
		abort();
	all[0] = *o;
	n = 1 + update_history_read(path, all + 1, HISTORY_MOST - 1);
	for (size_t i = 0; i < n; i++) {
		if (i)
			buf_putc(&b, '\n');
		buf_add(&b, text, update_outcome_format(&all[i], text));
	}
	return file_write(path, buf_span(&b), 0644);
}
