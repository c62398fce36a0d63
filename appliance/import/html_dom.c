/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/import/html_priv.h"

/* Sorted by name. */
static const struct {
	const char *name;
	enum tag_kind kind;
} tags[] = {
	{"a", TAG_LINK},	   {"address", TAG_BLOCK}, {"article", TAG_BLOCK},
	{"aside", TAG_ASIDE},	   {"audio", TAG_MEDIA},   {"b", TAG_STRONG},
	{"blockquote", TAG_QUOTE}, {"body", TAG_BLOCK},	   {"br", TAG_BREAK},
	{"button", TAG_SKIP},	   {"center", TAG_BLOCK},  {"cite", TAG_EM},
	{"code", TAG_CODE},	   {"dd", TAG_BLOCK},	   {"del", TAG_STRIKE},
	{"details", TAG_BLOCK},	   {"div", TAG_BLOCK},	   {"dl", TAG_BLOCK},
	{"dt", TAG_BLOCK},	   {"em", TAG_EM},	   {"fieldset", TAG_BLOCK},
	{"figcaption", TAG_BLOCK}, {"figure", TAG_BLOCK},  {"footer", TAG_BLOCK},
	{"form", TAG_BLOCK},	   {"h1", TAG_HEADING},	   {"h2", TAG_HEADING},
	{"h3", TAG_HEADING},	   {"h4", TAG_HEADING},	   {"h5", TAG_HEADING},
	{"h6", TAG_HEADING},	   {"head", TAG_SKIP},	   {"header", TAG_BLOCK},
	{"hr", TAG_RULE},	   {"html", TAG_BLOCK},	   {"i", TAG_EM},
	{"iframe", TAG_MEDIA},	   {"img", TAG_IMAGE},	   {"input", TAG_SKIP},
	{"kbd", TAG_CODE},	   {"li", TAG_BLOCK},	   {"main", TAG_BLOCK},
	{"nav", TAG_BLOCK},	   {"noscript", TAG_SKIP}, {"object", TAG_SKIP},
	{"ol", TAG_LIST},	   {"option", TAG_SKIP},   {"p", TAG_BLOCK},
	{"pre", TAG_PRE},	   {"s", TAG_STRIKE},	   {"samp", TAG_CODE},
	{"script", TAG_SKIP},	   {"section", TAG_BLOCK}, {"select", TAG_SKIP},
	{"strike", TAG_STRIKE},	   {"strong", TAG_STRONG}, {"style", TAG_SKIP},
	{"summary", TAG_SUMMARY},  {"sup", TAG_SUP},	   {"svg", TAG_SKIP},
	{"table", TAG_TABLE},	   {"tbody", TAG_BLOCK},   {"td", TAG_BLOCK},
	{"template", TAG_SKIP},	   {"textarea", TAG_SKIP}, {"tfoot", TAG_BLOCK},
	{"th", TAG_BLOCK},	   {"thead", TAG_BLOCK},   {"title", TAG_SKIP},
	{"tr", TAG_BLOCK},	   {"ul", TAG_LIST},	   {"video", TAG_MEDIA},
};

/* Parts of Discourse's own furniture that are no words of the author. */
static const char *const furniture[] = {
	"quote-controls",      "avatar", "site-icon", "onebox-avatar",	      "footnote-backref",
	"show-more-container", "anchor", "meta",      "github-icon-container"};

static int by_name(const void *key, const void *row)
{
	return strcmp(key, *(const char *const *)row);
}

enum tag_kind html_kind(const xmlNode *n)
{
	const void *row;
	enum tag_kind kind;

	if (n->type != XML_ELEMENT_NODE)
		return n->type == XML_TEXT_NODE || n->type == XML_CDATA_SECTION_NODE ? TAG_INLINE
										     : TAG_SKIP;
	row = bsearch(n->name, tags, ARRAY_LEN(tags), sizeof(tags[0]), by_name);
	kind = row ? ((const __typeof__(tags[0]) *)row)->kind : TAG_INLINE;
	for (size_t i = 0; i < ARRAY_LEN(furniture); i++)
		if (html_has_class(n, furniture[i]))
			return TAG_SKIP;
	if (kind == TAG_BLOCK && (xmlHasProp((xmlNode *)n, BAD_CAST "data-youtube-id") ||
				  xmlHasProp((xmlNode *)n, BAD_CAST "data-video-id") ||
				  xmlHasProp((xmlNode *)n, BAD_CAST "data-video-src")))
		return TAG_MEDIA;
	return kind;
}

char *html_attribute(const xmlNode *n, const char *name)
{
	xmlChar *v = xmlGetNoNsProp((xmlNode *)n, BAD_CAST name);
	char *copy = v ? strdup((const char *)v) : NULL;

	if (v && !copy)
		abort();
	xmlFree(v);
	return copy;
}

bool html_has_class(const xmlNode *n, const char *name)
{
	_cleanup_(freep) char *all = html_attribute(n, "class");
	size_t len = strlen(name);

	for (const char *s = all; s && *s; s += strspn(s, " \t\n")) {
		size_t k = strcspn(s, " \t\n");

		if (k == len && memcmp(s, name, k) == 0)
			return true;
		s += k;
	}
	return false;
}

/* The node that follows n in the order of the document and is below top. */
static xmlNode *next_below(xmlNode *n, const xmlNode *top)
{
	if (n->type == XML_ELEMENT_NODE && n->children)
		return n->children;
	while (n != top && !n->next)
		n = n->parent;
	return n == top ? NULL : n->next;
}

xmlNode *html_find(xmlNode *n, const char *name, const char *class)
{
	for (xmlNode *at = n; (at = next_below(at, n));)
		if (at->type == XML_ELEMENT_NODE &&
		    (!name || strcmp((const char *)at->name, name) == 0) &&
		    (!class || html_has_class(at, class)))
			return at;
	return NULL;
}

void html_plain(const xmlNode *n, struct buf *out)
{
	xmlChar *text = xmlNodeGetContent(n);
	size_t begin = out->n;
	bool space = false;

	for (const xmlChar *s = text; s && *s; s++) {
		if (*s <= ' ') {
			space = true;
			continue;
		}
		if (space && out->n > begin)
			buf_putc(out, ' ');
		space = false;
		buf_putc(out, (char)*s);
	}
	xmlFree(text);
}
