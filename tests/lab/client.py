#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""client.py ADDRESS PORT KEY FILE: counts on a redis server over one TCP connection until FILE.stop exists.

The connection must live through whatever happens to the server: it is made once, every reply must be exactly one
more than the last, and none may be late by more than a minute. FILE.ready appears with the first reply. At the end
FILE.result says `requests=N gap_ms=M`, M = the longest time between two replies; or `error: what` with exit code 1.
"""
import os
import socket
import sys
import time

address, port, key, file = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
LATE_S = 60


def finish(text, code):
    with open(file + ".result.new", "w") as f:
        f.write(text + "\n")
    os.rename(file + ".result.new", file + ".result")
    print(text)
    sys.exit(code)


def request(conn, buffer):
    conn.sendall(b"INCR %s\r\n" % key.encode())
    while b"\r\n" not in buffer:
        part = conn.recv(4096)
        if not part:
            raise OSError("the server closed the connection")
        buffer += part
    line, rest = buffer.split(b"\r\n", 1)
    if not line.startswith(b":"):
        raise OSError("the server answered %r" % line)
    return int(line[1:]), rest


def count():
    conn = socket.create_connection((address, port), timeout=LATE_S)
    conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    requests, gap, buffer, last, before = 0, 0.0, b"", None, time.monotonic()
    while not os.path.exists(file + ".stop"):
        value, buffer = request(conn, buffer)
        now = time.monotonic()
        if last is not None and value != last + 1:
            raise OSError("after %d came %d" % (last, value))
        if last is None:
            open(file + ".ready", "w").close()
        else:
            gap = max(gap, now - before)
        last, before, requests = value, now, requests + 1
        time.sleep(0.001)
    return requests, gap


try:
    total, longest = count()
except OSError as e:
    finish("error: %s" % e, 1)
finish("requests=%d gap_ms=%d" % (total, longest * 1000), 0)
