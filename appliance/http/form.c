/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/http/form.h"
#include "appliance/http/text.h"

const char *fields_get(const struct fields *f, const char *name)
{
	for (size_t i = 0; i < f->n; i++) {
		if (strcmp(f->v[i].name, name) == 0)
			return f->v[i].value;
	}
	return NULL;
}

struct error *fields_add(struct fields *f, const char *name, const char *value)
{
	ENSURE(f->n < LIMIT_FORM_FIELDS,
	       error_new(ERR_LIMIT, N_("This form has more fields than this box accepts.")));
	f->v[f->n++] = (struct field){name, value};
	return NULL;
}

static struct error *add_pair(struct arena *a, struct span pair, struct fields *f)
{
	const uint8_t *eq = memchr(pair.p, '=', pair.n);
	size_t name_n = eq ? (size_t)(eq - pair.p) : pair.n;
	struct span rest = eq ? span_of(eq + 1, pair.n - name_n - 1) : span_of("", 0);
	char *name = http_text_unescape(a, span_of(pair.p, name_n), true);
	char *value = http_text_unescape(a, rest, true);

	ENSURE(name && value && http_text_is_line(name),
	       error_new(ERR_MALFORMED, N_("What was sent is not a form that this box can read.")));
	return fields_add(f, name, http_text_lines(a, span_str(value)));
}

struct error *form_parse(struct arena *a, struct span body, struct fields *f)
{
	while (body.n) {
		const uint8_t *amp = memchr(body.p, '&', body.n);
		size_t n = amp ? (size_t)(amp - body.p) : body.n;

		if (n)
			TRY(add_pair(a, span_of(body.p, n), f));
		n += amp ? 1 : 0;
		body = span_of(body.p + n, body.n - n);
	}
	return NULL;
}

/* jansson recurses as deep as the input asks for, up to 2,048, and takes forty bytes for a value of
 * two: we allow less, and look before it does. */
static bool modest(struct span s)
{
	enum { VALUES = 4096 };
	int depth = 0, values = 1;
	bool quoted = false;

	for (size_t i = 0; i < s.n; i++) {
		uint8_t c = s.p[i];

		if (quoted) {
			if (c == '\\')
				i++;
			else if (c == '"')
				quoted = false;
		} else if (c == '"') {
			quoted = true;
		} else if (c == '{' || c == '[') {
			if (++depth > LIMIT_JSON_DEPTH || ++values > VALUES)
				return false;
		} else if (c == ',') {
			if (++values > VALUES)
				return false;
		} else if (c == '}' || c == ']') {
			depth--;
		}
	}
	return true;
}

struct error *form_parse_json(struct span body, json_t **ret)
{
	json_error_t why;
	json_t *j;

	ENSURE(modest(body), error_new(ERR_LIMIT, N_("This JSON is nested deeper, or has more "
						     "parts, than this box accepts.")));
	j = json_loadb((const char *)body.p, body.n, JSON_REJECT_DUPLICATES, &why);
	ENSURE(j, error_new(ERR_MALFORMED, N_("The body is not valid JSON: %s."), why.text));
	if (!json_is_object(j)) {
		json_decref(j);
		return error_new(ERR_MALFORMED, N_("The body must be one JSON object."));
	}
	*ret = j;
	return NULL;
}

struct error *form_from_json(struct arena *a, const json_t *object, struct fields *f)
{
	const char *name;
	json_t *v;

	json_object_foreach((json_t *)object, name, v)
	{
		const char *value = NULL;

		if (json_is_string(v))
			value = http_text_lines(
				a, span_of(json_string_value(v), json_string_length(v)));
		else if (json_is_integer(v))
			value = arena_printf(a, "%lld", (long long)json_integer_value(v));
		else if (json_is_true(v))
			value = "1";
		if (value)
			TRY(fields_add(f, name, value));
	}
	return NULL;
}
