/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What both kinds of walls share. Included only inside appliance/carry/. */
#pragma once
#include "appliance/carry/sandbox.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif
