/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What came of an exchange, in words. */
#include "tests/lib/test.h"
#include "appliance/peers/peers.h"

static struct sync_report report;
static const char *said[PEERS_SENTENCES];
static size_t n;

static size_t times(const char *part)
{
	size_t found = 0;

	for (size_t i = 0; i < n; i++)
		found += strstr(said[i], part) != NULL;
	return found;
}

static void refuse(uint8_t box, uint8_t space, bool by_peer)
{
	struct log_id id = {.space = {{space}}, .appliance = {{box}}, .incarnation = space};

	report_refusal(&report, &id, 0, ERR_LIMIT, by_peer);
}

static void what_is_refused_of_a_box_is_said_once(void **state)
{
	_cleanup_(arena_release) struct arena a = {0};

	(void)state;
	report = (struct sync_report){.received = 0};
	for (uint8_t i = 1; i <= 5; i++)
		refuse(7, i, false);
	refuse(9, 1, false);
	n = peers_report_sentences(&report, NULL, NULL, &a, said);
	assert_int_equal(times(ID_SHORT(&report.refused[0].id.appliance)), 1);
	assert_int_equal(times(ID_SHORT(&report.refused[5].id.appliance)), 1);
}

static void of_a_whole_space_no_box_is_named(void **state)
{
	_cleanup_(arena_release) struct arena a = {0};

	(void)state;
	report = (struct sync_report){.received = 0};
	refuse(0, 1, true);
	refuse(0, 2, true);
	refuse(0, 3, false);
	n = peers_report_sentences(&report, NULL, NULL, &a, said);
	assert_int_equal(times("aaaaaaaa"), 0);
	assert_int_equal(times("they took nothing"), 1);
	assert_int_equal(times("of theirs nothing was taken"), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_refused_of_a_box_is_said_once),
		cmocka_unit_test(of_a_whole_space_no_box_is_named),
	};

	return run_group(tests);
}
