/* SPDX-License-Identifier: AGPL-3.0-or-later */
#define TEST_WITHOUT_CMOCKA
#include "tests/sim/disk.h"
#include "sync/base/buf.h"
#include <assert.h>
#include <sqlite3.h>

enum { FILES = 16, SECTOR = 512, SHM_REGIONS = 64, SHM_LOCKS = 8, CHUNK = 64 * 1024 };

/* The bytes of a file, in chunks, so that one that grows is not copied. */
struct image {
	uint8_t **chunk;
	size_t n, n_chunks;
};

/* A file. `now` is what is read; `safe` is what survives. */
struct file {
	bool used;   /* the slot */
	bool linked; /* has a name now */
	bool found;  /* its name survives */
	bool kept;   /* `safe` survives under the name, though it was deleted */
	char name[40];
	struct image now, safe;
	int handles;
	int shared, reserved, pending, exclusive; /* counts of handles */
	void *shm[SHM_REGIONS];
	int shm_shared[SHM_LOCKS], shm_exclusive[SHM_LOCKS];
};

/* What is in the cache, in the order in which it came. */
struct pending {
	struct file *file;
	bool truncate;
	size_t at, n;
	uint8_t *bytes;
};

struct disk {
	char dir[16];
	struct file file[FILES];
	struct pending *pending;
	size_t n_pending, cap_pending;
	enum disk_honesty honesty;
	bool off;
	unsigned fail_in;
	bool failing;
	uint64_t room;
	struct disk_facts facts;
};

/* The world's disks: SQLite knows a VFS by its address, so they live as long as the process. */
static struct disks {
	struct test_env *env;
	struct disk *disk[DISKS];
	unsigned n;
	uint64_t bytes;
} disks;

/* --- images --- */
static void *must_have(void *p)
{
	if (!p)
		abort();
	return p;
}

static void image_room(struct image *m, size_t n)
{
	size_t chunks = (n + CHUNK - 1) / CHUNK;

	if (chunks <= m->n_chunks)
		return;
	m->chunk = must_have(realloc(m->chunk, chunks * sizeof(m->chunk[0])));
	disks.bytes += (chunks - m->n_chunks) * (CHUNK + sizeof(m->chunk[0]));
	while (m->n_chunks < chunks)
		m->chunk[m->n_chunks++] = must_have(malloc(CHUNK));
}

/* The bytes from `at`, as many of the n as are in one chunk. */
static uint8_t *image_part(const struct image *m, size_t at, size_t n, size_t *ret_part)
{
	size_t room = CHUNK - at % CHUNK;

	*ret_part = n < room ? n : room;
	return m->chunk[at / CHUNK] + at % CHUNK;
}

static void image_size(struct image *m, size_t n)
{
	image_room(m, n);
	for (size_t part; m->n < n; m->n += part) {
		uint8_t *to = image_part(m, m->n, n - m->n, &part);

		memset(to, 0, part);
	}
	m->n = n;
}

static void image_write(struct image *m, size_t at, const void *bytes, size_t n)
{
	if (at > m->n)
		image_size(m, at);
	image_room(m, at + n);
	for (size_t k = 0, part; k < n; k += part) {
		uint8_t *to = image_part(m, at + k, n - k, &part);

		memcpy(to, (const uint8_t *)bytes + k, part);
	}
	if (at + n > m->n)
		m->n = at + n;
}

static void image_read(const struct image *m, size_t at, void *bytes, size_t n)
{
	for (size_t k = 0, part; k < n; k += part) {
		const uint8_t *from = image_part(m, at + k, n - k, &part);

		memcpy((uint8_t *)bytes + k, from, part);
	}
}

static void image_copy(struct image *to, const struct image *from)
{
	to->n = 0;
	for (size_t part; to->n < from->n;) {
		const uint8_t *bytes = image_part(from, to->n, from->n - to->n, &part);

		image_write(to, to->n, bytes, part);
	}
}

static void image_release(struct image *m)
{
	disks.bytes -= m->n_chunks * (CHUNK + sizeof(m->chunk[0]));
	for (size_t i = 0; i < m->n_chunks; i++)
		free(m->chunk[i]);
	free(m->chunk);
	*m = (struct image){0};
}

/* --- the cache --- */
static void forget_pending(struct disk *d, struct pending *p)
{
	disks.bytes -= p->n;
	free(p->bytes);
}

static void pending_add(struct disk *d, struct file *f, bool truncate, size_t at, const void *bytes,
			size_t n)
{
	struct pending *p;

	if (d->n_pending == d->cap_pending) {
		d->cap_pending = d->cap_pending ? d->cap_pending * 2 : 64;
		d->pending = realloc(d->pending, d->cap_pending * sizeof(*p));
	}
	p = &d->pending[d->n_pending++];
	*p = (struct pending){.file = f, .truncate = truncate, .at = at, .n = n};
	if (n) {
		p->bytes = malloc(n);
		memcpy(p->bytes, bytes, n);
	}
	disks.bytes += n;
}

static void pending_apply(const struct pending *p)
{
	if (p->truncate)
		image_size(&p->file->safe, p->at);
	else
		image_write(&p->file->safe, p->at, p->bytes, p->n);
}

/* What has a name now will have it, and what has none will not. */
static void flush_folder(struct disk *d)
{
	for (int i = 0; i < FILES; i++) {
		d->file[i].found = d->file[i].linked;
		d->file[i].kept = false;
	}
}

/* A file's writes reach the platter (NULL: those of all files). As SQLite does on Unix, the folder
 * is synced with the first sync of a new journal or write-ahead log; and a file that is synced has
 * its name, as on every file system in use. */
static void flush(struct disk *d, struct file *f)
{
	size_t keep = 0;

	for (size_t i = 0; i < d->n_pending; i++) {
		struct pending *p = &d->pending[i];

		if (f && p->file != f) {
			d->pending[keep++] = *p;
			continue;
		}
		pending_apply(p);
		forget_pending(d, p);
	}
	d->n_pending = keep;
	if (!f || (!f->found && strchr(f->name, '-')))
		flush_folder(d);
	else
		f->found = f->linked;
}

/* --- a crash --- */
static uint64_t draw(uint64_t n)
{
	return test_below(disks.env, n);
}

/* Each sector of the write: there, or not, or its first part. */
static void apply_loosely(const struct pending *p, unsigned percent)
{
	size_t done = 0;

	if (p->truncate) {
		if (draw(100) < percent)
			pending_apply(p);
		return;
	}
	while (done < p->n) {
		size_t n = SECTOR - (p->at + done) % SECTOR, part;

		if (n > p->n - done)
			n = p->n - done;
		part = draw(100) < 8 ? (size_t)draw(n) : n;
		if (draw(100) < percent && part)
			image_write(&p->file->safe, p->at + done, p->bytes + done, part);
		done += n;
	}
}

static void lose_cache(struct disk *d)
{
	static const unsigned parts[] = {0, 10, 50, 90, 100};
	unsigned percent = parts[draw(ARRAY_LEN(parts))];
	size_t whole = 0;

	if (d->honesty != DISK_HONEST) {
		whole = d->n_pending ? (size_t)draw(d->n_pending + 1) : 0;
		d->facts.forgot |= whole < d->n_pending;
	}
	for (size_t i = 0; i < d->n_pending; i++) {
		if (i < whole)
			pending_apply(&d->pending[i]);
		else if (d->honesty != DISK_LIES)
			apply_loosely(&d->pending[i], percent);
		forget_pending(d, &d->pending[i]);
	}
	d->n_pending = 0;
}

static void settle_name(struct file *f)
{
	if (!f->linked && f->kept && draw(2))
		f->linked = f->found = true;
	if (f->linked && !f->found && draw(2))
		f->linked = false;
	f->found = f->linked;
	f->kept = false;
	if (f->linked)
		image_copy(&f->now, &f->safe);
	else
		f->now.n = f->safe.n = 0;
}

void disk_power_off(struct disk *d)
{
	d->off = true;
}

void disk_power_on(struct disk *d)
{
	d->facts.forgot = false;
	lose_cache(d);
	d->facts.bytes = 0;
	for (int i = 0; i < FILES; i++)
		if (d->file[i].used) {
			assert(d->file[i].handles == 0);
			settle_name(&d->file[i]);
			d->facts.bytes += d->file[i].now.n;
		}
	d->off = d->failing = d->facts.failed = false;
	d->fail_in = 0;
}

/* --- disks --- */
struct disk *disk_new(const char **ret_dir)
{
	struct disk *d = calloc(1, sizeof(*d));

	assert(disks.n < DISKS && d);
	snprintf(d->dir, sizeof(d->dir), "/disk-%u", disks.n);
	disks.disk[disks.n++] = d;
	*ret_dir = d->dir;
	return d;
}

void disk_wipe(struct disk *d)
{
	for (size_t i = 0; i < d->n_pending; i++)
		forget_pending(d, &d->pending[i]);
	d->n_pending = 0;
	for (int i = 0; i < FILES; i++) {
		assert(d->file[i].handles == 0);
		image_release(&d->file[i].now);
		image_release(&d->file[i].safe);
		d->file[i] = (struct file){.used = false};
	}
	d->off = d->failing = d->facts.failed = d->facts.forgot = false;
	d->facts.bytes = 0;
	d->fail_in = 0;
}

void disk_copy(const struct disk *from, struct disk *to)
{
	disk_wipe(to);
	for (int i = 0; i < FILES; i++) {
		const struct file *f = &from->file[i];

		if (!f->used || !f->linked)
			continue;
		to->file[i] = (struct file){.used = true, .linked = true, .found = true};
		memcpy(to->file[i].name, f->name, sizeof(f->name));
		image_copy(&to->file[i].now, &f->now);
		image_copy(&to->file[i].safe, &f->now);
		to->facts.bytes += f->now.n;
	}
}

void disk_set_honesty(struct disk *d, enum disk_honesty h)
{
	if (h == DISK_HONEST && d->honesty != DISK_HONEST)
		flush(d, NULL);
	d->honesty = h;
}

void disk_fail_after(struct disk *d, unsigned n)
{
	d->fail_in = n;
}

void disk_set_room(struct disk *d, uint64_t bytes)
{
	d->room = bytes;
	if (!bytes)
		d->facts.failed = d->failing;
}

static bool image_holds(const struct image *m, struct span bytes)
{
	_cleanup_(freep) uint8_t *all = must_have(malloc(m->n + 1));

	image_read(m, 0, all, m->n);
	return memmem(all, m->n, bytes.p, bytes.n);
}

bool disk_holds(const struct disk *d, struct span bytes, char where[40])
{
	for (int i = 0; i < FILES; i++) {
		const struct file *f = &d->file[i];
		bool now = f->used && f->linked && image_holds(&f->now, bytes);

		if (!now && !(f->used && (f->found || f->kept) && image_holds(&f->safe, bytes)))
			continue;
		snprintf(where, 40, "%.24s%s", f->name, now ? "" : ", after a cut");
		return true;
	}
	for (size_t i = 0; i < d->n_pending; i++)
		if (d->pending[i].n && memmem(d->pending[i].bytes, d->pending[i].n, bytes.p, bytes.n)) {
			snprintf(where, 40, "what waits for %.20s", d->pending[i].file->name);
			return true;
		}
	return false;
}

struct disk_facts disk_facts(const struct disk *d)
{
	return d->facts;
}

uint64_t disks_bytes(void)
{
	return disks.bytes;
}

static struct disk *disk_of(const char *path, const char **ret_name)
{
	unsigned n;
	int at = 0;

	if (!path || sscanf(path, "/disk-%u/%n", &n, &at) != 1 || !at || n >= disks.n)
		return NULL;
	*ret_name = path + at;
	return disks.disk[n];
}

static struct file *file_find(struct disk *d, const char *name, bool make)
{
	struct file *empty = NULL;

	for (int i = 0; i < FILES; i++) {
		if (d->file[i].used && strcmp(d->file[i].name, name) == 0)
			return &d->file[i];
		if (!d->file[i].used && !empty)
			empty = &d->file[i];
	}
	if (!make)
		return NULL;
	assert(empty && strlen(name) < sizeof(empty->name));
	*empty = (struct file){.used = true};
	snprintf(empty->name, sizeof(empty->name), "%s", name);
	return empty;
}

/* --- one open file: sqlite3_file --- */
struct handle {
	sqlite3_file base;
	struct disk *disk; /* NULL: a nameless file, in memory */
	struct file *file;
	struct image own;
	int level; /* SQLITE_LOCK_… */
	unsigned shm_shared, shm_exclusive;
};

static struct image *image_of(struct handle *h)
{
	return h->file ? &h->file->now : &h->own;
}

/* Does this write or sync fail? */
static int refuses(struct disk *d)
{
	if (!d)
		return SQLITE_OK;
	if (d->off)
		return SQLITE_IOERR;
	if (d->fail_in && --d->fail_in == 0)
		d->failing = true;
	d->facts.failed |= d->failing;
	return d->failing ? SQLITE_IOERR : SQLITE_OK;
}

static int sim_close(sqlite3_file *base)
{
	struct handle *h = (struct handle *)base;

	if (h->file)
		h->file->handles--;
	image_release(&h->own);
	return SQLITE_OK;
}

static int sim_read(sqlite3_file *base, void *to, int n, sqlite3_int64 at)
{
	struct handle *h = (struct handle *)base;
	const struct image *m = image_of(h);
	size_t have = 0;

	if (h->disk && h->disk->off)
		return SQLITE_IOERR_READ;
	if ((size_t)at < m->n)
		have = m->n - (size_t)at < (size_t)n ? m->n - (size_t)at : (size_t)n;
	if (have)
		image_read(m, (size_t)at, to, have);
	if (have == (size_t)n)
		return SQLITE_OK;
	memset((uint8_t *)to + have, 0, (size_t)n - have);
	return SQLITE_IOERR_SHORT_READ;
}

static int sim_write(sqlite3_file *base, const void *bytes, int n, sqlite3_int64 at)
{
	struct handle *h = (struct handle *)base;
	struct image *m = image_of(h);
	size_t more = (size_t)at + (size_t)n > m->n ? (size_t)at + (size_t)n - m->n : 0;

	if (refuses(h->disk))
		return SQLITE_IOERR_WRITE;
	if (h->disk && h->disk->room && more && h->disk->facts.bytes + more > h->disk->room) {
		h->disk->facts.failed = true;
		return SQLITE_FULL;
	}
	image_write(m, (size_t)at, bytes, (size_t)n);
	if (!h->disk)
		return SQLITE_OK;
	pending_add(h->disk, h->file, false, (size_t)at, bytes, (size_t)n);
	h->disk->facts.writes++;
	h->disk->facts.bytes += more;
	if (h->disk->facts.bytes > h->disk->facts.peak)
		h->disk->facts.peak = h->disk->facts.bytes;
	return SQLITE_OK;
}

static int sim_truncate(sqlite3_file *base, sqlite3_int64 size)
{
	struct handle *h = (struct handle *)base;
	struct image *m = image_of(h);

	if (refuses(h->disk))
		return SQLITE_IOERR_TRUNCATE;
	if ((size_t)size >= m->n)
		return SQLITE_OK;
	if (h->disk) {
		h->disk->facts.bytes -= m->n - (size_t)size;
		pending_add(h->disk, h->file, true, (size_t)size, NULL, 0);
	}
	image_size(m, (size_t)size);
	return SQLITE_OK;
}

static int sim_sync(sqlite3_file *base, int flags)
{
	struct handle *h = (struct handle *)base;

	if (!h->disk)
		return SQLITE_OK;
	if (refuses(h->disk))
		return SQLITE_IOERR_FSYNC;
	h->disk->facts.syncs++;
	if (h->disk->honesty == DISK_HONEST)
		flush(h->disk, h->file);
	else if (draw(100) < 5)
		flush(h->disk, NULL);
	else
		flush_folder(h->disk); /* the liar lies about what is in files */
	return SQLITE_OK;
}

static int sim_file_size(sqlite3_file *base, sqlite3_int64 *ret)
{
	*ret = (sqlite3_int64)image_of((struct handle *)base)->n;
	return SQLITE_OK;
}

/* --- locks between the handles of this process --- */
static void count_lock(struct file *f, int level, int by)
{
	f->shared += level >= SQLITE_LOCK_SHARED ? by : 0;
	f->reserved += level >= SQLITE_LOCK_RESERVED ? by : 0;
	f->pending += level >= SQLITE_LOCK_PENDING ? by : 0;
	f->exclusive += level >= SQLITE_LOCK_EXCLUSIVE ? by : 0;
}

static int sim_lock(sqlite3_file *base, int level)
{
	struct handle *h = (struct handle *)base;
	struct file *f = h->file;
	bool refused;

	if (!f || level <= h->level)
		return SQLITE_OK;
	count_lock(f, h->level, -1);
	refused = f->exclusive || (level == SQLITE_LOCK_SHARED && f->pending) ||
		  (level >= SQLITE_LOCK_RESERVED && f->reserved) ||
		  (level == SQLITE_LOCK_EXCLUSIVE && f->shared);
	if (!refused)
		h->level = level;
	count_lock(f, h->level, 1);
	return refused ? SQLITE_BUSY : SQLITE_OK;
}

static int sim_unlock(sqlite3_file *base, int level)
{
	struct handle *h = (struct handle *)base;

	if (!h->file || level >= h->level)
		return SQLITE_OK;
	count_lock(h->file, h->level, -1);
	h->level = level;
	count_lock(h->file, h->level, 1);
	return SQLITE_OK;
}

static int sim_check_reserved(sqlite3_file *base, int *ret)
{
	struct handle *h = (struct handle *)base;

	*ret = h->file && h->file->reserved > 0;
	return SQLITE_OK;
}

static int sim_control(sqlite3_file *base, int op, void *arg)
{
	return SQLITE_NOTFOUND;
}

static int sim_sector_size(sqlite3_file *base)
{
	return SECTOR;
}

static int sim_characteristics(sqlite3_file *base)
{
	return SQLITE_IOCAP_POWERSAFE_OVERWRITE;
}

/* --- the shared memory of the write-ahead log --- */
static int sim_shm_map(sqlite3_file *base, int region, int size, int extend, void volatile **ret)
{
	struct file *f = ((struct handle *)base)->file;

	assert(f && region < SHM_REGIONS);
	if (!f->shm[region] && extend)
		f->shm[region] = calloc(1, (size_t)size);
	*ret = f->shm[region];
	return SQLITE_OK;
}

static bool shm_refused(const struct handle *h, int first, int n, bool exclusive)
{
	for (int i = first; i < first + n; i++) {
		int mine = h->shm_shared >> i & 1, sole = h->shm_exclusive >> i & 1;

		if (h->file->shm_exclusive[i] - sole > 0 ||
		    (exclusive && h->file->shm_shared[i] - mine > 0))
			return true;
	}
	return false;
}

static int sim_shm_lock(sqlite3_file *base, int first, int n, int flags)
{
	struct handle *h = (struct handle *)base;
	bool exclusive = flags & SQLITE_SHM_EXCLUSIVE;
	unsigned *mine = exclusive ? &h->shm_exclusive : &h->shm_shared;
	int *counts = exclusive ? h->file->shm_exclusive : h->file->shm_shared;

	if (flags & SQLITE_SHM_LOCK && shm_refused(h, first, n, exclusive))
		return SQLITE_BUSY;
	for (int i = first; i < first + n; i++) {
		bool held = *mine >> i & 1, want = flags & SQLITE_SHM_LOCK;

		counts[i] += (int)want - (int)held;
		*mine = (*mine & ~(1u << i)) | (unsigned)want << i;
	}
	return SQLITE_OK;
}

static void sim_shm_barrier(sqlite3_file *base)
{
}

static int sim_shm_unmap(sqlite3_file *base, int delete_it)
{
	struct handle *h = (struct handle *)base;

	for (int i = 0; i < SHM_LOCKS; i++) {
		h->file->shm_shared[i] -= h->shm_shared >> i & 1;
		h->file->shm_exclusive[i] -= h->shm_exclusive >> i & 1;
	}
	h->shm_shared = h->shm_exclusive = 0;
	/* Only the last one out lets go of it: the others still look at it. */
	if (h->file->handles > 1)
		return SQLITE_OK;
	for (int i = 0; i < SHM_REGIONS; i++) {
		free(h->file->shm[i]);
		h->file->shm[i] = NULL;
	}
	return SQLITE_OK;
}

static const sqlite3_io_methods methods = {
	.iVersion = 2,
	.xClose = sim_close,
	.xRead = sim_read,
	.xWrite = sim_write,
	.xTruncate = sim_truncate,
	.xSync = sim_sync,
	.xFileSize = sim_file_size,
	.xLock = sim_lock,
	.xUnlock = sim_unlock,
	.xCheckReservedLock = sim_check_reserved,
	.xFileControl = sim_control,
	.xSectorSize = sim_sector_size,
	.xDeviceCharacteristics = sim_characteristics,
	.xShmMap = sim_shm_map,
	.xShmLock = sim_shm_lock,
	.xShmBarrier = sim_shm_barrier,
	.xShmUnmap = sim_shm_unmap,
};

/* --- the VFS --- */
static int sim_open(sqlite3_vfs *vfs, const char *path, sqlite3_file *base, int flags, int *ret)
{
	struct handle *h = (struct handle *)base;
	const char *name;

	*h = (struct handle){.level = SQLITE_LOCK_NONE};
	if (path) {
		h->disk = disk_of(path, &name);
		if (!h->disk || h->disk->off)
			return SQLITE_CANTOPEN;
		h->file = file_find(h->disk, name, flags & SQLITE_OPEN_CREATE);
		if (!h->file || (!h->file->linked && !(flags & SQLITE_OPEN_CREATE)))
			return SQLITE_CANTOPEN;
		if (!h->file->linked) { /* another file than the one that had the name */
			h->file->safe.n = 0;
			h->file->kept = h->file->found = false;
			h->file->linked = true;
		}
		h->file->handles++;
	}
	h->base.pMethods = &methods;
	if (ret)
		*ret = flags;
	return SQLITE_OK;
}

/* What waits in the cache for the file goes with its name; a liar settles the rest with it. */
static int sim_delete(sqlite3_vfs *vfs, const char *path, int sync_folder)
{
	const char *name;
	struct disk *d = disk_of(path, &name);
	struct file *f = d ? file_find(d, name, false) : NULL;

	if (!f || !f->linked)
		return SQLITE_IOERR_DELETE_NOENT;
	if (refuses(d))
		return SQLITE_IOERR_DELETE;
	flush(d, d->honesty == DISK_HONEST ? f : NULL);
	d->facts.bytes -= f->now.n;
	f->linked = false;
	f->kept = d->honesty == DISK_HONEST;
	if (sync_folder)
		flush_folder(d);
	f->found = false;
	f->now.n = 0;
	if (!f->kept)
		f->safe.n = 0;
	return SQLITE_OK;
}

static int sim_access(sqlite3_vfs *vfs, const char *path, int flags, int *ret)
{
	const char *name;
	struct disk *d = disk_of(path, &name);
	struct file *f = d ? file_find(d, name, false) : NULL;

	*ret = f && f->linked && (flags != SQLITE_ACCESS_EXISTS || f->now.n);
	return SQLITE_OK;
}

static int sim_full_path(sqlite3_vfs *vfs, const char *path, int n, char *out)
{
	snprintf(out, (size_t)n, "%s", path);
	return SQLITE_OK;
}

static int sim_randomness(sqlite3_vfs *vfs, int n, char *out)
{
	for (int i = 0; i < n; i++)
		out[i] = (char)test_rand(disks.env);
	return n;
}

static int sim_sleep(sqlite3_vfs *vfs, int us)
{
	return us;
}

static int sim_time(sqlite3_vfs *vfs, sqlite3_int64 *ret)
{
	*ret = disks.env->now + 210866760000000LL;
	return SQLITE_OK;
}

static int sim_last_error(sqlite3_vfs *vfs, int n, char *out)
{
	return 0;
}

void disks_install(struct test_env *clock)
{
	static sqlite3_vfs vfs = {
		.iVersion = 2,
		.szOsFile = sizeof(struct handle),
		.mxPathname = 128,
		.zName = "sim",
		.xOpen = sim_open,
		.xDelete = sim_delete,
		.xAccess = sim_access,
		.xFullPathname = sim_full_path,
		.xRandomness = sim_randomness,
		.xSleep = sim_sleep,
		.xGetLastError = sim_last_error,
		.xCurrentTimeInt64 = sim_time,
	};

	assert(!disks.env);
	disks.env = clock;
	if (sqlite3_vfs_register(&vfs, 1) != SQLITE_OK)
		abort();
}
