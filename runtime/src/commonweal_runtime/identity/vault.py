"""What ties an account to anybody: ids made under the issuer's key, and texts sealed for one place in the store.

Of a stolen store without the key follows neither who an account is nor which ids of departments belong together. A sealed text is bound to the row it was
made for, so that one which is copied to another row is not opened there.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from commonweal_api.pairwise import pairwise
from commonweal_api.signatures import base64url, canonical

_NONCE = 12


def derived(key: bytes, purpose: str) -> bytes:
    """Return the key of one purpose; none follows from another."""
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=f"identity {purpose} v1".encode()).derive(key)


def digest(secret: str) -> bytes:
    """Return what the store keeps of a secret that its holder presents: long random texts, so a plain hash gives nothing away."""
    return hashlib.sha256(secret.encode()).digest()


class Vault:
    """Ids and seals under one key. Every replica and every start with this key makes and opens the same."""

    def __init__(self, key: bytes) -> None:
        self._account, self._unlinked, self._client = derived(key, "account"), derived(key, "unlinked"), derived(key, "client")
        self._session, self._link = derived(key, "sid"), derived(key, "link")
        self._rows = AESGCM(derived(key, "rows"))

    def account(self, *who: str) -> UUID:
        """Return the id of an account: of a name in people.json, or of a provider's issuer and `sub`."""
        return _id(self._account, *who)

    def unlinked(self, account: UUID, department: str) -> UUID:
        """Return by what a department knows somebody whose records it does not know: an id of no record, the same each time, another at each department."""
        return _id(self._unlinked, department, str(account))

    def client(self, account: UUID, client: str) -> UUID:
        """Return by what an application knows an account that has no id from the operator."""
        return _id(self._client, client, str(account))

    def sid(self, session: UUID, sector: str) -> str:
        """Return what one department or application is told of a session: no two are told the same."""
        return base64url(hmac.digest(self._session, canonical([sector, str(session)]), hashlib.sha256))

    def link(self, department: str, subject: UUID) -> bytes:
        """Return by what the store tells that a record is linked already, without holding its id."""
        return hmac.digest(self._link, canonical([department, str(subject)]), hashlib.sha256)

    def seal(self, text: str, *place: object) -> bytes:
        """Return a text sealed for one place in the store."""
        nonce = secrets.token_bytes(_NONCE)
        return nonce + self._rows.encrypt(nonce, text.encode(), _place(place))

    def open(self, sealed: bytes, *place: object) -> str | None:
        """Return the text, or None for what is changed, was sealed under another key, or for another place."""
        try:
            return self._rows.decrypt(sealed[:_NONCE], sealed[_NONCE:], _place(place)).decode()
        except (InvalidTag, ValueError):
            return None


def _id(key: bytes, *parts: str) -> UUID:
    return pairwise(key, canonical(list(parts)).decode())


def _place(place: tuple[object, ...]) -> bytes:
    return canonical([str(part) for part in place])
