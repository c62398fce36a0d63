/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/command/cmd.h"
#include "appliance/box/clock.h"
#include "appliance/carry/sieve.h"

struct status {
	struct command_run *run;
	struct conn *conn;
	json_t *list;
};

static struct error *add_space(void *ctx, const struct space_info *s)
{
	struct status *st = ctx;
	struct log_counts n;
	uint64_t gone = 0;

	TRY(log_count(st->conn->log, &s->id, &n));
	if (n.missing)
		TRY(erased_lacking(st->conn, &s->id, &gone));
	n.missing -= gone < n.missing ? gone : n.missing;
	json_array_append_new(st->list, json_pack("{s:s, s:s, s:I, s:I, s:I, s:b}", "id", ID(&s->id),
						  "name", s->name, "entries", (json_int_t)n.entries,
						  "missing", (json_int_t)n.missing, "logs",
						  (json_int_t)n.logs, "own", s->own));
	return NULL;
}

static struct error *add_peer(void *ctx, const struct peer *p)
{
	struct status *st = ctx;
	char said[PEER_ERROR];

	json_array_append_new(
		st->list, json_pack("{s:s, s:s, s:s, s:b, s:I, s:s}", "key", ID(&p->key), "name",
				    p->name, "address", p->address, "read_only", p->read_only,
				    "last_ok", (json_int_t)p->last_ok_ms, "error",
				    error_stored_text(p->last_error, NULL, NULL, said, sizeof(said))));
	return NULL;
}

static void print_words(FILE *out, const json_t *status)
{
	const json_t *row;
	size_t i;

	fprintf(out, "%s\nkey %s\n", json_string_value(json_object_get(status, "name")),
		json_string_value(json_object_get(status, "appliance")));
	json_array_foreach(json_object_get(status, "spaces"), i, row)
	{
		json_int_t missing = json_integer_value(json_object_get(row, "missing"));

		fprintf(out, "space %.8s  %s  %lld entries",
			json_string_value(json_object_get(row, "id")),
			json_string_value(json_object_get(row, "name")),
			(long long)json_integer_value(json_object_get(row, "entries")));
		if (missing)
			fprintf(out, ", the content of %lld not here (yet)", (long long)missing);
		fputc('\n', out);
	}
	json_array_foreach(json_object_get(status, "peers"), i, row)
	{
		const char *error = json_string_value(json_object_get(row, "error"));

		fprintf(out, "peer %.8s  %s  %s%s%s\n",
			json_string_value(json_object_get(row, "key")),
			json_string_value(json_object_get(row, "name")),
			json_string_value(json_object_get(row, "address")), *error ? "  " : "",
			error);
	}
}

static json_t *clock_json(struct app *a)
{
	struct clock_state s = box_clock_state(a);

	return json_pack("{s:s, s:I}", "quality", clock_quality_name(s.quality), "offset_ms",
			 (json_int_t)s.offset_ms);
}

/* Behind what foreign files are read here: null when nothing is read. */
static json_t *walls_json(struct app *a)
{
	struct walls w;
	struct error *e = sieves_walls(a->sieves, &w);

	if (e) {
		json_t *o = json_pack("{s:b, s:s}", "reads", 0, "error", error_english(e));

		error_free(e);
		return o;
	}
	return json_pack("{s:b, s:b, s:b}", "reads", 1, "landlock", w.landlock, "seccomp",
			 w.seccomp);
}

static void print_walls(FILE *out, const json_t *w)
{
	bool landlock = json_is_true(json_object_get(w, "landlock"));
	bool seccomp = json_is_true(json_object_get(w, "seccomp"));

	if (!json_is_true(json_object_get(w, "reads")))
		fprintf(out, "foreign files are not read: %s\n",
			json_string_value(json_object_get(w, "error")));
	else if (!landlock || !seccomp)
		fprintf(out,
			"foreign files are read with fewer walls: this kernel has no %s\n",
			landlock  ? "seccomp"
			: seccomp ? "Landlock"
				  : "Landlock and no seccomp");
}

struct error *cmd_status(struct command_run *run)
{
	_cleanup_(conn_closep) struct conn *c = NULL;
	json_auto_t *status = NULL;
	struct status st = {.run = run};

	TRY(app_conn(run->app, &c));
	status = json_pack("{s:s, s:s, s:[], s:[], s:b, s:b}", "appliance",
			   ID(secret_pubkey(run->app->self)), "name", run->app->name, "spaces",
			   "peers", "serving", run->app->sync != NULL, "audited",
			   run->app->sync && sync_audited(run->app->sync));
	json_object_set_new(status, "clock", clock_json(run->app));
	json_object_set_new(status, "walls", walls_json(run->app));
	st.conn = c;
	st.list = json_object_get(status, "spaces");
	TRY(space_each(c, add_space, &st));
	st.list = json_object_get(status, "peers");
	TRY(peer_each(c->local, add_peer, &st));
	if (command_option(run, "--json")) {
		json_dumpf(status, run->out, JSON_INDENT(1));
		fputc('\n', run->out);
	} else {
		print_words(run->out, status);
		print_walls(run->out, json_object_get(status, "walls"));
	}
	return NULL;
}

struct space_ids {
	struct hash id[LIMIT_SPACES];
	size_t n;
};

static struct error *collect_space(void *ctx, const struct space_info *s)
{
	struct space_ids *ids = ctx;

	if (ids->n < LIMIT_SPACES)
		ids->id[ids->n++] = s->id;
	return NULL;
}

static int compare_ids(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct hash));
}

/* Over the entries, which a partial box has as any other; or over what pages show, which it has not all. */
static struct error *digest_one(struct conn *c, const struct hash *space, bool entries,
				struct hash *ret)
{
	struct space_digest d;

	if (!entries)
		return community_digest(c, space, ret);
	TRY(heads_space_digest(c->log, space, &d));
	*ret = d.heads;
	return NULL;
}

/* One line a space, sorted by id, so that the lines of two boxes can be compared as they are. */
struct error *cmd_digest(struct command_run *run)
{
	bool entries = command_option(run, "--entries");
	_cleanup_(conn_closep) struct conn *c = NULL;
	struct space_ids ids = {.n = 0};

	if (run->app->writer && !entries)
		TRY(writer_follow(run->app->writer));
	TRY(app_conn(run->app, &c));
	TRY(space_each(c, collect_space, &ids));
	qsort(ids.id, ids.n, sizeof(ids.id[0]), compare_ids);
	for (size_t i = 0; i < ids.n; i++) {
		struct hash h;

		TRY(digest_one(c, &ids.id[i], entries, &h));
		fprintf(run->out, "%s %s\n", ID(&ids.id[i]), ID(&h));
	}
	return NULL;
}
