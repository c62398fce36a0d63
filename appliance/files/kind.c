/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/files/kind.h"
#include "appliance/community/op_text.h"
#include "sync/base/cleanup.h"
#include "sync/base/error.h"
#include <string.h>
#include <strings.h>

enum kind {
	K_OTHER,
	K_PDF,
	K_PNG,
	K_JPEG,
	K_GIF,
	K_WEBP,
	K_TEXT,
	K_CSV,
	K_ODT,
	K_ODS,
	K_ODP,
	K_DOCX,
	K_XLSX,
	K_PPTX,
	K_EPUB,
	K_ZIP,
	K_MP3,
	K_OGG,
	K_FLAC,
	K_WAV,
	K_MP4,
	K_WEBM,
	KINDS
};

static const struct file_kind kinds[KINDS] = {
	[K_OTHER] = {"other", ".bin", N_("file")},
	[K_PDF] = {"pdf", ".pdf", N_("PDF")},
	[K_PNG] = {"png", ".png", N_("picture")},
	[K_JPEG] = {"jpeg", ".jpg", N_("photo")},
	[K_GIF] = {"gif", ".gif", N_("picture")},
	[K_WEBP] = {"webp", ".webp", N_("picture")},
	[K_TEXT] = {"text", ".txt", N_("plain text")},
	[K_CSV] = {"csv", ".csv", N_("table")},
	[K_ODT] = {"odt", ".odt", N_("text document")},
	[K_ODS] = {"ods", ".ods", N_("spreadsheet")},
	[K_ODP] = {"odp", ".odp", N_("slides")},
	[K_DOCX] = {"docx", ".docx", N_("text document")},
	[K_XLSX] = {"xlsx", ".xlsx", N_("spreadsheet")},
	[K_PPTX] = {"pptx", ".pptx", N_("slides")},
	[K_EPUB] = {"epub", ".epub", N_("book")},
	[K_ZIP] = {"zip", ".zip", N_("ZIP archive")},
	[K_MP3] = {"mp3", ".mp3", N_("sound")},
	[K_OGG] = {"ogg", ".ogg", N_("sound")},
	[K_FLAC] = {"flac", ".flac", N_("sound")},
	[K_WAV] = {"wav", ".wav", N_("sound")},
	[K_MP4] = {"mp4", ".mp4", N_("film")},
	[K_WEBM] = {"webm", ".webm", N_("film")},
};

/* What stands where in a file of that kind. */
static const struct {
	enum kind kind;
	size_t at;
	const char *bytes;
	size_t n;
	size_t at2;
	const char *bytes2;
} marks[] = {
	{K_PDF, 0, "%PDF-", 5, 0, NULL},
	{K_PNG, 0, "\x89PNG\r\n\x1a\n", 8, 0, NULL},
	{K_JPEG, 0, "\xff\xd8\xff", 3, 0, NULL},
	{K_GIF, 0, "GIF8", 4, 0, NULL},
	{K_WEBP, 0, "RIFF", 4, 8, "WEBP"},
	{K_WAV, 0, "RIFF", 4, 8, "WAVE"},
	{K_ODT, 30, "mimetypeapplication/vnd.oasis.opendocument.text", 47, 0, NULL},
	{K_ODS, 30, "mimetypeapplication/vnd.oasis.opendocument.spreadsheet", 54, 0, NULL},
	{K_ODP, 30, "mimetypeapplication/vnd.oasis.opendocument.presentation", 55, 0, NULL},
	{K_EPUB, 30, "mimetypeapplication/epub+zip", 28, 0, NULL},
	{K_ZIP, 0, "PK\x03\x04", 4, 0, NULL},
	{K_MP3, 0, "ID3", 3, 0, NULL},
	{K_MP3, 0, "\xff\xfb", 2, 0, NULL},
	{K_OGG, 0, "OggS", 4, 0, NULL},
	{K_FLAC, 0, "fLaC", 4, 0, NULL},
	{K_MP4, 4, "ftyp", 4, 0, NULL},
	{K_WEBM, 0, "\x1a\x45\xdf\xa3", 4, 0, NULL},
};

static bool stands(struct span head, size_t at, const char *bytes, size_t n)
{
	return head.n >= at + n && !memcmp(head.p + at, bytes, n);
}

static bool ends_with(const char *name, const char *end)
{
	size_t n = strlen(name), e = strlen(end);

	return n >= e && !strcasecmp(name + n - e, end);
}

/* Line ends of other systems are text, too; a head that was cut may end within a letter. */
static bool is_text(struct span head)
{
	uint8_t plain[FILE_HEAD];
	size_t n = 0, most = head.n >= FILE_HEAD ? 4 : 1;

	for (size_t i = 0; i < head.n && i < sizeof(plain); i++)
		if (head.p[i] != '\r')
			plain[n++] = head.p[i];
	for (size_t cut = 0; cut < most && cut < n; cut++)
		if (text_is_text(span_of(plain, n - cut)))
			return true;
	return false;
}

/* What lies in a ZIP archive is told by the name alone: it is saved either way. */
static enum kind of_archive(const char *name)
{
	static const enum kind inside[] = {K_DOCX, K_XLSX, K_PPTX};

	for (size_t i = 0; i < sizeof(inside) / sizeof(inside[0]); i++)
		if (ends_with(name, kinds[inside[i]].end))
			return inside[i];
	return K_ZIP;
}

const struct file_kind *file_kind_find(struct span head, const char *name)
{
	for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
		if (!stands(head, marks[i].at, marks[i].bytes, marks[i].n))
			continue;
		if (marks[i].bytes2 && !stands(head, marks[i].at2, marks[i].bytes2, 4))
			continue;
		return &kinds[marks[i].kind == K_ZIP ? of_archive(name) : marks[i].kind];
	}
	if (is_text(head))
		return &kinds[ends_with(name, ".csv") ? K_CSV : K_TEXT];
	return &kinds[K_OTHER];
}

const struct file_kind *file_kind_named(const char *name)
{
	for (size_t i = 0; i < KINDS; i++)
		if (!strcmp(kinds[i].name, name))
			return &kinds[i];
	return &kinds[K_OTHER];
}

bool file_end_is_ours(const char *name)
{
	for (size_t i = 0; i < KINDS; i++)
		if (ends_with(name, kinds[i].end))
			return true;
	return false;
}
