/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What passes the sieve is clean streams with marks between, passes it again unchanged, and is
 * summed up in words that can be read. */
#include "tests/fuzz/frames.h"
#include "appliance/carry/sieve.h"
#include <sys/mman.h>

static int file_of(struct span s)
{
	int fd = memfd_create("bundle", 0);

	FUZZ_CHECK(write(fd, s.p, s.n) == (ssize_t)s.n);
	FUZZ_CHECK(lseek(fd, 0, SEEK_SET) == 0);
	return fd;
}

static void strained(struct span in, struct buf *out)
{
	int from = file_of(in), to = memfd_create("out", 0);
	off_t n;

	FUZZ_CHECK(sieve_frames(from, to));
	n = lseek(to, 0, SEEK_CUR);
	FUZZ_CHECK(pread(to, buf_reserve(out, (size_t)n), (size_t)n, 0) == n);
	out->n = (size_t)n;
	close(from);
	close(to);
}

static void summed(struct span in)
{
	struct buf json = {0};
	struct sieve_summary s;
	int fd = file_of(in);

	FUZZ_CHECK(sieve_summarize(fd, (struct walls){.limits = false}, &json));
	must(sieve_parse_summary(buf_span(&json), &s));
	FUZZ_CHECK(s.bytes <= in.n && !(s.whole && s.damaged));
	sieve_summary_release(&s);
	buf_release(&json);
	close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf file = {0}, once = {0}, twice = {0};

	must(crypto_init());
	frames_build_file(&file, data, size);
	strained(buf_span(&file), &once);
	strained(buf_span(&once), &twice);
	FUZZ_CHECK(once.n == twice.n && (!once.n || memcmp(once.p, twice.p, once.n) == 0));
	summed(buf_span(&file));
	summed(span_of(data, size));
	buf_release(&file);
	buf_release(&once);
	buf_release(&twice);
	return 0;
}
