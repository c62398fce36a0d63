/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/command/command.h"

int main(int argc, char **argv)
{
	return command_main(argc, argv);
}
