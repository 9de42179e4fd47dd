"""The department's seal key: what it signs is what a person or an auditor can check without asking the department.

It is derived from the database key, so the keeper (which seals) and the data API (which gives receipts) hold the same one and nothing more is stored.
The same content signed twice is the same text, and a receipt can be made again from the event alone.
The header's `typ` separates what may be said with the key: a seal is no receipt, whatever its content.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from commonweal_api.jwk import Jwk, purpose_of
from commonweal_api.signatures import jws_body, jws_header, key_id, key_of_jwk, public_key, sign_jws
from commonweal_runtime.exceptions import SignatureError

RECEIPT, SEAL = "consent-receipt+jws", "audit-seal+jws"
PURPOSE: Final = "Seal"
# The key's name before the first release. It is an input of the derivation: with another word every store would get another key, and lose its history.
_DERIVATION = b"commonweal witness"


@dataclass(frozen=True, slots=True)
class SealKey:
    """A signing key. Its `repr` shows the key's id only."""

    _seed: bytes = field(repr=False)

    @staticmethod
    def of(database_key: bytes) -> SealKey:
        """Return the key that belongs to a department's database key, by HKDF-SHA256."""
        return SealKey(HKDF(algorithm=SHA256(), length=32, salt=None, info=_DERIVATION).derive(database_key))

    def __repr__(self) -> str:
        return f"SealKey({self.kid})"

    @property
    def kid(self) -> str:
        """The key's id."""
        return key_id(public_key(self._seed))

    @property
    def jwk(self) -> dict[str, Any]:
        """The public half as a JSON Web Key."""
        return Jwk.of(public_key(self._seed), PURPOSE).wire()

    def sign(self, typ: str, body: Mapping[str, Any]) -> str:
        """Return the compact JWS over the body's canonical JSON; the same body gives the same text."""
        return sign_jws(typ, body, self._seed)


class KeyRing:
    """Public seal keys by id. Other keys of a department's set are left out: who may sign agreements may not seal."""

    def __init__(self, keys: Iterable[Mapping[str, Any]]) -> None:
        public = [raw for key in keys if (raw := _public(key)) is not None]
        self._keys = {key_id(raw): raw for raw in public}

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
            header = jws_header(text)
            if header.kid not in self._keys:
                raise SignatureError(f"No key with the id {header.kid} is among the keys given; take the department's JWKS.")
            if header.typ != typ:
                raise SignatureError(f"It is signed as «{header.typ}», not as «{typ}»; give the file that this command is for.")
            body = jws_body(text, self._keys[header.kid])
        except ValueError:
            raise SignatureError("It is no signed text (compact JWS) of a department.") from None
        if body is None:
            raise SignatureError("The signature does not hold: the text was changed after it was signed.")
        return body


def _public(key: Mapping[str, Any]) -> bytes | None:
    """Return the raw key for seals, or None for any other key."""
    if purpose_of(key.get("purpose", PURPOSE)) != PURPOSE:
        return None
    try:
        return key_of_jwk(key)
    except ValueError:
        return None
