/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The certificate of the box's own authority, for people who want their browser to know this house.
 */
#include "appliance/http/authority.h"
#include "appliance/http/http.h"

static struct error *certificate(struct request *r)
{
	_cleanup_(buf_release) struct buf b = {0};

	TRY(authority_certificate(request_app(r)->dir, &b));
	return respond_bytes(r, 200, "application/x-x509-ca-cert", buf_span(&b));
}

const struct route authority_routes[] = {
	{"GET", "/authority.crt", certificate, 0},
	{NULL},
};
