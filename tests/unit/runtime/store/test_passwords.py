"""What of a server's words goes on to the driver before the login is complete; and who signs for the store."""

from __future__ import annotations

import struct

import pytest

from commonweal_api.store_access import store_authority
from commonweal_runtime.exceptions import PasswordExposedError
from commonweal_runtime.store.certificate import trust
from commonweal_runtime.store.passwords import LONGEST_MESSAGE, Login, checked


def message(kind: str, body: bytes) -> bytes:
    return kind.encode() + struct.pack(">i", len(body) + 4) + body


def asks(code: int, rest: bytes = b"") -> bytes:
    return message("R", struct.pack(">i", code) + rest)


SCRAM = (asks(10, b"SCRAM-SHA-256\0\0"), asks(11, b"r=n,s=c2FsdA==,i=4096"), asks(12, b"v=x"), asks(0), message("Z", b"I"))


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_scram_passes_whole_however_it_is_cut(size: int) -> None:
    login, whole = Login(), b"".join(SCRAM)
    passed = b"".join(login.take(whole[i : i + size]) for i in range(0, len(whole), size))
    assert (passed, login.complete) == (whole, True)


def test_nothing_of_a_message_goes_on_before_all_of_it_is_there() -> None:
    login = Login()
    assert login.take(SCRAM[0][:-1]) == b""
    assert login.take(SCRAM[0][-1:] + b"R") == SCRAM[0]


@pytest.mark.parametrize(
    ("said", "named"),
    [
        ([asks(3)], "clear text"),
        ([asks(5, b"salt")], "MD5"),
        ([asks(7)], "GSSAPI"),
        ([asks(0)], "no proof"),
        ([SCRAM[0], asks(3)], "clear text"),
        ([SCRAM[0], SCRAM[1], asks(0)], "no proof"),
        ([SCRAM[0], asks(12, b"v=x")], "no proof"),
        ([asks(12, b"v=x")], "no proof"),
        ([SCRAM[0], asks(11, b"r=n,s=c2FsdA==,i=4095")], "iterations"),
        ([SCRAM[0], asks(11, b"r=n,s=c2FsdA==")], "iterations"),
        ([message("N", b"a notice"), asks(3)], "clear text"),
        ([b"HTTP/1.1 400 Bad Request"], "protocol"),
        ([b"R" + struct.pack(">i", LONGEST_MESSAGE + 1)], "protocol"),
        ([b"R" + struct.pack(">i", 0)], "protocol"),
    ],
)
def test_any_other_way_in_is_refused_before_the_driver_sees_it(said: list[bytes], named: str) -> None:
    login = Login()
    passed = b"".join(login.take(part) for part in said[:-1])
    with pytest.raises(PasswordExposedError, match=named):
        login.take(said[-1])
    assert not login.complete
    assert passed == b"".join(said[:-1])


def test_after_the_welcome_everything_goes_on() -> None:
    login = Login()
    login.take(b"".join(SCRAM))
    assert login.take(asks(3)) == asks(3)


def test_only_the_departments_own_authority_counts_for_its_store() -> None:
    context = trust(store_authority(b"k" * 32).certificate)
    assert checked(context)
    assert len(context.get_ca_certs()) == 1
    assert trust(store_authority(b"l" * 32).certificate).get_ca_certs(binary_form=True) != context.get_ca_certs(binary_form=True)
