"""One module signs: it does what the standards say, what the former spellings did, and refuses everything that is spelled otherwise."""

from __future__ import annotations

import json
import math
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from commonweal_api.jwk import Jwk
from commonweal_api.plan import StoreReport
from commonweal_api.signatures import (
    base64url,
    canonical,
    checked_public_key,
    digest,
    from_base64url,
    holds,
    jwk_of,
    jws_body,
    jws_header,
    key_id,
    key_of_jwk,
    public_key,
    sign,
    sign_jws,
)

SEED = bytes(range(32))
KEY = public_key(SEED)
TYP = "test+jws"
GROUP_ORDER = 2**252 + 27742317777372353535851937790883648493
# RFC 8032, section 7.1: TEST 1, TEST 2 and TEST 3.
RFC_8032 = [
    (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ),
]
plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
bodies = st.dictionaries(st.text(max_size=8), plain, max_size=5)
seeds = st.binary(min_size=32, max_size=32)


@pytest.mark.parametrize(("seed", "public", "message", "signature"), RFC_8032)
def test_the_vectors_of_rfc_8032(seed: str, public: str, message: str, signature: str) -> None:
    assert public_key(bytes.fromhex(seed)).hex() == public
    assert sign(bytes.fromhex(seed), bytes.fromhex(message)).hex() == signature
    assert holds(bytes.fromhex(public), bytes.fromhex(signature), bytes.fromhex(message))
    assert not holds(bytes.fromhex(public), bytes.fromhex(signature), bytes.fromhex(message) + b"\0")


def test_the_key_and_the_signature_of_rfc_8037() -> None:
    """Appendix A: the key of RFC 8032's first test as a JWK, and a JWS over text that was signed with it."""
    seed = from_base64url("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A")
    assert jwk_of(public_key(seed))["x"] == "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
    signed = b"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc"
    assert base64url(sign(seed, signed)) == ("hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg")


def test_canonical_text_is_that_of_rfc_8785_where_it_claims_to_be() -> None:
    """Sections 3.2.2 and 3.2.3, without floats and without names beyond the Basic Multilingual Plane."""
    value = {"string": "\u20ac$\u000f\u000aA'\u0042\u0022\u005c\\\"/", "literals": [None, True, False], "number": 2**53 - 1}
    assert canonical(value).decode() == (
        '{"literals":[null,true,false],"number":9007199254740991,"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}'
    )
    names = {"\u20ac": 1, "\r": 2, "\ufb33": 3, "1": 4, "\u0080": 5, "\u00f6": 6}
    assert list(json.loads(canonical(names))) == ["\r", "1", "\u0080", "\u00f6", "\u20ac", "\ufb33"]


def test_where_canonical_text_is_not_that_of_rfc_8785() -> None:
    """As it always was: another spelling now would change every digest and signature that has such a value."""
    assert canonical([1e21, 1.0, 1e-7]) == b"[1e+21,1.0,1e-07]"  # there [1e+21,1,1e-7]
    assert list(json.loads(canonical({"\U0001f600": 1, "\ufb33": 2}))) == ["\ufb33", "\U0001f600"]  # there the other way round


@given(plain)
def test_canonical_text_is_what_the_five_former_spellings_gave(value: Any) -> None:
    former = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert _surrogates(former) or canonical(value) == former.encode()


def _surrogates(text: str) -> bool:
    return any("\ud800" <= letter <= "\udfff" for letter in text)


@given(plain)
def test_equal_values_have_one_text_and_it_reads_back(value: Any) -> None:
    text = canonical(value)
    assert canonical(json.loads(text)) == text
    assert digest(value).startswith("sha256:")


@settings(deadline=None)
@given(bodies, seeds)
def test_a_jws_is_the_text_that_the_former_library_made(body: dict[str, Any], seed: bytes) -> None:
    """Receipts and seals were made with PyJWT; it reads what is made now, too."""
    library, private = jwt.PyJWS(algorithms=["EdDSA"]), Ed25519PrivateKey.from_private_bytes(seed)
    headers = {"typ": TYP, "kid": key_id(public_key(seed))}
    made = sign_jws(TYP, body, seed)
    assert made == library.encode(canonical(body), private, algorithm="EdDSA", headers=headers, sort_headers=True)
    assert json.loads(library.decode(made, private.public_key(), algorithms=["EdDSA"])) == body
    assert jws_body(made, public_key(seed)) == body
    assert jws_header(made) == (headers["kid"], TYP)


@settings(deadline=None)
@given(st.binary(max_size=100), seeds, seeds)
def test_a_signature_holds_for_its_key_and_message_alone(message: bytes, seed: bytes, other: bytes) -> None:
    signature = sign(seed, message)
    assert holds(public_key(seed), signature, message)
    assert not holds(public_key(seed), signature, message + b"x")
    assert holds(public_key(other), signature, message) is (other == seed)


@given(st.binary(max_size=80))
def test_base64url_has_one_spelling(raw: bytes) -> None:
    text = base64url(raw)
    assert from_base64url(text) == raw
    for other in (text + "=", text + "\n", " " + text, text + "=="):
        with pytest.raises(ValueError):
            from_base64url(other)


@given(st.text(max_size=60))
def test_no_text_whatever_is_a_jws_of_ours_by_chance(text: str) -> None:
    with pytest.raises(ValueError):
        jws_body(text, KEY)


def _signed(header: Any, body: Any) -> str:
    head, content = (part if isinstance(part, bytes) else json.dumps(part).encode() for part in (header, body))
    text = f"{base64url(head)}.{base64url(content)}"
    return f"{text}.{base64url(sign(SEED, text.encode()))}"


HEADER = {"alg": "EdDSA", "kid": key_id(KEY), "typ": TYP}


def test_a_well_made_text_of_another_program_is_read() -> None:
    """The order of a header's members and the spaces of a body are the signer's business, as they were."""
    assert jws_body(_signed(dict(reversed(HEADER.items())), {"b": 1, "a": 2}), KEY) == {"a": 2, "b": 1}


@pytest.mark.parametrize(
    "header",
    [
        {**HEADER, "alg": "none"},
        {**HEADER, "alg": "HS256"},
        {**HEADER, "alg": "Ed25519"},
        {**HEADER, "crit": ["exp"]},
        {**HEADER, "jwk": jwk_of(KEY)},
        {**HEADER, "kid": None},
        {**HEADER, "kid": 7},
        {**HEADER, "typ": None},
        {"alg": "EdDSA", "kid": key_id(KEY)},
        {"alg": "EdDSA", "typ": TYP},
        {},
        [],
        "EdDSA",
        b'{"alg":"EdDSA","alg":"EdDSA","kid":"k","typ":"t"}',
        b"\xff",
        b"[" * 100_000,
    ],
    ids=lambda header: str(header)[:60],
)
def test_a_header_of_another_form_is_refused_however_well_it_is_signed(header: Any) -> None:
    text = _signed(header, {"a": 1})
    for read in (lambda: jws_header(text), lambda: jws_body(text, KEY)):
        with pytest.raises(ValueError):
            read()


@pytest.mark.parametrize("body", [[], "a", 1, None, b"", b"{", b'{"a":1,"a":1}', b"\xff", b"[" * 100_000], ids=lambda body: str(body)[:20])
def test_a_body_that_is_not_one_json_object_is_refused(body: Any) -> None:
    with pytest.raises(ValueError):
        jws_body(_signed(HEADER, body), KEY)


def test_a_signature_has_one_spelling() -> None:
    good = sign_jws(TYP, {"a": 1}, SEED)
    text, _, signature = good.rpartition(".")
    raw = from_base64url(signature)
    assert jws_body(good, KEY) == {"a": 1}
    # the group's order added to S: the same equation holds, and RFC 8032 refuses it
    more = raw[:32] + (int.from_bytes(raw[32:], "little") + GROUP_ORDER).to_bytes(32, "little")
    for other in (more, raw[:-1], raw + b"\0", b""):
        assert jws_body(f"{text}.{base64url(other)}", KEY) is None
    for spelled in (signature + "==", signature + "\n", signature[:-1] + chr(ord(signature[-1]) + 1), "é"):
        with pytest.raises(ValueError):
            jws_body(f"{text}.{spelled}", KEY)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, {"a": [math.nan]}, "\ud800", {1, 2}, b"raw"])
def test_what_has_no_canonical_text_is_refused(value: Any) -> None:
    with pytest.raises((ValueError, TypeError)):
        canonical(value)


@pytest.mark.parametrize("length", [0, 31, 33, 64])
def test_a_key_has_32_bytes(length: int) -> None:
    for use in (public_key, checked_public_key, lambda raw: sign(raw, b""), lambda raw: holds(raw, bytes(64), b"")):
        with pytest.raises(ValueError):
            use(bytes(length))


@pytest.mark.parametrize(
    "wrong",
    [
        {"kty": "RSA"},
        {"kty": None},
        {"crv": "X25519"},
        {"x": None},
        {"x": 7},
        {"x": ""},
        {"x": "AA"},
        {"x": base64url(KEY) + "="},
        {"x": base64url(KEY) + "\n"},
        {"x": base64url(KEY)[:-1] + chr(ord(base64url(KEY)[-1]) + 1)},
    ],
    ids=str,
)
def test_a_jwk_of_another_key_or_spelling_is_refused(wrong: dict[str, Any]) -> None:
    assert key_of_jwk(jwk_of(KEY)) == KEY
    with pytest.raises(ValueError):
        key_of_jwk(jwk_of(KEY) | wrong)


def test_the_word_of_stored_key_sets_and_reports_is_read_and_never_written() -> None:
    """Before the first release the key of seals was called a witness: the status of running departments and their stores' reports still say so."""
    now = Jwk.of(KEY, "Seal")
    stored = {**now.wire(), "purpose": "Witness"}
    assert Jwk.model_validate(stored) == now
    assert StoreReport.model_validate({"plan": "p", "witness": stored}) == StoreReport(plan="p", seal_key=now)
    assert StoreReport.model_validate_json(json.dumps({"plan": "p", "witness": stored})).wire() == {"plan": "p", "sealKey": now.wire()} | {
        "products": {},
        "agreements": {},
    }
