// SPDX-License-Identifier: MIT
#include "mem/track/soft.h"

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>

#include "base/file.h"
#include "base/own.h"

/* A page of ours and what pagemap says of it. */
#define ENTRY_PRESENT (UINT64_C(1) << 63)
#define ENTRY_SWAP    (UINT64_C(1) << 62)
#define ENTRY_FILE    (UINT64_C(1) << 61)
#define ENTRY_SOFT    (UINT64_C(1) << 55)
#define ENTRY_FRAME   ((UINT64_C(1) << 55) - 1)

enum {
	SLOT_SHIFT = 21,
	SLOT_PAGES = 512,
	SWAP_TYPE_MARKER = 31,
	SMAPS_MAX = 256 << 20,
};
#define SLOT_SIZE (UINT64_C(1) << SLOT_SHIFT)

/* Reserved address space beyond twice what is resident that is simply walked: some ms. */
#define RESERVED (UINT64_C(4) << 30)

/* Which frame each page of 2 MiB was; 0: none. */
struct soft_slot {
	uint64_t base;
	uint32_t id[SLOT_PAGES];
};

struct soft {
	struct soft_record now;	 /* when the bits were last taken away */
	struct soft_record next; /* taken since soft_begin */
	struct pageset empty; /* mappings without any page, where smaps was asked */
};

static void record_clear(struct soft_record *t)
{
	for (size_t i = 0; i < t->n; i++)
		free(t->v[i]);
	t->n = 0;
}

/* The first slot that does not end before addr. */
static size_t record_seek(const struct soft_record *t, uint64_t addr)
{
	size_t lo = 0, hi = t->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (t->v[mid]->base + SLOT_SIZE <= addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static const struct soft_slot *record_find(const struct soft_record *t, uint64_t base)
{
	size_t i = record_seek(t, base);

	return i < t->n && t->v[i]->base == base ? t->v[i] : NULL;
}

static void record_room(struct soft_record *t)
{
	if (t->n < t->cap)
		return;
	t->cap = t->cap ? 2 * t->cap : 64;
	t->v = xrealloc(t->v, t->cap * sizeof(*t->v));
}

/* In rising order. */
static struct soft_slot *record_last(struct soft_record *t, uint64_t base)
{
	if (t->n && t->v[t->n - 1]->base == base)
		return t->v[t->n - 1];
	record_room(t);
	t->v[t->n] = xcalloc(1, sizeof(struct soft_slot));
	t->v[t->n]->base = base;
	return t->v[t->n++];
}

struct soft *soft_new(void)
{
	return xcalloc(1, sizeof(struct soft));
}

void soft_free(struct soft *k)
{
	if (!k)
		return;
	record_clear(&k->now);
	record_clear(&k->next);
	free(k->now.v);
	free(k->next.v);
	pageset_fini(&k->empty);
	free(k);
}

/* ---- pagemap ---- */

static ssize_t read_entries(int pagemap, uint64_t at, uint64_t *v, uint64_t n)
{
	ssize_t got = pread(pagemap, v, n * sizeof(*v),
			    (off_t)(at >> MEM_PAGE_SHIFT) * (off_t)sizeof(*v));

	return got < 0 ? -1 : got / (ssize_t)sizeof(*v);
}

/* Of one page at `p`, by our own pagemap; 0 at any failure. */
static uint64_t own_entry(const void *p)
{
	own_fd int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	uint64_t entry = 0;

	return fd >= 0 && read_entries(fd, (uintptr_t)p, &entry, 1) == 1 ? entry : 0;
}

static void *own_page(void)
{
	void *p = mmap(NULL, MEM_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

/* The frame of the zero page. */
static uint64_t zero_frame(void)
{
	static _Atomic uint64_t frame;

	if (!frame) {
		volatile uint64_t *p = own_page();

		if (p && *p == 0)
			frame = own_entry((void *)(uintptr_t)p) & ENTRY_FRAME;
		if (p)
			munmap((void *)(uintptr_t)p, MEM_PAGE);
	}
	return frame;
}

static int clear_bits(pid_t pid, struct err *e)
{
	own_free char *path = xasprintf("/proc/%d/clear_refs", (int)pid);
	own_fd int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, "4", 1) != 1)
		return err_sys(e, "cannot write %s", path);
	return 0;
}

/* The bit comes with a write, goes, and comes again. */
static bool bit_works(volatile uint64_t *p)
{
	void *page = (void *)(uintptr_t)p;

	*p = 1;
	if (!(own_entry(page) & ENTRY_SOFT) || clear_bits(getpid(), NULL) < 0 ||
	    own_entry(page) & ENTRY_SOFT)
		return false;
	*p = 2;
	return own_entry(page) & ENTRY_SOFT;
}

int soft_usable(struct err *e)
{
	volatile uint64_t *p = own_page();
	bool works = p && bit_works(p), frames = p && own_entry((void *)(uintptr_t)p) & ENTRY_FRAME;

	if (p)
		munmap((void *)(uintptr_t)p, MEM_PAGE);
	if (!works)
		err_set(e, ERR_UNSUPPORTED, "this kernel has no soft-dirty pages");
	else if (!frames || !zero_frame())
		err_set(e, ERR_UNSUPPORTED, "page frames in /proc/PID/pagemap are hidden from us");
	else
		return 0;
	return err_hint(e, "Linux 6.7, or an older one with CONFIG_MEM_SOFT_DIRTY, and CAP_SYS_ADMIN");
}

/* ---- a look ---- */

/* Is it a page that has to travel? */
static bool is_page(uint64_t entry, uint64_t zero)
{
	if (entry & ENTRY_FILE)
		return false;
	if (entry & ENTRY_PRESENT)
		return (entry & ENTRY_FRAME) != zero;
	return entry & ENTRY_SWAP && (entry & 31) != SWAP_TYPE_MARKER;
}

/* Frames below 8 TiB differ, swap slots likewise; never 0. */
static uint32_t id_of(uint64_t entry)
{
	uint64_t frame = entry & ENTRY_FRAME;
	uint32_t id = (uint32_t)((frame ^ frame >> 31) & 0x7fffffff);

	if (entry & ENTRY_SWAP)
		id |= UINT32_C(1) << 31;
	return id ? id : 1;
}

static bool is_empty(const struct soft *k, const struct map *m)
{
	return k->empty.n && pageset_span(&k->empty, m->start) >= map_pages(m);
}

bool soft_private(const struct soft *k, int pagemap, const struct map *m, struct pageset *present,
		  struct pageset *dirty, struct soft_record *record)
{
	uint64_t entries[SLOT_PAGES], zero = zero_frame();

	if (is_empty(k, m))
		return true;
	for (uint64_t at = m->start; at < m->end;) {
		uint64_t base = at & ~(SLOT_SIZE - 1), end = base + SLOT_SIZE;
		const struct soft_slot *was = record_find(&k->now, base);
		struct soft_slot *is = NULL;
		ssize_t n;

		end = end < m->end ? end : m->end;
		n = read_entries(pagemap, at, entries, (end - at) >> MEM_PAGE_SHIFT);
		if (n <= 0)
			return false;
		for (ssize_t i = 0; i < n; i++, at += MEM_PAGE) {
			size_t nr = (at - base) >> MEM_PAGE_SHIFT;
			uint32_t id;

			if (!is_page(entries[i], zero))
				continue;
			id = id_of(entries[i]);
			if (present)
				pageset_add(present, at, 1);
			if (dirty && (entries[i] & ENTRY_SOFT || !was || was->id[nr] != id))
				pageset_add(dirty, at, 1);
			if (!record)
				continue;
			if (!is)
				is = record_last(record, base);
			is->id[nr] = id;
		}
	}
	return true;
}

/* The last slot may be the first of the next mapping's: then both have a part of it. */
static void slot_join(struct soft_slot *to, const struct soft_slot *from)
{
	for (size_t i = 0; i < SLOT_PAGES; i++)
		if (from->id[i])
			to->id[i] = from->id[i];
}

void soft_take(struct soft *k, struct soft_record *record)
{
	struct soft_record *to = &k->next;

	for (size_t i = 0; i < record->n; i++) {
		if (to->n && to->v[to->n - 1]->base == record->v[i]->base) {
			slot_join(to->v[to->n - 1], record->v[i]);
			free(record->v[i]);
			continue;
		}
		record_room(to);
		to->v[to->n++] = record->v[i];
	}
	free(record->v);
	*record = (struct soft_record){ .n = 0 };
}

bool soft_shared(int pagemap, const struct map *m, struct pageset *dirty)
{
	uint64_t entries[SLOT_PAGES];

	for (uint64_t at = m->start; at < m->end;) {
		uint64_t left = (m->end - at) >> MEM_PAGE_SHIFT;
		ssize_t n = read_entries(pagemap, at, entries, left < SLOT_PAGES ? left : SLOT_PAGES);

		if (n <= 0)
			return false;
		for (ssize_t i = 0; i < n; i++, at += MEM_PAGE)
			if (entries[i] & ENTRY_PRESENT && entries[i] & ENTRY_SOFT)
				pageset_add(dirty, at - m->start + m->offset, 1);
	}
	return true;
}

int soft_clear(struct soft *k, pid_t pid, struct err *e)
{
	struct soft_record old = k->now;

	if (clear_bits(pid, e) < 0) {
		record_clear(&k->next);
		return -1;
	}
	k->now = k->next;
	k->next = old;
	record_clear(&k->next);
	return 0;
}

void soft_forget(struct soft *k, const struct pageset *gone)
{
	if (!gone) {
		record_clear(&k->now);
		return;
	}
	for (size_t r = 0; r < gone->n; r++) {
		uint64_t start = gone->v[r].start, end = run_end(&gone->v[r]);

		for (size_t i = record_seek(&k->now, start);
		     i < k->now.n && k->now.v[i]->base < end; i++) {
			struct soft_slot *one = k->now.v[i];
			uint64_t from = start > one->base ? start - one->base : 0;
			uint64_t to = end - one->base < SLOT_SIZE ? end - one->base : SLOT_SIZE;

			memset(one->id + (from >> MEM_PAGE_SHIFT), 0,
			       ((to - from) >> MEM_PAGE_SHIFT) * sizeof(*one->id));
		}
	}
}

/* ---- much reserved, little used ---- */

/* "Rss:      12 kB" */
static bool is_zero_line(const char *line)
{
	line += strcspn(line, ":") + 1;
	line += strspn(line, " \t");
	return line[0] == '0' && line[1] == ' ';
}

void soft_empty(const char *smaps, struct pageset *out)
{
	uint64_t start = 0, end = 0;
	bool no_rss = false;

	for (const char *line = smaps; *line; line += *line == '\n') {
		uint64_t a, b;

		if (line[0] >= 'A' && line[0] <= 'Z') {
			if (!strncmp(line, "Rss:", 4))
				no_rss = is_zero_line(line);
			else if (!strncmp(line, "Swap:", 5) && no_rss && is_zero_line(line) && start < end)
				pageset_add(out, start, (end - start) >> MEM_PAGE_SHIFT);
		} else if (sscanf(line, "%" SCNx64 "-%" SCNx64 " ", &a, &b) == 2) {
			start = a;
			end = b;
			no_rss = false;
		}
		line += strcspn(line, "\n");
	}
}

static uint64_t resident(pid_t pid)
{
	own_free char *path = xasprintf("/proc/%d/statm", (int)pid);
	own_free char *text = NULL;
	uint64_t pages = 0;

	if (file_read(AT_FDCWD, path, 4096, &text, NULL, NULL) == 0)
		sscanf(text, "%*u %" SCNu64, &pages);
	return pages << MEM_PAGE_SHIFT;
}

void soft_begin(struct soft *k, pid_t pid, const struct maps *maps)
{
	own_free char *path = xasprintf("/proc/%d/smaps", (int)pid);
	own_free char *text = NULL;
	uint64_t reserved = 0;

	pageset_clear(&k->empty);
	record_clear(&k->next);
	for (size_t i = 0; i < maps->n; i++)
		if (maps->v[i].kind == MAP_KIND_ANON || maps->v[i].kind == MAP_KIND_FILE)
			reserved += maps->v[i].end - maps->v[i].start;
	if (reserved > RESERVED && reserved - RESERVED > 2 * resident(pid) &&
	    file_read(AT_FDCWD, path, SMAPS_MAX, &text, NULL, NULL) == 0)
		soft_empty(text, &k->empty);
}
