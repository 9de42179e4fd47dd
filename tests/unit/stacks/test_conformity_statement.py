"""Signed statements: believed when the key is known and no byte was changed, and never otherwise."""

from __future__ import annotations

import copy
import json
from base64 import b64decode, b64encode
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from commonweal_api.signatures import key_id, public_key
from commonweal_stacks.conformity import site_key
from commonweal_stacks.conformity.statement import CONFORMITY, ERASURE, PAYLOAD, pre_authentication_encoding, sign, subjects_of, verify
from commonweal_stacks.exceptions import SiteConfigError, StatementError

SEED, OTHER = bytes(range(32)), bytes(32)
KEY = public_key(SEED)
AT = datetime(2026, 11, 22, 12, 0, 5, tzinfo=UTC)
SUBJECTS = {"site": "ab" * 32, "layer": "cd" * 32}


def signed() -> dict[str, Any]:
    return sign(CONFORMITY, SUBJECTS, {"site": "onprem", "leaves": 3}, seed=SEED, at=AT)


def test_what_was_signed_is_read_back() -> None:
    statement = verify(signed(), [public_key(OTHER), KEY], predicate_type=CONFORMITY)
    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    assert subjects_of(statement) == SUBJECTS
    assert statement["predicate"] == {"site": "onprem", "leaves": 3, "signedAt": "2026-11-22T12:00:05+00:00"}


def test_the_signature_is_over_the_encoding_of_the_dsse_specification() -> None:
    assert pre_authentication_encoding("http://example.com/HelloWorld", b"hello world") == (
        b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"  # the example of the specification
    )
    envelope = signed()
    payload, signature = b64decode(envelope["payload"]), b64decode(envelope["signatures"][0]["sig"])
    Ed25519PrivateKey.from_private_bytes(SEED).public_key().verify(signature, pre_authentication_encoding(PAYLOAD, payload))


def test_the_same_content_and_moment_give_the_same_envelope_wherever_the_clock_stands() -> None:
    elsewhere = AT.astimezone(timezone(timedelta(hours=5)))
    assert sign(CONFORMITY, SUBJECTS, {"site": "onprem", "leaves": 3}, seed=SEED, at=elsewhere) == signed()


def places(envelope: dict[str, Any]) -> dict[str, str]:
    return {
        "payload": envelope["payload"],
        "payloadType": envelope["payloadType"],
        "keyid": envelope["signatures"][0]["keyid"],
        "sig": envelope["signatures"][0]["sig"],
    }


@settings(deadline=None)  # the machine may be busy
@given(where=st.sampled_from(["payload", "payloadType", "keyid", "sig"]), data=st.data())
def test_no_character_of_any_field_can_be_changed_added_or_taken_out(where: str, data: st.DataObject) -> None:
    envelope = signed()
    text = places(envelope)[where]
    at = data.draw(st.integers(0, len(text) - 1))
    put = data.draw(st.text("ABCabc019+/=_ \n", max_size=2).filter(lambda put: put != text[at]))
    changed = text[:at] + put + text[at + 1 :]
    target = envelope["signatures"][0] if where in {"keyid", "sig"} else envelope
    target[where] = changed
    with pytest.raises(StatementError):
        verify(envelope, [KEY])


@settings(deadline=None)
@given(bit=st.integers(0, len(b64decode(signed()["payload"])) * 8 - 1))
def test_no_bit_of_the_payload_can_be_turned(bit: int) -> None:
    envelope = signed()
    raw = bytearray(b64decode(envelope["payload"]))
    raw[bit // 8] ^= 1 << bit % 8
    envelope["payload"] = b64encode(bytes(raw)).decode()
    with pytest.raises(StatementError, match="does not fit the payload"):
        verify(envelope, [KEY])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"payload": None}, "payload: is not base64"),
        ({"payloadType": "application/json"}, "payloadType"),
        ({"signatures": []}, "signatures: needs exactly one"),
        ({"signatures": [1]}, "signatures: needs exactly one"),
        ({"signatures": [{"keyid": "a"}]}, r"signatures\[0\]: needs exactly keyid and sig"),
        ({"more": 1}, "the envelope: needs exactly payload, payloadType, signatures"),
    ],
)
def test_an_envelope_of_another_shape_is_refused_by_name(change: dict[str, Any], said: str) -> None:
    with pytest.raises(StatementError, match=said):
        verify({**signed(), **change}, [KEY])


def test_a_key_that_is_not_trusted_and_a_statement_of_another_kind_are_refused() -> None:
    with pytest.raises(StatementError, match=f"{key_id(KEY)}.*not among the keys that are trusted here"):
        verify(signed(), [public_key(OTHER)])
    with pytest.raises(StatementError, match=r"\(none\)"):
        verify(signed(), [])
    with pytest.raises(StatementError, match=r"predicateType: is .*conformity/v1.*, not .*erasure/v1"):
        verify(signed(), [KEY], predicate_type=ERASURE)


def test_a_well_signed_payload_that_is_no_canonical_statement_is_refused() -> None:
    statement = json.loads(b64decode(signed()["payload"]))
    for payload in (json.dumps(statement, indent=1).encode(), b"[]", b"\xff", json.dumps({**statement, "_type": "x"}).encode()):
        envelope = copy.deepcopy(signed())
        envelope["payload"] = b64encode(payload).decode()
        signature = Ed25519PrivateKey.from_private_bytes(SEED).sign(pre_authentication_encoding(PAYLOAD, payload))
        envelope["signatures"][0]["sig"] = b64encode(signature).decode()
        with pytest.raises(StatementError, match="payload: is no canonical statement"):
            verify(envelope, [KEY])


def test_what_cannot_be_signed_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="subjects: "):
        sign(CONFORMITY, {}, {}, seed=SEED, at=AT)
    with pytest.raises(ValueError, match=r"subjects\.site: is no SHA-256"):
        sign(CONFORMITY, {"site": "AB" * 32}, {}, seed=SEED, at=AT)
    with pytest.raises(ValueError, match=r"predicate\.signedAt"):
        sign(CONFORMITY, SUBJECTS, {"signedAt": ""}, seed=SEED, at=AT)
    with pytest.raises(ValueError, match="at: has no time zone"):
        sign(CONFORMITY, SUBJECTS, {}, seed=SEED, at=AT.replace(tzinfo=None))


def test_a_public_key_is_read_as_jwk_and_as_hexadecimal(tmp_path: Path) -> None:
    jwk, plain = tmp_path / "key.jwk", tmp_path / "key.hex"
    jwk.write_text(site_key.public_jwk(SEED.hex()))
    plain.write_text(KEY.hex() + "\n")
    assert site_key.read_public_key(jwk) == site_key.read_public_key(plain) == KEY
    assert json.loads(jwk.read_text())["kid"] == key_id(KEY)


@pytest.mark.parametrize("text", ["", "{}", '{"kty": "EC", "crv": "P-256", "x": ""}', "[]", '{"kty": "OKP", "crv": "Ed25519", "x": "AA"}'])
def test_a_file_that_holds_no_public_key_is_named(tmp_path: Path, text: str) -> None:
    file = tmp_path / "key.jwk"
    file.write_text(text)
    with pytest.raises(SiteConfigError, match=r"key\.jwk: holds no Ed25519 public key.*Give a JWK"):
        site_key.read_public_key(file)
    with pytest.raises(SiteConfigError, match="cannot be read"):
        site_key.read_public_key(tmp_path / "none")
