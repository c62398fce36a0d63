/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "firmware/network/nm_priv.h"
#include <errno.h>
#include <string.h>

static struct error *no_bus(void)
{
	return error_new(ERR_NOT_FOUND,
			 N_("This box does not look after its network itself (there is no "
			    "NetworkManager): it is set up where the box's system is."));
}

struct error *nm_open(struct nm **ret)
{
	struct nm *n = calloc(1, sizeof(*n));

	if (!n)
		return error_new(ERR_NOMEM, N_("The box has run out of memory."));
	if (sd_bus_open_system(&n->bus) < 0) {
		free(n);
		return no_bus();
	}
	sd_bus_set_method_call_timeout(n->bus, NM_CALL_S * UINT64_C(1000000));
	*ret = n;
	return NULL;
}

void nm_close(struct nm *n)
{
	if (!n)
		return;
	sd_bus_flush_close_unref(n->bus);
	free(n);
}

static bool is(const sd_bus_error *e, const char *name)
{
	return sd_bus_error_has_name(e, name);
}

struct error *nm_fault(int rc, sd_bus_error *e)
{
	struct error *out;

	if (rc >= 0)
		return NULL;
	if (is(e, SD_BUS_ERROR_SERVICE_UNKNOWN) || is(e, SD_BUS_ERROR_NAME_HAS_NO_OWNER) ||
	    is(e, "org.freedesktop.DBus.Error.Spawn.ServiceNotFound"))
		out = no_bus();
	else if (is(e, SD_BUS_ERROR_ACCESS_DENIED) || is(e, NM ".PermissionDenied") ||
		 is(e, NM ".Settings.PermissionDenied") ||
		 is(e, SD_BUS_ERROR_INTERACTIVE_AUTHORIZATION_REQUIRED))
		out = error_new(
			ERR_DENIED,
			N_("The system of this box does not allow its network to be changed "
			   "from here."));
	else if (rc == -ETIMEDOUT || is(e, SD_BUS_ERROR_NO_REPLY) || is(e, SD_BUS_ERROR_TIMEOUT))
		out = error_new(ERR_TIMEOUT,
				N_("The system of this box did not answer about its network. Try "
				   "again in a minute."));
	else
		out = error_new(ERR_NET, N_("The network could not be changed so: %s"),
				e && e->message ? e->message : strerror(-rc));
	sd_bus_error_free(e);
	return out;
}

struct error *nm_begin(struct nm *n, const char *path, const char *interface, const char *member,
		       sd_bus_message **ret)
{
	sd_bus_error none = SD_BUS_ERROR_NULL;

	return nm_fault(sd_bus_message_new_method_call(n->bus, ret, NM, path, interface, member),
			&none);
}

struct error *nm_send(struct nm *n, sd_bus_message *take_m, int rc, sd_bus_message **ret_reply)
{
	_cleanup_(sd_bus_messagep) sd_bus_message *m = take_m;
	sd_bus_error why = SD_BUS_ERROR_NULL;

	if (rc >= 0)
		rc = sd_bus_call(n->bus, m, 0, &why, ret_reply);
	return nm_fault(rc, &why);
}

struct error *nm_call(struct nm *n, const char *path, const char *interface, const char *member,
		      sd_bus_message **ret_reply, const char *types, ...)
{
	sd_bus_error why = SD_BUS_ERROR_NULL;
	va_list values;
	int rc;

	va_start(values, types);
	rc = sd_bus_call_methodv(n->bus, NM, path, interface, member, &why, ret_reply, types,
				 values);
	va_end(values);
	return nm_fault(rc, &why);
}
