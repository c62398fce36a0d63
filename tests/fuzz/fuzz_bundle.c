/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A bundle from a hostile stick. What it says is refused in words, what is stored is clean. */
#include "tests/fuzz/frames.h"
#include "sync/bundle/bundle.h"
#include "tests/fuzz/space.h"
#include <sys/mman.h>

static struct error *take(void *ctx, struct intake *in)
{
	struct log_store *l = ctx;

	must(log_begin(l));
	must(intake_run(l, in));
	return log_commit(l);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf file = {0};
	struct secret *self;
	struct bundle_import x = {.write = take};
	struct sync_report r;
	struct log_store *l;
	int fd = memfd_create("bundle", 0);

	must(crypto_init());
	self = fuzz_self();
	l = fuzz_store(secret_pubkey(self));
	fuzz_fill(l);
	frames_build_file(&file, data, size);
	FUZZ_CHECK(write(fd, file.p, file.n) == (ssize_t)file.n);
	FUZZ_CHECK(lseek(fd, 0, SEEK_SET) == 0);
	x.self = self;
	x.ctx = l;
	theirs(bundle_import_fd(&x, fd, "fuzz", &r));
	close(fd);
	fuzz_store_end(l);
	secret_free(self);
	buf_release(&file);
	return 0;
}
