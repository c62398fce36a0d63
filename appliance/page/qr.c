/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/page/qr.h"
#include "sync/base/buf.h"
#include <errno.h>
#include <qrencode.h>

enum { QUIET = 4 };

/* Dark modules of one row, run by run. */
static void add_row(struct buf *b, const unsigned char *row, int width, int y)
{
	for (int x = 0; x < width; x++) {
		int from = x;

		while (x < width && (row[x] & 1))
			x++;
		if (x > from)
			buf_printf(b, "M%d %dh%dv1H%dz", from + QUIET, y + QUIET, x - from,
				   from + QUIET);
	}
}

struct error *qr_make(const char *text, struct qr *ret)
{
	QRcode *code = QRcode_encodeString(text, 0, QR_ECLEVEL_M, QR_MODE_8, 1);
	struct buf b = {.secret = true}; /* it may say a recovery sheet */

	if (!code && errno == ERANGE)
		return error_new(ERR_LIMIT, N_("This is too long for a square code."));
	if (!code)
		return error_new(ERR_NOMEM, N_("The box has run out of memory."));
	for (int y = 0; y < code->width; y++)
		add_row(&b, code->data + y * code->width, code->width, y);
	ret->size = code->width + 2 * QUIET;
	ret->path = buf_steal(&b);
	explicit_bzero(code->data, (size_t)code->width * (size_t)code->width);
	QRcode_free(code);
	return NULL;
}

void qr_release(struct qr *q)
{
	wipe_and_free(q->path);
	q->path = NULL;
}
