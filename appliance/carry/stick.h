/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * A stick: a folder that somebody else filled. Ours on it is `lliure/`, with files named by
 * carry_name. Everything is opened below the stick's own descriptor without following links;
 * only regular files of a known size are read; at most CARRY_LOOKED names are looked at. What else
 * lies there is neither opened nor counted.
 *
 * Writing: a temporary name, fsync, rename, fsync of the folder, syncfs. After stick_write_end the
 * stick may be pulled out.
 */
#pragma once
#include "appliance/carry/carry.h"

struct stick_place {
	char id[STICK_ID];
	char label[LIMIT_NAME + 1]; /* for people, one clean line */
	char path[1024];
};
struct stick_file {
	char name[CARRY_NAME];
	uint64_t size;
};

/* --- stick.c --- */
struct error *stick_open(const struct stick_place *p, int *ret_root) MUST;
/* The newest by the dates in their names, at most CARRY_FILES. *ret_more: there are others. */
struct error *stick_list(int root, struct stick_file files[CARRY_FILES], size_t *ret_n,
			 bool *ret_more) MUST;
/* ERR_DENIED for what is no regular file, ERR_LIMIT for one that is too large. */
struct error *stick_file_open(int root, const char *name, int *ret_fd, uint64_t *ret_size) MUST;
struct stick_room {
	uint64_t bytes, file_max; /* free; the largest file that its file system can hold */
	bool writable;
};
struct error *stick_room(int root, struct stick_room *ret) MUST;
struct error *stick_write_begin(int root, const char *name, int *ret_fd) MUST;
struct error *stick_write_end(int root, int take_fd, const char *name) MUST;
void stick_write_give_up(int root, int take_fd, const char *name);
void stick_remove(int root, const char *name);
/* What went wrong, with the stick's name: full, pulled out, read-only. */
struct error *stick_error(int errnum) MUST;

/* --- stick_name.c: pure --- */
/* What udev says of a part; "" for what it does not say. */
struct usb_words {
	const char *devtype, *usage, *type, *table;
	uint64_t sectors;
};
enum usb_use usb_judge(const struct usb_words *w);
bool usb_uuid_ok(const char *uuid);
/* "USB 1A2B-3C4D KINGSTON": by it a stick is found again, wherever it is plugged in and whatever the
 * kernel calls it then. false: it has no such name. */
enum { STICK_NAME = 200 };
bool stick_name(const struct usb_part *part, char out[STICK_NAME]);
bool stick_is_name(const char *where); /* such a name, and no path */
/* ERR_NOT_FOUND: it is not plugged in. ERR_CONFLICT: two have that number. *ret is borrowed. */
struct error *stick_by_name(const struct usb_part *parts, size_t n, const char *name,
			    const struct usb_part **ret) MUST;

/* --- stick_watch.c, stick_udev.c --- */
/* The path of a place: itself, or where the box's helper opens the stick of that name. */
struct error *stick_path(const struct app *a, const char *where, char *out, size_t size) MUST;
/* The device ("sdb1") of a place that the box's helper opened, borrowed from the path; NULL: somebody
 * else did. */
const char *stick_device(const struct app *a, const char *path);
/* On a box: have a place that its helper opens opened for writing (also when it was plugged in and not
 * open), and for reading again. Nothing where somebody else opened it. */
struct error *stick_open_for_writing(const struct app *a, const char *path) MUST;
void stick_open_for_reading(const struct app *a, const char *path);
/* Where sticks are now: folders in `dir` (NULL: none), and what udev says is mounted from USB. */
size_t stick_places(const char *dir, struct stick_place *out, size_t max);
void stick_place_name(struct stick_place *p, const char *label, const char *path);
struct usb;
/* NULL where there is no udev. `data`: a folder whose disk is this machine's own, as the root's is;
 * NULL. A machine may well run from a disk on USB, and then its own parts are no sticks. */
struct usb *usb_open(const char *data);
void usb_close(struct usb *u);
int usb_fd(const struct usb *u); /* readable when something was plugged in or out; -1 */
void usb_drain(struct usb *u);
/* Those on USB, open or not, but for USB_NOTHING. */
size_t usb_parts(struct usb *u, struct usb_part *out, size_t max);
/* Is this block device on USB, or removable, and neither on a disk of the machine's own nor a part of
 * a box's disk ("lliure-data", which some other machine may have been)? Its name for people in label.
 */
bool usb_device(struct usb *u, unsigned major, unsigned minor, char label[LIMIT_NAME + 1]);
/* below: a box's own folder of sticks, outside which nothing that is mounted is one; "": anywhere. */
size_t stick_mounted(struct usb *u, const char *mountinfo, const char *below,
		     struct stick_place *out, size_t max);
/* What this machine has mounted: stick_mounted of its own table. */
size_t stick_mounted_here(struct usb *u, const struct app *a, struct stick_place *out, size_t max);
