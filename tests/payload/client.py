#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""client.py ADDRESS PORT FILE: asks a memcheck whether its memory is right, over one TCP connection, until FILE.stop exists.

Every reply must say ok, be the next one (seq), and tell of no fewer writes and sweeps than the one before; the writes
must grow. FILE.ready appears with the first reply. At the end FILE.result says `requests=N gap_ms=M writes=W
sweeps=S`, M = the longest time between two replies; or `error: what` with exit code 1.
"""
import os
import socket
import sys
import time

address, port, file = sys.argv[1], int(sys.argv[2]), sys.argv[3]
LATE_S = 60


def finish(text, code):
    with open(file + ".result.new", "w") as f:
        f.write(text + "\n")
    os.rename(file + ".result.new", file + ".result")
    print(text)
    sys.exit(code)


def ask(conn):
    conn.sendall(b"ok?\n")
    line = b""
    while not line.endswith(b"\n"):
        part = conn.recv(4096)
        if not part:
            raise OSError("the server closed the connection")
        line += part
    words = line.decode().split()
    if words[0] != "ok":
        raise OSError(line.decode().strip())
    return {k: int(v) for k, v in (w.split("=") for w in words[1:])}


def watch():
    conn = socket.create_connection((address, port), timeout=LATE_S)
    conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    gap, last, before, grown = 0.0, None, time.monotonic(), time.monotonic()
    while True:
        now_is = ask(conn)
        now = time.monotonic()
        if last is None:
            open(file + ".ready", "w").close()
        else:
            gap = max(gap, now - before)
            if now_is["seq"] != last["seq"] + 1 or any(now_is[k] < last[k] for k in ("writes", "sweeps")):
                raise OSError("after %r came %r" % (last, now_is))
            if any(now_is[k] > last[k] for k in ("writes", "sweeps")):
                grown = now
            elif now - grown > LATE_S:
                raise OSError("nothing is written or checked: %r" % last)
        last, before = now_is, now
        if os.path.exists(file + ".stop"):
            return now_is, gap
        time.sleep(0.001)


try:
    end, longest = watch()
except OSError as e:
    finish("error: %s" % e, 1)
finish("requests=%d gap_ms=%d writes=%d sweeps=%d" % (end["seq"], longest * 1000, end["writes"], end["sweeps"]), 0)
