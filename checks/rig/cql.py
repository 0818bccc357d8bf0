"""As much of Cassandra's native protocol (version 4) as a check needs: one query, its rows as text.

For readiness and for looking inside; the project's own driver is what gets tested."""

import socket
import struct

STARTUP, READY, QUERY, RESULT = 0x01, 0x02, 0x07, 0x08
QUORUM, ALL = 0x0004, 0x0005
ROWS = 0x0002
VERSION = 0x04
HEADER = struct.Struct("!BBhBI")


class Refused(Exception):
    """The server's own words."""


def query(address, statement, port=9042, seconds=5, consistency=QUORUM):
    """The rows of a statement as lists of bytes, None where a cell is null."""
    with socket.create_connection((str(address), port), timeout=seconds) as line:
        version = {"CQL_VERSION": "3.0.0"}
        body = struct.pack("!H", len(version))
        for key, value in version.items():
            body += short(key) + short(value)
        call(line, STARTUP, body, READY)
        text = statement.encode()
        body = struct.pack("!I", len(text)) + text + struct.pack("!HB", consistency, 0)
        return rows(call(line, QUERY, body, RESULT))


def short(text):
    return struct.pack("!H", len(text)) + text.encode()


def call(line, opcode, body, wanted):
    line.sendall(HEADER.pack(VERSION, 0, 0, opcode, len(body)) + body)
    _, _, _, answer, length = HEADER.unpack(exactly(line, HEADER.size))
    reply = exactly(line, length)
    if answer != wanted:
        # An error's code, then its message behind a length.
        raise Refused(reply[6:].decode(errors="replace"))
    return reply


def exactly(line, length):
    got = b""
    while len(got) < length:
        more = line.recv(length - len(got))
        if not more:
            raise ConnectionError("the server hung up")
        got += more
    return got


def rows(reply):
    reader = Reader(reply)
    if reader.integer() != ROWS:
        return []
    flags, columns = reader.integer(), reader.integer()
    if flags & 0x0002:
        raise Refused("more than a page of rows")
    if flags & 0x0001:
        reader.text(), reader.text()
    for _ in range(columns):
        if not flags & 0x0001:
            reader.text(), reader.text()
        reader.text()
        reader.kind()
    return [[reader.cell() for _ in range(columns)] for _ in range(reader.integer())]


class Reader:
    """Takes a reply apart from its beginning."""

    def __init__(self, reply):
        self.rest = reply

    def take(self, length):
        taken, self.rest = self.rest[:length], self.rest[length:]
        return taken

    def integer(self):
        return struct.unpack("!i", self.take(4))[0]

    def number(self):
        return struct.unpack("!H", self.take(2))[0]

    def text(self):
        return self.take(self.number()).decode()

    def cell(self):
        length = self.integer()
        return None if length < 0 else self.take(length)

    def kind(self):
        """Passes over a column's type: what is in a cell is the caller's to know."""
        option = self.number()
        if option == 0x0000:
            self.text()
        elif option in (0x0020, 0x0022):
            self.kind()
        elif option == 0x0021:
            self.kind(), self.kind()
        elif option in (0x0030, 0x0031):
            raise Refused("a column of a type that is not read here")
