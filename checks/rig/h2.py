"""HTTP/2 written by hand, as no client library would: frames, and headers without compression."""

import contextlib
import socket
import ssl
import struct
import threading

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = (
    0x0,
    0x1,
    0x3,
    0x4,
    0x6,
    0x7,
    0x8,
    0x9,
)
END_STREAM, ACK, END_HEADERS = 0x1, 0x1, 0x4
INITIAL_WINDOW_SIZE = 0x4


def frame(kind, flags=0, stream=0, payload=b""):
    return struct.pack(">IBBI", len(payload), kind, flags, stream)[1:] + payload


def settings(**values):
    """`window` is the only one that attacks need."""
    windows = values.values()
    payload = b"".join(struct.pack(">HI", INITIAL_WINDOW_SIZE, value) for value in windows)
    return frame(SETTINGS, payload=payload)


def literal(name, value):
    """A header field that no table keeps (RFC 7541, 6.2.2); both short."""
    return b"\x00" + bytes([len(name)]) + name + bytes([len(value)]) + value


def request(path, authority, method=b"GET"):
    """A request's header block."""
    # The scheme is https by the static table.
    return (
        literal(b":method", method)
        + b"\x87"
        + literal(b":authority", authority)
        + literal(b":path", path)
    )


def get(stream, path, authority, flags=END_STREAM | END_HEADERS):
    return frame(HEADERS, flags, stream, request(path, authority))


def connected(address, protocol="h2", receive_buffer=None):
    """A TLS connection to a node of one's own; with a small buffer it is soon full."""
    host, _, port = address.rpartition(":")
    bare = socket.socket()
    if receive_buffer:
        bare.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    bare.settimeout(10)
    bare.connect((host, int(port)))
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols([protocol])
    return context.wrap_socket(bare, server_hostname="localhost")


class Connection:
    """An h2 connection that acknowledges what it must, and remembers what it was told."""

    def __init__(self, address, answers_pings=True, first=b"", receive_buffer=None):
        self.socket = connected(address, receive_buffer=receive_buffer)
        self.authority = address.encode()
        self.answers_pings = answers_pings
        self.reader = self.goaway = None
        self.resets, self.pings, self.headers = [], 0, 0
        self.is_closed = threading.Event()
        self.sending = threading.Lock()
        self.send(PREFACE + (first or settings()))
        self.socket.settimeout(None)

    def send(self, data):
        with self.sending:
            self.socket.sendall(data)

    def read(self):
        """Reads until the other end closes."""
        left = b""
        with contextlib.suppress(OSError, ValueError):
            while data := self.socket.recv(65536):
                left = self.take(left + data)
        self.is_closed.set()

    def reading(self):
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()
        return self

    def take(self, data):
        while len(data) >= 9:
            length = int.from_bytes(data[:3], "big")
            kind, flags, stream = data[3], data[4], int.from_bytes(data[5:9], "big")
            if len(data) < 9 + length:
                break
            self.told(kind, flags, stream, data[9 : 9 + length])
            data = data[9 + length :]
        return data

    def told(self, kind, flags, stream, payload):
        if kind == SETTINGS and not flags & ACK:
            self.answer(frame(SETTINGS, ACK))
        elif kind == PING and flags & ACK:
            self.pings += 1
        elif kind == PING and self.answers_pings:
            self.answer(frame(PING, ACK, payload=payload))
        elif kind == GOAWAY:
            self.goaway = int.from_bytes(payload[4:8], "big")
        elif kind == RST_STREAM:
            self.resets.append((stream, int.from_bytes(payload, "big")))
        elif kind == HEADERS:
            self.headers += 1

    def answer(self, data):
        with contextlib.suppress(OSError, ValueError):
            self.send(data)

    def close(self):
        # Not while somebody reads from it: its number is soon another connection's.
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        if self.reader:
            self.reader.join(10)
        self.socket.close()
