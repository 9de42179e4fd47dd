"""The department's keys. What they are made of is an argument: chance and the site's master key are gathered elsewhere."""

from __future__ import annotations

from base64 import b64encode

from commonweal_api import GROUP
from commonweal_api.signatures import sector_key
from commonweal_operator.desired.manifest import Child, Owner, Stage, child

NAME, SIGNING = "commonweal-keys", "commonweal-signing"
PUBLIC_KEY = f"{GROUP}/public-key"
KEY_BYTES = 32


def keys(owner: Owner, *, database: bytes, master: bytes) -> Child:
    """Return the Secret, to be created once and never written again: another sector key would give every person another id."""
    if len(database) != KEY_BYTES or len(master) != KEY_BYTES:
        raise ValueError(f"database and master: each needs {KEY_BYTES} bytes.")
    return _secret(owner, NAME, {}, database=database.hex(), sector=sector_key(master, owner.department).hex())


def signing(owner: Owner, *, seed: bytes, public: str) -> Child:
    """Return the Secret with which the department signs agreements, to be created once.

    `public` (base64url) stands in an annotation, so that from then on the operator needs its metadata only.
    """
    if len(seed) != KEY_BYTES:
        raise ValueError(f"seed: needs {KEY_BYTES} bytes.")
    return _secret(owner, SIGNING, {PUBLIC_KEY: public}, seed=seed.hex())


def _secret(owner: Owner, name: str, annotations: dict[str, str], **content: str) -> Child:
    data = {key: b64encode(value.encode()).decode() for key, value in content.items()}
    metadata = owner.metadata(name) | ({"annotations": annotations} if annotations else {})
    return child("Secret", metadata, stage=Stage.ACCESS, type="Opaque", data=data)
