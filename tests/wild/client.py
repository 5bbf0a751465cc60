#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""client.py ADDRESS FILE SPEC...: talks to services until FILE.stop exists, and checks every answer.

SPEC is KIND[:ARGUMENT][*N]: N connections at once, each made once and a thread of its own. FILE.ready appears when each has had
its first answer; FILE.result says at the end, a line a connection, `SPEC operations=N
gap_ms=M` or `SPEC error: what`; the exit code is 1 when one had an error.
"""
import email.utils
import http.client
import imaplib
import os
import smtplib
import socket
import struct
import sys
import threading
import time

import kinds
from talk import ADDRESS, FILE, LATE_S, Lines, Program, Wrong, ask_udp, expect, name, sql, udp

PAUSE_S = float(os.environ.get("PAUSE", "0.02"))


# Each makes its connection and gives the function that is called with 0, 1, 2 ….


def mariadb(_):
    return sql(Program("mariadb", "-h", ADDRESS, "-u", "wild", "-pwild", "wild", "--batch", "--unbuffered", "--skip-column-names", "--skip-reconnect"))


def postgres(_):
    return sql(Program("psql", "-h", ADDRESS, "-U", "postgres", "-d", "postgres", "-AtXq"))


def redis(port):
    lines, key = Lines(int(port or 6379)), name("k")
    return lambda n: expect(lines.ask("INCR %s\r\n" % key), ":%d" % (n + 1))


def memcached(port):
    lines, key = Lines(int(port or 11211)), name("k")
    expect(lines.ask("set %s 0 0 1\r\n0\r\n" % key), "STORED")
    return lambda n: expect(lines.ask("incr %s 1\r\n" % key), str(n + 1))


def beanstalkd(_):
    lines = Lines(11300)
    tube = name("tube")
    expect(lines.ask("use %s\r\n" % tube), "USING " + tube)
    expect(lines.ask("watch %s\r\n" % tube), "WATCHING 2")

    def operation(n):
        job = str(n)
        expect(lines.ask("put 0 0 60 %d\r\n%s\r\n" % (len(job), job)).split()[0], "INSERTED")
        reserved = lines.ask("reserve-with-timeout 30\r\n").split()
        expect(reserved[0], "RESERVED")
        expect(lines.line(), job)
        expect(lines.ask("delete %s\r\n" % reserved[1]), "DELETED")

    return operation


def web(argument):
    """PORT/PATH[~TEXT]: @ in the path is the number of the request; the answer has to hold it, or TEXT, or "static page". A path that begins with "http:" asks a proxy."""
    argument, _, text = argument.partition("~")
    port, path = argument.split("/", 1)
    connection = http.client.HTTPConnection(ADDRESS, int(port), timeout=LATE_S)
    state = {"closed": True}

    def operation(n):
        if state["closed"]:  # the server has said so, as it does after so many requests
            connection.close()
            connection.connect()
            state["first"] = connection.sock
        connection.request("GET", ("" if path.startswith("http:") else "/") + path.replace("@", str(n)))
        answer = connection.getresponse()
        body = answer.read().decode(errors="replace")
        expect(answer.status, 200, "status")
        want = "ok %d" % n if "@" in path else text or "static page"
        if want not in body:
            raise Wrong("page %r, without %r" % (body[:80], want))
        state["closed"] = answer.will_close
        if connection.sock is not state["first"] and not answer.will_close:
            raise Wrong("the connection was closed by the server")

    return operation


def download(argument):
    """PORT/PATH=BYTES: a slow reader's download on a connection of its own, closed by the server; then the next."""
    place, size = argument.split("=")
    port, path = place.split("/", 1)
    state = {}

    def begin():
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)
        sock.settimeout(LATE_S)
        sock.connect((ADDRESS, int(port)))
        sock.sendall(b"GET /%s HTTP/1.0\r\nHost: wild\r\n\r\n" % path.encode())
        state.update(sock=sock, got=0, head=b"")

    def operation(_):
        if not state:
            begin()
        part = state["sock"].recv(20000)
        if part and state["head"] is not None:
            head, end, part = (state["head"] + part).partition(b"\r\n\r\n")
            state["head"] = None if end else head
            if not part:
                return
        if part.strip(b"x"):
            raise Wrong("a damaged download: %r" % part[:40])
        state["got"] += len(part)
        if not part and state["head"] is None and state["got"] == int(size):
            state["sock"].close()
            state.clear()
        elif not part and state:
            raise Wrong("a download of %d bytes, not %s" % (state["got"], size))

    return operation


def smtp(argument):
    """USER: sends messages over one connection."""
    server = smtplib.SMTP(ADDRESS, 25, timeout=LATE_S)
    server.ehlo("client.example")

    def operation(n):
        text = "From: a@client.example\r\nTo: %s@localhost\r\nSubject: %d\r\nDate: %s\r\n\r\nmessage %d\r\n" % (argument, n, email.utils.formatdate(), n)
        expect(server.sendmail("a@client.example", [argument + "@localhost"], text), {}, "refused")
        time.sleep(0.2)

    return operation


def imap(argument):
    """USER: a mailbox that answers and never shrinks.  Dovecot knows its logs by inode number, so a session that was open in a
    move may be answered NO, or tell what was there before (pmigrate names it before): then its user logs in again, and that has
    to be right."""
    seen, session = [0], []

    def login():
        session[:] = [imaplib.IMAP4(ADDRESS, timeout=LATE_S)]
        session[0].login(argument, "wild")

    def messages():
        status, data = session[0].select()
        return int(data[0]) if status == "OK" else -1

    def operation(_):
        if not session:
            login()
        n = messages()
        if n < seen[0]:
            login()
            n = messages()
        if n < seen[0]:
            raise Wrong("%d messages, after %d" % (n, seen[0]))
        seen[0] = n

    return operation


def dns(argument):
    """NAME=ADDRESS, by UDP: asked again when no answer comes within a second, as resolvers do."""
    host, want = argument.split("=")
    sock = udp(53)
    question = b"".join(bytes([len(label)]) + label.encode() for label in host.split(".")) + b"\0" + struct.pack(">HH", 1, 1)

    def operation(n):
        number = struct.pack(">H", n & 0xFFFF)
        answer = ask_udp(sock, number + struct.pack(">HHHHH", 0x0100, 1, 0, 0, 0) + question, lambda a: a[:2] == number)
        expect(answer[3] & 15, 0, "rcode")
        expect(socket.inet_ntoa(answer[-4:]) if b"\xc0\x0c\x00\x01" in answer else "none", want, "address")

    return operation


def mqtt(_):
    """QoS 0, published to itself."""
    sock = socket.create_connection((ADDRESS, 1883), timeout=LATE_S)
    topic = name("t").encode()

    def packet(kind, body):
        sock.sendall(bytes([kind, len(body)]) + body)

    def answer(kind):
        head = sock.recv(2, socket.MSG_WAITALL)
        if len(head) != 2:
            raise Wrong("the connection ended")
        expect(head[0] & 0xF0, kind, "packet")
        return sock.recv(head[1], socket.MSG_WAITALL) if head[1] else b""

    def text(t):
        return struct.pack(">H", len(t)) + t

    packet(0x10, text(b"MQTT") + b"\4\2" + struct.pack(">H", 0) + text(topic))
    expect(answer(0x20), b"\0\0")
    packet(0x82, b"\0\1" + text(topic) + b"\0")
    answer(0x90)

    def operation(n):
        packet(0x30, text(topic) + str(n).encode())
        expect(answer(0x30), text(topic) + str(n).encode())

    return operation


def echo(argument):
    """PORT: a service that gives each line back."""
    lines = Lines(int(argument))
    return lambda n: expect(lines.ask("line %d\n" % n), "line %d" % n)


KINDS = {f.__name__: f for f in (mariadb, postgres, redis, memcached, beanstalkd, web, download, smtp, imap, dns, mqtt, echo)}
KINDS.update(kinds.KINDS)
results, ready = [], []


def begin(kind, argument):
    """Its connection, once it has answered: a service may listen only a moment after its unit is active."""
    limit = time.monotonic() + LATE_S / 2
    while True:
        try:
            operation = KINDS[kind](argument)
            operation(0)
            return operation
        except ConnectionRefusedError:
            if time.monotonic() > limit:
                raise
            time.sleep(0.5)


def talk(spec, n):
    kind, _, argument = spec.partition(":")
    label, count, gap = "%s#%d" % (spec, n), 0, 0.0
    try:
        operation = begin(kind, argument)
        count = 1
        ready.append(label)
        while not os.path.exists(FILE + ".stop"):
            begun = time.monotonic()
            operation(count)
            gap = max(gap, time.monotonic() - begun)
            count += 1
            time.sleep(PAUSE_S)
        results.append("%s operations=%d gap_ms=%d" % (label, count, gap * 1000))
    except Exception as e:  # whatever a library raises is an error the service's user would see
        results.append("%s error: after %d: %s: %s" % (label, count, type(e).__name__, e))


def errors_tell():
    errors = [r for r in results if " error: " in r]
    if errors and not os.path.exists(FILE + ".error"):
        with open(FILE + ".error", "w") as f:
            f.write("\n".join(errors) + "\n")


def main():
    threads = []
    for spec in sys.argv[3:]:
        spec, _, n = spec.partition("*")
        for i in range(int(n or 1)):
            threads.append(threading.Thread(target=talk, args=(spec, i), daemon=True))
            threads[-1].start()
    while any(t.is_alive() for t in threads):
        if len(ready) == len(threads) and not os.path.exists(FILE + ".ready"):
            open(FILE + ".ready", "w").close()
        errors_tell()
        time.sleep(0.1)
    errors_tell()
    with open(FILE + ".result", "w") as f:
        f.write("\n".join(sorted(results)) + "\n")
    return any(" error: " in r for r in results)


sys.exit(main())
