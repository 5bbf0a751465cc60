# SPDX-License-Identifier: MIT
#
# netfs.py SOURCE DIR: mounts an empty network file system (FUSE, as sshfs does) on DIR and answers for it until it is killed.
import ctypes
import os
import struct
import sys
import time

INIT, GETATTR, STATFS = 26, 3, 17
fd = os.open("/dev/fuse", os.O_RDWR)
libc = ctypes.CDLL(None, use_errno=True)
options = "fd=%d,rootmode=40000,user_id=0,group_id=0" % fd
if libc.mount(sys.argv[1].encode(), sys.argv[2].encode(), b"fuse.sshfs", 6, options.encode()) != 0:
    raise OSError(ctypes.get_errno(), "mount")
while True:
    request = os.read(fd, 1 << 20)
    _, op, unique = struct.unpack_from("IIQ", request)
    body, error = b"", -38
    if op == INIT:
        body, error = struct.pack("IIIIHHIIHHI28x", 7, 31, 65536, 0, 12, 10, 65536, 1, 16, 0, 0), 0
    elif op == GETATTR:
        now = int(time.time())
        attr = struct.pack("QQQQQQIIIIIIIIII", 1, 0, 0, now, now, now, 0, 0, 0, 0o40755, 2, 0, 0, 0, 4096, 0)
        body, error = struct.pack("QII", 1, 0, 0) + attr, 0
    elif op == STATFS:
        body, error = bytes(80), 0
    os.write(fd, struct.pack("IiQ", 16 + len(body), error, unique) + body)
