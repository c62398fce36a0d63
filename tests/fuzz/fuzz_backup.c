/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A sealed file from a stick or a peer: its head, and its pieces under the right key. */
#include "tests/fuzz/frames.h"
#include "appliance/recovery/sealed.h"
#include "tests/fuzz/space.h"
#include <sys/mman.h>

static struct error *read_all(int fd, const struct secret *self)
{
	_cleanup_(sealed_in_freep) struct sealed_in *in = NULL;
	uint8_t part, bytes[4096];
	size_t n;

	TRY(sealed_open(fd, "fuzz", &(struct sealed_key){.box = self}, &in));
	for (;;) {
		TRY(sealed_next(in, &part));
		if (!part)
			return NULL;
		do {
			TRY(sealed_read(in, bytes, sizeof(bytes), &n));
		} while (n);
	}
}

/* A file may be damaged; a box, by what it reads, may not. */
static void the_file_s(struct error *err)
{
	if (error_is(err, ERR_CORRUPT))
		error_free(err);
	else
		theirs(err);
}

/* The other way round: what is sealed in parts of any lengths comes back as it was. */
static void there_and_back(const uint8_t *data, size_t size, const struct secret *self)
{
	_cleanup_(sealed_out_freep) struct sealed_out *out = NULL;
	_cleanup_(sealed_in_freep) struct sealed_in *in = NULL;
	struct sealed_key key = {.box = self};
	int fd = memfd_create("backup", 0);
	uint8_t part, bytes[300];
	size_t n, at;

	must(sealed_create(
		&(struct sealed_make){
			.fd = fd, .name = "fuzz", .key = key, .box = *secret_pubkey(self)},
		&out));
	for (at = 0; at < size; at += n) { /* a part is as long as its first byte says */
		n = (size_t)data[at] + 1 < size - at ? (size_t)data[at] + 1 : size - at;
		must(sealed_begin(out, 'p'));
		must(sealed_write(out, data + at, n));
		must(sealed_end(out, at + n == size));
	}
	FUZZ_CHECK(lseek(fd, 0, SEEK_SET) == 0);
	must(sealed_open(fd, "fuzz", &key, &in));
	for (at = 0; at < size;) {
		must(sealed_next(in, &part));
		FUZZ_CHECK(part == 'p');
		do {
			must(sealed_read(in, bytes, sizeof(bytes), &n));
			FUZZ_CHECK(n <= size - at && !memcmp(bytes, data + at, n));
			at += n;
		} while (n);
	}
	must(sealed_next(in, &part));
	FUZZ_CHECK(part == 0);
	close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct secret *self;
	struct sealed_head h;
	int fd = memfd_create("backup", 0);

	must(crypto_init());
	self = fuzz_self();
	the_file_s(sealed_head_parse(span_of(data, size), "fuzz", &h));
	FUZZ_CHECK(write(fd, data, size) == (ssize_t)size);
	FUZZ_CHECK(lseek(fd, 0, SEEK_SET) == 0);
	the_file_s(read_all(fd, self));
	close(fd);
	if (size)
		there_and_back(data, size, self);
	secret_free(self);
	return 0;
}
