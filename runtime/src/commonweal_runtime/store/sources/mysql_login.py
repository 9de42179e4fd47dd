"""A MySQL client that shows no password to whoever answers.

The driver answers every method that a server asks for, among them ones that hand over the password itself. Without a certificate that was checked, only
answers to a challenge are given; methods that need the password as it is are refused before anything of it is sent.
"""

from __future__ import annotations

import ssl
from typing import Any

from pymysql import _auth
from pymysql.connections import Connection

from commonweal_runtime.exceptions import PasswordExposedError

_FAST, _FAST_DONE = "caching_sha2_password", 3
_REFUSED = ("mysql_clear_password", "dialog", "sha256_password", "mysql_old_password")


class _Refused:
    """A method that hands over the password, or what it can be read from."""

    method = ""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def authenticate(self, _: Any) -> Any:
        raise PasswordExposedError(f"a login by {self.method}")


class _FastOnly(_Refused):
    """`caching_sha2_password` as far as it is an answer to a challenge. A server that has no digest at hand asks for the password, and gets none."""

    def authenticate(self, packet: Any) -> Any:
        if packet.is_auth_switch_request():
            self._connection.salt = packet.read_all().removesuffix(b"\0")
            packet = _auth._roundtrip(self._connection, _auth.scramble_caching_sha2(self._connection.password, self._connection.salt))  # noqa: SLF001
        if packet.is_ok_packet():
            return packet
        if packet._data[:2] != bytes((1, _FAST_DONE)):  # noqa: SLF001 - the driver has no other name for it
            raise PasswordExposedError("the whole password by caching_sha2_password, for it has no digest of it at hand")
        done = self._connection._read_packet()  # noqa: SLF001
        done.check_error()
        return done


class CarefulConnection(Connection):  # type: ignore[misc] # the driver has no types
    """A connection that is not opened yet. `trust` is what the server's certificate is checked by; with it any method will do."""

    def __init__(self, trust: ssl.SSLContext | None, **options: Any) -> None:
        methods = {} if trust else {name: type(name, (_Refused,), {"method": name}) for name in _REFUSED} | {_FAST: _FastOnly}
        self._trusted = trust is not None
        super().__init__(ssl=trust, auth_plugin_map=methods, defer_connect=True, **options)

    def wait_for_answers(self) -> None:
        """Bound no answer by time any more, as login was: a statement may take what it takes."""
        self._read_timeout = None

    def _request_authentication(self) -> None:
        if not self._trusted and self._auth_plugin_name in _REFUSED:
            raise PasswordExposedError(f"a login by {self._auth_plugin_name}")  # the first packet would hold the password
        super()._request_authentication()
