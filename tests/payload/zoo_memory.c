// SPDX-License-Identifier: MIT
/* Mappings of all kinds, and what was said about them. */
#include <sys/mman.h>
#include <sys/syscall.h>

#include "zoo.h"

enum { SIZE = 1 << 20 };

/* ---- anonymous: private, shared with a child, guarded, locked, discarded after a fork ---- */

static uint32_t *own, *common;
static char *guarded, *locked, *wiped, *not_forked, *read_only, *executable;

static void *map(int prot, int flags)
{
	return mmap(NULL, SIZE, prot, flags | MAP_ANONYMOUS, -1, 0);
}

static int anonymous_make(void)
{
	static const unsigned char code[] = { 0xb8, 0x2a, 0, 0, 0, 0xc3 }; /* return 42 */

	own = map(PROT_READ | PROT_WRITE, MAP_PRIVATE);
	common = map(PROT_READ | PROT_WRITE, MAP_SHARED);
	guarded = map(PROT_READ | PROT_WRITE, MAP_PRIVATE);
	locked = map(PROT_READ | PROT_WRITE, MAP_PRIVATE);
	wiped = map(PROT_READ | PROT_WRITE, MAP_PRIVATE);
	not_forked = map(PROT_READ | PROT_WRITE, MAP_PRIVATE);
	read_only = map(PROT_READ | PROT_WRITE, MAP_PRIVATE);
	executable = map(PROT_READ | PROT_WRITE, MAP_PRIVATE);
	NEED(own != MAP_FAILED && common != MAP_FAILED && guarded != MAP_FAILED &&
	     locked != MAP_FAILED && wiped != MAP_FAILED && not_forked != MAP_FAILED &&
	     read_only != MAP_FAILED && executable != MAP_FAILED, "mmap");
	for (uint32_t i = 0; i < SIZE / 4; i++)
		own[i] = i * 2654435761u;
	memset(guarded, 'g', SIZE);
	memset(read_only, 'r', SIZE);
	memset(wiped, 'w', SIZE);
	NEED(mprotect(guarded + SIZE / 2, 4096, PROT_NONE) == 0 &&
	     mprotect(read_only, SIZE, PROT_READ) == 0, "mprotect");
	NEED(mlock(locked, 8192) == 0, "mlock");
	NEED(madvise(wiped, SIZE, MADV_WIPEONFORK) == 0 &&
	     madvise(not_forked, SIZE, MADV_DONTFORK) == 0, "madvise");
	memcpy(executable, code, sizeof(code));
	NEED(mprotect(executable, SIZE, PROT_READ | PROT_EXEC) == 0, "mprotect");
	return 0;
}

static bool mapped(const void *at)
{
	unsigned char in;

	return mincore((void *)(uintptr_t)at, 4096, &in) == 0;
}

static int in_the_child(void)
{
	common[7]++;
	return (wiped[100] == 0 ? 0 : 1) | (mapped(not_forked) ? 2 : 0) | (own[9] == 9 * 2654435761u ? 0 : 4);
}

static int locked_kb(void)
{
	char line[256];
	int kb = -1;
	FILE *f = fopen("/proc/self/status", "r");

	while (f && fgets(line, sizeof(line), f))
		sscanf(line, "VmLck: %d", &kb);
	if (f)
		fclose(f);
	return kb;
}

static int anonymous_check(void)
{
	uint32_t before = common[7];
	int wrong, p[2];

	for (uint32_t i = 0; i < SIZE / 4; i++)
		NEED(own[i] == i * 2654435761u, "word %u is %x", i, own[i]);
	wrong = in_child(in_the_child);
	NEED(wrong == 0, "in a child: %x (1 WIPEONFORK, 2 DONTFORK, 4 content)", wrong);
	NEED(common[7] == before + 1, "shared memory is not shared");
	/* the kernel says EFAULT where a program would die */
	NEED(pipe(p) == 0 && write(p[1], guarded + SIZE / 2, 1) < 0 && errno == EFAULT, "the guard page is open");
	errno = 0;
	NEED(write(p[1], "x", 1) == 1 && read(p[0], read_only, 1) < 0 && errno == EFAULT, "PROT_READ is lost");
	close(p[0]);
	close(p[1]);
	errno = 0;
	NEED(guarded[SIZE / 2 + 4096] == 'g' && read_only[9] == 'r', "content");
	NEED(locked_kb() >= 8, "%d KiB are locked", locked_kb());
	NEED(((int (*)(void))(uintptr_t)executable)() == 42, "code");
	return 0;
}

/* ---- memfd: a name, seals, mappings, position ---- */

static int sealed, open_mem;
static char *view, *second_view;

static int memfd_make(void)
{
	sealed = memfd_create("zoo sealed", MFD_ALLOW_SEALING);
	open_mem = memfd_create("zoo open", MFD_CLOEXEC);
	NEED(sealed >= 0 && open_mem >= 0 && ftruncate(open_mem, SIZE) == 0, "memfd_create");
	NEED(write(sealed, "under seal", 10) == 10 && lseek(sealed, 6, SEEK_SET) == 6, "write");
	NEED(fcntl(sealed, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK) == 0, "F_ADD_SEALS");
	view = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, open_mem, 0);
	second_view = mmap(NULL, 4096, PROT_READ, MAP_SHARED, open_mem, SIZE / 2);
	NEED(view != MAP_FAILED && second_view != MAP_FAILED, "mmap");
	memset(view, 'v', SIZE);
	return 0;
}

static int memfd_check(void)
{
	static char c = 'a';
	char text[8] = "", now;

	NEED(lseek(sealed, 0, SEEK_CUR) == 6, "the position is %ld", (long)lseek(sealed, 0, SEEK_CUR));
	NEED(pread(sealed, text, 4, 6) == 4 && memcmp(text, "seal", 4) == 0, "content: %s", text);
	NEED(fcntl(sealed, F_GET_SEALS) == (F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK), "seals are %x",
	     fcntl(sealed, F_GET_SEALS));
	NEED(write(sealed, "x", 1) < 0, "the seal is broken");
	errno = 0;
	NEED(view[SIZE - 1] == 'v', "content of the mapping");
	view[SIZE / 2] = ++c;
	NEED(second_view[0] == c && pread(open_mem, &now, 1, SIZE / 2) == 1 && now == c,
	     "mapping, second mapping and file are not one");
	return 0;
}

/* ---- memory that moves while it is moved: mapped anew, grown, given back ---- */

static char *moving;
static size_t moving_size = SIZE;

static int moving_make(void)
{
	moving = map(PROT_READ | PROT_WRITE, MAP_PRIVATE);
	NEED(moving != MAP_FAILED, "mmap");
	memset(moving, 'm', moving_size);
	return 0;
}

static int moving_check(void)
{
	size_t next = moving_size == SIZE ? 3 * SIZE : SIZE;
	char *now;

	for (size_t i = 0; i < SIZE; i += 4096)
		NEED(moving[i] == 'm', "page %zu", i / 4096);
	now = mremap(moving, moving_size, next, MREMAP_MAYMOVE);
	NEED(now != MAP_FAILED, "mremap");
	moving = now;
	moving_size = next;
	NEED(madvise(moving + SIZE / 2, SIZE / 2, MADV_DONTNEED) == 0, "MADV_DONTNEED");
	NEED(moving[SIZE / 2] == 0 && moving[0] == 'm', "after MADV_DONTNEED");
	memset(moving, 'm', moving_size);
	return 0;
}

/* ---- code in shared memory that nobody may write, below all other code (PHP's compiler), in two processes ---- */

static int (*below)(void);
static int jit_ask[2], jit_answer[2];

/* "r-xs" and so on, of the mapping that begins there. */
static int rights_of(const void *at, char out[static 5])
{
	FILE *f = fopen("/proc/self/maps", "r");
	char line[512];
	int found = -1;
	void *start;

	while (f && found < 0 && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%p-%*x %4s", &start, out) == 2 && start == at)
			found = 0;
	}
	if (f)
		fclose(f);
	return found;
}

static int jit_make(void)
{
	static const unsigned char code[] = { 0xb8, 0x2a, 0, 0, 0, 0xc3 }; /* return 42 */
	void *at = mmap((void *)0x100000, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	char c;

	NEED(at == (void *)0x100000, "mmap");
	memcpy(at, code, sizeof(code));
	NEED(mprotect(at, SIZE, PROT_READ | PROT_EXEC) == 0, "mprotect");
	below = (int (*)(void))(uintptr_t)at;
	NEED(pipe(jit_ask) == 0 && pipe(jit_answer) == 0, "pipe");
	if (fork() == 0) {
		while (read(jit_ask[0], &c, 1) == 1) {
			c = (char)below();
			if (write(jit_answer[1], &c, 1) != 1)
				break;
		}
		_exit(1);
	}
	return 0;
}

static int jit_check(void)
{
	char rights[5] = "", c = 0;

	NEED(below() == 42, "the code returns %d", below());
	NEED(rights_of((void *)(uintptr_t)below, rights) == 0 && strcmp(rights, "r-xs") == 0, "its rights are %s", rights);
	NEED(write(jit_ask[1], "", 1) == 1 && read(jit_answer[0], &c, 1) == 1 && c == 42, "the child's code returns %d", c);
	return 0;
}

/* ---- terabytes that are only reserved, but for a part in the middle (InnoDB); a fork has them, too ---- */

static char *reserved;

/* "Committed_AS" grows by what is writable: these must not be counted. */
static int reserved_make(void)
{
	const size_t tib = (size_t)1 << 40;

	reserved = mmap(NULL, 4 * tib, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	NEED(reserved != MAP_FAILED, "mmap");
	reserved += tib;
	NEED(mprotect(reserved, SIZE, PROT_READ | PROT_WRITE) == 0, "mprotect");
	memset(reserved, 'r', SIZE);
	NEED(mprotect(reserved + tib, SIZE, PROT_READ) == 0, "mprotect");
	if (fork() == 0) {
		for (;;)
			pause();
	}
	return 0;
}

static int reserved_check(void)
{
	const size_t tib = (size_t)1 << 40;
	char rights[5];

	NEED(reserved[0] == 'r' && reserved[SIZE - 1] == 'r', "its part is lost");
	NEED(rights_of(reserved + SIZE, rights) == 0 && strcmp(rights, "---p") == 0, "its rights are %s", rights);
	NEED(reserved[tib] == 0, "what was never written is not zero");
	/* more of it can be had, and given back */
	NEED(mprotect(reserved + SIZE, SIZE, PROT_READ | PROT_WRITE) == 0, "mprotect");
	reserved[SIZE] = 1;
	NEED(madvise(reserved + SIZE, SIZE, MADV_DONTNEED) == 0 && mprotect(reserved + SIZE, SIZE, PROT_NONE) == 0, "give back");
	return 0;
}

const struct animal zoo_memory[] = {
	{ "anonymous", anonymous_make, anonymous_check },
	{ "memfd", memfd_make, memfd_check },
	{ "jit", jit_make, jit_check },
	{ "reserved", reserved_make, reserved_check },
	{ "moving-memory", moving_make, moving_check },
	{ NULL, NULL, NULL },
};
