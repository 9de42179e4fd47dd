"""What two departments sign, and their signatures: one hash over provider, name and content of an agreement, in a compact JWS of each. Pure.

The bytes are canonical JSON with moments in UTC. What stands at its default is left out, so that a later version of the API with more optional fields
gives every agreement the hash that was signed. `mode` and `signatures` are no part of it.

A signature's payload is exactly `{hash, party, iat}`. Its type keeps a receipt or a seal, which are JWS too, from ever counting as a signature under an
agreement.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC
from functools import lru_cache
from typing import Any, NamedTuple

from commonweal_api.consent_policy import ConsentPolicySpec
from commonweal_api.jwk import Jwk
from commonweal_api.signatures import checked_public_key, digest, from_base64url, jws_body, jws_header, public_key, sign_jws

JWS_TYPE = "commonweal-agreement+jws"


class Signed(NamedTuple):
    """What a party has signed: the agreement's hash, its own name, and when (seconds since 1970, as the signer's clock said)."""

    hash: str
    party: str
    at: int


def agreement_content(provider: str, name: str, spec: ConsentPolicySpec) -> dict[str, Any]:
    """Return what is signed, as plain data: provider department, name of the agreement, and its spec without mode and signatures."""
    validity = {"from_": spec.validity.from_.astimezone(UTC), "until": spec.validity.until.astimezone(UTC)}
    in_utc = spec.model_copy(update={"validity": spec.validity.model_copy(update=validity)})
    content = in_utc.model_dump(mode="json", by_alias=True, exclude_defaults=True, exclude={"mode", "signatures"})
    return {"provider": provider, "name": name, "spec": content}


def agreement_hash(provider: str, name: str, spec: ConsentPolicySpec) -> str:
    """Return `sha256:` and the hex digest of what is signed."""
    return digest(agreement_content(provider, name, spec))


def jws_payload(hash_: str, party: str, issued_at: int) -> dict[str, Any]:
    """Return the payload of a party's signature; `issued_at` in seconds since 1970."""
    return {"hash": hash_, "party": party, "iat": issued_at}


def agreement_key(seed: bytes) -> Jwk:
    """Return the public half of a signing key; ValueError unless the seed has 32 bytes."""
    return Jwk.of(public_key(seed), "Agreement")


def read_agreement_key(x: str) -> Jwk:
    """Return the JWK of a public key as base64url; ValueError when it is not valid."""
    return Jwk.of(checked_public_key(from_base64url(x)), "Agreement")


def sign(seed: bytes, signed: Signed) -> str:
    """Return the compact JWS; the same seed and content give the same text."""
    return sign_jws(JWS_TYPE, jws_payload(*signed), seed)


def verify(jws: str, keys: Sequence[Jwk]) -> Signed | None:
    """Return what was signed if one of the keys made the signature, else None; no text whatever raises."""
    kid = kid_of(jws)
    return next((found for key in keys if key.kid == kid and (found := _verified(jws, key.x)) is not None), None)


@lru_cache(maxsize=16384)
def kid_of(jws: str) -> str | None:
    """Return the id of the key that the text says it was signed with, or None when it is no signature under an agreement."""
    try:
        header = jws_header(jws)
    except ValueError:
        return None
    return header.kid if header.typ == JWS_TYPE else None


@lru_cache(maxsize=16384)
def _verified(jws: str, x: str) -> Signed | None:
    """Return what was signed. Kept, since a department is looked at far more often than its agreements are signed."""
    try:
        payload = jws_body(jws, from_base64url(x))
    except ValueError:
        return None
    if payload is None or payload.keys() != {"hash", "party", "iat"}:
        return None
    found = Signed(payload["hash"], payload["party"], payload["iat"])
    return found if [type(part) for part in found] == [str, str, int] else None
