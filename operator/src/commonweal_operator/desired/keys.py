"""The department's keys. What they are made of is an argument: chance and the site's master key are gathered elsewhere."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping

from commonweal_api import GROUP
from commonweal_api.signatures import sector_key
from commonweal_api.store_access import PASSWORD, REQUESTS, STORE_CERTIFICATE, models_access
from commonweal_operator.desired.manifest import Child, Owner, Stage, child

NAME, SIGNING, MODELS = "commonweal-keys", "commonweal-signing", "commonweal-models"
DATABASE, SECTOR = "database", "sector"
PUBLIC_KEY = f"{GROUP}/public-key"
KEY_BYTES = 32
# What each component mounts. The keeper makes ids and opens logins; the model runtime is given what it needs and no key of which more follows.
KEYS_OF_KEEPER = (DATABASE, SECTOR)
KEYS_OF_MODELS = (PASSWORD, STORE_CERTIFICATE, REQUESTS)


def keys_of_data_api(*, makes_ids: bool, has_peers: bool) -> tuple[str, ...]:
    """Return which keys the data API mounts: the one of the ids only where people's tokens carry the sources' keys, or other sites ask for what people said."""
    return (DATABASE, SECTOR) if makes_ids or has_peers else (DATABASE,)


def keys(owner: Owner, *, database: bytes, master: bytes) -> Child:
    """Return the Secret, to be created once and never written again: another sector key would give every person another id."""
    if len(database) != KEY_BYTES or len(master) != KEY_BYTES:
        raise ValueError(f"database and master: each needs {KEY_BYTES} bytes.")
    return _secret(owner, NAME, {}, {DATABASE: database.hex(), SECTOR: sector_key(master, owner.department).hex()})


def models_keys(owner: Owner, *, database: bytes) -> Child:
    """Return the Secret of the model runtime, which follows from the department's database key and is made once as that is."""
    return _secret(owner, MODELS, {}, models_access(database))


def signing(owner: Owner, *, seed: bytes, public: str) -> Child:
    """Return the Secret with which the department signs agreements, to be created once.

    `public` (base64url) stands in an annotation, so that from then on the operator needs its metadata only.
    """
    if len(seed) != KEY_BYTES:
        raise ValueError(f"seed: needs {KEY_BYTES} bytes.")
    return _secret(owner, SIGNING, {PUBLIC_KEY: public}, {"seed": seed.hex()})


def _secret(owner: Owner, name: str, annotations: dict[str, str], content: Mapping[str, str]) -> Child:
    data = {key: b64encode(value.encode()).decode() for key, value in content.items()}
    metadata = owner.metadata(name) | ({"annotations": annotations} if annotations else {})
    return child("Secret", metadata, stage=Stage.ACCESS, type="Opaque", data=data)
