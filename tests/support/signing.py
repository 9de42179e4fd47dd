"""Signed agreements for tests: every department has a key that follows from its name.

signed(policy)                          both parties have signed
signed(policy, by=("benefits",))        only that one
key_of("tax")                           what Department tax shows in status.keys
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from commonweal_api import ConsentPolicy
from commonweal_api import agreement_signatures as jws
from commonweal_api.data_product import DataProductSpec
from commonweal_api.jwk import Jwk
from commonweal_api.signatures import base64url
from commonweal_api.versions import meaning_for
from support.kube_api import manifests_in
from support.manifests import data_product

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "start-a-business"
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


def product_of(policy: Mapping[str, Any]) -> dict[str, Any]:
    """Return the product that an agreement of the example, or of `support.manifests`, is about."""
    wanted = (policy["metadata"]["namespace"], policy["spec"]["product"]["name"])
    example = manifests_in(EXAMPLE / "30-products.yaml")
    return next((p for p in example if (p["metadata"]["namespace"], p["metadata"]["name"]) == wanted), None) or data_product()


def with_nonce(policy: Mapping[str, Any]) -> dict[str, Any]:
    """Return the manifest with a nonce that follows from its place, unless it has one."""
    meta = policy["metadata"]
    return {**policy, "spec": {"nonce": nonce_of(f"{meta['namespace']}/{meta['name']}"), **policy["spec"]}}


def hash_of(policy: Mapping[str, Any], product: Mapping[str, Any] | None = None) -> str:
    """Return the hash of what stands in the manifest, in the form that it has."""
    meta = policy["metadata"]
    unsigned = {**policy, "spec": {k: v for k, v in policy["spec"].items() if k != "signatures"}}
    spec = ConsentPolicy.model_validate({k: unsigned[k] for k in ("apiVersion", "kind", "metadata", "spec")}).spec
    about = DataProductSpec.model_validate((product or product_of(policy))["spec"]) if spec.nonce else None
    meaning = meaning_for(about, spec, datetime.fromtimestamp(AT, UTC)) if about is not None else None
    return jws.agreement_hash(meta["namespace"].removeprefix("dept-"), meta["name"], spec, meaning)


def signature(
    policy: Mapping[str, Any], party: str, seed: bytes | None = None, hash_: str = "", product: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Return one entry of `spec.signatures`: the party's, over what stands in the manifest unless another hash is given."""
    digest = hash_ or hash_of(policy, product)
    return {"party": party, "hash": digest, "jws": jws.sign(seed or seed_of(party), jws.Signed(digest, party, AT))}


def revocation(policy: Mapping[str, Any], party: str, seed: bytes | None = None) -> dict[str, Any]:
    """Return one entry of `spec.revocations`: the party's, of the manifest's nonce."""
    nonce, digest = policy["spec"]["nonce"], hash_of(policy)
    made = jws.revoke(seed or seed_of(party), jws.Revoked(nonce, digest, party, AT))
    return {"party": party, "nonce": nonce, "hash": digest, "jws": made}


def signed(
    policy: Mapping[str, Any],
    seeds: Mapping[str, bytes] | None = None,
    by: tuple[str, ...] | None = None,
    *,
    product: Mapping[str, Any] | None = None,
    old: bool = False,
) -> dict[str, Any]:
    """Return the manifest with a nonce and the signatures of both parties, or of those in `by`; `seeds` gives keys other than those of `seed_of`.

    `old` signs in the form of earlier releases, without a nonce.
    """
    provider = policy["metadata"]["namespace"].removeprefix("dept-")
    parties = tuple(dict.fromkeys((provider, policy["spec"]["consumer"]["department"]))) if by is None else by
    body = deepcopy(dict(policy) if old else with_nonce(policy))
    body["spec"]["signatures"] = [signature(body, party, (seeds or {}).get(party), product=product) for party in parties]
    return body
