/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "firmware/network/retake.h"

bool retake_due(struct retake *r, bool renamed, int64_t now_s)
{
	if (!renamed) {
		r->at = 0;
		return false;
	}
	if (!r->at) {
		r->pause = !r->pause			 ? RETAKE_S
			   : r->pause < RETAKE_MAX_S / 2 ? 2 * r->pause
							 : RETAKE_MAX_S;
		r->at = now_s + r->pause;
	}
	if (now_s < r->at)
		return false;
	r->at = 0;
	return true;
}
