/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Included before every file by the Makefile: functions that do not compile here, because they write
 * or read past an end, or can't report a fault. (The idea is git's banned.h.) */
#pragma once
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BANNED(f) this_function_is_banned_##f
#undef strcpy
#define strcpy(...) BANNED(strcpy)
#undef strcat
#define strcat(...) BANNED(strcat)
#undef strncpy
#define strncpy(...) BANNED(strncpy)
#undef strncat
#define strncat(...) BANNED(strncat)
#undef sprintf
#define sprintf(...) BANNED(sprintf)
#undef vsprintf
#define vsprintf(...) BANNED(vsprintf)
#undef strtok
#define strtok(...) BANNED(strtok)
#undef atoi
#define atoi(...) BANNED(atoi)
#undef atol
#define atol(...) BANNED(atol)
#undef system
#define system(...) BANNED(system)
