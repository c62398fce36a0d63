/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/http/multipart.h"
#include "appliance/http/text.h"
#include <strings.h>

static struct error *malformed(void)
{
	return error_new(
		ERR_MALFORMED,
		N_("The upload is damaged or not a form that this box can read. Try again."));
}

static bool boundary_char(char c)
{
	char lower = c | 0x20;

	return (c >= '0' && c <= '9') || (lower >= 'a' && lower <= 'z') ||
	       (c && strchr("'()+_,-./:=? ", c));
}

/* The value of a parameter `; name=value` or `; name="value"`, case-insensitive. */
static bool parameter(const char *header, const char *name, char *out, size_t room)
{
	size_t want = strlen(name);

	for (const char *p = strchr(header, ';'); p; p = strchr(p, ';')) {
		const char *end;
		bool quoted;

		for (p++; *p == ' ' || *p == '\t';)
			p++;
		if (strncasecmp(p, name, want) != 0 || p[want] != '=') {
			/* step over a quoted value, which may hold a ';' */
			const char *eq = p + strcspn(p, "=;");

			if (eq[0] == '=' && eq[1] == '"') {
				p = strchr(eq + 2, '"');
				if (!p)
					return false;
			}
			continue;
		}
		p += want + 1;
		quoted = *p == '"';
		p += quoted ? 1 : 0;
		end = quoted ? strchr(p, '"') : p + strcspn(p, "; \t");
		if (!end || (size_t)(end - p) >= room)
			return false;
		memcpy(out, p, (size_t)(end - p));
		out[end - p] = 0;
		return true;
	}
	return false;
}

struct error *multipart_init(struct multipart *m, const char *content_type,
			     const struct multipart_sink *sink)
{
	char boundary[MULTIPART_BOUNDARY + 1];
	size_t n;

	ENSURE(strncasecmp(content_type, "multipart/form-data", 19) == 0 &&
		       parameter(content_type, "boundary", boundary, sizeof(boundary)),
	       malformed());
	n = strlen(boundary);
	ENSURE(n > 0 && boundary[n - 1] != ' ', malformed());
	for (size_t i = 0; i < n; i++)
		ENSURE(boundary_char(boundary[i]), malformed());
	*m = (struct multipart){.sink = *sink, .matched = 2};
	m->delimiter_n = (size_t)snprintf(m->delimiter, sizeof(m->delimiter), "\r\n--%s", boundary);
	return NULL;
}

/* What a browser on another system sends as a path stays out; so does what is no name at all. */
static const char *base_name(char *name)
{
	char *slash;

	while ((slash = strpbrk(name, "/\\")))
		name = slash + 1;
	if (!*name || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return "file";
	return name;
}

static bool good_name(const char *s)
{
	return http_text_is_utf8(span_str(s)) && http_text_is_line(s);
}

/* The header lines of a part are complete: find its name, tell the sink. */
static struct error *begin_part(struct multipart *m)
{
	char name[LIMIT_SLUG + 1], file[LIMIT_PATH + 1];
	bool found = false, has_file = false;
	char *save = NULL;

	m->headers[m->headers_n] = 0;
	ENSURE(strlen(m->headers) == m->headers_n, malformed());
	for (char *line = strtok_r(m->headers, "\r\n", &save); line;
	     line = strtok_r(NULL, "\r\n", &save)) {
		if (strncasecmp(line, "content-disposition:", 20) != 0)
			continue;
		ENSURE(!found && parameter(line, "name", name, sizeof(name)), malformed());
		found = true;
		has_file = parameter(line, "filename", file, sizeof(file));
		if (!has_file && strstr(line, "filename="))
			return error_new(ERR_LIMIT, N_("The file's name is too long."));
	}
	ENSURE(found && good_name(name) && (!has_file || good_name(file)), malformed());
	ENSURE(++m->parts <= LIMIT_FORM_FIELDS,
	       error_new(ERR_LIMIT, N_("This form has more fields than this box accepts.")));
	m->state = MULTIPART_DATA;
	m->matched = 0;
	return m->sink.part(m->sink.ctx, name, has_file ? base_name(file) : NULL);
}

/* One byte of the header lines. They end with an empty line: CRLFCRLF, or CRLF alone at once. */
static struct error *header_byte(struct multipart *m, char c)
{
	ENSURE(m->headers_n < MULTIPART_HEADERS - 1, malformed());
	m->headers[m->headers_n++] = c;
	if (c != '\n')
		return NULL;
	ENSURE(m->headers_n >= 2 && m->headers[m->headers_n - 2] == '\r', malformed());
	if (m->headers_n == 2 || (m->headers_n >= 4 && m->headers[m->headers_n - 3] == '\n'))
		return begin_part(m);
	return NULL;
}

/* After a delimiter: CRLF begins a part, "--" ends it all. `matched` counts the two bytes. */
static struct error *delimiter_byte(struct multipart *m, char c)
{
	if (m->matched == 0) {
		ENSURE(c == '-' || c == '\r', malformed());
		m->headers[0] = c;
		m->matched = 1;
		return NULL;
	}
	if (m->headers[0] == '-') {
		ENSURE(c == '-', malformed());
		m->state = MULTIPART_EPILOGUE;
		return NULL;
	}
	ENSURE(c == '\n', malformed());
	m->state = MULTIPART_HEADER_LINES;
	m->headers_n = 0;
	return NULL;
}

static struct error *delimiter_found(struct multipart *m)
{
	bool opening = m->state == MULTIPART_OPENING;

	m->state = MULTIPART_DELIMITER;
	m->matched = 0;
	return opening ? NULL : m->sink.end(m->sink.ctx);
}

/* As much of the content as can be told. CR is only at the start of the delimiter, so a mismatch
 * never has to look back further than that. */
static struct error *take_data(struct multipart *m, struct span *in)
{
	if (m->matched == 0) {
		const uint8_t *cr = memchr(in->p, '\r', in->n);
		size_t n = cr ? (size_t)(cr - in->p) : in->n;

		if (n)
			TRY(m->sink.data(m->sink.ctx, span_of(in->p, n)));
		*in = span_of(in->p + n, in->n - n);
	}
	while (in->n) {
		if (in->p[0] == (uint8_t)m->delimiter[m->matched]) {
			*in = span_of(in->p + 1, in->n - 1);
			if (++m->matched == m->delimiter_n)
				return delimiter_found(m);
			continue;
		}
		ENSURE(m->state == MULTIPART_DATA, malformed());
		if (m->matched) {
			TRY(m->sink.data(m->sink.ctx, span_of(m->delimiter, m->matched)));
			m->matched = 0;
			continue;
		}
		return NULL;
	}
	return NULL;
}

struct error *multipart_feed(struct multipart *m, struct span in)
{
	while (in.n) {
		char c = (char)in.p[0];

		switch (m->state) {
		case MULTIPART_OPENING:
		case MULTIPART_DATA:
			TRY(take_data(m, &in));
			continue;
		case MULTIPART_DELIMITER:
			TRY(delimiter_byte(m, c));
			break;
		case MULTIPART_HEADER_LINES:
			TRY(header_byte(m, c));
			break;
		case MULTIPART_EPILOGUE:
			return NULL;
		}
		in = span_of(in.p + 1, in.n - 1);
	}
	return NULL;
}

struct error *multipart_finish(struct multipart *m)
{
	ENSURE(m->state == MULTIPART_EPILOGUE, malformed());
	return NULL;
}
