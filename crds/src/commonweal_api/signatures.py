"""Ed25519, key ids and the one JSON text that is signed: whatever the house signs or checks, it does here. Pure.

Seeds and public keys are raw, 32 bytes each. One algorithm, one text per content and one spelling per text: nothing can be negotiated down, and no
signature can be respelled. Ed25519 is deterministic, so the same content signed twice with the same seed is the same text.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from typing import Any, NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

ALGORITHM = "EdDSA"
_JWK = {"kty": "OKP", "crv": "Ed25519"}


def canonical(value: Any) -> bytes:
    """Return the one JSON text of plain data: sorted members, no spaces, UTF-8; ValueError for NaN and infinities.

    For strings, whole numbers below 2**53 and names in the Basic Multilingual Plane it is the text of RFC 8785. It is not beyond: floats are spelled
    as Python spells them, and names are sorted by code point. Signatures and digests that exist rest on this, so it stays.
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def digest(value: Any) -> str:
    """Return `sha256:` and the hex digest of the canonical JSON."""
    return "sha256:" + hashlib.sha256(canonical(value)).hexdigest()


def base64url(raw: bytes) -> str:
    """Return base64url without padding."""
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def from_base64url(text: str) -> bytes:
    """Decode strictly: one text per content, so that no signature has two spellings. ValueError for any other."""
    raw = urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
    if base64url(raw) != text:
        raise ValueError("not base64url")
    return raw


def public_key(seed: bytes) -> bytes:
    """Return the public half of a seed; ValueError unless the seed has 32 bytes."""
    return Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()


def checked_public_key(raw: bytes) -> bytes:
    """Return the key; ValueError unless it can be one."""
    return Ed25519PublicKey.from_public_bytes(raw).public_bytes_raw()


def key_id(public: bytes) -> str:
    """Return a key's id: the first 16 hexadecimal digits of the SHA-256 of the raw public key."""
    return hashlib.sha256(public).hexdigest()[:16]


def sign(seed: bytes, message: bytes) -> bytes:
    """Return the signature, 64 bytes; ValueError unless the seed has 32 bytes."""
    return Ed25519PrivateKey.from_private_bytes(seed).sign(message)


def holds(public: bytes, signature: bytes, message: bytes) -> bool:
    """Tell whether the key made the signature over the message; ValueError when it is no key."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except InvalidSignature:
        return False
    return True


def jwk_of(public: bytes) -> dict[str, str]:
    """Return a public key as a JSON Web Key (RFC 8037)."""
    return {**_JWK, "x": base64url(public), "kid": key_id(public), "alg": ALGORITHM, "use": "sig"}


def key_of_jwk(jwk: Mapping[str, Any]) -> bytes:
    """Return the raw public key of a JWK, whatever id it claims; ValueError when it is no Ed25519 key."""
    if any(jwk.get(member) != value for member, value in _JWK.items()):
        raise ValueError("kty and crv must be OKP and Ed25519")
    if not isinstance(jwk.get("x"), str):
        raise ValueError("x must be the public key, as base64url")  # noqa: TRY004 - a key that is not valid, whatever is wrong with it
    return checked_public_key(from_base64url(jwk["x"]))


class JwsHeader(NamedTuple):
    """What a signed text says of itself: the id of its key, and what kind of text it is. Neither is proven before the signature is."""

    kid: str
    typ: str


def sign_jws(typ: str, body: Mapping[str, Any], seed: bytes) -> str:
    """Return the compact JWS over the body's canonical JSON. `typ` keeps what is signed for one use from counting for another."""
    header = {"alg": ALGORITHM, "kid": key_id(public_key(seed)), "typ": typ}
    text = f"{base64url(canonical(header))}.{base64url(canonical(body))}"
    return f"{text}.{base64url(sign(seed, text.encode()))}"


def jws_header(text: str) -> JwsHeader:
    """Return the header, which is exactly `{alg: EdDSA, kid, typ}`; ValueError for any other text."""
    header = _object(text.partition(".")[0])
    kid, typ = header.get("kid"), header.get("typ")
    if header.keys() != {"alg", "kid", "typ"} or header["alg"] != ALGORITHM or not isinstance(kid, str) or not isinstance(typ, str):
        raise ValueError("the header is not that of a signed text")
    return JwsHeader(kid, typ)


def jws_body(text: str, public: bytes) -> dict[str, Any] | None:
    """Return what was signed if the key made the signature, else None; ValueError when the text is no compact JWS over a JSON object."""
    jws_header(text)
    signed, _, signature = text.rpartition(".")
    return _object(signed.partition(".")[2]) if holds(public, from_base64url(signature), signed.encode()) else None


def sector_key(master: bytes, department: str) -> bytes:
    """Return the key under which a department's pairwise ids are made; only the platform holds `master`."""
    return hmac.digest(master, f"sector:{department}".encode(), hashlib.sha256)


def issuer_seed(master: bytes) -> bytes:
    """Return the seed of the embedded issuer's signing key: the same at each start and on each site that has this master key."""
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=b"identity signing key v1").derive(master)


def issuer_seal(master: bytes) -> bytes:
    """Return the key under which the embedded issuer seals what it gives away: each of its pods, on each site that has this master key, opens it."""
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=b"identity seals v1").derive(master)


def identity_store(master: bytes) -> bytes:
    """Return the password, as 32 bytes, of the one role of the issuer's store that may come over the network."""
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=b"identity store password v1").derive(master)


def portal_cookie(master: bytes) -> bytes:
    """Return the key under which the portal seals its cookie: each of its pods, on each site that has this master key, opens it."""
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=b"portal cookie v1").derive(master)


def issuer_jwks(master: bytes) -> dict[str, Any]:
    """Return the public keys of the embedded issuer as a JSON Web Key Set; the key's id is its thumbprint (RFC 7638)."""
    public = {**_JWK, "x": base64url(public_key(issuer_seed(master)))}
    return {"keys": [public | {"kid": base64url(hashlib.sha256(canonical(public)).digest()), "use": "sig", "alg": ALGORITHM}]}


def _object(part: str) -> dict[str, Any]:
    try:
        found = json.loads(from_base64url(part), object_pairs_hook=_once)
    except RecursionError:
        raise ValueError("nested too deep") from None
    if not isinstance(found, dict):
        raise ValueError("not a JSON object")  # noqa: TRY004 - a text that is not valid, whatever is wrong with it
    return found


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a member stands twice")
    return found
