/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
#include "appliance/http/http.h"

/* sheet_pages.c: printing recovery sheets, once */
struct error *sheets_page(struct request *r) MUST;
struct error *sheets_print(struct request *r) MUST;
/* sheet_check.c: whether they are still good */
struct error *sheets_check_page(struct request *r) MUST;
struct error *sheets_check(struct request *r) MUST;
/* replace_pages.c */
struct error *replace_page(struct request *r) MUST;
struct error *replace_do(struct request *r) MUST;
struct error *replace_again(struct request *r) MUST;
