/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Listening sockets from "ADDR:PORT". */
#pragma once
#include "sync/base/error.h"

/* "0.0.0.0:80", "[::]:8080" (both families), ":8080" (the same), "localhost:8080", port 0 for any
 * free one. *ret_fd is yours, non-blocking; *ret_port what it became. ERR_USAGE, ERR_NET with the
 * reason. */
struct error *listen_open(const char *address, int *ret_fd, int *ret_port) MUST;
