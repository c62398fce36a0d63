/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/box/zone.h"
#include "appliance/box/box.h"
#include "sync/base/file.h"
#include <time.h>

/* tzdata's list of the zones in use, a line each: country, where on the globe, name, remark. */
enum { TABLE_MAX = 256 * 1024, ZONES_MAX = 1000 };

static bool is_zone(struct span s)
{
	return s.n > 2 && s.n < BOX_ZONE_TEXT && memchr(s.p, '/', s.n);
}

static bool chosen_zone(const struct app_box *box, char out[BOX_ZONE_TEXT])
{
	_cleanup_(freep) char *path = path_join(box->state, "timezone");
	_cleanup_(buf_release) struct buf b = {0};
	struct error *e = *box->state ? file_read(path, BOX_ZONE_TEXT - 1, &b) : NULL;

	error_free(e); /* nobody has chosen */
	if (!is_zone(span_of(b.p, b.n)))
		return false;
	snprintf(out, BOX_ZONE_TEXT, "%s", buf_str(&b));
	return true;
}

void box_zone(const struct app_box *box, char out[BOX_ZONE_TEXT])
{
	if (!chosen_zone(box, out))
		snprintf(out, BOX_ZONE_TEXT, "%s", BOX_ZONE);
}

struct error *box_zone_set(const struct app_box *box, const char *zone)
{
	TRY(BOX_ASK(box->helper, NULL, "time-zone", zone));
	/* localtime_r alone does not look at the file again. */
	tzset();
	return NULL;
}

void box_zone_begin(const struct app_box *box)
{
	char was[BOX_ZONE_TEXT];

	if (box_has_helper(box->helper) && !chosen_zone(box, was))
		error_free(box_zone_set(box, BOX_ZONE));
}

/* --- the list --- */

struct zone_row {
	char id[BOX_ZONE_TEXT];
};

static int by_area(const void *a, const void *b)
{
	const char *x = ((const struct zone_row *)a)->id, *y = ((const struct zone_row *)b)->id;
	bool x_near = strncmp(x, "Europe/", 7) == 0, y_near = strncmp(y, "Europe/", 7) == 0;

	return x_near != y_near ? y_near - x_near : strcmp(x, y);
}

static void add_row(struct zone_row *rows, size_t *n, struct span id)
{
	if (is_zone(id) && *n < ZONES_MAX)
		snprintf(rows[(*n)++].id, BOX_ZONE_TEXT, "%.*s", (int)id.n, (const char *)id.p);
}

static void read_table(const char *text, struct zone_row *rows, size_t *n)
{
	while (*text) {
		size_t line = strcspn(text, "\n");
		const char *id = memchr(text, '\t', line);

		id = id ? memchr(id + 1, '\t', line - (size_t)(id + 1 - text)) : NULL;
		if (*text != '#' && id)
			add_row(rows, n, span_of(id + 1, strcspn(id + 1, "\t\n")));
		text += line + (text[line] == '\n');
	}
}

json_t *box_zones_json(const struct app_box *box, const char *chosen)
{
	_cleanup_(freep) char *path = path_join(box->zones, "zone.tab");
	_cleanup_(freep) struct zone_row *rows = NULL;
	_cleanup_(buf_release) struct buf table = {0};
	json_t *list;
	size_t n = 0;

	if (!box_has_helper(box->helper))
		return NULL;
	rows = calloc(ZONES_MAX + 2, sizeof(*rows));
	if (!rows)
		return NULL;
	error_free(file_read(path, TABLE_MAX, &table)); /* then there are these two */
	read_table(buf_str(&table), rows, &n);
	add_row(rows, &n, span_str(BOX_ZONE));
	add_row(rows, &n, span_str(chosen));
	qsort(rows, n, sizeof(*rows), by_area);
	list = json_array();
	for (size_t i = 0; i < n; i++)
		if (!i || strcmp(rows[i - 1].id, rows[i].id) != 0)
			json_array_append_new(list,
					      json_pack("{s:s, s:b}", "id", rows[i].id, "chosen",
							strcmp(rows[i].id, chosen) == 0));
	return list;
}
