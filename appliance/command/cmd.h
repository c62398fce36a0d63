/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The functions behind the rows of commands.c. Each runs on a thread of its own with run->app open.
 */
#pragma once
#include "appliance/command/command.h"

struct error *cmd_init(struct command_run *run) MUST;
struct error *cmd_serve(struct command_run *run) MUST;
/* Before any other thread of it: see appliance/carry/sandbox.h. */
void serve_behind_walls(const struct command_run *run);
struct error *cmd_status(struct command_run *run) MUST;
struct error *cmd_claim(struct command_run *run) MUST;
struct error *cmd_format(struct command_run *run) MUST;
struct error *cmd_health(struct command_run *run) MUST;
struct error *cmd_digest(struct command_run *run) MUST;
struct error *cmd_peer_add(struct command_run *run) MUST;
struct error *cmd_peer_list(struct command_run *run) MUST;
struct error *cmd_peer_remove(struct command_run *run) MUST;
struct error *cmd_peer_address(struct command_run *run) MUST;
struct error *cmd_peer_still(struct command_run *run) MUST;
struct error *cmd_peer_conduct(struct command_run *run) MUST;
struct error *cmd_reach(struct command_run *run) MUST;
struct error *cmd_peer_pause(struct command_run *run) MUST;
struct error *cmd_peer_resume(struct command_run *run) MUST;
struct error *cmd_peer_allow(struct command_run *run) MUST;
struct error *cmd_peer_invite(struct command_run *run) MUST;
struct error *cmd_peer_invites(struct command_run *run) MUST;
struct error *cmd_peer_accept(struct command_run *run) MUST;
struct error *cmd_peer_terms(struct command_run *run) MUST;
struct error *cmd_sync(struct command_run *run) MUST;
struct error *cmd_bundle_export(struct command_run *run) MUST;
struct error *cmd_bundle_import(struct command_run *run) MUST;
struct error *cmd_bundle_check(struct command_run *run) MUST;
struct error *cmd_sieve(struct command_run *run) MUST;
struct error *cmd_verify(struct command_run *run) MUST;
struct error *cmd_rebuild(struct command_run *run) MUST;
struct error *cmd_keep(struct command_run *run) MUST;
struct error *cmd_backup(struct command_run *run) MUST;
struct error *cmd_restore(struct command_run *run) MUST;
struct error *cmd_sheets(struct command_run *run) MUST;
struct error *cmd_user_add(struct command_run *run) MUST;
struct error *cmd_user_list(struct command_run *run) MUST;
struct error *cmd_user_password(struct command_run *run) MUST;
struct error *cmd_user_token(struct command_run *run) MUST;
struct error *cmd_space_list(struct command_run *run) MUST;
struct error *cmd_space_add(struct command_run *run) MUST;
struct error *cmd_space_admit(struct command_run *run) MUST;
struct error *cmd_space_remove(struct command_run *run) MUST;
struct error *cmd_space_rotate(struct command_run *run) MUST;
struct error *cmd_import_discourse(struct command_run *run) MUST;
