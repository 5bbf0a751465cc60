#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""load.py ADDRESS KEYS RATE: writes into RATE random values a second of a redis with k1 … kKEYS, until it is killed."""
import random
import socket
import sys
import time

address, keys, rate = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
conn = socket.create_connection((address, 6379))
conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
STEP_S = 0.004
due, at = 0.0, time.monotonic()
while True:
    due = min(due + rate * (time.monotonic() - at), rate * 0.02)
    at = time.monotonic()
    n = int(due)
    due -= n
    conn.sendall(b"".join(b"SETRANGE k%d 100 %08d\r\n" % (random.randint(1, keys), n) for _ in range(n)))
    left = n
    while left:
        part = conn.recv(65536)
        if not part:
            sys.exit("the server closed the connection")
        left -= part.count(b"\n")
    time.sleep(STEP_S)
