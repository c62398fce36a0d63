/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/recovery/peer_place.h"
#include "appliance/peers/peers.h"
#include "appliance/recovery/backup_priv.h"

static struct error *peer_of(struct app *app, const char *key, struct pubkey *ret, char *address,
			     size_t size, struct proxy *ret_proxy)
{
	_cleanup_(conn_closep) struct conn *c = NULL;

	ENSURE(id_parse(key, ret->b), error_new(ERR_INTERNAL, N_("This is not a box's key.")));
	TRY(app_conn(app, &c));
	TRY(peers_reach_at(app, c, ret, address, size));
	return peers_proxy(app, c, ret, ret_proxy);
}

struct error *peer_place_back_up(struct app *app, const char *key)
{
	_cleanup_(proxy_wipe) struct proxy proxy = {.url = ""};
	struct sync_keep at = {.line = app->sync,
			       .env = app->env,
			       .self = app->self,
			       .name = app->name,
			       .proxy = &proxy,
			       .ending = &app->ending};
	_cleanup_(closep) int fd = -1;
	struct backup_made made;
	char address[PEER_ADDRESS];

	TRY(peer_of(app, key, &at.peer, address, sizeof(address), &proxy));
	at.address = address;
	TRY(file_nameless(app->dir, &fd));
	TRY(backup_write(app, BACKUP_SMALL, (struct sealed_key){.box = app->self}, fd, app->dir,
			 &made));
	return sync_keep_put(&at, fd);
}

struct error *peer_place_fetch(struct app *app, const char *key, int *ret_fd)
{
	_cleanup_(proxy_wipe) struct proxy proxy = {.url = ""};
	struct sync_keep at = {.line = app->sync,
			       .env = app->env,
			       .self = app->self,
			       .name = app->name,
			       .proxy = &proxy,
			       .ending = &app->ending};
	_cleanup_(closep) int fd = -1;
	char address[PEER_ADDRESS];

	TRY(peer_of(app, key, &at.peer, address, sizeof(address), &proxy));
	at.address = address;
	TRY(file_nameless(app->dir, &fd));
	TRY(sync_keep_get(&at, fd));
	*ret_fd = fd;
	fd = -1;
	return lseek(*ret_fd, 0, SEEK_SET) ? error_new(ERR_IO, N_("The backup could not be read."))
					   : NULL;
}
