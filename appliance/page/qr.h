/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * QR codes by libqrencode: the only door to it. A code is given as the path of an SVG, in modules,
 * with the quiet zone of four modules that the standard asks for; the <svg> around it is the
 * template's (partial `_qr`).
 *
 * Any thread.
 */
#pragma once
#include "sync/base/error.h"

struct qr {
	int size;   /* modules on a side, quiet zone included: viewBox="0 0 size size" */
	char *path; /* malloc'd: "M4 4h7v1H4z…" */
};
/* Error correction M (15 %): it survives a fold and a coffee stain. ERR_LIMIT: too long for a code.
 */
struct error *qr_make(const char *text, struct qr *ret) MUST;
void qr_release(struct qr *q);
