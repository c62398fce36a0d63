/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/carry/carry_text.h"

/* One sentence; the error type already knows how to fill and translate one. */
static void say(struct request *r, json_t *list, struct error *take_sentence)
{
	json_array_append_new(list, json_string(request_error_text(r, take_sentence)));
}

/* Today there is no room for some of it. */
static bool is_over(const struct sync_report *x)
{
	for (size_t i = 0; i < x->refusals && i < REPORT_REFUSALS; i++)
		if (x->refused[i].why == ERR_LIMIT)
			return true;
	return false;
}

static void say_taken(struct request *r, json_t *list, const struct sync_report *x)
{
	uint64_t news = x->received + x->filled;

	if (news == 1)
		say(r, list, error_new(ERR_INTERNAL, N_("One piece of news was new here.")));
	else if (news)
		say(r, list,
		    error_new(ERR_INTERNAL, N_("%s pieces of news were new here."),
			      request_number_text(r, (int64_t)news)));
	/* what is not known here, or has no room, would have been new */
	else if (!x->not_admitted && !x->blobs && !is_over(x))
		say(r, list, error_new(ERR_INTERNAL, N_("Nothing in it was new here.")));
	if (x->known == 1)
		say(r, list, error_new(ERR_INTERNAL, N_("One was here already.")));
	else if (x->known)
		say(r, list,
		    error_new(ERR_INTERNAL, N_("%s were here already."),
			      request_number_text(r, (int64_t)x->known)));
	if (x->blobs == 1)
		say(r, list, error_new(ERR_INTERNAL, N_("One file came along.")));
	else if (x->blobs)
		say(r, list,
		    error_new(ERR_INTERNAL, N_("%s files came along."),
			      request_number_text(r, (int64_t)x->blobs)));
}

/* Nothing in it is of anybody who is known here. */
static bool is_all_strange(const struct sync_report *x)
{
	return x->not_admitted && !x->received && !x->filled && !x->known && !x->blobs;
}

static void say_refused(struct request *r, json_t *list, const struct sync_report *x)
{
	if (is_all_strange(x))
		say(r, list,
		    error_new(ERR_INTERNAL,
			      N_("It is of communities or houses that are not known here, so nothing of "
				 "it was taken. A volunteer of this house can connect it with theirs: "
				 "keep the file, and bring it again then.")));
	else if (x->not_admitted)
		say(r, list,
		    error_new(
			    ERR_INTERNAL,
			    N_("Some of it is of communities or houses that are not known here. It "
			       "was not taken; a volunteer can connect them.")));
	for (size_t i = 0; i < x->refusals && i < REPORT_REFUSALS; i++) {
		const struct refusal *f = &x->refused[i];

		if (f->why != ERR_NOT_ADMITTED && f->why != ERR_LIMIT)
			say(r, list,
			    error_new(f->why, refusal_msgid(f->why, f->by_peer),
				      ID_SHORT(&f->id.appliance)));
	}
	if (is_over(x))
		say(r, list,
		    error_new(ERR_INTERNAL,
			      N_("Some of it has no room today: more was brought than this house "
				 "takes in one day. Bring it again tomorrow, or ask a volunteer.")));
	if (x->parts > 1 && x->cut)
		say(r, list,
		    error_new(ERR_INTERNAL,
			      N_("There were several files in one, and not all of them were whole. "
				 "What was whole was taken; bring it again if something is "
				 "missing.")));
	else if (x->parts > 1)
		say(r, list,
		    error_new(ERR_INTERNAL,
			      N_("There were %s files in one, one behind the other. All of them "
				 "were read."),
			      request_number_text(r, (int64_t)x->parts)));
	else if (x->cut)
		say(r, list,
		    error_new(ERR_INTERNAL,
			      N_("The file was cut off or damaged on the way. What was whole in it "
				 "was taken; bring it again for the rest.")));
}

json_t *carry_report_json(struct request *r, const struct sync_report *x)
{
	json_t *list = json_array();

	say_taken(r, list, x);
	say_refused(r, list, x);
	return list;
}

static json_t *written_json(struct request *r, const struct carry_job *j)
{
	json_t *list = json_array();

	if (j->written.n.entries == 1)
		say(r, list,
		    error_new(ERR_INTERNAL, N_("One piece of news was written, %s."),
			      request_size_text(r, j->written.n.bytes)));
	else if (j->written.n.entries)
		say(r, list,
		    error_new(ERR_INTERNAL, N_("%s pieces of news were written, %s."),
			      request_number_text(r, (int64_t)j->written.n.entries),
			      request_size_text(r, j->written.n.bytes)));
	else
		say(r, list,
		    error_new(ERR_INTERNAL,
			      N_("The other house holds everything already, as far as is known. "
				 "What this house holds was written, so that it knows, too.")));
	if (j->written.n.blobs == 1)
		say(r, list, error_new(ERR_INTERNAL, N_("One file is in it.")));
	else if (j->written.n.blobs)
		say(r, list,
		    error_new(ERR_INTERNAL, N_("%s files are in it."),
			      request_number_text(r, (int64_t)j->written.n.blobs)));
	return list;
}

json_t *carry_job_json(struct request *r, const struct carry_job *j)
{
	uint64_t percent = j->total ? j->done * 100 / j->total : 0;
	json_t *o = json_pack(
		"{s:s, s:b, s:b, s:b, s:b, s:b, s:b, s:I, s:s, s:n, s:n}", "id", j->id, "waits",
		j->state == CARRY_WAITS, "runs", j->state == CARRY_RUNS, "done",
		j->state == CARRY_DONE, "failed", j->state == CARRY_FAILED, "took",
		j->kind == CARRY_TAKE_STICK || j->kind == CARRY_TAKE_PHONE, "wrote",
		j->kind == CARRY_WRITE_STICK, "percent", (json_int_t)(percent < 100 ? percent : 99),
		"from", j->report.peer_name, "sentences", "error");

	if (j->state == CARRY_DONE)
		json_object_set_new(o, "sentences",
				    j->kind == CARRY_WRITE_STICK
					    ? written_json(r, j)
					    : carry_report_json(r, &j->report));
	if (j->state == CARRY_FAILED && j->error)
		json_object_set_new(o, "error",
				    json_string(request_error_text(r, error_copy(j->error))));
	json_object_set_new(o, "strange",
			    json_boolean(j->state == CARRY_DONE && is_all_strange(&j->report)));
	if (*j->name)
		json_object_set_new(o, "file", json_string(j->name));
	return o;
}

void carry_follow(struct request *r, json_t *context, bool busy)
{
	bool still = request_query(r, "still") != NULL;

	json_object_set_new(context, "refresh", json_boolean(busy && !still));
	json_object_set_new(context, "still", json_boolean(busy && still));
}
