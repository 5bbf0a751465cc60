# SPDX-License-Identifier: MIT
"""talk.py: what client.py's kinds of clients are made of."""
import random
import socket
import subprocess
import sys

ADDRESS, FILE = sys.argv[1], sys.argv[2]
LATE_S = 60


class Wrong(Exception):
    pass


def expect(got, want, what="answer"):
    if got != want:
        raise Wrong("%s %r, not %r" % (what, got, want))


class Lines:
    """A TCP connection of lines."""

    def __init__(self, port):
        self.sock = socket.create_connection((ADDRESS, port), timeout=LATE_S)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.file = self.sock.makefile("rb")

    def ask(self, text):
        self.sock.sendall(text.encode())
        return self.line()

    def line(self):
        line = self.file.readline()
        if not line.endswith(b"\n"):
            raise Wrong("the connection ended after %r" % line)
        return line.rstrip(b"\r\n").decode(errors="replace")


class Program:
    """A client program that reads statements and prints answers, over one connection of its own."""

    def __init__(self, *argv):
        self.child = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, bufsize=1)

    def ask(self, text):
        self.child.stdin.write(text + "\n")
        self.child.stdin.flush()
        line = self.child.stdout.readline()
        if not line:
            raise Wrong("the client program ended")
        return line.rstrip("\n")


def name(prefix):
    return "%s%d" % (prefix, random.randrange(10**9))


def sql(program):
    """A row more in each transaction, and what was written before is there."""
    table = name("t")
    expect(program.ask("create table %s (n int primary key, x char(40)); select 'made';" % table), "made")

    def operation(n):
        expect(program.ask("insert into %s values (%d, 'row %d'); select concat(count(*), '/', max(n)) from %s;" % (table, n, n, table)), "%d/%d" % (n + 1, n))

    return operation


def ask_udp(sock, question, is_answer):
    """The datagram that answers; asked again when none comes within a second, as clients of such services do."""
    sock.settimeout(1)
    for _ in range(LATE_S):
        try:
            sock.send(question)
            answer = sock.recv(4096)
            while not is_answer(answer):
                answer = sock.recv(4096)
        except (socket.timeout, ConnectionRefusedError):
            continue
        return answer
    raise Wrong("no answer for a minute")


def udp(port):
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.connect((ADDRESS, port))
    return sock
