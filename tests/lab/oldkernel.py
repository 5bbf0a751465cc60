# SPDX-License-Identifier: MIT
#
# oldkernel.py FIRST32 FIRST64 PROGRAM ARGUMENT...: runs the program as a kernel would that has none of the system calls
# from these numbers on (of i386 and of x86_64): they fail with ENOSYS. Linux 2.6.18: 318 280.
import ctypes
import os
import struct
import sys

ENOSYS, AUDIT_I386, AUDIT_X86_64 = 38, 0x40000003, 0xC000003E
LD_ABS, JEQ, JGE, RET = 0x20, 0x15, 0x35, 0x06
old32, old64 = int(sys.argv[1]), int(sys.argv[2])
program = [
    (LD_ABS, 0, 0, 4),  # the architecture
    (JEQ, 3, 0, AUDIT_I386),
    (LD_ABS, 0, 0, 0),  # the number
    (JGE, 4, 3, old64),
    (RET, 0, 0, 0),
    (LD_ABS, 0, 0, 0),
    (JGE, 1, 0, old32),
    (RET, 0, 0, 0x7FFF0000),  # allowed
    (RET, 0, 0, 0x00050000 | ENOSYS),
]
code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *i) for i in program))
fprog = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(program), ctypes.addressof(code)))
libc = ctypes.CDLL(None, use_errno=True)
if libc.prctl(38, 1, 0, 0, 0) != 0 or libc.prctl(22, 2, fprog, 0, 0) != 0:
    raise OSError(ctypes.get_errno(), "seccomp")
# Not by os.execvp: the filter is in force for this program, too.
argv = (ctypes.c_char_p * (len(sys.argv) - 2))(*[a.encode() for a in sys.argv[3:]], None)
libc.execv(sys.argv[3].encode(), argv)
raise OSError(ctypes.get_errno(), sys.argv[3])
