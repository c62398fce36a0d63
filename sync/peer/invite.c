/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The invitation as bytes and letters. */
#include "sync/peer/invite.h"
#include "sync/base/base32.h"
#include "sync/base/buf.h"
#include "sync/base/line.h"
#include "sync/peer/address.h"
#include <strings.h>

enum {
	VERSION = 1,
	FRONT = 3, /* version and length, in the clear of every version */
	CHECK = 4,
	CHUNK = 40, /* bytes that base32 does at a time: 64 letters */
};

static void check_of(struct span bytes, uint8_t ret[CHECK])
{
	static const char domain[] = "lliure-invitation-1";
	struct hash_state st;
	struct hash h;

	hash_init(&st);
	hash_add(&st, domain, sizeof(domain) - 1);
	hash_add(&st, bytes.p, bytes.n);
	h = hash_final(&st);
	memcpy(ret, h.b, CHECK);
}

void invite_proof(const uint8_t secret[INVITE_SECRET], const struct pubkey *inviter,
		  const struct pubkey *accepter, uint8_t ret[INVITE_PROOF])
{
	static const char domain[] = "lliure-invite-1";
	struct hash_state st;
	struct hash h;

	hash_init(&st);
	hash_add(&st, domain, sizeof(domain) - 1);
	hash_add(&st, secret, INVITE_SECRET);
	hash_add(&st, inviter->b, 32);
	hash_add(&st, accepter->b, 32);
	h = hash_final(&st);
	memcpy(ret, h.b, INVITE_PROOF);
	crypto_wipe(&st, sizeof(st));
}

/* --- writing --- */
static void put_text(struct buf *b, const char *text, size_t max)
{
	size_t n = strnlen(text, max);

	buf_u8(b, (uint8_t)n);
	buf_add(b, text, n);
}

void invitation_write(const struct invitation *i, char out[INVITE_TEXT + 1])
{
	_cleanup_(buf_release) struct buf b = {0};
	size_t addresses = i->addresses < INVITE_ADDRESSES ? i->addresses : INVITE_ADDRESSES;
	uint8_t check[CHECK];

	buf_u8(&b, VERSION);
	buf_u16(&b, 0);
	buf_add(&b, i->key.b, 32);
	buf_add(&b, i->secret, INVITE_SECRET);
	buf_u64(&b, (uint64_t)i->until_ms);
	put_text(&b, i->name, LIMIT_NAME);
	buf_u8(&b, (uint8_t)addresses);
	for (size_t k = 0; k < addresses; k++)
		put_text(&b, i->address[k], PEER_ADDRESS - 1);
	b.p[1] = (uint8_t)(b.n + CHECK - FRONT);
	b.p[2] = (uint8_t)((b.n + CHECK - FRONT) >> 8);
	check_of(buf_span(&b), check);
	buf_add(&b, check, CHECK);
	base32_encode(b.p, b.n, out);
	crypto_wipe(b.p, b.n);
}

/* --- reading --- */
static struct error *no_invitation(void)
{
	return error_new(ERR_MALFORMED,
			 N_("There is no whole invitation in this text. Copy the link or the "
			    "file again, from its beginning to its end."));
}

/* Where the letters begin. */
static struct span find_letters(struct span text)
{
	size_t path = strlen(INVITE_PATH), at = 0;

	for (size_t i = 0; i + path <= text.n; i++)
		if (strncasecmp((const char *)text.p + i, INVITE_PATH, path) == 0)
			return span_of(text.p + i + path, text.n - i - path);
	while (at < text.n && strchr(" \t\r\n", text.p[at]) && text.p[at])
		at++;
	return span_of(text.p + at, text.n - at);
}

/* The next n letters as small ones, white space left out. false: there are not so many. */
static bool take_letters(struct span *io, char *out, size_t n)
{
	size_t got = 0;

	while (got < n && io->n) {
		char c = (char)*io->p;

		io->p++;
		io->n--;
		if (c == ' ' || c == '\t' || c == '\r' || c == '\n')
			continue;
		out[got++] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
	}
	return got == n;
}

static bool decode(const char *letters, uint8_t *out, size_t n)
{
	size_t at = 0;

	for (; n - at > CHUNK; at += CHUNK)
		if (!base32_decode(letters + BASE32_LEN(at), BASE32_LEN(CHUNK), out + at, CHUNK))
			return false;
	return base32_decode(letters + BASE32_LEN(at), BASE32_LEN(n - at), out + at, n - at);
}

static struct error *letters_to_bytes(struct span text, char letters[INVITE_TEXT + 1],
				      uint8_t out[INVITE_BYTES], size_t *ret_n)
{
	enum { FIRST = 8 }; /* letters of which the first five bytes are made */
	struct span rest = find_letters(text);
	uint8_t front[5];
	size_t n;

	ENSURE(take_letters(&rest, letters, FIRST) &&
		       base32_decode(letters, FIRST, front, sizeof(front)),
	       no_invitation());
	ENSURE(front[0] == VERSION,
	       error_new(ERR_VERSION, N_("This invitation is of another version of the program, or "
					 "it is none. Update this box, or copy it again.")));
	n = FRONT + (size_t)(front[1] | front[2] << 8);
	ENSURE(n > FRONT + CHECK && n <= INVITE_BYTES &&
		       take_letters(&rest, letters + FIRST, BASE32_LEN(n) - FIRST) &&
		       decode(letters, out, n),
	       no_invitation());
	*ret_n = n;
	return NULL;
}

/* The bytes of the letters; *ret_n of them. The letters hold the secret, also of one that is refused. */
static struct error *read_letters(struct span text, uint8_t out[INVITE_BYTES], size_t *ret_n)
{
	char letters[INVITE_TEXT + 1];
	struct error *e = letters_to_bytes(text, letters, out, ret_n);

	crypto_wipe(letters, sizeof(letters));
	return e;
}

static bool read_address(struct reader *r, char out[PEER_ADDRESS])
{
	struct span s = reader_bytes(r, reader_u8(r));
	struct address a;
	struct error *err;

	if (!s.n || s.n >= PEER_ADDRESS || memchr(s.p, 0, s.n))
		return false;
	snprintf(out, PEER_ADDRESS, "%.*s", (int)s.n, (const char *)s.p);
	err = address_parse(out, &a);
	if (err) {
		error_free(err);
		return false;
	}
	return a.host[0] && a.port > 0;
}

static struct error *read_fields(struct reader *r, struct invitation *ret)
{
	struct invitation i = {.addresses = 0};
	struct span name;
	size_t n;

	reader_copy(r, i.key.b, 32);
	reader_copy(r, i.secret, INVITE_SECRET);
	i.until_ms = (int64_t)reader_u64(r);
	name = reader_bytes(r, reader_u8(r));
	line_clean(name, i.name, sizeof(i.name));
	n = reader_u8(r);
	ENSURE(reader_ok(r) && name.n <= LIMIT_NAME && n <= INVITE_ADDRESSES, no_invitation());
	for (size_t k = 0; k < n; k++)
		ENSURE(read_address(r, i.address[i.addresses++]), no_invitation());
	ENSURE(reader_at_end(r), no_invitation());
	*ret = i;
	return NULL;
}

static struct error *read_bytes(const uint8_t *bytes, size_t n, struct invitation *ret)
{
	uint8_t check[CHECK];
	struct reader r;

	check_of(span_of(bytes, n - CHECK), check);
	ENSURE(memcmp(check, bytes + n - CHECK, CHECK) == 0, no_invitation());
	r = reader_of(span_of(bytes + FRONT, n - FRONT - CHECK));
	return read_fields(&r, ret);
}

struct error *invitation_read(struct span text, struct invitation *ret)
{
	uint8_t bytes[INVITE_BYTES];
	struct error *e;
	size_t n = 0;

	ENSURE(text.n <= INVITE_FILE, no_invitation());
	e = read_letters(text, bytes, &n);
	if (!e)
		e = read_bytes(bytes, n, ret);
	crypto_wipe(bytes, sizeof(bytes));
	return e;
}
