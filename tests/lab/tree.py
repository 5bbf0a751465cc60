#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""tree.py ROOT [EXCLUDED-PATH...]: lists a tree so that two equal trees give equal listings.

The tests' own eye, independent of the program: one line per entry, sorted by name, with everything that must survive
a move: type, mode, owner, size, mtime in ns, link target, device number, group of hard links (named after its first
path), extended attributes with ACLs and capabilities, content, which 64 KiB pieces hold data, inode flags.
Excluded paths are relative to ROOT; what is below them is left out too. Other file systems are not entered.
"""
import errno
import fcntl
import hashlib
import os
import stat
import struct
import sys

TYPES = {
    stat.S_IFREG: "file", stat.S_IFDIR: "dir", stat.S_IFLNK: "link", stat.S_IFIFO: "fifo",
    stat.S_IFSOCK: "socket", stat.S_IFCHR: "char", stat.S_IFBLK: "block",
}
FS_IOC_GETFLAGS = 0x80086601
FLAGS = {0x08: "sync", 0x10: "immutable", 0x20: "append", 0x40: "nodump", 0x80: "noatime", 0x10000: "dirsync"}
PIECE = 64 << 10


def quote(name):
    """bytes as printable text without spaces"""
    return "".join(chr(c) if 33 <= c < 127 and c not in b"%\\" else "%%%02x" % c for c in name)


def open_quietly(path):
    """for reading, leaving the access time alone"""
    return os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOATIME)


def content(fd, size):
    """(SHA-256 of where there is something and what, pieces with data of all pieces); zeros and holes hash alike"""
    digest, pieces, at = hashlib.sha256(), set(), 0
    while at < size:
        try:
            begin = os.lseek(fd, at, os.SEEK_DATA)
        except OSError as e:
            if e.errno == errno.ENXIO:
                break
            raise
        at = os.lseek(fd, begin, os.SEEK_HOLE)
        for number in range(begin // PIECE, (at - 1) // PIECE + 1):
            if number in pieces:
                continue
            pieces.add(number)
            if piece := os.pread(fd, PIECE, number * PIECE).rstrip(b"\0"):
                digest.update(b"%d:%d:" % (number, len(piece)) + piece)
    return digest.hexdigest(), "%d/%d" % (len(pieces), -(-size // PIECE))


def flags(fd):
    try:
        word = struct.unpack("I", fcntl.ioctl(fd, FS_IOC_GETFLAGS, b"\0" * 4))[0]
    except OSError:
        return ""
    return ",".join(name for bit, name in FLAGS.items() if word & bit)


def xattrs(path):
    names = sorted(os.listxattr(path, follow_symlinks=False))
    return ["%s=%s" % (quote(os.fsencode(n)), os.getxattr(path, n, follow_symlinks=False).hex()) for n in names]


def describe(path, name, st, links):
    """the entry's line"""
    words = [quote(name), TYPES[stat.S_IFMT(st.st_mode)], "%04o" % stat.S_IMODE(st.st_mode),
             "%d:%d" % (st.st_uid, st.st_gid), "mtime=%d" % st.st_mtime_ns]
    if stat.S_ISLNK(st.st_mode):
        words.append("-> " + quote(os.readlink(path)))
    if stat.S_ISCHR(st.st_mode) or stat.S_ISBLK(st.st_mode):
        words.append("device=%d:%d" % (os.major(st.st_rdev), os.minor(st.st_rdev)))
    if st.st_nlink > 1 and not stat.S_ISDIR(st.st_mode):
        words.append("same-as=" + links.setdefault((st.st_dev, st.st_ino), quote(name)))
    if stat.S_ISREG(st.st_mode) or stat.S_ISDIR(st.st_mode):
        fd = open_quietly(path)
        try:
            if stat.S_ISREG(st.st_mode):
                words += ["size=%d" % st.st_size, "sha256=%s data=%s" % content(fd, st.st_size)]
            if set_flags := flags(fd):
                words.append("flags=" + set_flags)
        finally:
            os.close(fd)
    return " ".join(words + xattrs(path))


def walk(name, base, device, links, excluded):
    """`base` is the entry's name in the current directory: paths may be longer than any system call takes"""
    st = os.lstat(base)
    print(describe(base, name, st, links))
    if not stat.S_ISDIR(st.st_mode) or st.st_dev != device:
        return
    here = os.open(".", os.O_RDONLY)
    os.chdir(base)
    for below in sorted(os.listdir(b".")):
        below_name = below if name == b"." else name + b"/" + below
        if below_name not in excluded:
            walk(below_name, below, device, links, excluded)
    os.fchdir(here)
    os.close(here)


sys.setrecursionlimit(100000)
os.chdir(sys.argv[1])
walk(b".", b".", os.lstat(".").st_dev, {}, {os.fsencode(a).strip(b"/") for a in sys.argv[2:]})
