"""What two departments sign: one hash over provider, name and content of an agreement. Pure; keys and signatures are others' business.

The bytes are canonical: JSON with sorted keys, no spaces, UTF-8, moments in UTC. What stands at its default is left out, so that a later version of the
API with more optional fields gives every agreement the hash that was signed. `mode` and `signatures` are no part of it.
"""

from __future__ import annotations

import hashlib
import json
from datetime import UTC
from typing import Any

from commonweal_api.consent_policy import ConsentPolicySpec

JWS_TYPE = "commonweal-agreement+jws"


def canonical(value: Any) -> bytes:
    """Return the canonical JSON of plain data."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def agreement_content(provider: str, name: str, spec: ConsentPolicySpec) -> dict[str, Any]:
    """Return what is signed, as plain data: provider department, name of the agreement, and its spec without mode and signatures."""
    validity = {"from_": spec.validity.from_.astimezone(UTC), "until": spec.validity.until.astimezone(UTC)}
    in_utc = spec.model_copy(update={"validity": spec.validity.model_copy(update=validity)})
    content = in_utc.model_dump(mode="json", by_alias=True, exclude_defaults=True, exclude={"mode", "signatures"})
    return {"provider": provider, "name": name, "spec": content}


def agreement_hash(provider: str, name: str, spec: ConsentPolicySpec) -> str:
    """Return `sha256:` and the hex digest of what is signed."""
    return "sha256:" + hashlib.sha256(canonical(agreement_content(provider, name, spec))).hexdigest()


def jws_payload(hash_: str, party: str, issued_at: int) -> dict[str, Any]:
    """Return the payload of a party's signature; `issued_at` in seconds since 1970."""
    return {"hash": hash_, "party": party, "iat": issued_at}
