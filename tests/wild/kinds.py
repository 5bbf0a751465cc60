# SPDX-License-Identifier: MIT
"""kinds.py: client.py's kinds for name, time, file and chat services, and for whatever a script of the service's own asks.

Each makes its connection and gives the function that is called with 0, 1, 2 …."""
import ftplib
import hashlib
import os
import socket
import ssl
import struct
import subprocess

from talk import ADDRESS, LATE_S, Lines, Program, Wrong, ask_udp, expect, name, udp


def run(argument):
    """SCRIPT: /usr/local/bin/SCRIPT ADDRESS succeeds, and prints what it printed the first time."""
    first = []

    def operation(_):
        got = subprocess.run(["/usr/local/bin/" + argument, ADDRESS], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LATE_S)
        if got.returncode != 0:
            raise Wrong("%s: exit code %d: %s" % (argument, got.returncode, (got.stdout + got.stderr)[-200:]))
        first.append(got.stdout)
        expect(got.stdout, first[0])

    return operation


def shell(argument):
    """SCRIPT: in one ssh session of root, /usr/local/bin/SCRIPT prints one line, always the same; without it a `cat` answers."""
    ssh = Program("ssh", "-o", "StrictHostKeyChecking=no", "-o", "LogLevel=ERROR", "root@" + ADDRESS, "sh" if argument else "cat")
    if not argument:
        return lambda n: expect(ssh.ask("line %d" % n), "line %d" % n)
    first = ssh.ask("/usr/local/bin/" + argument)
    return lambda n: expect(ssh.ask("/usr/local/bin/" + argument), first)


def greeting(argument):
    """PORT[=TEXT]: each new connection is greeted by a line that begins so."""
    port, _, text = argument.partition("=")

    def operation(_):
        lines = Lines(int(port))
        line = lines.line()
        if not line.startswith(text):
            raise Wrong("greeted by %r" % line)
        lines.file.close()
        lines.sock.close()

    return operation


def lines(argument):
    """PORT=QUESTION=ANSWER[=greeted]: over one connection; _ is a blank, @ the number of the question; the answer begins so."""
    port, question, answer, *greeted = argument.replace("_", " ").split("=")
    connection = Lines(int(port))
    if greeted:
        connection.line()

    def operation(n):
        line = connection.ask(question.replace("@", str(n)) + "\r\n")
        if not line.startswith(answer.replace("@", str(n))):
            raise Wrong("%r answered by %r" % (question, line))

    return operation


def irc(_):
    connection = Lines(6667)
    connection.ask("NICK %s\r\nUSER wild 0 * :wild\r\n" % name("n")[:9])

    def operation(n):
        line = connection.ask("PING :%d\r\n" % n)
        while " PONG " not in line:
            if line.startswith("PING"):
                connection.sock.sendall(line.replace("PING", "PONG").encode() + b"\r\n")
            line = connection.line()
        expect(line.split()[-1].lstrip(":"), str(n))

    return operation


def xmpp(argument):
    """PORT=DOMAIN: opens a stream, on a connection of its own each time."""
    port, domain = argument.split("=")

    def operation(_):
        with socket.create_connection((ADDRESS, int(port)), timeout=LATE_S) as sock:
            sock.sendall(("<?xml version='1.0'?><stream:stream to='%s' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>" % domain).encode())
            got = b""
            while b"</stream:features>" not in got:
                part = sock.recv(4096)
                if not part:
                    raise Wrong("the stream ended after %r" % got[-80:])
                got += part

    return operation


def ftp(_):
    """One session of the user wild; each file over a connection of its own."""
    session = ftplib.FTP(ADDRESS, "wild", "wild", timeout=LATE_S)

    def operation(_):
        got = []
        session.retrbinary("RETR big.bin", got.append)
        body = b"".join(got)
        expect((len(body), body.strip(b"x")), (3000000, b""), "file")

    return operation


def smb(_):
    """One session of the user wild."""
    session = Program("smbclient", "//%s/wild" % ADDRESS, "-U", "wild%wild")

    def operation(_):
        line = session.ask("get index.html -")
        while "static page" not in line:
            if "NT_STATUS" in line:
                raise Wrong(line)
            line = session.ask("")

    return operation


def tftp(argument):
    """FILE=BYTES"""
    file, size = argument.split("=")

    def operation(_):
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.settimeout(2)
        got, tries, packet, to = b"", 0, b"\0\1" + file.encode() + b"\0octet\0", (ADDRESS, 69)
        while True:
            sock.sendto(packet, to)
            try:
                answer, to = sock.recvfrom(1024)
            except (socket.timeout, ConnectionRefusedError):
                tries += 1
                if tries > LATE_S / 2:
                    raise Wrong("no answer for a minute")
                continue
            if answer[:2] != b"\0\3":
                raise Wrong("answered by %r" % answer[:40])
            if answer[2:4] == struct.pack(">H", (len(got) // 512 + 1) & 0xFFFF):
                got += answer[4:]
            packet = b"\0\4" + answer[2:4]
            if len(answer) < 516:
                sock.sendto(packet, to)
                sock.close()
                return expect((len(got), got.strip(b"x")), (int(size), b""), "file")

    return operation


def ntp(_):
    sock = udp(123)

    def operation(n):
        stamp = struct.pack(">Q", 0xE0000000 << 32 | n)
        answer = ask_udp(sock, b"\x23" + bytes(39) + stamp, lambda a: len(a) >= 48 and a[24:32] == stamp)
        expect(answer[0] & 7, 4, "mode")

    return operation


def stun(_):
    sock = udp(3478)

    def operation(n):
        number = struct.pack(">IQ", 0x2112A442, n) + bytes(4)
        answer = ask_udp(sock, b"\0\1\0\0" + number, lambda a: a[4:20] == number)
        expect(answer[:2], b"\1\1", "kind")

    return operation


def snmp(_):
    """GET of sysName.0"""
    sock = udp(161)

    def tlv(kind, body):
        return bytes([kind, len(body)]) + body

    def operation(n):
        number = tlv(2, struct.pack(">I", n))
        oid = tlv(0x30, tlv(0x30, b"\6\x08\x2b\6\1\2\1\1\5\0" + b"\5\0"))
        question = tlv(0x30, b"\2\1\1\4\6public" + tlv(0xA0, number + b"\2\1\0\2\1\0" + oid))
        answer = ask_udp(sock, question, lambda a: b"public\xa2" in a and struct.pack(">I", n).lstrip(b"\0") in a)
        if b"snmpd" not in answer:
            raise Wrong("answered by %r" % answer)

    return operation


def radius(_):
    """The user wild by PAP; the answer's authenticator is checked."""
    sock, secret = udp(1812), b"testing123"

    def operation(n):
        nonce = os.urandom(16)
        password = bytes(a ^ b for a, b in zip(b"wild".ljust(16, b"\0"), hashlib.md5(secret + nonce).digest()))
        attributes = b"\1\6wild" + b"\2\x12" + password
        head = bytes([1, n & 255]) + struct.pack(">H", 20 + len(attributes))
        answer = ask_udp(sock, head + nonce + attributes, lambda a: a[1] == n & 255)
        expect(answer[0], 2, "code")
        expect(answer[4:20], hashlib.md5(answer[:4] + nonce + answer[20:] + secret).digest(), "authenticator")

    return operation


def mumble(_):
    """The ping of its server list."""
    sock = udp(64738)

    def operation(n):
        number = struct.pack(">Q", n)
        expect(len(ask_udp(sock, bytes(4) + number, lambda a: a[4:12] == number)), 24, "length")

    return operation


def zabbix(_):
    def operation(_):
        with socket.create_connection((ADDRESS, 10050), timeout=LATE_S) as sock:
            sock.sendall(b"ZBXD\1" + struct.pack("<Q", 10) + b"agent.ping")
            head = sock.recv(13, socket.MSG_WAITALL)
            expect((head[:5], sock.recv(1)), (b"ZBXD\1", b"1"))

    return operation


def socks(argument):
    """PORT: a greeting without authentication, on a connection of its own each time."""

    def operation(_):
        with socket.create_connection((ADDRESS, int(argument)), timeout=LATE_S) as sock:
            sock.sendall(b"\5\1\0")
            expect(sock.recv(2, socket.MSG_WAITALL), b"\5\0")

    return operation


def tls(argument):
    """PORT: a service behind TLS that gives each line back."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    sock = context.wrap_socket(socket.create_connection((ADDRESS, int(argument)), timeout=LATE_S))
    file = sock.makefile("rb")

    def operation(n):
        sock.sendall(b"line %d\n" % n)
        expect(file.readline(), b"line %d\n" % n)

    return operation


KINDS = {
    f.__name__: f
    for f in (run, shell, greeting, lines, irc, xmpp, ftp, smb, tftp, ntp, stun, snmp, radius, mumble, zabbix, socks, tls)
}
