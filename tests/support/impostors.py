"""Servers that stand where another one should, ask for its clients' passwords, and keep all they are sent."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import socket
import ssl
import struct
import tempfile
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

from commonweal_stacks.management.certificates import Pair

SALT = b"salt of an impostor."
_SSL_REQUEST = 80877103
_STARTUP = struct.Struct(">ii")


class Impostor:
    """One connection after the other on a port of loopback, each in a thread. Subclasses speak as who they pretend to be."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.heard = bytearray()

    def __enter__(self) -> Self:
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._listener.close()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError, struct.error), connection:
            connection.settimeout(10)
            self.talk(connection)

    def talk(self, connection: socket.socket) -> None:
        raise NotImplementedError

    def hear(self, connection: socket.socket, length: int) -> bytes:
        data = b""
        while len(data) < length:
            part = connection.recv(length - len(data))
            if not part:
                raise ConnectionError
            data += part
            self.heard += part
        return data


class FakePostgres(Impostor):
    """Asks for the password as `method` says: clear, md5, nothing, guess (SCRAM with one iteration) or lie (SCRAM without knowing the password)."""

    def __init__(self, method: str, certificate: Pair | None = None) -> None:
        super().__init__()
        self._method, self._certificate = method, certificate

    def talk(self, connection: socket.socket) -> None:
        length, code = _STARTUP.unpack(self.hear(connection, 8))
        if code == _SSL_REQUEST:
            if self._certificate:
                connection.sendall(b"S")
                with server_context(self._certificate).wrap_socket(connection, server_side=True) as secured:
                    self._start(secured, *_STARTUP.unpack(self.hear(secured, 8)))
                return
            connection.sendall(b"N")
            length, code = _STARTUP.unpack(self.hear(connection, 8))
        self._start(connection, length, code)

    def _start(self, connection: socket.socket, length: int, _: int) -> None:
        self.hear(connection, length - 8)
        getattr(self, f"_ask_{self._method}")(connection)

    def _ask_clear(self, connection: socket.socket) -> None:
        self._say(connection, b"R", struct.pack(">i", 3))
        self._message(connection)

    def _ask_md5(self, connection: socket.socket) -> None:
        self._say(connection, b"R", struct.pack(">i4s", 5, b"salt"))
        self.hear(connection, 4096)

    def _ask_nothing(self, connection: socket.socket) -> None:
        self._welcome(connection)
        self.hear(connection, 4096)

    def _ask_guess(self, connection: socket.socket) -> None:
        self._challenge(connection, 1)
        self.hear(connection, 4096)

    def _ask_lie(self, connection: socket.socket) -> None:
        self._challenge(connection, 4096)
        self._message(connection)
        proof = base64.b64encode(hmac.digest(b"a key that this one has not", b"", hashlib.sha256))
        self._say(connection, b"R", struct.pack(">i", 12) + b"v=" + proof)
        self._welcome(connection)
        self.hear(connection, 4096)

    def _challenge(self, connection: socket.socket, iterations: int) -> None:
        self._say(connection, b"R", struct.pack(">i", 10) + b"SCRAM-SHA-256\0\0")
        nonce = self._message(connection).partition(b"r=")[2]
        first = b"r=" + nonce + b"more,s=" + base64.b64encode(SALT) + b",i=%d" % iterations
        self._say(connection, b"R", struct.pack(">i", 11) + first)

    def _message(self, connection: socket.socket) -> bytes:
        _, length = struct.unpack(">ci", self.hear(connection, 5))
        return self.hear(connection, length - 4)

    def _welcome(self, connection: socket.socket) -> None:
        self._say(connection, b"R", struct.pack(">i", 0))
        self._say(connection, b"K", struct.pack(">ii", 1, 1))
        self._say(connection, b"Z", b"I")

    @staticmethod
    def _say(connection: socket.socket, kind: bytes, body: bytes) -> None:
        connection.sendall(kind + struct.pack(">i", len(body) + 4) + body)


class FakeMysql(Impostor):
    """Greets with one authentication method, and switches to another where `switch` names it."""

    def __init__(self, greeting: str, switch: str = "", certificate: Pair | None = None) -> None:
        super().__init__()
        self._greeting, self._switch, self._certificate = greeting, switch, certificate

    def talk(self, connection: socket.socket) -> None:
        capabilities = 0x0000F7FF & ~0x0800 | (0x0800 if self._certificate else 0)
        upper = 0x00BF & ~0x0001
        body = b"\x0a8.0.40\0" + struct.pack("<i", 7) + SALT[:8] + b"\0" + struct.pack("<H", capabilities) + b"\x2d\x02\0"
        body += struct.pack("<H", upper) + bytes([21]) + bytes(10) + SALT[8:20] + b"\0" + self._greeting.encode() + b"\0"
        self._say(connection, 0, body)
        if not self._certificate:
            self._ask(connection, 2)
            return
        self._packet(connection)
        with server_context(self._certificate).wrap_socket(connection, server_side=True) as secured:
            self._ask(secured, 3)

    def _ask(self, connection: socket.socket, number: int) -> None:
        self._packet(connection)
        if self._switch:
            self._say(connection, number, b"\xfe" + self._switch.encode() + b"\0" + SALT[:20] + b"\0")
            self._packet(connection)
            number += 2
        self._say(connection, number, b"\x01\x04")  # of caching_sha2_password: «the whole password, please»
        self._packet(connection)

    def _packet(self, connection: socket.socket) -> bytes:
        head = self.hear(connection, 4)
        return self.hear(connection, int.from_bytes(head[:3], "little"))

    @staticmethod
    def _say(connection: socket.socket, number: int, body: bytes) -> None:
        connection.sendall(len(body).to_bytes(3, "little") + bytes([number]) + body)


class ThievingMysql(FakeMysql):
    """Lets everybody in, and answers the first statement by asking for a file of the client's machine, as `load data local` does."""

    def __init__(self, file: Path) -> None:
        super().__init__("mysql_native_password")
        self._file = file

    def _ask(self, connection: socket.socket, number: int) -> None:
        self._packet(connection)
        self._say(connection, number, b"\0\0\0\2\0\0\0")
        self._packet(connection)
        self._say(connection, 1, b"\xfb" + str(self._file).encode())
        self._packet(connection)


def server_context(certificate: Pair) -> ssl.SSLContext:
    """Return what a server presents this certificate with."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as folder:
        both = Path(folder) / "both.pem"
        both.write_text(certificate.certificate + certificate.key)
        context.load_cert_chain(both)
    return context
