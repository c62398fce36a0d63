/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What is reached over HTTP: a feature with pages adds a line. See http/http.h. */
#include "appliance/about/about.h"
#include "appliance/admin/admin_pages.h"
#include "appliance/carry/carry_pages.h"
#include "appliance/copy/copy_pages.h"
#include "appliance/erased/erased_pages.h"
#include "appliance/files/files_pages.h"
#include "appliance/forum/forum_pages.h"
#include "appliance/health/health_pages.h"
#include "appliance/http/http.h"
#include "appliance/library/library_pages.h"
#include "appliance/member/member_pages.h"
#include "appliance/moderation/moderation_pages.h"
#include "appliance/network/network_pages.h"
#include "appliance/peers/coming.h"
#include "appliance/peers/conduct_pages.h"
#include "appliance/peers/peers_pages.h"
#include "appliance/peers/reach_pages.h"
#include "appliance/peers/receipt_pages.h"
#include "appliance/portal/portal_pages.h"
#include "appliance/partial/partial_pages.h"
#include "appliance/partial/strangers_pages.h"
#include "appliance/place/place.h"
#include "appliance/recovery/recovery_pages.h"
#include "appliance/search/search_pages.h"
#include "appliance/setup/setup.h"
#include "appliance/spaces/spaces_pages.h"
#include "appliance/update/update_pages.h"

const struct route *const route_tables[] = {
	about_routes, admin_routes, copy_routes, erased_routes, files_routes, health_routes,
	update_routes, offer_routes,
	receipt_routes, authority_routes, forum_routes,
	library_routes, library_lfs_routes, library_clone_routes,
	member_routes, moderation_routes,
	peers_routes, peer_routes, invite_routes, number_routes, address_routes,
	conduct_routes, reach_routes,
	search_routes,
	portal_routes, network_routes,
	place_routes,
	carry_routes,  stick_routes,
	recovery_routes,
	partial_routes, strangers_routes,
	setup_over_routes,
	spaces_routes,
	NULL,
};

page_hook_fn *const page_hooks[] = {
	moderation_page_hook,
	health_page_hook,
	coming_page_hook,
	NULL,
};

front_fn *const request_front = portal_front;

const struct viewer_source *const viewer_source = &member_viewers;
