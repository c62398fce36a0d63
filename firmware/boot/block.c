/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "firmware/boot/block.h"
#include "sync/base/file.h"
#include <errno.h>
#include <sys/file.h>

static const char name[] = "the boot state";

static struct error *read_bytes(int fd, uint8_t bytes[BOOT_BLOCK], size_t *ret_n)
{
	size_t n = 0;
	ssize_t got;

	do {
		got = pread(fd, bytes + n, BOOT_BLOCK - n, (off_t)n);
		if (got < 0 && errno != EINTR)
			return file_error(errno, name);
		n += got > 0 ? (size_t)got : 0;
	} while (got && n < BOOT_BLOCK);
	*ret_n = n;
	return NULL;
}

struct error *boot_block_read(int fd, struct boot_state *ret)
{
	uint8_t bytes[BOOT_BLOCK];
	size_t n;

	TRY(read_bytes(fd, bytes, &n));
	*ret = boot_state_parse(span_of(bytes, n));
	return NULL;
}

struct error *boot_block_write(int fd, const struct boot_state *s)
{
	uint8_t block[BOOT_BLOCK];
	ssize_t put;

	boot_state_format(s, block);
	for (size_t n = 0; n < sizeof(block); n += (size_t)put) {
		put = pwrite(fd, block + n, sizeof(block) - n, (off_t)n);
		if (put < 0 && errno == EINTR)
			put = 0;
		ENSURE(put >= 0, file_error(errno, name));
	}
	ENSURE(fsync(fd) == 0, file_error(errno, name));
	return NULL;
}

/* What is there is compared, not what was understood of it: of a block without its first line, or
 * cut short, all values may be right, and the boot loader reads nothing. */
static struct error *move_locked(int fd, enum boot_event event, enum boot_slot slot,
				 struct boot_state *ret)
{
	uint8_t before[BOOT_BLOCK], after[BOOT_BLOCK];
	struct boot_state s;
	size_t n;

	TRY(read_bytes(fd, before, &n));
	s = boot_state_parse(span_of(before, n));
	boot_state_move(&s, event, slot);
	boot_state_format(&s, after);
	if (n < sizeof(after) || memcmp(before, after, sizeof(after)) != 0)
		TRY(boot_block_write(fd, &s));
	if (ret)
		*ret = s;
	return NULL;
}

struct error *boot_block_move(int fd, enum boot_event event, enum boot_slot slot,
			      struct boot_state *ret)
{
	struct error *e;

	while (flock(fd, LOCK_EX))
		ENSURE(errno == EINTR, file_error(errno, name));
	e = move_locked(fd, event, slot, ret);
	flock(fd, LOCK_UN);
	return e;
}
