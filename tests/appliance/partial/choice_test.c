/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Which messages of a conversation fall out of what a box keeps. */
#include "tests/lib/test.h"
#include "appliance/partial/partial_priv.h"

enum { SINCE = 1000 };

static struct loose_op op(const char *type, unsigned char id, int64_t time)
{
	return (struct loose_op){
		.type = type, .id = {{id}}, .object = {{1}}, .time = time, .bytes = 10};
}

static struct loose_op edit(unsigned char id, unsigned char of, int64_t time)
{
	struct loose_op o = op("post.edit", id, time);

	o.about = (struct hash){{of}};
	return o;
}

/* The ids that fall out, rising, as text. */
static const char *out_of(struct loose_op *ops, size_t n, int64_t since, bool ruled)
{
	static char text[200];

	n = choice_falls_out(ops, n, since, ruled);
	*text = 0;
	for (size_t i = 0; i < n; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%d", i ? " " : "",
			 ops[i].id.b[0]);
	return text;
}

static void a_conversation_that_is_over_goes_as_a_whole(void **state)
{
	struct loose_op ops[] = {op("post.create", 3, 30), op("topic.create", 1, 10),
				 op("post.create", 2, 999)};

	assert_string_equal(out_of(ops, 3, SINCE, false), "1 2 3");
	assert_string_equal(out_of(ops, 3, SINCE, true), "1 2 3");
}

static void where_somebody_wrote_since_its_beginning_stays(void **state)
{
	struct loose_op ops[] = {op("topic.create", 1, 10), op("post.create", 2, 20),
				 op("post.create", 3, SINCE)};

	assert_string_equal(out_of(ops, 3, SINCE, false), "2");
}

static void where_something_was_closed_or_hidden_since_all_stays(void **state)
{
	struct loose_op ops[] = {op("topic.create", 1, 10), op("post.create", 2, 20),
				 op("post.create", 3, SINCE)};

	assert_string_equal(out_of(ops, 3, SINCE, true), "");
}

static void a_message_and_its_edit_stay_or_go_together(void **state)
{
	/* Clocks may be wrong: an edit older than its message, a message older than its edit. */
	struct loose_op ops[] = {op("topic.create", 1, 10),
				 op("post.create", 2, SINCE + 5),
				 edit(3, 2, 30),
				 op("post.create", 4, 40),
				 edit(5, 4, SINCE + 1),
				 op("post.create", 6, 50),
				 edit(7, 6, 60),
				 edit(8, 4, 70)};

	assert_string_equal(out_of(ops, 8, SINCE, false), "6 7");
}

static void documents_never_go(void **state)
{
	struct loose_op ops[] = {op("doc.create", 1, 10), op("doc.revise", 2, 20)};

	assert_string_equal(out_of(ops, 2, SINCE, false), "");
	assert_string_equal(out_of(ops, 2, INT64_MAX, false), "");
}

static void a_space_that_is_not_kept_loses_every_message(void **state)
{
	struct loose_op ops[] = {op("topic.create", 1, 10), op("post.create", 2, SINCE + 1)};

	assert_string_equal(out_of(ops, 2, INT64_MAX, true), "1 2");
}

static void who_keeps_everything_loses_nothing(void **state)
{
	struct loose_op ops[] = {op("topic.create", 1, INT64_MIN + 1)};

	assert_string_equal(out_of(ops, 1, INT64_MIN, false), "");
	assert_string_equal(out_of(ops, 0, SINCE, false), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_conversation_that_is_over_goes_as_a_whole),
		cmocka_unit_test(where_somebody_wrote_since_its_beginning_stays),
		cmocka_unit_test(where_something_was_closed_or_hidden_since_all_stays),
		cmocka_unit_test(a_message_and_its_edit_stay_or_go_together),
		cmocka_unit_test(documents_never_go),
		cmocka_unit_test(a_space_that_is_not_kept_loses_every_message),
		cmocka_unit_test(who_keeps_everything_loses_nothing),
	};

	return run_group(tests);
}
