"""The department's witness key: what it signs is what a person or an auditor can check without asking the department.

It is derived from the database key, so the keeper (which seals) and the data API (which gives receipts) hold the same one and nothing more is stored.
Ed25519 is deterministic: the same content signed twice is the same text, and a receipt can be made again from the event alone.
The header's `typ` separates what may be said with the key: a seal is no receipt, whatever its content.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import jwt
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from jwt.utils import base64url_decode, base64url_encode

RECEIPT, SEAL = "consent-receipt+jws", "audit-seal+jws"
ALGORITHM = "EdDSA"
_JWS = jwt.PyJWS(algorithms=[ALGORITHM])


class SignatureError(Exception):
    """A signed text that must not be believed; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Witness:
    """A signing key. Its `repr` shows the key's id only."""

    _key: Ed25519PrivateKey

    @staticmethod
    def of(database_key: bytes) -> Witness:
        """Return the key that belongs to a department's database key: HKDF-SHA256, info «commonweal witness»."""
        seed = HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=b"commonweal witness").derive(database_key)
        return Witness(Ed25519PrivateKey.from_private_bytes(seed))

    def __repr__(self) -> str:
        return f"Witness({self.kid})"

    @property
    def kid(self) -> str:
        """The key's id: the first 16 hexadecimal digits of the SHA-256 of the raw public key."""
        return kid_of(_raw(self._key.public_key()))

    @property
    def jwk(self) -> dict[str, str]:
        """The public half as a JSON Web Key (RFC 8037)."""
        raw = _raw(self._key.public_key())
        key = {"kty": "OKP", "crv": "Ed25519", "x": base64url_encode(raw).decode(), "kid": kid_of(raw)}
        return {**key, "alg": ALGORITHM, "use": "sig", "purpose": "Witness"}

    def sign(self, typ: str, body: Mapping[str, Any]) -> str:
        """Return the compact JWS over the body's canonical JSON; the same body gives the same text."""
        return _JWS.encode(canonical(body), self._key, algorithm=ALGORITHM, headers={"typ": typ, "kid": self.kid}, sort_headers=True)


class KeyRing:
    """Public witness keys by id. Other keys of a department's set are left out: who may sign agreements may not seal."""

    def __init__(self, keys: Iterable[Mapping[str, Any]]) -> None:
        self._keys: dict[str, Ed25519PublicKey] = {}
        for key in keys:
            raw = _public(key)
            if raw is not None:
                self._keys[kid_of(raw)] = Ed25519PublicKey.from_public_bytes(raw)

    def __len__(self) -> int:
        return len(self._keys)

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of the keys, sorted."""
        return tuple(sorted(self._keys))

    def open(self, typ: str, text: str) -> dict[str, Any]:
        """Return the body of a compact JWS of this `typ` signed by one of the keys; raise SignatureError else.

        The key is looked up by the id that its own bytes give, never by the one a JWKS claims for it.
        """
        try:
            header = jwt.get_unverified_header(text)
            key = self._keys[str(header.get("kid"))]
            if header.get("typ") != typ:
                raise SignatureError(f"It is signed as «{header.get('typ')}», not as «{typ}»; give the file that this command is for.")
            body = json.loads(_JWS.decode(text, key, algorithms=[ALGORITHM]))
        except KeyError:
            raise SignatureError(f"No key with the id {header.get('kid')} is among the keys given; take the department's JWKS.") from None
        except jwt.InvalidSignatureError:
            raise SignatureError("The signature does not hold: the text was changed after it was signed.") from None
        except (jwt.InvalidTokenError, ValueError):
            raise SignatureError("It is no signed text (compact JWS) of a department.") from None
        if not isinstance(body, dict):
            raise SignatureError("The signed text is no JSON object.")
        return body


def kid_of(raw: bytes) -> str:
    """Return the id of a raw public key."""
    return hashlib.sha256(raw).hexdigest()[:16]


def canonical(body: Mapping[str, Any]) -> bytes:
    """Return the one JSON text of a body: sorted keys, no spaces, UTF-8."""
    return json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def _raw(key: Ed25519PublicKey) -> bytes:
    return key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)


def _public(key: Mapping[str, Any]) -> bytes | None:
    """Return the 32 bytes of an Ed25519 key of a witness, or None for any other key."""
    if (key.get("kty"), key.get("crv"), key.get("purpose", "Witness")) != ("OKP", "Ed25519", "Witness"):
        return None
    try:
        raw = base64url_decode(str(key.get("x")))
    except ValueError:
        return None
    return raw if len(raw) == 32 else None
