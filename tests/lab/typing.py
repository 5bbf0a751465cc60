# SPDX-License-Identifier: MIT
"""Runs a command on a terminal of its own and types for a person:

    typing.py [REGEX KEYS]... -- COMMAND...

Whenever what the command has written since the last keys matches the next REGEX, its KEYS are typed (a "\\r" is a return,
"\\x03" is ^C). TYPING_COLUMNS is the terminal's width. All that it writes is printed; the exit code is the command's, or 99 when a REGEX was never seen."""
import fcntl, os, pty, re, struct, sys, termios

words = sys.argv[1:]
split = words.index("--")
steps = [(re.compile(words[i].encode(), re.S), words[i + 1].encode().decode("unicode_escape").encode()) for i in range(0, split, 2)]
pid, fd = pty.fork()
if pid == 0:
    if "TYPING_COLUMNS" in os.environ:
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 24, int(os.environ["TYPING_COLUMNS"]), 0, 0))
    os.execvp(words[split + 1], words[split + 1:])
seen = b""
while True:
    try:
        got = os.read(fd, 65536)
    except OSError:
        got = b""
    if not got:
        break
    os.write(1, got.replace(b"\r\n", b"\n"))
    seen += got
    if steps and steps[0][0].search(seen):
        os.write(fd, steps.pop(0)[1])
        seen = b""
status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
print()
for regex, _ in steps:
    print("never seen:", regex.pattern)
sys.exit(99 if steps else status & 0xff)
