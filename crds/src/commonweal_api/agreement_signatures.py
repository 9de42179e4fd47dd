"""What two departments sign, and their signatures: one hash over provider, name, content and meaning of an agreement, in a compact JWS of each. Pure.

The bytes are canonical JSON with moments in UTC. What stands at its default is left out, so that a later version of the API with more optional fields
gives every agreement the hash that was signed. `mode`, `signatures` and `revocations` are no part of it.

`spec.nonce` tells the form. With one, the hash covers what each field means, and the nonce makes it the hash of this one agreement, ever. Without, it is
the form of earlier releases, which covers the words alone: no new signature is taken in it.

A signature's payload is exactly `{hash, party, iat}`, a revocation's `{revoked, hash, party, iat}` with the nonce as `revoked`. Types of their own keep a
receipt, a seal, a signature and a revocation, which are all JWS, from ever counting for one another.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC
from functools import lru_cache
from typing import Any, NamedTuple

from commonweal_api.consent_policy import ConsentPolicySpec
from commonweal_api.jwk import Jwk
from commonweal_api.meaning import Meaning
from commonweal_api.signatures import checked_public_key, digest, from_base64url, jws_body, jws_header, public_key, sign_jws

JWS_TYPE = "commonweal-agreement+jws"
REVOCATION_TYPE = "commonweal-revocation+jws"


class Signed(NamedTuple):
    """What a party has signed: the agreement's hash, its own name, and when (seconds since 1970, as the signer's clock said)."""

    hash: str
    party: str
    at: int


class Revoked(NamedTuple):
    """What a party has taken back for ever: the agreement's nonce, the hash that stood when it did, its own name, and when."""

    nonce: str
    hash: str
    party: str
    at: int


def agreement_content(provider: str, name: str, spec: ConsentPolicySpec, meaning: Meaning | None = None) -> dict[str, Any]:
    """Return what is signed, as plain data: provider department, name of the agreement, its spec without mode and signatures, and what its fields mean."""
    validity = {"from_": spec.validity.from_.astimezone(UTC), "until": spec.validity.until.astimezone(UTC)}
    in_utc = spec.model_copy(update={"validity": spec.validity.model_copy(update=validity)})
    content = in_utc.model_dump(mode="json", by_alias=True, exclude_defaults=True, exclude={"mode", "signatures", "revocations"})
    found = {"provider": provider, "name": name, "spec": content}
    return found if meaning is None else found | {"meaning": meaning.wire()}


def agreement_hash(provider: str, name: str, spec: ConsentPolicySpec, meaning: Meaning | None = None) -> str:
    """Return `sha256:` and the hex digest of what is signed. The meaning counts exactly when there is a nonce; ValueError when it is needed and not there."""
    if spec.nonce is None:
        return digest(agreement_content(provider, name, spec))
    if meaning is None:
        raise ValueError("what the fields mean is part of what is signed")
    return digest(agreement_content(provider, name, spec, meaning))


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


def revoke(seed: bytes, revoked: Revoked) -> str:
    """Return the compact JWS by which a party takes an agreement back."""
    return sign_jws(REVOCATION_TYPE, _revocation(revoked), seed)


@lru_cache(maxsize=16384)  # as a signature's: what is revoked is looked at in each pass for ever
def verify_revocation(jws: str, key: Jwk) -> Revoked | None:
    """Return what was revoked if the key made the statement, else None; no text whatever raises."""
    try:
        header, payload = jws_header(jws), jws_body(jws, from_base64url(key.x))
    except ValueError:
        return None
    if payload is None or (header.kid, header.typ) != (key.kid, REVOCATION_TYPE) or payload.keys() != {"revoked", "hash", "party", "iat"}:
        return None
    found = Revoked(payload["revoked"], payload["hash"], payload["party"], payload["iat"])
    return found if [type(part) for part in found] == [str, str, str, int] else None


def _revocation(revoked: Revoked) -> dict[str, Any]:
    return {"revoked": revoked.nonce, "hash": revoked.hash, "party": revoked.party, "iat": revoked.at}


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
