/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Files that posts are about: each box has a real folder of them, in memory where the machine has
 * one. They lie beside the databases, so a disk that forgets takes them along whole; a single bit
 * may flip at any time.
 */
#include "tests/sim/world.h"
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILE_MOST = 60000 };

static void make_dir(struct world *w, int box)
{
	struct stat st;

	if (asprintf(&w->at[box].blob_dir, "%s/lliure-sim.%ld-%d",
		     stat("/dev/shm", &st) == 0 ? "/dev/shm" : "/tmp", (long)getpid(), box) < 0)
		abort();
}

void files_open(struct world *w, int box)
{
	if (!w->files)
		return;
	if (!w->at[box].blob_dir)
		make_dir(w, box);
	NEED(&w->s, blob_open(w->at[box].blob_dir, &w->at[box].blobs));
}

void files_release(struct world *w, int box)
{
	struct site *p = &w->at[box];

	blob_close(STEAL(p->blobs));
	if (p->blob_dir)
		test_dir_remove(STEAL(p->blob_dir));
}

static void path_at(const struct world *w, int box, const struct file_of *f, char out[300])
{
	snprintf(out, 300, "%s/%.2s/%s", w->at[box].blob_dir, ID(&f->hash), ID(&f->hash) + 2);
}

/* Also where the box is down. */
static bool lies_at(const struct world *w, int box, const struct file_of *f)
{
	char path[300];

	if (!w->at[box].blob_dir)
		return false;
	path_at(w, box, f, path);
	return access(path, F_OK) == 0;
}

bool file_is_held(const struct world *w, const struct file_of *f)
{
	for (int i = 0; i < w->s.n; i++)
		if (!w->at[i].hostile && lies_at(w, i, f))
			return true;
	return false;
}

void files_wipe(struct world *w, int box)
{
	if (!w->files)
		return;
	for (int i = 0; i < w->n_files; i++)
		w->file[i].hurt |= lies_at(w, box, &w->file[i]);
	files_release(w, box);
	files_open(w, box);
}

/* --- what people do --- */
static struct error *store(struct world *w, int box, struct file_of *ret)
{
	_cleanup_(blob_writer_freep) struct blob_writer *b = NULL;
	uint64_t left = 1 + sim_below(&w->s, FILE_MOST);

	TRY(blob_writer_new(w->at[box].blobs, FILE_MOST, &b));
	while (left) {
		uint8_t bytes[4096];
		size_t n = left < sizeof(bytes) ? (size_t)left : sizeof(bytes);

		for (size_t i = 0; i < n; i += 8) {
			uint64_t r = test_rand(&w->s.rand);

			memcpy(bytes + i, &r, 8);
		}
		TRY(blob_write(b, span_of(bytes, n)));
		left -= n;
	}
	return blob_writer_finish(STEAL(b), &ret->hash, &ret->size);
}

void files_add(struct world *w, int box)
{
	struct file_of *f = &w->file[w->n_files];
	int before = w->s.ops_n;

	if (!w->files || w->n_files == BLOBS || w->at[box].hostile)
		return;
	NEED(&w->s, store(w, box, f));
	sim_write_post(&w->s, box);
	if (w->s.ops_n == before || w->s.ops[before].box != box)
		return;
	f->op = w->s.ops[before].id;
	f->space = w->here;
	w->n_files++;
	sim_say(&w->s, "post %s is about file %s of %llu bytes", ID_SHORT(&f->op),
		ID_SHORT(&f->hash), (unsigned long long)f->size);
}

void files_scratch(struct world *w, int box)
{
	char path[300];
	uint8_t byte;
	int fd;

	if (!w->n_files)
		return;
	struct file_of *f = &w->file[sim_below(&w->s, (uint64_t)w->n_files)];
	uint64_t at = sim_below(&w->s, f->size);

	path_at(w, box, f, path);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return;
	if (pread(fd, &byte, 1, (off_t)at) == 1) {
		byte ^= 1;
		if (pwrite(fd, &byte, 1, (off_t)at) != 1)
			abort();
		f->hurt = true;
		sim_say(&w->s, "a bit of file %s flips on box %d", ID_SHORT(&f->hash), box);
	}
	close(fd);
}

/* --- what boxes do --- */
struct wanted {
	bool live;
};

static struct error *see_wanted(void *ctx, const struct stored *e)
{
	((struct wanted *)ctx)->live |= e->live && e->state == PAYLOAD_HELD;
	return NULL;
}

static bool wants(struct world *w, int box, const struct file_of *f)
{
	struct wanted k = {.live = false};

	if (!w->at[box].wants[f->space])
		return false;
	NEED(&w->s, log_op(w->s.box[box].c->log, &f->op, see_wanted, &k));
	return k.live;
}

bool files_next(struct world *w, int box, int *io_at, struct hash *ret)
{
	uint64_t size;

	if (!w->files)
		return false;
	while (*io_at < w->n_files) {
		const struct file_of *f = &w->file[(*io_at)++];

		if (w->at[box].keep.blob_max && f->size > w->at[box].keep.blob_max)
			continue;
		if (blob_has(w->at[box].blobs, &f->hash, &size) || !wants(w, box, f))
			continue;
		*ret = f->hash;
		return true;
	}
	return false;
}

/* Everything is read again, as `verify` does: what is damaged is put aside, and fetched again. */
void files_verify(struct world *w, int box)
{
	uint64_t size;

	for (int i = 0; i < w->n_files && w->files; i++) {
		const struct hash *h = &w->file[i].hash;
		struct error *err;

		if (!blob_has(w->at[box].blobs, h, &size))
			continue;
		err = blob_verify(w->at[box].blobs, h);
		if (!error_is(err, ERR_CORRUPT))
			NEED(&w->s, err);
		else
			error_free(err);
	}
}

/* --- the end --- */
static bool somebody_has(struct world *w, const struct file_of *f)
{
	uint64_t size;

	for (int i = 0; i < w->s.n; i++)
		if (box_takes_part(w, i, f->space) && blob_has(w->at[i].blobs, &f->hash, &size))
			return true;
	return false;
}

static void check_file(struct world *w, int box, const struct file_of *f)
{
	uint64_t size;

	if (!blob_has(w->at[box].blobs, &f->hash, &size)) {
		sim_say(&w->s, "box %d has not file %s", box, ID_SHORT(&f->hash));
		sim_die(&w->s, "a file did not come", NULL, __FILE__, __LINE__);
	}
	if (size != f->size)
		sim_die(&w->s, "a file of another size", NULL, __FILE__, __LINE__);
	NEED(&w->s, blob_verify(w->at[box].blobs, &f->hash));
	w->tally.files++;
}

/* Where a post that counts is about a file, it is there, and right; unless the last copy went with
 * a disk. */
void files_check(struct world *w)
{
	for (int k = 0; k < w->n_files; k++) {
		const struct file_of *f = &w->file[k];

		if (!somebody_has(w, f) && f->hurt)
			continue;
		for (int i = 0; i < w->s.n; i++)
			if (box_takes_part(w, i, f->space) && wants(w, i, f))
				check_file(w, i, f);
	}
}
