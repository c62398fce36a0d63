/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The one table of features. */
#include "appliance/carry/carry.h"
#include "appliance/config/config.h"
#include "appliance/copy/copy.h"
#include "appliance/erased/erased.h"
#include "appliance/files/files.h"
#include "appliance/forum/forum.h"
#include "appliance/library/library.h"
#include "appliance/member/account.h"
#include "appliance/moderation/moderation.h"
#include "appliance/partial/partial.h"
#include "appliance/recovery/recovery.h"
#include "appliance/search/search.h"
#include "appliance/trust/trust.h"
#include "appliance/update/offer.h"

const struct feature *const features[] = {
	&forum_feature,
	&library_feature,
	&files_feature,
	&member_feature,
	&moderation_feature,
	&config_feature,
	&carry_feature,
	&trust_feature,
	&copy_feature,
	&erased_feature,
	&recovery_feature,
	&partial_feature,
	&update_feature,
	&search_feature, /* after those whose tables it follows */
	NULL,
};
