// SPDX-License-Identifier: MIT
/*
 * tests/payload/forked.c - workers that share the memory their parent had prepared.
 *
 *	forked MIB WORKERS	each reads all of it again and again, and writes into every 64th page once
 *
 * Worker N makes /srv/worker.N after each time that all was right, and /srv/wrong when something was not.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum { PAGE = 4096, OWN = 64 };

static uint64_t *page_at(char *memory, size_t i)
{
	return (uint64_t *)(void *)(memory + i * PAGE);
}

static uint64_t pattern(size_t page)
{
	return (page + 1) * UINT64_C(0x9e3779b97f4a7c15);
}

static void make(const char *path)
{
	close(open(path, O_CREAT | O_WRONLY, 0644));
}

static void work(char *memory, size_t pages, int nr)
{
	char path[40];

	snprintf(path, sizeof(path), "/srv/worker.%d", nr);
	for (size_t i = 0; i < pages; i += OWN)
		page_at(memory, i)[1] = (uint64_t)nr;
	for (;;) {
		for (size_t i = 0; i < pages; i++) {
			const uint64_t *p = page_at(memory, i);

			if (p[0] != pattern(i) || p[1] != (i % OWN ? 0 : (uint64_t)nr))
				make("/srv/wrong");
		}
		make(path);
		usleep(50000);
	}
}

int main(int argc, char **argv)
{
	size_t len = argc > 2 ? strtoul(argv[1], NULL, 10) << 20 : 0;
	char *memory = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		return 1;
	for (size_t i = 0; i < len / PAGE; i++)
		page_at(memory, i)[0] = pattern(i);
	for (int nr = 1; nr <= atoi(argv[2]); nr++)
		if (fork() == 0)
			work(memory, len / PAGE, nr);
	for (;;)
		pause();
}
