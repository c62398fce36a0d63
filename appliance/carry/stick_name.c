/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What a part of a stick is good for, and the name by which it is found again. */
#include "appliance/carry/stick.h"

static const char prefix[] = "USB ";

enum usb_use usb_judge(const struct usb_words *w)
{
	static const char *const read[] = {"vfat", "exfat", "ext4"};

	/* A card reader without a card; the whole of a stick whose parts are looked at. */
	if (!w->sectors || (strcmp(w->devtype, "disk") == 0 && *w->table && !*w->type))
		return USB_NOTHING;
	if (!*w->type && !*w->usage)
		return USB_EMPTY;
	for (size_t i = 0; i < ARRAY_LEN(read); i++)
		if (strcmp(w->usage, "filesystem") == 0 && strcmp(w->type, read[i]) == 0)
			return USB_OPENS;
	return USB_FOREIGN;
}

bool usb_uuid_ok(const char *uuid)
{
	size_t n = strlen(uuid);

	return n >= 4 && n < USB_UUID && strspn(uuid, "0123456789abcdefABCDEF-") == n;
}

bool stick_name(const struct usb_part *part, char out[STICK_NAME])
{
	if (part->use != USB_OPENS || !usb_uuid_ok(part->uuid))
		return false;
	snprintf(out, STICK_NAME, "%s%s %s", prefix, part->uuid, part->label);
	return true;
}

bool stick_is_name(const char *where)
{
	return strncmp(where, prefix, sizeof(prefix) - 1) == 0;
}

struct error *stick_by_name(const struct usb_part *parts, size_t n, const char *name,
			    const struct usb_part **ret)
{
	const char *uuid = stick_is_name(name) ? name + sizeof(prefix) - 1 : "";
	const struct usb_part *found = NULL;
	size_t len = strcspn(uuid, " ");

	for (size_t i = 0; len && i < n; i++) {
		if (strlen(parts[i].uuid) != len || memcmp(parts[i].uuid, uuid, len) != 0)
			continue;
		ENSURE(!found, error_new(ERR_CONFLICT,
					 N_("Two sticks that are plugged in have the same number "
					    "(%s): one is a copy of the other. Leave one of them."),
					 name));
		found = &parts[i];
	}
	ENSURE(found, error_new(ERR_NOT_FOUND, N_("The stick %s is not plugged in."), name));
	*ret = found;
	return NULL;
}
