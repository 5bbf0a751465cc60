// SPDX-License-Identifier: MIT
/* Open files: positions, locks, deleted ones, odd ones. */
#include <signal.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "zoo.h"

/* ---- positions, flags, duplicates ---- */

static int pos, dup_pos, append, path_only, dir, shared_with_child;

static int open_make(void)
{
	pos = file_with("pos", "0123456789");
	dup_pos = fcntl(pos, F_DUPFD_CLOEXEC, 300);
	append = open("append", O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_SYNC, 0600);
	path_only = open("pos", O_PATH);
	dir = open(".", O_RDONLY | O_DIRECTORY);
	NEED(pos >= 0 && dup_pos >= 0 && append >= 0 && path_only >= 0 && dir >= 0, "open");
	NEED(lseek(pos, 4, SEEK_SET) == 4, "lseek");
	return 0;
}

static int open_check(void)
{
	struct stat st;
	int fd;

	NEED(lseek(dup_pos, 0, SEEK_CUR) == 4, "the position is %ld", (long)lseek(dup_pos, 0, SEEK_CUR));
	if (expect_text(pos, "456", "at the position") < 0)
		return -1;
	NEED(lseek(dup_pos, 0, SEEK_CUR) == 7, "the duplicate has a position of its own");
	NEED(lseek(pos, 4, SEEK_SET) == 4, "lseek");
	NEED((fcntl(append, F_GETFL) & (O_APPEND | O_SYNC)) == (O_APPEND | O_SYNC), "flags %x",
	     fcntl(append, F_GETFL));
	NEED(write(append, "x", 1) == 1, "write");
	NEED(fstat(path_only, &st) == 0 && st.st_size == 10 && read(path_only, &st, 1) < 0, "O_PATH");
	fd = openat(dir, "pos", O_RDONLY);
	NEED(fd >= 0, "the directory leads nowhere");
	close(fd);
	return 0;
}

/* ---- deleted: a file, one whose name another has now, a directory, one that never had a name ---- */

static int gone, replaced, gone_dir, tmpfile_fd, named_tmp;

static int deleted_make(void)
{
	gone = file_with("gone", "only in memory of the kernel");
	replaced = file_with("replaced", "the old one");
	NEED(unlink("gone") == 0 && unlink("replaced") == 0, "unlink");
	close(file_with("replaced", "the new one"));
	NEED(ftruncate(gone, 3 << 20) == 0 && pwrite(gone, "far", 3, (3 << 20) - 3) == 3, "pwrite");
	tmpfile_fd = open(".", O_TMPFILE | O_RDWR, 0600);
	NEED(tmpfile_fd >= 0 && write(tmpfile_fd, "nameless", 8) == 8, "O_TMPFILE");
	NEED(mkdir("gone-dir", 0700) == 0, "mkdir");
	gone_dir = open("gone-dir", O_RDONLY | O_DIRECTORY);
	NEED(gone_dir >= 0 && rmdir("gone-dir") == 0, "a deleted directory");
	named_tmp = open("/dev/shm", O_TMPFILE | O_RDWR, 0600);
	NEED(named_tmp >= 0 && write(named_tmp, "in memory", 9) == 9, "O_TMPFILE in /dev/shm");
	return 0;
}

static int from_start(int fd, const char *text, const char *what)
{
	NEED(lseek(fd, 0, SEEK_SET) == 0, "%s: lseek", what);
	return expect_text(fd, text, what);
}

static int deleted_check(void)
{
	char buf[3];
	struct stat st;
	int fd;

	if (from_start(gone, "only in memory of the kernel", "a deleted file") < 0 ||
	    from_start(replaced, "the old one", "a replaced file") < 0 ||
	    from_start(tmpfile_fd, "nameless", "O_TMPFILE") < 0 ||
	    from_start(named_tmp, "in memory", "O_TMPFILE in /dev/shm") < 0)
		return -1;
	NEED(fstat(gone, &st) == 0 && st.st_size == 3 << 20 && st.st_nlink == 0,
	     "the deleted file has %ld bytes, %ld names", (long)st.st_size, (long)st.st_nlink);
	NEED(st.st_blocks * 512 < 1 << 20, "its hole is filled: %ld KiB", (long)st.st_blocks / 2);
	NEED(pread(gone, buf, 3, (3 << 20) - 3) == 3 && memcmp(buf, "far", 3) == 0, "its end");
	NEED(access("gone", F_OK) < 0, "the deleted file has a name again");
	NEED(fstat(gone_dir, &st) == 0 && st.st_nlink == 0, "the deleted directory has a name");
	fd = open("replaced", O_RDONLY);
	if (fd < 0 || expect_text(fd, "the new one", "what has its name now") < 0)
		return bad("what has its name now");
	close(fd);
	return 0;
}

/* ---- mappings of files: shared, private, deleted ---- */

static char *shared, *private, *unnamed;
static int behind;

static int mapped_make(void)
{
	int fd = file_with("mapped", "shared!!"), g = file_with("mapped-gone", "deleted!");

	NEED(ftruncate(fd, 8192) == 0 && ftruncate(g, 8192) == 0, "ftruncate");
	shared = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	private = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	unnamed = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, g, 0);
	NEED(shared != MAP_FAILED && private != MAP_FAILED && unnamed != MAP_FAILED, "mmap");
	NEED(unlink("mapped-gone") == 0, "unlink");
	private[4096] = 'p';
	behind = fd;
	close(g);
	return 0;
}

static int mapped_check(void)
{
	static char count = 'A';
	char c;

	NEED(memcmp(shared, "shared!!", 7) == 0 && memcmp(unnamed, "deleted!", 7) == 0, "content");
	NEED(private[4096] == 'p' && shared[4096] != 'p', "the private page");
	shared[100] = ++count;
	unnamed[100] = count;
	NEED(pread(behind, &c, 1, 100) == 1 && c == count, "the mapping is not of the file");
	NEED(private[100] == count, "the private mapping is not of the file");
	return 0;
}

/* ---- locks: others are kept out as before ---- */

static int by_flock, by_posix, by_ofd;

static struct flock region(short type, off_t start, off_t len)
{
	return (struct flock){ .l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = len };
}

static int locks_make(void)
{
	struct flock p = region(F_WRLCK, 10, 20), r = region(F_RDLCK, 100, 5);
	struct flock o = region(F_WRLCK, 0, 0);

	by_flock = file_with("lock-flock", "");
	by_posix = file_with("lock-posix", "");
	by_ofd = file_with("lock-ofd", "");
	NEED(flock(by_flock, LOCK_EX) == 0, "flock");
	NEED(fcntl(by_posix, F_SETLK, &p) == 0 && fcntl(by_posix, F_SETLK, &r) == 0, "F_SETLK");
	NEED(fcntl(by_ofd, F_OFD_SETLK, &o) == 0, "F_OFD_SETLK");
	return 0;
}

/* In another process: bits of what is not locked as it should be. */
static int try_locks(void)
{
	struct flock p = region(F_RDLCK, 15, 1), r = region(F_WRLCK, 102, 1);
	struct flock free_one = region(F_WRLCK, 40, 10), o = region(F_WRLCK, 5, 1);
	int wrong = 0, fd;

	fd = open("lock-flock", O_RDWR);
	wrong |= flock(fd, LOCK_SH | LOCK_NB) == 0 ? 1 : 0;
	fd = open("lock-posix", O_RDWR);
	wrong |= fcntl(fd, F_SETLK, &p) == 0 ? 2 : 0;
	wrong |= fcntl(fd, F_SETLK, &r) == 0 ? 4 : 0;
	wrong |= fcntl(fd, F_SETLK, &free_one) != 0 ? 8 : 0;
	fd = open("lock-ofd", O_RDWR);
	wrong |= fcntl(fd, F_OFD_SETLK, &o) == 0 ? 16 : 0;
	return wrong;
}

static int locks_check(void)
{
	int wrong = in_child(try_locks);

	errno = 0;
	NEED(wrong == 0, "locks are not as they were: %x (1 flock, 2 4 8 POSIX, 16 OFD)", wrong);
	return 0;
}

/* ---- two processes that share one open file ---- */

static int read_some(void)
{
	char c;

	return read(shared_with_child, &c, 1) == 1 ? c : 0;
}

static int shared_make(void)
{
	shared_with_child = file_with("shared", "abcdefghijklmnopqrstuvwxyz");
	NEED(shared_with_child >= 0 && lseek(shared_with_child, 0, SEEK_SET) == 0, "open");
	return 0;
}

static int shared_check(void)
{
	off_t at = lseek(shared_with_child, 0, SEEK_CUR);
	int c = in_child(read_some);

	NEED(c == 'a' + at, "at %ld the child read %c", (long)at, c);
	NEED(lseek(shared_with_child, 0, SEEK_CUR) == at + 1, "the position is not shared");
	return 0;
}

/* ---- files of the kernel, and of a process that is gone ---- */

static int own_status, nothing, random_fd;

static int kernel_make(void)
{
	own_status = open("/proc/self/status", O_RDONLY);
	nothing = open("/dev/null", O_RDWR);
	random_fd = open("/dev/urandom", O_RDONLY);
	NEED(own_status >= 0 && nothing >= 0 && random_fd >= 0, "open");
	return 0;
}

static int kernel_check(void)
{
	char buf[64] = "";

	NEED(pread(own_status, buf, 60, 0) == 60 && strncmp(buf, "Name:", 5) == 0, "/proc/self/status");
	NEED(write(nothing, "x", 1) == 1 && read(nothing, buf, 1) == 0, "/dev/null");
	NEED(read(random_fd, buf, 8) == 8, "/dev/urandom");
	return 0;
}

/* ---- a lease: nobody else may open the file before its holder is told ---- */

static int leased, leased_big, leased_empty; /* the last one cannot be read */
static volatile sig_atomic_t broken;

static void on_break(int signal)
{
	(void)signal;
	broken++;
}

static int lease_make(void)
{
	signal(SIGIO, on_break);
	leased = file_with("leased", "nobody has opened it");
	leased_big = open("leased-big", O_RDWR | O_CREAT | O_TRUNC, 0600);
	NEED(ftruncate(leased_big, 40 << 20) == 0 && pwrite(leased_big, "far", 3, 35 << 20) == 3 &&
		     lseek(leased_big, 77, SEEK_SET) == 77, "a large file");
	leased_empty = open("leased-empty", O_WRONLY | O_CREAT | O_TRUNC, 0600);
	NEED(fcntl(leased, F_SETLEASE, F_WRLCK) == 0 && fcntl(leased_big, F_SETLEASE, F_WRLCK) == 0 &&
		     fcntl(leased_empty, F_SETLEASE, F_WRLCK) == 0, "F_SETLEASE");
	return 0;
}

static int lease_check(void)
{
	char buf[3];

	NEED(!broken, "the lease was broken");
	NEED(fcntl(leased, F_GETLEASE) == F_WRLCK && fcntl(leased_big, F_GETLEASE) == F_WRLCK &&
		     fcntl(leased_empty, F_GETLEASE) == F_WRLCK, "a lease is lost");
	NEED(lseek(leased_big, 0, SEEK_CUR) == 77, "its position is %ld", (long)lseek(leased_big, 0, SEEK_CUR));
	NEED(pread(leased_big, buf, 3, 35 << 20) == 3 && !memcmp(buf, "far", 3), "contents under a lease");
	return 0;
}

/* ---- files of a tmpfs that a mount hides, at a place with an odd name ---- */

#define HIDING "/dev/shm/a\tb\\c #d"

static int hide(void)
{
	NEED(mount("", HIDING, "tmpfs", 0, "size=1m") == 0, "mount");
	close(open(HIDING "/above", O_WRONLY | O_CREAT, 0600));
	return 0;
}

static int hidden_make(void)
{
	int fd;

	mkdir(HIDING, 0750);
	fd = open(HIDING "/below", O_WRONLY | O_CREAT | O_TRUNC, 0600);
	NEED(fd >= 0 && write(fd, "kept", 4) == 4, "write");
	close(fd);
	return hide();
}

static int hidden_check(void)
{
	int fd;

	NEED(access(HIDING "/above", F_OK) == 0 && access(HIDING "/below", F_OK) < 0, "the mount is another");
	NEED(umount(HIDING) == 0, "umount");
	fd = open(HIDING "/below", O_RDONLY);
	NEED(fd >= 0, "what lay below is gone");
	if (expect_text(fd, "kept", "below a mount") < 0)
		return -1;
	close(fd);
	return hide();
}

const struct animal zoo_files[] = {
	{ "lease", lease_make, lease_check },
	{ "open-files", open_make, open_check },
	{ "deleted-files", deleted_make, deleted_check },
	{ "mapped-files", mapped_make, mapped_check },
	{ "locks", locks_make, locks_check },
	{ "shared-file", shared_make, shared_check },
	{ "kernel-files", kernel_make, kernel_check },
	{ "below-a-mount", hidden_make, hidden_check },
	{ NULL, NULL, NULL },
};
