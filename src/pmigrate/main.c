// SPDX-License-Identifier: MIT
/* pmigrate, and vzp2v when called by that name: which command is it? */
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/own.h"
#include "pmigrate/command.h"
#include "wire/link.h"

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
} commands[] = {
	{ "agent", command_agent },
	{ "relay", command_relay },
	{ "recover", command_recover },
	{ "status", command_status },
};

/* A program started with 0, 1 or 2 closed must not put its files there. */
static void fill_stdio(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= 2);
	if (fd > 2)
		close(fd);
}

int main(int argc, char **argv)
{
	const char *name = argc > 0 ? strrchr(argv[0], '/') : NULL;
	int asked = link_askpass(argc, argv);

	if (asked >= 0)
		return asked;
	fill_stdio();
	signal(SIGPIPE, SIG_IGN);
	umask(022);
	name = name ? name + 1 : argc > 0 ? argv[0] : "pmigrate";
	if (!strcmp(name, "vzp2v"))
		return command_vzp2v(argc, argv);
	for (size_t i = 0; argc > 1 && i < array_len(commands); i++) {
		if (!strcmp(argv[1], commands[i].name))
			return commands[i].run(argc - 1, argv + 1);
	}
	return command_migrate(argc, argv);
}
