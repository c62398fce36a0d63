/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Nothing of an erased row stays between the cells of a page.
 *
 * secure_delete overwrites a row when it is deleted. But when SQLite shares the rows of a full page
 * out among its neighbours (rebuildPage in btree.c, up to 3.46 at least), it leaves the old bytes
 * of a row that went to another page in the gap between the cell pointers and the cells. Once that
 * row is deleted, only its new place is overwritten. About one erased row in 300 left such a copy
 * in tables with random keys, and it stayed until the page filled up.
 *
 * The gap means nothing to SQLite, so it is written as zeros: here, where a page goes into the
 * database's file. That costs a look at each page that is checkpointed, needs to know nothing of
 * which rows moved, and holds for every way into the file. What lies in the write-ahead log goes
 * when it is emptied, and what is in the page cache goes with it (db_checkpoint).
 *
 * What was written before that was so, or by another program, is wiped once for each file, in place:
 * only the bytes of gaps are written, so a cut in the middle harms nothing. Of a large file only so much
 * is done when it is opened as holds nobody up; the rest in pieces (db_sweep), each of which says how far it
 * is before the next begins.
 *
 * Only xWrite of this one open file is another; everything else is the VFS's own. A VFS of our own
 * would have to be registered for the whole process, and wrapped around whichever is the default.
 */
#include "sync/db/db_priv.h"
#include <stdlib.h>

enum { PAGE_MIN = 512, PAGE_MAX = 65536, FIRST_PAGE_HEADER = 100 };
/* https://www.sqlite.org/fileformat2.html#b_tree_pages */
enum { INDEX_INNER = 2, TABLE_INNER = 5, INDEX_LEAF = 10, TABLE_LEAF = 13 };
/* https://www.sqlite.org/fileformat2.html#the_database_header */
enum { AT_PAGE_SIZE = 16, AT_AUTO_VACUUM = 52 };

struct gaps {
	sqlite3_io_methods methods; /* first: the open file points to it */
	const sqlite3_io_methods *real;
	uint8_t *page;
};

static size_t u16(const uint8_t *p)
{
	return (size_t)p[0] << 8 | p[1];
}

/* Where the gap of this page begins and ends; false: it has none. Pages of other kinds begin with
 * the number of another page, which is never so high that it looks like one of these: db.c bounds
 * the size of the file (GAP_PAGES). */
static bool find_gap(const uint8_t *page, size_t n, bool first, size_t *ret_from, size_t *ret_to)
{
	const uint8_t *header = page + (first ? FIRST_PAGE_HEADER : 0);
	bool inner = header[0] == INDEX_INNER || header[0] == TABLE_INNER;

	if (!inner && header[0] != INDEX_LEAF && header[0] != TABLE_LEAF)
		return false;
	*ret_from = (size_t)(header - page) + (inner ? 12 : 8) + 2 * u16(header + 3);
	*ret_to = u16(header + 5) ? u16(header + 5) : PAGE_MAX;
	return *ret_from < *ret_to && *ret_to <= n;
}

static bool is_clean(const uint8_t *p, size_t n)
{
	return !n || (!p[0] && !memcmp(p, p + 1, n - 1));
}

static int write_page(sqlite3_file *file, const void *bytes, int n, sqlite3_int64 at)
{
	const struct gaps *g = (const struct gaps *)(const void *)file->pMethods;
	size_t from, to;

	if (n < PAGE_MIN || n > PAGE_MAX || at % n ||
	    !find_gap(bytes, (size_t)n, at == 0, &from, &to) ||
	    is_clean((const uint8_t *)bytes + from, to - from))
		return g->real->xWrite(file, bytes, n, at);
	memcpy(g->page, bytes, (size_t)n);
	memset(g->page + from, 0, to - from);
	return g->real->xWrite(file, g->page, n, at);
}

int gaps_wipe(sqlite3 *sq, struct gaps **ret)
{
	sqlite3_file *file = NULL;
	struct gaps *g;
	int rc = sqlite3_file_control(sq, "main", SQLITE_FCNTL_FILE_POINTER, &file);

	if (rc != SQLITE_OK)
		return rc;
	/* A database in memory has none: what it leaves is gone with it. */
	*ret = NULL;
	if (!file || !file->pMethods)
		return SQLITE_OK;
	g = calloc(1, sizeof(*g));
	if (!g || !(g->page = malloc(PAGE_MAX)))
		abort();
	g->real = file->pMethods;
	g->methods = *g->real;
	g->methods.xWrite = write_page;
	file->pMethods = &g->methods;
	*ret = g;
	return SQLITE_OK;
}

/* --- what is there already --- */
static int clean_page(const struct gaps *g, sqlite3_file *file, int n, sqlite3_int64 at,
		      bool *ret_dirty)
{
	int rc = g->real->xRead(file, g->page, n, at);
	size_t from, to;

	/* What can't be read is passed over: who needs it finds that out. */
	if ((rc & 0xff) == SQLITE_IOERR)
		return SQLITE_OK;
	if (rc != SQLITE_OK || !find_gap(g->page, (size_t)n, at == 0, &from, &to) ||
	    is_clean(g->page + from, to - from))
		return rc;
	memset(g->page + from, 0, to - from);
	*ret_dirty = true;
	return g->real->xWrite(file, g->page + from, (int)(to - from), at + (sqlite3_int64)from);
}

/* The size of a page; 0: in a file of this kind not every gap is told from something else. */
static int page_size(const uint8_t *header, sqlite3_int64 size)
{
	static const uint8_t none[4];
	int n = (int)u16(header + AT_PAGE_SIZE);

	n = n == 1 ? PAGE_MAX : n;
	if (n < PAGE_MIN || size / n > strtoll(GAP_PAGES, NULL, 10))
		return 0;
	return memcmp(header + AT_AUTO_VACUUM, none, sizeof(none)) ? 0 : n;
}

int gaps_clean(sqlite3 *sq, const struct gaps *g, int64_t from, int64_t most, int64_t *ret_next)
{
	sqlite3_int64 size = 0, pages, page = from;
	sqlite3_file *file = NULL;
	bool dirty = false;
	int n, rc = sqlite3_file_control(sq, "main", SQLITE_FCNTL_FILE_POINTER, &file);

	*ret_next = 0;
	if (rc == SQLITE_OK)
		rc = g->real->xFileSize(file, &size);
	if (rc != SQLITE_OK || !size)
		return rc;
	rc = g->real->xRead(file, g->page, FIRST_PAGE_HEADER, 0);
	if (rc != SQLITE_OK)
		return rc;
	n = page_size(g->page, size);
	if (!n)
		return SQLITE_CORRUPT;
	pages = size / n;
	for (; page < pages && page - from < most && rc == SQLITE_OK; page++)
		rc = clean_page(g, file, n, page * n, &dirty);
	*ret_next = page < pages ? page : 0;
	if (rc != SQLITE_OK || !dirty)
		return rc;
	return g->real->xSync(file, SQLITE_SYNC_FULL);
}

void gaps_free(struct gaps *g)
{
	if (!g)
		return;
	free(g->page);
	free(g);
}
