/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Other services of the system, over the same bus: units, the machine's name, Avahi's. */
#include "firmware/network/nm_priv.h"
#include <string.h>

/* These are other services: that one of them is missing says nothing about NetworkManager. */
static struct error *fault_of(const char *what, int rc, sd_bus_error *why)
{
	struct error *e = nm_fault(rc, why);

	if (!error_is(e, ERR_NOT_FOUND))
		return e;
	error_free(e);
	return error_new(ERR_NET, N_("The system of this box has no %s that could be asked."),
			 what);
}

struct error *nm_unit(struct nm *n, const char *unit, bool on)
{
	sd_bus_error why = SD_BUS_ERROR_NULL;

	return fault_of("systemd",
			sd_bus_call_method(
				n->bus, "org.freedesktop.systemd1", "/org/freedesktop/systemd1",
				"org.freedesktop.systemd1.Manager", on ? "StartUnit" : "StopUnit",
				&why, NULL, "ss", unit, "replace"),
			&why);
}

static bool name_good(const char *name)
{
	size_t n = strlen(name);

	return n > 0 && n <= 63 && name[0] != '-' && name[n - 1] != '-' &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == n;
}

struct error *nm_name_check(const char *name)
{
	ENSURE(name_good(name),
	       error_new(ERR_INVALID,
			 N_("The box's name on the network is made of letters a to z, digits and "
			    "hyphens, such as ateneu-de-dalt.")));
	return NULL;
}

struct error *nm_avahi_name(struct nm *n, char *ret, size_t n_ret)
{
	_cleanup_(sd_bus_messagep) sd_bus_message *reply = NULL;
	sd_bus_error why = SD_BUS_ERROR_NULL, none = SD_BUS_ERROR_NULL;
	const char *s;

	TRY(fault_of("Avahi",
		     sd_bus_call_method(n->bus, "org.freedesktop.Avahi", "/",
					"org.freedesktop.Avahi.Server", "GetHostNameFqdn", &why,
					&reply, NULL),
		     &why));
	TRY(nm_fault(sd_bus_message_read(reply, "s", &s), &none));
	snprintf(ret, n_ret, "%s", s);
	return NULL;
}
