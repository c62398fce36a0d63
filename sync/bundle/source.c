/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "sync/bundle/source.h"
#include <errno.h>
#include <string.h>
#include <unistd.h>
#include <sys/stat.h>

void source_init(struct source *s, int fd)
{
	*s = (struct source){.fd = fd, .step = SOURCE_PAGE};
}

/* Behind the page that failed; false: there is no going on. */
static bool pass_over(struct source *s)
{
	off_t at = lseek(s->fd, 0, SEEK_CUR), next;
	struct stat st;

	if (at < 0 || ++s->lost > SOURCE_LOST || fstat(s->fd, &st) || !S_ISREG(st.st_mode))
		return false;
	next = at - at % SOURCE_PAGE + (off_t)s->step;
	next = next < st.st_size ? next : st.st_size;
	if (next <= at || lseek(s->fd, next, SEEK_SET) != next)
		return false;
	s->blank = (uint64_t)(next - at);
	s->step = s->step < SOURCE_STEP ? s->step * 2 : SOURCE_STEP;
	return true;
}

static ssize_t give_blank(struct source *s, void *p, size_t n)
{
	n = s->blank < n ? (size_t)s->blank : n;
	memset(p, 0, n);
	s->blank -= n;
	return (ssize_t)n;
}

ssize_t source_read(struct source *s, void *p, size_t n)
{
	ssize_t got;

	if (s->blank)
		return give_blank(s, p, n);
	do
		got = read(s->fd, p, n);
	while (got < 0 && errno == EINTR);
	if (got > 0)
		s->step = SOURCE_PAGE;
	if (got >= 0 || errno != EIO)
		return got;
	if (pass_over(s))
		return give_blank(s, p, n);
	errno = EIO;
	return -1;
}
