"""The keyed hash by which two departments mean the same person."""

from __future__ import annotations

import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commonweal_runtime.linkage.tokens import Normalise, key_of, pads, token, written

KEY = key_of(b"d" * 32, 7)


@pytest.mark.parametrize(
    ("value", "normalise", "expected"),
    [
        ("qq 12 34 56 c", "Upper", "QQ123456C"),
        ("QQ 12\t34 56 C", "Lower", "qq123456c"),
        ("QQ 12 34 56 C", "Digits", "123456"),
        ("QQ 12", "AsIs", "QQ 12"),
        ("straße", "Upper", "STRAßE"),
        (" \t", "Upper", None),
        ("abc", "Digits", None),
        ("", "AsIs", None),
    ],
)
def test_an_identifier_is_written_in_one_way_only(value: str, normalise: Normalise, expected: str | None) -> None:
    assert written(value, normalise) == expected


def test_two_ways_of_writing_give_one_token_and_two_agreements_give_two() -> None:
    assert token(KEY, "qq 12 34 56 c", "Upper") == token(KEY, "QQ123456C", "Upper")
    assert token(KEY, "QQ123456C", "Upper") != token(key_of(b"d" * 32, 8), "QQ123456C", "Upper")
    assert token(KEY, "x", "Digits") is None


@given(st.text(min_size=1), st.binary(min_size=32, max_size=32))
def test_the_padded_keys_are_those_of_hmac(text: str, key: bytes) -> None:
    data = text.encode(errors="replace")
    inner, outer = pads(key)
    assert hashlib.sha256(outer + hashlib.sha256(inner + data).digest()).digest() == hmac.digest(key, data, hashlib.sha256)
