"""How a department's database key opens its store: the passwords of the roles, the authority of the store's certificate, and what of it the model runtime is given. Pure."""

from __future__ import annotations

import base64
import hashlib
import hmac
from functools import cache

from commonweal_api.certificates import Authority

MODELS_ROLE = "models"
PASSWORD, STORE_CERTIFICATE, REQUESTS = "password", "store.crt", "requests"
_STORE_AUTHORITY = "commonweal store authority"


def password_of(database_key: bytes, role: str) -> str:
    """Return the password of a role. Keeper and services derive the same one, so none is stored."""
    return base64.urlsafe_b64encode(hmac.digest(database_key, f"role:{role}".encode(), hashlib.sha256)).decode()


@cache
def store_authority(database_key: bytes) -> Authority:
    """Return the authority of the department's store: its clients believe the keeper's certificates and no others."""
    return Authority(database_key, _STORE_AUTHORITY)


def models_access(database_key: bytes) -> dict[str, str]:
    """Return all that the model runtime needs: one role's password, what the store's certificate is checked by, and the key under which it knows a repeated request.

    The database key follows from none of them.
    """
    return {
        PASSWORD: password_of(database_key, MODELS_ROLE),
        STORE_CERTIFICATE: store_authority(database_key).certificate,
        REQUESTS: hashlib.sha256(b"request:" + database_key).hexdigest(),
    }
