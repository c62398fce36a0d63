/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The keys of a private space, as its rules hand them out. Who can open them is no matter of the
 * rules: boxes that can't read judge like those that can. */
#include "appliance/community/rules_priv.h"

/* --- reading --- */
static bool read_bytes(const json_t *v, uint8_t *out, size_t n)
{
	const char *text = json_string_value(v);

	return text && json_string_length(v) == BASE32_LEN(n) &&
	       base32_decode(text, json_string_length(v), out, n);
}

static bool read_id(const json_t *v, void *ret)
{
	const char *text = json_string_value(v);

	return text && id_parse(text, ret);
}

static bool read_epoch(const json_t *v, uint16_t *ret)
{
	json_int_t n = json_integer_value(v);

	if (!json_is_integer(v) || n < 1 || n > LIMIT_EPOCHS)
		return false;
	*ret = (uint16_t)n;
	return true;
}

/* {"to", "box"} or {"under", "box"}: the key of the op itself. */
static bool read_given(const json_t *v, const struct rules_node *n, struct rules_box *ret)
{
	const json_t *under = json_object_get(v, "under"), *box = json_object_get(v, "box");

	*ret = (struct rules_box){.name = n->key_name, .epoch = n->epoch, .wrapped = under};
	if (under)
		return n->kind == RULE_GIVE && read_id(under, &ret->under) &&
		       read_bytes(box, ret->bytes, WRAPPED_KEY);
	return read_id(json_object_get(v, "to"), &ret->to) &&
	       read_bytes(box, ret->bytes, BOXED_KEY);
}

/* {"key", "epoch", "box"}: an older key, under that of the op. */
static bool read_older(const json_t *v, const struct rules_node *n, struct rules_box *ret)
{
	*ret = (struct rules_box){.wrapped = true, .under = n->key_name};
	return read_id(json_object_get(v, "key"), &ret->name) &&
	       read_epoch(json_object_get(v, "epoch"), &ret->epoch) &&
	       read_bytes(json_object_get(v, "box"), ret->bytes, WRAPPED_KEY);
}

/* One box for each appliance: or an op could hold a thousand that it has to try. */
static bool has_two(const struct rules_node *n)
{
	struct idmap to = {0};
	bool two = false;

	for (size_t i = 0; i < n->boxes_n && !two; i++) {
		const struct rules_box *b = &n->boxes[i];

		two = !b->wrapped && idmap_get(&to, &b->to) != IDMAP_NONE;
		if (!b->wrapped)
			idmap_put(&to, &b->to, 0);
	}
	idmap_release(&to);
	return two;
}

bool node_read_keys(struct rules *r, const struct op *op, struct rules_node *n)
{
	const json_t *keys = json_object_get(op->body, "keys"),
		     *older = json_object_get(op->body, "older");
	size_t many = json_array_size(keys) + json_array_size(older);

	if (!json_is_array(keys) || (older && !json_is_array(older)) ||
	    !op_id(op, "key", &n->key_name) ||
	    !read_epoch(json_object_get(op->body, "epoch"), &n->epoch))
		return false;
	n->boxes = calloc(many + 1, sizeof(n->boxes[0]));
	if (!n->boxes)
		abort();
	for (size_t i = 0; i < json_array_size(keys); i++) {
		struct rules_box *b = &n->boxes[n->boxes_n++];

		if (!read_given(json_array_get(keys, i), n, b))
			return false;
		if (!b->wrapped)
			rules_key_add(r, &b->to);
	}
	if (has_two(n))
		return false;
	for (size_t i = 0; i < json_array_size(older) && n->kind == RULE_KEY; i++)
		if (!read_older(json_array_get(older, i), n, &n->boxes[n->boxes_n++]))
			return false;
	return true;
}

bool node_read_sealed(const struct op *op, struct rules_node *n)
{
	const json_t *v = json_object_get(op->body, "sealed");
	size_t letters = json_string_length(v), bytes = letters * 5 / 8;

	if (!v)
		return true;
	if (!json_is_string(v) || bytes < SEALED_OVERHEAD || BASE32_LEN(bytes) != letters)
		return false;
	n->sealed = malloc(bytes);
	if (!n->sealed)
		abort();
	n->sealed_n = bytes;
	return base32_decode(json_string_value(v), letters, n->sealed, bytes);
}

/* --- who may --- */
const char *state_refuses_key(const struct rules_state *s, const struct rules_node *n)
{
	if (!s->is_private)
		return N_("Only a private space has keys.");
	/* One step at a time, so that nobody can use the numbers up; two who step at the same time
	 * make two keys of one number. */
	if (n->kind == RULE_KEY && n->epoch != s->epoch && n->epoch != s->epoch + 1)
		return N_("That is not the next key of this space.");
	return NULL;
}

/* --- asking --- */
bool rules_private(const struct rules *r)
{
	return r->founding != RULES_NONE && r->nodes[r->founding]->is_private;
}

bool rules_key_now(const struct rules *r, struct hash *ret_name, uint16_t *ret_epoch)
{
	if (!r->now || r->now->key == RULES_NONE)
		return false;
	*ret_name = r->nodes[r->now->key]->key_name;
	*ret_epoch = r->nodes[r->now->key]->epoch;
	return true;
}

static bool reads(const struct rules_state *s, uint32_t key)
{
	uint8_t mode = state_slot(s, key)->mode;

	return mode == MODE_READ || mode == MODE_WRITE;
}

bool rules_key_outside(struct rules *r)
{
	const struct rules_node *n;
	const struct rules_state *then;

	if (!r->now || r->now->key == RULES_NONE)
		return false;
	n = r->nodes[r->now->key];
	if (!n->by_appliance && state_slot(r->now, n->author)->role == ROLE_NONE)
		return true;
	then = rules_at(r, r->now->key);
	for (uint32_t i = 0; i < r->keys_n; i++)
		if (reads(then, i) && !reads(r->now, i))
			return true;
	return false;
}

void rules_each_box(const struct rules *r, rules_box_fn *fn, void *ctx)
{
	for (size_t i = 0; i < r->key_nodes.n; i++) {
		const struct rules_node *n = r->nodes[r->key_nodes.p[i]];

		for (size_t k = 0; n->valid && k < n->boxes_n; k++)
			fn(ctx, &n->boxes[k]);
	}
}

size_t rules_boxes(const struct rules *r)
{
	size_t n = 0;

	for (size_t i = 0; i < r->key_nodes.n; i++)
		if (r->nodes[r->key_nodes.p[i]]->valid)
			n += r->nodes[r->key_nodes.p[i]]->boxes_n + 1;
	return n;
}
