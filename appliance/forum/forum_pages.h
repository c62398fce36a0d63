/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The pages of the forums, and the first page of the house. webui/README.md says what each is
 * given. */
#pragma once
#include "appliance/forum/forum.h"
#include "appliance/http/http.h"

extern const struct route forum_routes[];

/* Where a request is, and what who asks may do there. */
struct place {
	struct space_info space;
	struct hash home; /* zero before there is a home space */
	enum role role;
	bool member;	/* may write */
	bool guest;	/* may write as a guest: it is held */
	bool moderator; /* may moderate, at this door */
	bool steward;
};
struct error *place_of(struct request *r, const struct hash *space, struct place *ret) MUST;
/* ERR_AUTH or ERR_DENIED with the sentence for who may not. */
struct error *place_must(struct request *r, const struct place *p, bool allowed) MUST;

/* Contexts, new references. */
/* Cheap to ask again for the same space. */
struct error *dates_of(struct request *r, const struct hash *space, struct dates *io) MUST;
void put_date(struct request *r, json_t *o, const char *name,
	      int64_t ms); /* NAME and NAME_text; 0: null */
const char *author_text(struct request *r, const struct hash *space, const struct author *a);
json_t *forum_json(struct request *r, const struct place *p, const struct forum *f);
const char *topic_title(struct request *r, const struct place *p, const struct topic *t);
const char *topic_url(struct request *r, const struct hash *topic);
/* /topic/ID?page=N#ANCHOR of a post. */
const char *post_url(struct request *r, const struct post *post);
const char *post_anchor(struct request *r, const struct hash *post);
/* The page that `?page=` asks for, from 1. */
int64_t page_wanted(struct request *r);
/* {newer_url, older_url, page, pages}; NULL for one page. */
json_t *pager_json(struct request *r, const char *url, int64_t page, int64_t pages);
void put_or_null(json_t *o, const char *name, const char *text); /* NULL or "": null */

/* Writing: one op, by the person who asks. */
struct act {
	struct draft draft;
	struct hash id;
	struct post_at {
		int64_t number;
	} at; /* of the post that was made */
};
struct error *act_write(struct request *r, struct act *a) MUST;
/* Programs of people who sit at the box write as fast as they can. */
struct error *writing_limit(struct request *r) MUST;

/* --- topic_pages.c --- */
struct error *page_topic(struct request *r) MUST;
struct error *page_topic_new(struct request *r) MUST;
struct error *post_topic_new(struct request *r) MUST;
struct error *post_reply(struct request *r) MUST;
struct error *post_topic_set(struct request *r) MUST;
/* --- post_pages.c --- */
struct error *page_post(struct request *r) MUST;
struct error *page_post_edit(struct request *r) MUST;
struct error *post_post_edit(struct request *r) MUST;
struct error *page_post_hide(struct request *r) MUST;
struct error *post_post_hide(struct request *r) MUST;
struct error *post_post_show(struct request *r) MUST;
struct error *post_post_erase(struct request *r) MUST;
/* The forum of the path, "SLUG" or "SLUG@SPACE8". */
struct error *forum_of_path(struct request *r, struct place *ret_place, struct forum *ret) MUST;
/* What a form or a JSON body says of a flag: true when it says something. */
bool field_flag(struct request *r, const char *name, bool *ret);
