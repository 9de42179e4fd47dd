"""Signatures of agreements: compact JWS with Ed25519, and nothing else, so that no algorithm can be negotiated down. Pure.

The header is exactly `{alg: EdDSA, kid, typ: commonweal-agreement+jws}` and the payload exactly `{hash, party, iat}`. The type keeps a receipt or a seal,
which are JWS too, from ever counting as a signature under an agreement.
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from functools import lru_cache
from hashlib import sha256
from typing import Any, NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from commonweal_api.jwk import Jwk
from commonweal_api.signing import JWS_TYPE as TYPE
from commonweal_api.signing import canonical, jws_payload

SEED_BYTES = 32


class Signed(NamedTuple):
    """What a party has signed: the agreement's hash, its own name, and when (seconds since 1970, as the signer's clock said)."""

    hash: str
    party: str
    at: int


def public_key(seed: bytes) -> Jwk:
    """Return the public half of a signing key; ValueError unless the seed has 32 bytes."""
    if len(seed) != SEED_BYTES:
        raise ValueError(f"seed: needs {SEED_BYTES} bytes.")
    return key_of(Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw())


def key_of(raw: bytes) -> Jwk:
    """Return the JWK of a raw public key."""
    return Jwk(x=_text(raw), kid=sha256(raw).hexdigest()[:16], purpose="Agreement")


def read_key(x: str) -> Jwk:
    """Return the JWK of a public key as base64url; ValueError when it is none."""
    raw = _bytes(x)
    Ed25519PublicKey.from_public_bytes(raw)
    return key_of(raw)


def sign(seed: bytes, signed: Signed) -> str:
    """Return the compact JWS; the same seed and content give the same text."""
    header = {"alg": "EdDSA", "kid": public_key(seed).kid, "typ": TYPE}
    body = f"{_text(canonical(header))}.{_text(canonical(jws_payload(*signed)))}"
    return f"{body}.{_text(Ed25519PrivateKey.from_private_bytes(seed).sign(body.encode()))}"


def verify(jws: str, keys: Sequence[Jwk]) -> Signed | None:
    """Return what was signed if one of the keys made the signature, else None; no text whatever raises."""
    kid = kid_of(jws)
    return next((found for key in keys if key.kid == kid and (found := _verified(jws, key.x)) is not None), None)


@lru_cache(maxsize=16384)
def kid_of(jws: str) -> str | None:
    """Return the id of the key that the text says it was signed with, or None when it is no signature under an agreement."""
    try:
        header = _object(jws.partition(".")[0])
    except ValueError:
        return None
    fits = header.keys() == {"alg", "kid", "typ"} and (header["alg"], header["typ"]) == ("EdDSA", TYPE)
    return header["kid"] if fits and isinstance(header["kid"], str) else None


@lru_cache(maxsize=16384)
def _verified(jws: str, x: str) -> Signed | None:
    """Return what was signed. Kept, since a department is looked at far more often than its agreements are signed."""
    body, _, signature = jws.rpartition(".")
    try:
        Ed25519PublicKey.from_public_bytes(_bytes(x)).verify(_bytes(signature), body.encode())
        payload = _object(body.partition(".")[2])
    except (InvalidSignature, ValueError):
        return None
    if payload.keys() != {"hash", "party", "iat"}:
        return None
    found = Signed(payload["hash"], payload["party"], payload["iat"])
    return found if [type(part) for part in found] == [str, str, int] else None


def _object(part: str) -> dict[str, Any]:
    """Return the JSON object of one part, or nothing of another value; ValueError when it is no JSON, or names a member twice."""
    found = json.loads(_bytes(part), object_pairs_hook=_once)
    return found if isinstance(found, dict) else {}


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a member stands twice")
    return found


def _text(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    """Decode base64url strictly: one text per content, so that no signature has two spellings."""
    raw = urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
    if _text(raw) != text:
        raise ValueError("not base64url")
    return raw
