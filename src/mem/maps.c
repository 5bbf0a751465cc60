// SPDX-License-Identifier: MIT
#include "mem/maps.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <fcntl.h>

#include "base/own.h"

enum { MAX_TEXT = 256 << 20, MAX_MAPS = 1 << 20, READ_TRIES = 10 };

void maps_fini(struct maps *m)
{
	free(m->v);
	free(m->text);
	*m = (struct maps)MAPS_INIT;
}

/* ---- one line ---- */

/* A hexadecimal (base 16) or decimal number at *p, ended by `stop`, which is skipped. */
static bool take_number(char **p, unsigned base, char stop, uint64_t *out)
{
	uint64_t v = 0;
	char *s = *p;

	for (; *s != stop; s++) {
		unsigned d;

		if (*s >= '0' && *s <= '9')
			d = (unsigned)(*s - '0');
		else if (base == 16 && *s >= 'a' && *s <= 'f')
			d = (unsigned)(*s - 'a') + 10;
		else
			return false;
		if (v > (UINT64_MAX - d) / base)
			return false;
		v = v * base + d;
	}
	if (s == *p)
		return false;
	*out = v;
	*p = s + 1;
	return true;
}

/* "55e0a0b2c000-55e0a0b2e000 rw-p 00002000 fe:00 4711   /name" */
static bool parse_head(char *line, struct map *m)
{
	uint64_t major, minor;
	char *p = line;

	*m = (struct map){ .name = "" };
	if (!take_number(&p, 16, '-', &m->start) || !take_number(&p, 16, ' ', &m->end))
		return false;
	if (strlen(p) < 5 || p[4] != ' ' || !strchr("r-", p[0]) || !strchr("w-", p[1]) ||
	    !strchr("x-", p[2]) || !strchr("ps", p[3]))
		return false;
	m->prot = (uint8_t)((p[0] == 'r' ? MAP_READ : 0) | (p[1] == 'w' ? MAP_WRITE : 0) |
			    (p[2] == 'x' ? MAP_EXEC : 0));
	m->shared = p[3] == 's';
	p += 5;
	if (!take_number(&p, 16, ' ', &m->offset) || !take_number(&p, 16, ':', &major) ||
	    !take_number(&p, 16, ' ', &minor))
		return false;
	m->dev = makedev((unsigned)major, (unsigned)minor);
	/* The inode ends the line when there is no name. */
	if (strchr(p, ' ') ? !take_number(&p, 10, ' ', &m->ino) : !take_number(&p, 10, '\0', &m->ino))
		return false;
	if (p[-1] == ' ') {
		while (*p == ' ')
			p++;
		m->name = p;
	}
	return m->start < m->end && !((m->start | m->end) & (MEM_PAGE - 1));
}

static uint16_t vm_bits(const char *words)
{
	static const struct {
		char word[3];
		uint16_t bit;
	} table[] = {
		{ "lo", MAP_VM_LOCKED },    { "ht", MAP_VM_HUGETLB },
		{ "io", MAP_VM_IO },	    { "pf", MAP_VM_IO },
		{ "dc", MAP_VM_DONTFORK },  { "wf", MAP_VM_WIPEONFORK },
		{ "dp", MAP_VM_DROPPABLE }, { "gd", MAP_VM_GROWSDOWN },
		{ "uw", MAP_VM_UFFD_WP },   { "um", MAP_VM_UFFD_MISSING },
		{ "nh", MAP_VM_NOHUGEPAGE }, { "gu", MAP_VM_GUARD },
		{ "ss", MAP_VM_SHADOW_STACK },
	};
	uint16_t vm = MAP_VM_KNOWN;

	while (*words) {
		size_t n = strcspn(words, " ");

		for (size_t i = 0; n == 2 && i < array_len(table); i++)
			if (!memcmp(words, table[i].word, 2))
				vm |= table[i].bit;
		words += n;
		words += strspn(words, " ");
	}
	return vm;
}

static bool starts(const char *s, const char *with)
{
	return !strncmp(s, with, strlen(with));
}

static enum map_kind kind_of(const struct map *m, uint64_t shm_dev)
{
	bool of_file = m->dev || m->ino;

	if (!of_file && (starts(m->name, "[vdso]") || starts(m->name, "[vvar") ||
			 starts(m->name, "[vsyscall]") || starts(m->name, "[uprobes]")))
		return MAP_KIND_KERNEL;
	if (starts(m->name, "/[aio]"))
		return MAP_KIND_KERNEL;
	if (m->vm & MAP_VM_HUGETLB || starts(m->name, "/anon_hugepage"))
		return MAP_KIND_HUGETLB;
	if (m->vm & MAP_VM_IO)
		return MAP_KIND_DEVICE;
	if (!m->shared)
		return of_file ? MAP_KIND_FILE : MAP_KIND_ANON;
	return shm_dev && m->dev == shm_dev ? MAP_KIND_SHM : MAP_KIND_SHARED_FILE;
}

/* ---- the whole text ---- */

static int bad_line(size_t nr, struct err *e)
{
	return err_set(e, ERR_UNSUPPORTED, "line %zu of a maps file is not understood", nr);
}

/* The newer line is right: what it covers is taken from those before it. */
static void cut_overlap(struct maps *m, const struct map *one)
{
	while (m->n && m->v[m->n - 1].start >= one->start)
		m->n--;
	if (m->n && m->v[m->n - 1].end > one->start)
		m->v[m->n - 1].end = one->start;
}

/* `torn`: NULL, or set when lines overlap, which is an error otherwise. */
static int parse_lines(struct maps *m, size_t len, uint64_t shm_dev, bool *torn, struct err *e)
{
	char *line = m->text, *end = m->text + len;
	size_t cap = 0;

	for (size_t nr = 1; line < end; nr++) {
		char *stop = memchr(line, '\n', (size_t)(end - line));
		struct map *last = m->n ? &m->v[m->n - 1] : NULL;
		struct map one;

		if (!stop)
			stop = end;
		*stop = '\0';
		if (line[0] >= 'A' && line[0] <= 'Z') { /* a detail of smaps */
			if (last && starts(line, "VmFlags:")) {
				last->vmflags = line + 8 + strspn(line + 8, " ");
				last->vm = vm_bits(last->vmflags);
			}
		} else if (!parse_head(line, &one) || (last && one.start < last->end && !torn)) {
			return bad_line(nr, e);
		} else {
			if (last && one.start < last->end) {
				*torn = true;
				cut_overlap(m, &one);
			}
			if (m->n == MAX_MAPS)
				return err_set(e, ERR_UNSUPPORTED, "more than %d mappings in a process",
					       MAX_MAPS);
			if (m->n == cap) {
				cap = cap ? 2 * cap : 64;
				m->v = xrealloc(m->v, cap * sizeof(*m->v));
			}
			m->v[m->n++] = one;
		}
		line = stop + 1;
	}
	for (size_t i = 0; i < m->n; i++)
		m->v[i].kind = kind_of(&m->v[i], shm_dev);
	return 0;
}

static int parse(struct maps *m, char *text, size_t len, uint64_t shm_dev, bool *torn, struct err *e)
{
	*m = (struct maps){ .text = text };
	if (parse_lines(m, len, shm_dev, torn, e) == 0)
		return 0;
	maps_fini(m);
	return -1;
}

int maps_parse(struct maps *m, char *text, size_t len, uint64_t shm_dev, struct err *e)
{
	return parse(m, text, len, shm_dev, NULL, e);
}

static int read_once(struct maps *m, int fd, bool *torn, struct err *e)
{
	size_t len = 0, cap = 64 << 10;
	own_free char *text = xmalloc(cap + 1);

	*m = (struct maps)MAPS_INIT;
	if (lseek(fd, 0, SEEK_SET) < 0)
		return err_sys(e, "cannot rewind a maps file");
	for (;;) {
		ssize_t n = read(fd, text + len, cap - len);

		if (n < 0 && errno == EINTR)
			continue;
		/* The address space ended while it was read. */
		if (n < 0 && errno == ESRCH)
			return 0;
		if (n < 0)
			return err_sys(e, "cannot read a maps file");
		if (n == 0)
			break;
		len += (size_t)n;
		if (len > MAX_TEXT)
			return err_set(e, ERR_UNSUPPORTED, "a maps file is larger than %d MiB",
				       MAX_TEXT >> 20);
		if (cap - len < 4096)
			text = xrealloc(text, (cap *= 2) + 1);
	}
	text[len] = '\0';
	return parse(m, take_ptr(&text), len, maps_shm_dev(), torn, e);
}

int maps_read(struct maps *m, int fd, struct err *e)
{
	for (int i = 1;; i++) {
		bool torn = false;

		if (read_once(m, fd, &torn, e) < 0)
			return -1;
		if (!torn || i == READ_TRIES)
			return 0;
		maps_fini(m);
	}
}

int maps_read_pid(struct maps *m, pid_t pid, bool with_vmflags, struct err *e)
{
	own_free char *path = xasprintf("/proc/%d/%s", (int)pid, with_vmflags ? "smaps" : "maps");
	own_fd int fd = open(path, O_RDONLY | O_CLOEXEC);

	*m = (struct maps)MAPS_INIT;
	if (fd < 0)
		return err_sys(e, "cannot open %s", path);
	if (maps_read(m, fd, e) < 0)
		return err_wrap(e, "%s", path);
	return 0;
}

uint64_t maps_shm_dev(void)
{
	static _Atomic uint64_t dev;

	if (!dev) {
		own_fd int fd = memfd_create("pmigrate-dev", MFD_CLOEXEC);
		struct stat st;

		if (fd >= 0 && fstat(fd, &st) == 0)
			dev = st.st_dev;
	}
	return dev;
}

const struct map *maps_find(const struct maps *m, uint64_t addr)
{
	size_t lo = 0, hi = m->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (m->v[mid].end <= addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < m->n && m->v[lo].start <= addr ? &m->v[lo] : NULL;
}

size_t maps_inherit_vm(struct maps *to, const struct maps *from)
{
	size_t without = 0;

	for (size_t i = 0, j = 0; i < to->n; i++) {
		struct map *m = &to->v[i];

		while (j < from->n && from->v[j].start < m->start)
			j++;
		if (j < from->n && from->v[j].start == m->start && from->v[j].end == m->end &&
		    from->v[j].prot == m->prot && map_same_backing(m, &from->v[j])) {
			m->vm = from->v[j].vm;
			m->kind = from->v[j].kind;
		}
		without += !(m->vm & MAP_VM_KNOWN);
	}
	return without;
}

bool map_same_backing(const struct map *a, const struct map *b)
{
	if (a->shared != b->shared || a->dev != b->dev || a->ino != b->ino)
		return false;
	/* Anonymous mappings have no window; a heap stays one when it grows. */
	return (!a->dev && !a->ino) || a->offset - a->start == b->offset - b->start;
}

bool map_can_be_lazy(const struct map *m)
{
	return m->kind == MAP_KIND_ANON && !(m->vm & (MAP_VM_LOCKED | MAP_VM_HUGETLB));
}

bool map_is_eager(const struct map *m)
{
	return m->kind == MAP_KIND_FILE || m->vm & MAP_VM_LOCKED || m->end - m->start <= MAP_EAGER_MAX;
}

/* Calls fn for what of `a` has no equal in `b`. */
static void differing(const struct maps *a, const struct maps *b, maps_stretch_fn *fn, void *arg)
{
	size_t j = 0;

	for (size_t i = 0; i < a->n; i++) {
		const struct map *m = &a->v[i];
		uint64_t at = m->start;

		while (j < b->n && b->v[j].end <= at)
			j++;
		for (size_t k = j; k < b->n && b->v[k].start < m->end; k++) {
			const struct map *o = &b->v[k];

			if (!map_same_backing(m, o))
				continue;
			if (o->start > at)
				fn(arg, m, at, o->start);
			if (o->end > at)
				at = o->end < m->end ? o->end : m->end;
		}
		if (at < m->end)
			fn(arg, m, at, m->end);
	}
}

void maps_compare(const struct maps *was, const struct maps *is, maps_stretch_fn *gone,
		  maps_stretch_fn *fresh, void *arg)
{
	if (gone)
		differing(was, is, gone, arg);
	if (fresh)
		differing(is, was, fresh, arg);
}
