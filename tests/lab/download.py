#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""download.py ADDRESS PATH MIB_PER_S FILE: downloads by HTTP over one connection, slowly.

Reads at that rate until FILE.stop exists, then as fast as it comes; FILE.ready appears with the first bytes. With a
rate of 0 it asks for PATH again and again over the same connection until FILE.stop exists. Prints at the end
`sha256=X requests=N gap_ms=M`: X of one body (all were the same), M the longest time without a byte.
Any break, and a minute without a byte, ends it with exit code 1.
"""
import hashlib
import http.client
import os
import sys
import time

address, path, rate, file = sys.argv[1], sys.argv[2], float(sys.argv[3]) * (1 << 20), sys.argv[4]
PIECE = 64 << 10
conn = http.client.HTTPConnection(address, timeout=60)
longest = 0.0


def stopped():
    return os.path.exists(file + ".stop")


def body():
    """Asks once; the hash of what came, which must be as long as announced."""
    global longest
    conn.request("GET", path)
    reply = conn.getresponse()
    if reply.status != 200 or reply.will_close:
        raise OSError("status %d, the connection %s" % (reply.status, "closes" if reply.will_close else "stays"))
    left, digest, begun, got = reply.length, hashlib.sha256(), time.monotonic(), 0
    while left:
        asked = time.monotonic()
        piece = reply.read(min(PIECE, left))
        longest = max(longest, time.monotonic() - asked)
        if not piece:
            raise OSError("the connection broke with %d bytes left" % left)
        open(file + ".ready", "w").close() if not got else None
        digest.update(piece)
        left, got = left - len(piece), got + len(piece)
        if rate and not stopped():
            time.sleep(max(0.0, got / rate - (time.monotonic() - begun)))
    return digest.hexdigest()


first, requests = body(), 1
while not rate and not stopped():
    if body() != first:
        raise OSError("reply %d differs" % requests)
    requests += 1
    time.sleep(0.002)
print("sha256=%s requests=%d gap_ms=%d" % (first, requests, longest * 1000))
