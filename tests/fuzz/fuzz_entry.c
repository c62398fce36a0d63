/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Headers of entries from strangers, taken in as a run, and a fork proof made of them. Input:
 * headers of 352 bytes each, the rest is the payload of the first. */
#include "tests/fuzz/fuzz.h"
#include "sync/log/log.h"

enum { RUN = 8 };

/* What decodes encodes to the same bytes, whatever they are. */
static void check_alone(const struct entry_bytes *raw)
{
	struct entry_bytes again;
	struct log_id id = entry_log(raw), same;
	uint8_t bytes[LOG_ID_BYTES];
	struct entry e;

	entry_decode(raw, &e);
	entry_encode(&e, &again);
	FUZZ_CHECK(memcmp(raw, &again, sizeof(again)) == 0);
	log_id_write(&id, bytes);
	log_id_read(bytes, &same);
	FUZZ_CHECK(log_id_cmp(&id, &same) == 0);
	error_free(entry_check(raw));
	entry_verify_appliance(raw);
	entry_verify_author(raw);
}

static void must(struct error *err)
{
	if (err) {
		fprintf(stderr, "%s\n", error_english(err));
		abort();
	}
}

/* Whatever comes, the store stays clean. */
static void take_in(const struct entry_bytes *raw, size_t n, struct span rest)
{
	static const uint8_t salt[ENTRY_SALT];
	struct ingest_payload payloads[RUN] = {{PAYLOAD_HELD, salt, rest}};
	struct log_id id = entry_log(&raw[0]);
	struct ingest in = {.id = &id, .headers = raw, .payloads = payloads, .n = n};
	struct log_open how = {.path = ":memory:", .mode = DB_TEST_NOSYNC, .env = &env_system};
	struct error *refused = NULL, *first = NULL;
	struct ingest_result r;
	struct verify_report report;
	struct log_store *l;
	struct entry e;
	bool is_new;

	entry_decode(&raw[0], &e);
	in.first = e.seq;
	for (size_t i = 1; i < n; i++)
		payloads[i].state = PAYLOAD_NOT_HELD;
	must(log_open(&how, &l));
	must(log_begin(l));
	for (int alone = 0; alone < 2; alone++) {
		in.alone = alone;
		must(log_ingest(l, &in, &r, &refused));
		error_free(refused);
		refused = NULL;
	}
	if (n > 1) {
		struct fork_proof p = {raw[0], raw[1]};

		error_free(log_ingest_fork(l, &p, &is_new));
	}
	must(log_commit(l));
	must(log_verify(l, NULL, NULL, &report, &first));
	must(first);
	log_close(l);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct entry_bytes raw[RUN];
	struct reader r = reader_of(span_of(data, size));
	size_t n = 0;

	must(crypto_init());
	while (n < RUN && r.rest.n >= ENTRY_HEADER) {
		reader_copy(&r, raw[n].b, ENTRY_HEADER);
		check_alone(&raw[n++]);
	}
	if (n)
		take_in(raw, n, r.rest);
	return 0;
}
