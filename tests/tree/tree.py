#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""tree.py: trees for the tests of the tree mover, and a look at them that shares nothing with it.

    tree.py odd DIR [noflags]       one of every odd thing
    tree.py many DIR N DIRS BYTES   N files of about BYTES in DIRS directories
    tree.py dump DIR [--blocks]     everything about every name, one line each, sorted
    tree.py same A B [--blocks]     compare two trees; says what differs; exit code 1
    tree.py churn DIR SEED [RATE]   change DIR for ever, until SIGTERM
"""
import errno, fcntl, hashlib, mmap, os, random, signal, socket, stat, struct, sys, time

FS_IOC_GETFLAGS, FS_IOC_SETFLAGS, IMMUTABLE, APPEND, NOCOW = 0x80086601, 0x40086602, 0x10, 0x20, 0x800000


def flags_of(path):
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
        try:
            return struct.unpack("l", fcntl.ioctl(fd, FS_IOC_GETFLAGS, b"\0" * 8))[0] & (IMMUTABLE | APPEND | NOCOW)
        finally:
            os.close(fd)
    except OSError:
        return 0


def set_flags(path, flags):
    fd = os.open(path, os.O_RDONLY)
    old = struct.unpack("l", fcntl.ioctl(fd, FS_IOC_GETFLAGS, b"\0" * 8))[0]
    fcntl.ioctl(fd, FS_IOC_SETFLAGS, struct.pack("l", old & ~(IMMUTABLE | APPEND | NOCOW) | flags))
    os.close(fd)


def write(path, data, mode=0o644):
    with open(path, "wb") as f:
        f.write(data)
    os.chmod(path, mode)


# ---- dump ----------------------------------------------------------------------------------------

def contents(name, dirfd):
    h = hashlib.blake2b(digest_size=12)
    fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=dirfd)
    with os.fdopen(fd, "rb") as f:
        while True:
            data = f.read(1 << 20)
            if not data:
                return h.hexdigest()
            h.update(data)


def xattrs(name):
    try:
        names = sorted(os.listxattr(name, follow_symlinks=False))
    except OSError:
        return ""
    return ",".join("%s=%s" % (n, os.getxattr(name, n, follow_symlinks=False).hex()) for n in names)


def dump(root, blocks=False):
    """{path (bytes): text}; works by changing directory, so that any depth is fine."""
    out, groups = {}, {}
    home = os.open(".", os.O_RDONLY)
    os.chdir(root)
    stack = [(os.open(".", os.O_RDONLY), b"")]
    while stack:
        fd, path = stack.pop()
        os.fchdir(fd)
        for name in sorted(os.listdir(b".")):
            full = path + b"/" + name
            if full == b"/lost+found":
                continue
            st = os.lstat(name)
            kind = stat.S_IFMT(st.st_mode)
            text = "%o %d:%d %d" % (st.st_mode, st.st_uid, st.st_gid, st.st_mtime_ns)
            if kind == stat.S_IFREG:
                text += " size %d %s" % (st.st_size, contents(name, None))
                if blocks:
                    text += " sparse" if st.st_blocks * 512 + 65536 < st.st_size else ""
            if kind == stat.S_IFLNK:
                text += " -> %r" % os.readlink(name)
            if kind in (stat.S_IFCHR, stat.S_IFBLK):
                text += " dev %d:%d" % (os.major(st.st_rdev), os.minor(st.st_rdev))
            if kind in (stat.S_IFREG, stat.S_IFDIR):
                text += " flags %x" % flags_of(name)
            text += " [%s]" % xattrs(name)
            if st.st_nlink > 1 and kind != stat.S_IFDIR:
                groups.setdefault((st.st_dev, st.st_ino), []).append(full)
            out[full] = text
            if kind == stat.S_IFDIR and os.lstat(name).st_dev == os.fstat(fd).st_dev:
                stack.append((os.open(name, os.O_RDONLY | os.O_NOFOLLOW), full))
        os.close(fd)
    os.fchdir(home)
    st = os.lstat(root)
    out[b"/"] = "%o %d:%d %d [%s]" % (st.st_mode, st.st_uid, st.st_gid, st.st_mtime_ns, xattrs(root))
    for names in groups.values():
        for n in names:
            out[n] += " links %r" % sorted(names)
    return out


def same(a, b, blocks):
    x, y, bad = dump(a, blocks), dump(b, blocks), 0
    for path in sorted(set(x) | set(y)):
        if x.get(path) != y.get(path):
            bad += 1
            if bad <= 20:
                print("differs: %.300r\n  %s\n  %s" % (path, x.get(path, "(none)")[:600], y.get(path, "(none)")[:600]))
    print("%d names, %d differ" % (len(x), bad))
    return 1 if bad else 0


# ---- odd -----------------------------------------------------------------------------------------

def odd(d, with_flags=True):
    os.chdir(d)
    write("plain", b"hello\n")
    write("empty", b"")
    for i, name in enumerate([b"with blank", b"new\nline", b"\xff\xfe\x80", b"-rf", b"q'\"$`\\", b"a" * 255, b"..x", b" "]):
        write(name, b"%d" % i)
    write("setuid", b"x", 0o4755)
    os.chown("setuid", 1000, 1000)
    os.chmod("setuid", 0o6755)
    write("bigids", b"x")
    os.chown("bigids", 4000000000, 70000)
    write("nanos", b"x")
    os.utime("nanos", ns=(1111111111_123456789, 1222222222_987654321))
    write("old", b"x")
    os.utime("old", ns=(-1_500000000, -86400_000000001))
    write("zeromode", b"secret", 0)
    os.symlink("plain", "link")
    os.symlink("/etc/passwd", "abslink")
    os.symlink("x" * 1000, "longlink")
    os.symlink("../../../../../etc", "uplink")
    os.chown("link", 7, 8, follow_symlinks=False)
    os.utime("link", ns=(1, 2), follow_symlinks=False)
    os.mkfifo("fifo", 0o620)
    s = socket.socket(socket.AF_UNIX)
    s.bind("socket")
    s.close()
    os.mknod("null", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    os.mknod("disk", 0o660 | stat.S_IFBLK, os.makedev(259, 70000))
    os.mknod("whiteout", stat.S_IFCHR, os.makedev(0, 0))
    os.chown("disk", 0, 6)
    # links
    write("h1", b"linked")
    os.mkdir("hdir")
    os.link("h1", "h2")
    os.link("h1", "hdir/h3")
    os.link("link", "link2", follow_symlinks=False)
    os.link("fifo", "fifo2")
    # sizes and holes
    write("big", random.Random(1).randbytes(3 << 20 | 12345))
    write("exact", random.Random(2).randbytes(256 << 10))
    write("exact1", random.Random(3).randbytes((256 << 10) + 1))
    write("zeros", bytes(2 << 20))
    with open("holes", "wb") as f:
        for at in (0, 10 << 20, 30 << 20):
            f.seek(at)
            f.write(random.Random(at).randbytes(100000))
        f.truncate(64 << 20)
    with open("allhole", "wb") as f:
        f.truncate(256 << 20)
    with open("smallhole", "wb") as f:
        f.truncate(100000)
        f.seek(90000)
        f.write(b"end")
    os.link("big", "biglink")
    # xattrs
    write("xattr", b"x")
    for name, value in (("user.text", b"value"), ("user.empty", b""), ("user.bin", bytes(range(256))), ("trusted.t", b"t"),
                        ("security.capability", bytes.fromhex("0100000200040000000000000000000000000000"))):
        try:
            os.setxattr("xattr", name, value)
        except OSError as e:
            if e.errno != errno.EOPNOTSUPP:
                raise
    try:
        os.setxattr("link", "trusted.l", b"onlink", follow_symlinks=False)
        os.setxattr("hdir", "user.dir", b"d")
        acl = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", t, p, i) for t, p, i in
              ((1, 6, 0xffffffff), (2, 7, 1234), (4, 4, 0xffffffff), (16, 7, 0xffffffff), (32, 0, 0xffffffff)))
        write("acl", b"x")
        os.setxattr("acl", "system.posix_acl_access", acl)
        os.mkdir("acldir")
        os.setxattr("acldir", "system.posix_acl_default", acl)
        write("acldir/inherits", b"x")
        write("acldir/not", b"x")
        os.removexattr("acldir/not", "system.posix_acl_access")
        os.chmod("acldir/not", 0o604)
        os.mkdir("acldir/sub")
    except OSError as e:
        if e.errno != errno.EOPNOTSUPP:
            raise
    write("xattrs", b"many")
    try:
        for i in range(5000):
            os.setxattr("xattrs", "user.%x" % i, b"")
    except OSError as e:
        if e.errno not in (errno.EOPNOTSUPP, errno.ENOSPC):
            raise
    # directories
    os.mkdir("sticky")
    os.chmod("sticky", 0o1777)
    os.mkdir("sgid")
    os.chown("sgid", 0, 50)
    os.chmod("sgid", 0o2755)
    write("sgid/file", b"x")
    os.chown("sgid/file", 0, 0)
    os.mkdir("readonly")
    write("readonly/file", b"x", 0o400)
    os.chmod("readonly", 0o500)
    os.mkdir("emptydir")
    # flags
    if with_flags:
        try:
            os.mkdir("immdir")
            write("immdir/inside", b"x")
            write("immutable", b"x")
            write("append", b"x")
            write("immlinked", b"x")
            os.link("immlinked", "immlinked2")
            for name, flag in (("immutable", IMMUTABLE), ("append", APPEND), ("immlinked", IMMUTABLE), ("immdir", IMMUTABLE)):
                set_flags(name, flag)
        except OSError as e:
            if e.errno not in (errno.EOPNOTSUPP, errno.ENOTTY):
                raise
    if with_flags:
        try:
            os.mkdir("nocowdir")
            set_flags("nocowdir", NOCOW)
            write("nocow", b"")
            set_flags("nocow", NOCOW)
            write("nocow", random.Random(6).randbytes(600000))
            write("nocowdir/inherits", random.Random(7).randbytes(20 << 20))
        except OSError as e:
            if e.errno not in (errno.EOPNOTSUPP, errno.ENOTTY):
                raise
    # deep: far beyond PATH_MAX
    home = os.open(".", os.O_RDONLY)
    for i in range(120):
        os.mkdir("d" * 100 + str(i))
        os.chdir("d" * 100 + str(i))
    write("bottom", b"deep")
    write("bottombig", random.Random(5).randbytes(700000))
    os.link("bottom", "bottom2")
    os.symlink("x", "deeplink")
    os.fchdir(home)
    for i in range(50):
        os.utime("emptydir", ns=(5, 6))
    os.utime(".", ns=(123456789, 987654321))


def many(d, n, dirs, size):
    r = random.Random(7)
    for i in range(dirs):
        os.mkdir("%s/d%04d" % (d, i))
    for i in range(n):
        with open("%s/d%04d/f%06d" % (d, i % dirs, i), "wb", 0) as f:
            f.write(r.randbytes(r.randrange(size // 2, size * 3 // 2)) if size else b"")


# ---- churn ---------------------------------------------------------------------------------------

class Churn:
    """Does random things to a tree.  Never more than one step at a time, so SIGTERM leaves a whole state."""

    def __init__(self, d, seed):
        os.chdir(d)
        self.r = random.Random(seed)
        self.stop = False
        self.maps = []  # (mapping, file) of maps/: written through shared mappings, and under names that are gone
        signal.signal(signal.SIGTERM, lambda *_: setattr(self, "stop", True))
        os.makedirs("churn/a/b", exist_ok=True)
        os.makedirs("churn/c", exist_ok=True)
        os.makedirs("maps", exist_ok=True)

    def dirs(self):
        out = [d for d, _, _ in os.walk("churn")]
        return out

    def names(self):
        return [os.path.join(d, f) for d, _, fs in os.walk("churn") for f in fs]

    def new_name(self):
        return os.path.join(self.r.choice(self.dirs()), "n%d" % self.r.randrange(400))

    def unseen(self):
        """One step in maps/: what no event tells, or only under a name that is gone by then."""
        r = self.r
        p = "maps/m%d" % r.randrange(6)
        act = r.choice("map write write write name ghost close".split())
        if act == "map" and len(self.maps) < 4:
            if not os.path.exists(p):
                write(p, r.randbytes(100000 + r.randrange(300000)))
            f = open(p, "r+b")
            self.maps.append((mmap.mmap(f.fileno(), 0), f))
        elif act == "write" and self.maps:
            m = r.choice(self.maps)[0]
            at = r.randrange(len(m) - 8)
            m[at:at + 8] = r.randbytes(8)
        elif act == "name" and os.path.exists(p):
            os.link(p, "maps/m%d" % r.randrange(6))
            os.unlink(p)
        elif act == "ghost" and self.maps:
            f = r.choice(self.maps)[1]
            os.pwrite(f.fileno(), r.randbytes(20), r.randrange(90000))
        elif act == "close" and self.maps:
            m, f = self.maps.pop(r.randrange(len(self.maps)))
            m.close()
            f.close()

    def step(self):
        r = self.r
        if r.random() < 0.1:
            return self.unseen()
        act = r.choice("create create write append truncate unlink rename mkdir movedir rmdir link breaklink chmod utime "
                       "symlink xattr recreate hole bigwrite fifo swapkind".split())
        names = self.names()
        pick = r.choice(names) if names else None
        regular = pick and os.path.isfile(pick) and not os.path.islink(pick)
        if act == "create":
            write(self.new_name() + "f", r.randbytes(r.randrange(20000)))
        elif act == "bigwrite":
            p = os.path.join("churn", "big%d" % r.randrange(3))
            with open(p, "r+b" if os.path.exists(p) else "wb") as f:
                f.seek(r.randrange(3 << 20))
                f.write(r.randbytes(r.randrange(100000)))
        elif act == "write" and regular:
            with open(pick, "r+b") as f:
                f.seek(r.randrange(max(1, os.path.getsize(pick))))
                f.write(r.randbytes(100))
        elif act == "append" and regular:
            with open(pick, "ab") as f:
                f.write(r.randbytes(r.randrange(3000)))
        elif act == "truncate" and regular:
            os.truncate(pick, r.randrange(30000))
        elif act == "hole" and regular:
            with open(pick, "r+b") as f:
                f.truncate(r.randrange(1 << 22))
        elif act == "unlink" and pick and r.random() < 0.6:
            os.unlink(pick)
        elif act == "rename" and pick:
            os.rename(pick, self.new_name() + "r")
        elif act == "recreate" and pick:
            os.unlink(pick)
            write(pick, b"recreated %d" % r.randrange(1 << 30))
        elif act == "swapkind" and pick:
            os.unlink(pick)
            os.mkdir(pick)
            write(pick + "/inside", b"was a file")
        elif act == "mkdir":
            p = self.new_name() + "d"
            if p.count("/") < 9:
                os.mkdir(p)
                write(p + "/first", b"first")
        elif act == "movedir":
            d = r.choice(self.dirs())
            to = self.new_name() + "m"
            if d != "churn" and not to.startswith(d + "/"):
                os.rename(d, to)
        elif act == "rmdir":
            d = r.choice(self.dirs())
            if d != "churn" and r.random() < 0.3:
                for top, ds, fs in os.walk(d, topdown=False):
                    for f in fs:
                        os.unlink(os.path.join(top, f))
                    os.rmdir(top)
                if r.random() < 0.5:
                    os.mkdir(d)
                    write(d + "/again", b"again")
        elif act == "link" and pick and len(names) < 2000:
            os.link(pick, self.new_name() + "l", follow_symlinks=False)
        elif act == "breaklink" and regular and os.lstat(pick).st_nlink > 1:
            write(pick + ".tmp", b"broken off")
            os.rename(pick + ".tmp", pick)
        elif act == "chmod" and pick and not os.path.islink(pick):
            os.chmod(pick, r.choice((0o600, 0o4755, 0o640)))
            os.chown(pick, r.randrange(70000), 5)
        elif act == "utime" and pick:
            os.utime(pick, ns=(1, r.randrange(1 << 60)), follow_symlinks=False)
        elif act == "symlink":
            os.symlink("t%d" % r.randrange(100), self.new_name() + "s")
        elif act == "xattr" and regular:
            os.setxattr(pick, "user.x%d" % r.randrange(3), r.randbytes(10))
        elif act == "fifo":
            os.mkfifo(self.new_name() + "p")

    def run(self, rate):
        n = 0
        print("ready", flush=True)
        while not self.stop:
            try:
                self.step()
            except (FileExistsError, FileNotFoundError, NotADirectoryError, IsADirectoryError, PermissionError):
                pass
            except OSError as e:
                if e.errno not in (errno.ENOTEMPTY, errno.EINVAL, errno.EEXIST, errno.EMLINK, errno.ENXIO, errno.EOPNOTSUPP,
                                   errno.EBUSY):
                    raise
            n += 1
            if rate:
                time.sleep(1 / rate)
        print("churn: %d steps" % n)


def main(a):
    if a[:1] == ["odd"]:
        odd(a[1], "noflags" not in a)
    elif a[:1] == ["many"]:
        many(a[1], int(a[2]), int(a[3]), int(a[4]))
    elif a[:1] == ["dump"]:
        for path, text in sorted(dump(a[1], "--blocks" in a).items()):
            print(repr(path), text)
    elif a[:1] == ["same"]:
        return same(a[1], a[2], "--blocks" in a)
    elif a[:1] == ["churn"]:
        Churn(a[1], int(a[2])).run(float(a[3]) if len(a) > 3 else 0)
    else:
        print(__doc__)
        return 2
    return 0


sys.exit(main(sys.argv[1:]))
