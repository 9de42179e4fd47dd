"""Signed agreements for tests: every department has a key that follows from its name.

signed(policy)                          both parties have signed
signed(policy, by=("benefits",))        only that one
key_of("tax")                           what Department tax shows in status.keys
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from hashlib import sha256
from typing import Any

from commonweal_api import ConsentPolicy
from commonweal_api import agreement_signatures as jws
from commonweal_api.jwk import Jwk
from commonweal_api.signatures import base64url

AT = 1_790_000_000  # 2026-09-21


def seed_of(department: str, turn: int = 0) -> bytes:
    """Return the department's signing key; another `turn` is the key after so many rotations."""
    return sha256(f"signing:{department}:{turn}".encode()).digest()


def key_of(department: str, turn: int = 0) -> Jwk:
    """Return the public half."""
    return jws.agreement_key(seed_of(department, turn))


def keys_status(department: str) -> list[dict[str, Any]]:
    """Return `status.keys` of the Department."""
    return [key_of(department).wire()]


def nonce_of(text: str) -> str:
    """Return a nonce that follows from the text."""
    return base64url(sha256(f"nonce:{text}".encode()).digest())[:22]


def signature(policy: Mapping[str, Any], party: str, seed: bytes | None = None, hash_: str = "") -> dict[str, Any]:
    """Return one entry of `spec.signatures`: the party's, over what stands in the manifest unless another hash is given."""
    meta = policy["metadata"]
    unsigned = {**policy, "spec": {k: v for k, v in policy["spec"].items() if k != "signatures"}}
    spec = ConsentPolicy.model_validate({k: unsigned[k] for k in ("apiVersion", "kind", "metadata", "spec")}).spec
    digest = hash_ or jws.agreement_hash(meta["namespace"].removeprefix("dept-"), meta["name"], spec)
    return {"party": party, "hash": digest, "jws": jws.sign(seed or seed_of(party), jws.Signed(digest, party, AT))}


def signed(policy: Mapping[str, Any], seeds: Mapping[str, bytes] | None = None, by: tuple[str, ...] | None = None) -> dict[str, Any]:
    """Return the manifest with the signatures of both parties, or of those in `by`; `seeds` gives keys other than those of `seed_of`."""
    provider = policy["metadata"]["namespace"].removeprefix("dept-")
    parties = tuple(dict.fromkeys((provider, policy["spec"]["consumer"]["department"]))) if by is None else by
    body = deepcopy(dict(policy))
    body["spec"]["signatures"] = [signature(policy, party, (seeds or {}).get(party)) for party in parties]
    return body
