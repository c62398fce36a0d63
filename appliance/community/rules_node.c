/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The op types of the rules, and reading one into a node. */
#include "appliance/community/rules_priv.h"

#define END                                                                                        \
	{                                                                                          \
		NULL, 0, false, 0                                                                  \
	}
static const struct op_field found_fields[] = {
	{"private", FIELD_BOOL, false, 0},  {"name", FIELD_LINE, false, LIMIT_NAME},
	{"about", FIELD_TEXT, false, 1000}, {"steward", FIELD_JSON, true, 0},
	{"appliance", FIELD_JSON, true, 0}, END,
};
static const struct op_field set_fields[] = {
	{"name", FIELD_LINE, false, LIMIT_NAME, true},
	{"about", FIELD_TEXT, false, 1000, true},
	{"guest_posts", FIELD_LINE, false, 7},
	END,
};
static const struct op_field add_fields[] = {
	{"key", FIELD_ID, true, 0},
	{"name", FIELD_LINE, true, LIMIT_NAME, true},
	{"role", FIELD_ROLE, true, 0},
	{"home", FIELD_ID, false, 0},
	{"cut", FIELD_JSON, false, 0},
	END,
};
static const struct op_field role_fields[] = {
	{"key", FIELD_ID, true, 0},
	{"role", FIELD_ROLE, true, 0},
	{"cut", FIELD_JSON, false, 0},
	END,
};
static const struct op_field revoke_fields[] = {
	{"key", FIELD_ID, true, 0},
	{"cut", FIELD_JSON, true, 0},
	END,
};
static const struct op_field admit_fields[] = {
	{"key", FIELD_ID, true, 0},
	{"name", FIELD_LINE, true, LIMIT_NAME, true},
	{"mode", FIELD_LINE, true, 5},
	{"keeper", FIELD_BOOL, false, 0},
	{"cut", FIELD_JSON, false, 0},
	END,
};
static const struct op_field join_fields[] = {END};
static const struct op_field key_fields[] = {
	{"key", FIELD_ID, true, 0},
	{"epoch", FIELD_INT, true, 0},
	{"keys", FIELD_JSON, true, 0},
	{"older", FIELD_JSON, false, 0},
	END,
};
static const struct op_field give_fields[] = {
	{"key", FIELD_ID, true, 0},
	{"epoch", FIELD_INT, true, 0},
	{"keys", FIELD_JSON, true, 0},
	END,
};

enum { STEWARDS = OP_AUTHORITY | OP_ON_RULES, BOTH = STEWARDS | OP_BY_APPLIANCE };
const struct op_type rules_types[] = {
	{"space.found", found_fields, ROLE_STEWARD, STEWARDS | OP_CREATES, NULL, NULL},
	{"space.set", set_fields, ROLE_STEWARD, STEWARDS, NULL, NULL},
	{"member.add", add_fields, ROLE_STEWARD, BOTH, NULL, NULL},
	{"member.role", role_fields, ROLE_STEWARD, STEWARDS, NULL, NULL},
	{"member.revoke", revoke_fields, ROLE_NEW, STEWARDS, NULL, NULL},
	{"appliance.admit", admit_fields, ROLE_STEWARD, BOTH, NULL, NULL},
	{"appliance.revoke", revoke_fields, ROLE_STEWARD, BOTH, NULL, NULL},
	{"rules.join", join_fields, ROLE_STEWARD, BOTH, NULL, NULL},
	{"space.key", key_fields, ROLE_STEWARD, BOTH, NULL, NULL},
	{"space.give", give_fields, ROLE_STEWARD, BOTH, NULL, NULL},
	{0},
};

static enum rules_kind kind_of(const struct op *op)
{
	static const enum rules_kind kinds[] = {RULE_FOUND,  RULE_SET,	 RULE_ADD,	RULE_ROLE,
						RULE_REVOKE, RULE_ADMIT, RULE_WITHDRAW, RULE_JOIN,
						RULE_KEY,    RULE_GIVE};

	for (size_t i = 0; op->type && i < ARRAY_LEN(kinds); i++)
		if (strcmp(op->type->name, rules_types[i].name) == 0)
			return kinds[i];
	return RULE_UNKNOWN;
}

uint32_t rules_key_add(struct rules *r, const struct pubkey *key)
{
	uint32_t at = idmap_get(&r->keys, key);

	if (at != RULES_NONE)
		return at;
	if (r->keys_n == r->keys_cap) {
		r->keys_cap = r->keys_cap ? r->keys_cap * 2 : 32;
		r->key = realloc(r->key, r->keys_cap * sizeof(r->key[0]));
		if (!r->key)
			abort();
	}
	r->key[r->keys_n] = *key;
	idmap_put(&r->keys, key, r->keys_n);
	return r->keys_n++;
}

void node_free(struct rules_node *n)
{
	if (!n)
		return;
	free(n->name);
	free(n->about);
	free(n->guest_posts);
	free(n->steward_name);
	free(n->appliance_name);
	free(n->sealed);
	free(n->boxes);
	free(n->named);
	free(n->cut);
	free(n->places);
	free(n->parents.p);
	free(n->children.p);
	state_free(n->state);
	free(n);
}
DEFINE_CLEANUP(struct rules_node *, node_free)

static bool read_key(struct rules *r, const json_t *v, uint32_t *ret)
{
	const char *text = json_string_value(v);
	struct pubkey key;

	if (!text || !id_parse(text, &key))
		return false;
	*ret = rules_key_add(r, &key);
	return true;
}

static char *copy_text(const char *s)
{
	return s ? strdup(s) : NULL;
}

/* {"key", "name"}; the key alone where names are sealed. */
static bool read_party(struct rules *r, const json_t *v, bool named, uint32_t *ret_key,
		       char **ret_name)
{
	const json_t *name = json_object_get(v, "name");
	struct span s = span_of(json_string_value(name), json_string_length(name));

	if (!named)
		return !name && read_key(r, json_object_get(v, "key"), ret_key);
	if (!json_is_string(name) || s.n > LIMIT_NAME || !text_is_line(s) ||
	    !read_key(r, json_object_get(v, "key"), ret_key))
		return false;
	*ret_name = copy_text((const char *)s.p);
	return true;
}

/* Sixteen hexadecimal digits: JSON has no 64-bit numbers. */
static bool read_incarnation(const char *text, uint64_t *ret)
{
	char *end;

	if (!text || strlen(text) != 16 || strspn(text, "0123456789abcdef") != 16)
		return false;
	*ret = strtoull(text, &end, 16);
	return true;
}

/* [{"appliance", "incarnation", "seq"} …] */
static int by_log(const void *a, const void *b)
{
	const struct rules_place *x = a, *y = b;

	if (x->appliance != y->appliance)
		return x->appliance < y->appliance ? -1 : 1;
	if (x->incarnation != y->incarnation)
		return x->incarnation < y->incarnation ? -1 : 1;
	return (x->seq < y->seq) - (x->seq > y->seq);
}

/* Of rows about the same log the one that leaves most counts. */
static void order_cut(struct rules_node *n)
{
	size_t keep = 0;

	if (n->cut_n)
		qsort(n->cut, n->cut_n, sizeof(n->cut[0]), by_log);
	for (size_t i = 0; i < n->cut_n; i++)
		if (!keep || n->cut[keep - 1].appliance != n->cut[i].appliance ||
		    n->cut[keep - 1].incarnation != n->cut[i].incarnation)
			n->cut[keep++] = n->cut[i];
	n->cut_n = keep;
}

static bool read_cut(struct rules *r, const json_t *list, struct rules_node *n)
{
	if (!json_is_array(list))
		return false;
	n->cut = calloc(json_array_size(list) + 1, sizeof(n->cut[0]));
	if (!n->cut)
		abort();
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *row = json_array_get(list, i), *seq = json_object_get(row, "seq");
		struct rules_place *at = &n->cut[n->cut_n++];
		const char *incarnation = json_string_value(json_object_get(row, "incarnation"));

		if (!read_key(r, json_object_get(row, "appliance"), &at->appliance) ||
		    !read_incarnation(incarnation, &at->incarnation) || !json_is_integer(seq) ||
		    json_integer_value(seq) < 0)
			return false;
		at->seq = (uint64_t)json_integer_value(seq);
	}
	order_cut(n);
	return true;
}

static bool read_found(struct rules *r, const struct op *op, struct rules_node *n)
{
	bool named;

	n->is_private = op_bool(op, "private", false);
	named = !n->is_private;
	return named == (n->name != NULL) && (named || !n->about) &&
	       read_party(r, json_object_get(op->body, "steward"), named, &n->key,
			  &n->steward_name) &&
	       n->key == n->author && !op->by_appliance && hash_eq(&op->id, &r->space) &&
	       read_party(r, json_object_get(op->body, "appliance"), named, &n->appliance,
			  &n->appliance_name);
}

static bool read_admit(const struct op *op, struct rules_node *n)
{
	const char *mode = op_str(op, "mode");

	n->mode = strcmp(mode, "write") == 0   ? MODE_WRITE
		  : strcmp(mode, "carry") == 0 ? MODE_CARRY
					       : MODE_READ;
	n->keeper = op_bool(op, "keeper", false);
	return n->mode != MODE_READ || strcmp(mode, "read") == 0;
}

static bool read_kind(struct rules *r, const struct op *op, struct rules_node *n)
{
	const char *role = op_str(op, "role");
	const json_t *cut = json_object_get(op->body, "cut");

	switch (n->kind) {
	case RULE_FOUND:
		return read_found(r, op, n);
	case RULE_SET:
		return !n->guest_posts || strcmp(n->guest_posts, "held") == 0 ||
		       strcmp(n->guest_posts, "no") == 0;
	case RULE_ADD:
	case RULE_ROLE:
		return role_parse(role, &n->role) && (!cut || read_cut(r, cut, n));
	case RULE_REVOKE:
	case RULE_WITHDRAW:
		return read_cut(r, cut, n);
	case RULE_ADMIT:
		return read_admit(op, n) && (!cut || read_cut(r, cut, n));
	case RULE_KEY:
	case RULE_GIVE:
		return node_read_keys(r, op, n);
	case RULE_JOIN:
	case RULE_UNKNOWN:
		return true;
	}
	return false;
}

struct rules_node *node_read(struct rules *r, const struct op *op)
{
	_cleanup_(node_freep) struct rules_node *n = calloc(1, sizeof(*n));

	if (!n)
		abort();
	n->id = op->id;
	n->kind = kind_of(op);
	n->by_appliance = op->by_appliance;
	n->time = op->time;
	n->author = rules_key_add(r, &op->author);
	n->key = n->home = n->appliance = n->grant = n->revocation = RULES_NONE;
	n->named = calloc(op->nseen + 1, sizeof(n->named[0]));
	if (!n->named)
		abort();
	memcpy(n->named, op->seen, op->nseen * sizeof(n->named[0]));
	n->named_n = op->nseen;
	if (!hash_is_zero(&op->rules))
		n->named[n->named_n++] = op->rules;
	if (n->kind != RULE_UNKNOWN) {
		n->name = copy_text(op_str(op, "name"));
		n->about = copy_text(op_str(op, "about"));
		n->guest_posts = copy_text(op_str(op, "guest_posts"));
		if (!node_read_sealed(op, n))
			return NULL;
		if (n->kind != RULE_FOUND && n->kind != RULE_KEY && n->kind != RULE_GIVE)
			read_key(r, json_object_get(op->body, "key"), &n->key);
		read_key(r, json_object_get(op->body, "home"), &n->home);
	}
	if (!read_kind(r, op, n))
		return NULL;
	return STEAL(n);
}
