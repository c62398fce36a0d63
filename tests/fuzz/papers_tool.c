/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Wrote the seeds of the targets receipt and held: papers_tool tests/fuzz/corpus. */
#define TEST_WITHOUT_CMOCKA
#include "sync/base/file.h"
#include "sync/peer/receipt.h"
#include "sync/replicate/held.h"
#include "tests/fuzz/blobs.h"
#include "tests/fuzz/frames.h"
#include "tests/fuzz/space.h"
#include "tests/lib/test.h"

static void save(const char *corpus, const char *target, const char *name, struct span bytes)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/%s", corpus, target);
	must(dir_make(path, 0755));
	snprintf(path, sizeof(path), "%s/%s/%s", corpus, target, name);
	must(file_write(path, bytes, 0644));
}

static void receipts(const char *corpus)
{
	struct secret *self = fuzz_self(), *peer = fuzz_key(9);
	struct fuzz_run r;
	struct receipt_space spaces[2] = {{.entries = {3, 4}, .forks = {0, 1}, .conflicts = 2}};
	struct receipt_refusal refused[2] = {{.by = ASKER, .why = ERR_CHAIN},
					     {.by = ANSWERER, .why = ERR_NOT_ADMITTED}};
	struct receipt_body b = {.kind = RECEIPT_MET,
				 .box = {*secret_pubkey(peer), *secret_pubkey(self)},
				 .exchange = "sixteen bytes !",
				 .clock_ms = {1764000000000, 1764000000500},
				 .bytes = {1000, 2000},
				 .fresh = {3, 4},
				 .filled = {1, 0},
				 .blobs = 1,
				 .spaces = spaces,
				 .refusals = refused};
	struct buf out = {0};

	fuzz_run_make(&r, 1, 99);
	spaces[0].space = (struct hash){{0}};
	spaces[1].space = r.id.space;
	refused[0].id = refused[1].id = r.id;
	for (int kind = RECEIPT_MET; kind <= RECEIPT_TAKEN; kind++) {
		static const char *const names[] = {"", "met", "written", "taken"};

		b.kind = (enum receipt_kind)kind;
		b.n_spaces = kind == RECEIPT_MET ? 2 : 1;
		b.n_refusals = kind == RECEIPT_MET ? 2 : 0;
		buf_clear(&out);
		receipt_write(&b, &out);
		save(corpus, "receipt", names[kind], buf_span(&out));
	}
	buf_release(&out);
	secret_free(self);
	secret_free(peer);
}

/* A question for all of the log; and the true answer to the one that fuzz_held.c asked. */
static void proofs(const char *corpus)
{
	static const struct hash nonce = {"a nonce that was drawn"};
	struct secret *self = fuzz_self(), *peer = fuzz_key(9);
	struct session_options o = {.env = &env_system, .name = "peer", .self = peer};
	struct log_store *l = fuzz_store(secret_pubkey(peer));
	struct held_entry e[8];
	struct buf question = {0}, answer = {0}, packed = {0};
	struct fuzz_run r;

	o.peer = *secret_pubkey(self);
	fuzz_fill(l);
	fuzz_run_make(&r, 1, 99);
	for (size_t i = 0; i < ARRAY_LEN(e); i++)
		e[i] = (struct held_entry){.id = r.id, .seq = i + 1};
	held_question(&nonce, e, ARRAY_LEN(e), &question);
	must(held_answer(&o, l, buf_span(&question), &answer));
	frames_pack(&packed, buf_span(&question));
	save(corpus, "held", "question", buf_span(&packed));
	buf_clear(&packed);
	frames_pack(&packed, buf_span(&answer));
	save(corpus, "held", "answer", buf_span(&packed));
	log_close(l);
	buf_release(&question);
	buf_release(&answer);
	buf_release(&packed);
	secret_free(self);
	secret_free(peer);
}

static bool keeps(void *ctx, const struct pubkey *peer, const struct hash *blob)
{
	(void)ctx;
	(void)peer;
	(void)blob;
	return true;
}

/* The same about pieces of a blob. */
static void pieces(const char *corpus)
{
	static const struct hash nonce = {"a nonce that was drawn"};
	struct secret *self = fuzz_self(), *peer = fuzz_key(9);
	struct session_options o = {.self = peer, .blobs = fuzz_blobs_store(), .keeps_blob = keeps};
	struct buf question = {0}, answer = {0}, packed = {0};
	struct held_piece p[FUZZ_PIECES];

	o.peer = *secret_pubkey(self);
	fuzz_pieces(p);
	held_pieces_question(&nonce, p, FUZZ_PIECES, &question);
	must(held_answer(&o, NULL, buf_span(&question), &answer));
	frames_pack(&packed, buf_span(&question));
	save(corpus, "held", "pieces", buf_span(&packed));
	buf_clear(&packed);
	frames_pack(&packed, buf_span(&answer));
	save(corpus, "held", "pieces-answer", buf_span(&packed));
	buf_release(&question);
	buf_release(&answer);
	buf_release(&packed);
	secret_free(self);
	secret_free(peer);
}

int main(int argc, char **argv)
{
	test_init();
	if (argc != 2)
		return 2;
	receipts(argv[1]);
	proofs(argv[1]);
	pieces(argv[1]);
	return 0;
}
