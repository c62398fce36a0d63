/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/community/community_priv.h"

/* --- roles --- */
static const char *const role_names[] = {
	[ROLE_NONE] = "none",	  [ROLE_APPLIANCE] = "appliance", [ROLE_NEW] = "new",
	[ROLE_MEMBER] = "member", [ROLE_MODERATOR] = "moderator", [ROLE_STEWARD] = "steward",
};

const char *role_name(enum role r)
{
	return r >= ROLE_NONE && r <= ROLE_STEWARD ? role_names[r] : "none";
}

bool role_parse(const char *name, enum role *ret)
{
	for (int r = ROLE_NEW; r <= ROLE_STEWARD; r++) {
		if (strcmp(name, role_names[r]) == 0) {
			*ret = (enum role)r;
			return true;
		}
	}
	return false;
}

/* --- the table --- */
static void table_add(struct op_table *t, const struct op_type *types, int number)
{
	for (const struct op_type *type = types; type && type->name; type++) {
		t->rows = realloc(t->rows, sizeof(t->rows[0]) * (t->n + 1));
		if (!t->rows)
			abort();
		t->rows[t->n++] = (struct op_row){type, number};
	}
}

static int row_cmp(const void *a, const void *b)
{
	const struct op_row *x = a, *y = b;

	return strcmp(x->type->name, y->type->name);
}

struct op_table *op_table_new(const struct feature *const *list)
{
	struct op_table *t = calloc(1, sizeof(*t));
	int number = 0;

	if (!t)
		abort();
	table_add(t, rules_types, -1);
	table_add(t, erase_types, -1);
	for (; *list; list++)
		table_add(t, (*list)->types, number++);
	qsort(t->rows, t->n, sizeof(t->rows[0]), row_cmp);
	return t;
}

void op_table_free(struct op_table *t)
{
	if (!t)
		return;
	free(t->rows);
	free(t);
}

static const struct op_row *table_find(const struct op_table *t, const char *name)
{
	size_t low = 0, high = t->n;

	while (low < high) {
		size_t mid = (low + high) / 2;
		int c = strcmp(name, t->rows[mid].type->name);

		if (c == 0)
			return &t->rows[mid];
		if (c < 0)
			high = mid;
		else
			low = mid + 1;
	}
	return NULL;
}

const struct op_type *op_type_find(const struct op_table *t, const char *name)
{
	const struct op_row *row = table_find(t, name);

	return row ? row->type : NULL;
}

int op_type_feature(const struct op_table *t, const struct op_type *type)
{
	const struct op_row *row = table_find(t, type->name);

	return row ? row->feature : -1;
}

/* --- parsing --- */
static struct error *malformed(const char *msgid, const char *field)
{
	return error_new(ERR_MALFORMED, msgid, field);
}

/* Nesting is counted before the parser, which recurses, sees the bytes. */
static bool too_deep(struct span s)
{
	bool in_string = false;
	int depth = 0;

	for (size_t i = 0; i < s.n; i++) {
		uint8_t c = s.p[i];

		if (in_string) {
			if (c == '\\')
				i++;
			else if (c == '"')
				in_string = false;
		} else if (c == '"') {
			in_string = true;
		} else if (c == '{' || c == '[') {
			if (++depth > LIMIT_JSON_DEPTH)
				return true;
		} else if (c == '}' || c == ']') {
			depth--;
		}
	}
	return false;
}

static struct error *load(struct span payload, json_t **ret)
{
	json_error_t why;
	json_t *root;

	ENSURE(payload.n > 0 && payload.n <= LIMIT_PAYLOAD,
	       error_new(ERR_MALFORMED, N_("An operation is empty or too long.")));
	*ret = op_json_plain(payload);
	if (*ret)
		return NULL;
	ENSURE(!too_deep(payload),
	       error_new(ERR_MALFORMED, N_("An operation's JSON is nested too deeply.")));
	root = json_loadb((const char *)payload.p, payload.n, JSON_REJECT_DUPLICATES, &why);
	ENSURE(root, malformed(N_("An operation is not valid JSON: %s."), why.text));
	if (!json_is_object(root)) {
		json_decref(root);
		return error_new(ERR_MALFORMED, N_("An operation is not a JSON object."));
	}
	*ret = root;
	return NULL;
}

static struct error *read_ids(const json_t *list, const char *name, size_t max, struct hash *out,
			      size_t *ret_n)
{
	size_t n = json_array_size(list);

	ENSURE(json_is_array(list) && n <= max,
	       malformed(N_("The field “%s” is not a list of identifiers, or too long."), name));
	for (size_t i = 0; i < n; i++) {
		const char *text = json_string_value(json_array_get(list, i));
		struct hash id;

		ENSURE(text && id_parse(text, &id),
		       malformed(N_("The field “%s” holds something that is not an identifier."),
				 name));
		if (out)
			out[i] = id;
	}
	if (ret_n)
		*ret_n = n;
	return NULL;
}

static struct error *check_string(const json_t *v, const struct op_field *f)
{
	struct span s = span_of(json_string_value(v), json_string_length(v));
	bool text = f->kind == FIELD_TEXT;
	char max[16];

	snprintf(max, sizeof(max), "%d", f->max);
	ENSURE(json_is_string(v), malformed(N_("The field “%s” is not a text."), f->name));
	ENSURE(text || s.n > 0, malformed(N_("The field “%s” is empty."), f->name));
	ENSURE(f->max <= 0 || s.n <= (size_t)f->max,
	       error_new(ERR_MALFORMED, N_("The field “%s” is longer than %s bytes."), f->name,
			 max));
	ENSURE(text ? text_is_text(s) : text_is_line(s),
	       malformed(N_("The field “%s” holds characters that can't be shown."), f->name));
	ENSURE(f->kind != FIELD_SLUG || text_is_slug(s),
	       malformed(N_("The field “%s” may hold only small letters, digits and single "
			    "hyphens between them."),
			 f->name));
	return NULL;
}

static struct error *check_field(const json_t *v, const struct op_field *f)
{
	enum role role;
	struct hash id;

	switch (f->kind) {
	case FIELD_LINE:
	case FIELD_TEXT:
	case FIELD_SLUG:
	case FIELD_PATH:
		return check_string(v, f);
	case FIELD_ID:
		ENSURE(json_is_string(v) && id_parse(json_string_value(v), &id),
		       malformed(N_("The field “%s” is not an identifier."), f->name));
		return NULL;
	case FIELD_IDS:
		return read_ids(v, f->name, f->max > 0 ? (size_t)f->max : LIMIT_SEEN, NULL, NULL);
	case FIELD_BOOL:
		ENSURE(json_is_boolean(v),
		       malformed(N_("The field “%s” is not true or false."), f->name));
		return NULL;
	case FIELD_INT:
		ENSURE(json_is_integer(v) && json_integer_value(v) >= 0 &&
			       json_integer_value(v) <= (json_int_t)1 << 53,
		       malformed(N_("The field “%s” is not a number from 0 up."), f->name));
		return NULL;
	case FIELD_ROLE:
		ENSURE(json_is_string(v) && role_parse(json_string_value(v), &role),
		       malformed(N_("The field “%s” is not a role."), f->name));
		return NULL;
	case FIELD_JSON:
		return NULL;
	}
	return NULL;
}

static struct error *check_fields(const json_t *root, const struct op_type *type)
{
	bool sealed = json_object_get(root, "sealed");

	for (const struct op_field *f = type->fields; f && f->name; f++) {
		const json_t *v = json_object_get(root, f->name);

		if (v)
			TRY(check_field(v, f));
		else
			ENSURE(!f->required || (f->word && sealed),
			       malformed(N_("The field “%s” is missing."), f->name));
	}
	return NULL;
}

bool op_words_fit(const json_t *words, const struct op_type *type)
{
	struct error *err = NULL;

	for (const struct op_field *f = type->fields; f && f->name && !err; f++) {
		const json_t *v = f->word ? json_object_get(words, f->name) : NULL;

		if (v)
			err = check_field(v, f);
	}
	if (!err)
		return true;
	error_free(err);
	return false;
}

/* type, object and seen: what every op has, known or not. */
static struct error *read_envelope(const json_t *root, struct op *op, const char **ret_type)
{
	const json_t *type = json_object_get(root, "type"),
		     *object = json_object_get(root, "object"),
		     *seen = json_object_get(root, "seen");
	struct span name = span_of(json_string_value(type), json_string_length(type));

	ENSURE(json_is_string(type) && name.n <= 64 && text_is_line(name),
	       malformed(N_("The field “%s” is missing."), "type"));
	memset(&op->object, 0, sizeof(op->object));
	ENSURE(!object || (json_is_string(object) &&
			   id_parse(json_string_value(object), &op->object) &&
			   !hash_is_zero(&op->object)),
	       malformed(N_("The field “%s” is not an identifier."), "object"));
	op->nseen = 0;
	if (seen)
		TRY(read_ids(seen, "seen", LIMIT_SEEN, op->seen, &op->nseen));
	*ret_type = json_string_value(type);
	return NULL;
}

static struct error *read_op(const struct op_table *t, const json_t *root, struct op *op)
{
	bool creates, object;
	const char *name = NULL;

	TRY(read_envelope(root, op, &name));
	op->type = op_type_find(t, name);
	ENSURE(op->type,
	       error_new(ERR_VERSION, N_("This box does not know operations of the type “%s” yet."),
			 name));
	creates = op->type->flags & OP_CREATES;
	object = !hash_is_zero(&op->object);
	ENSURE(creates != object, malformed(creates ? N_("The field “%s” can't be here.")
						    : N_("The field “%s” is missing."),
					    "object"));
	return check_fields(root, op->type);
}

struct error *op_load(struct span payload, json_t **ret)
{
	return load(payload, ret);
}

struct error *op_parse(const struct op_table *t, struct span payload, struct op *ret,
		       json_t **ret_body)
{
	json_t *root;
	struct error *err;

	ret->type = NULL;
	TRY(load(payload, &root));
	err = read_op(t, root, ret);
	if (err) {
		json_decref(root);
		return err;
	}
	ret->body = root;
	*ret_body = root;
	return NULL;
}

/* --- fields --- */
const char *op_str(const struct op *op, const char *field)
{
	return json_string_value(json_object_get(op->body, field));
}

bool op_id(const struct op *op, const char *field, struct hash *ret)
{
	const char *text = op_str(op, field);

	return text && id_parse(text, ret);
}

size_t op_parents(const json_t *body, struct hash out[LIMIT_SEEN])
{
	const json_t *list = json_object_get(body, "parents");
	size_t n = 0;

	for (size_t i = 0; i < json_array_size(list) && n < LIMIT_SEEN; i++) {
		const char *text = json_string_value(json_array_get(list, i));

		n += text && id_parse(text, &out[n]);
	}
	return n;
}

bool op_bool(const struct op *op, const char *field, bool otherwise)
{
	const json_t *v = json_object_get(op->body, field);

	return v ? json_is_true(v) : otherwise;
}

int64_t op_int(const struct op *op, const char *field, int64_t otherwise)
{
	const json_t *v = json_object_get(op->body, field);

	return v ? json_integer_value(v) : otherwise;
}
