"""How two departments come to terms: signatures over one hash, the states of the Dataspace Protocol, and what a dry run would change."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import Field, StringConstraints

from commonweal_api.common import FieldName, Name, Strict

Digest = Annotated[str, StringConstraints(pattern=r"^sha256:[0-9a-f]{64}$", min_length=71, max_length=71)]
Jws = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$", min_length=20, max_length=1024)]


# 128 random bits as base64url: nobody writes the same twice.
Nonce = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{22}$", min_length=22, max_length=22)]


class Signature(Strict):
    """One party's signature. Made by `commonweal agreement sign`."""

    party: Name = Field(description="The department that signs: the provider (whose namespace it is) or the consumer.")
    hash: Digest = Field(description="Hash of the agreement that was signed; status.hash says the present one.")
    jws: Jws = Field(description="Compact JWS (EdDSA) over hash and party, by the department's signing key.")


class Revocation(Strict):
    """One party's word that the agreement is over. Made by `commonweal agreement revoke`; the other party cannot undo it."""

    party: Name = Field(description="The department that revokes: the provider or the consumer.")
    nonce: Nonce = Field(description="spec.nonce of the agreement that is over; it never opens again.")
    hash: Digest = Field(description="Hash of the agreement as it stood when it was revoked.")
    jws: Jws = Field(description="Compact JWS (EdDSA) over nonce, hash and party, by the department's signing key.")


class Negotiation(StrEnum):
    """States of a contract negotiation, as the Dataspace Protocol 2025-1 names them. Data opens in Finalized only."""

    OFFERED = "Offered"
    ACCEPTED = "Accepted"
    AGREED = "Agreed"
    FINALIZED = "Finalized"
    TERMINATED = "Terminated"


class WhatIf(Strict):
    """What a DryRun agreement would open or close against what is enforced now: people counted, fields named."""

    subjects_gained: int = Field(strict=True, ge=0, description="People whose record would become readable.")
    subjects_lost: int = Field(strict=True, ge=0, description="People whose record would no longer be readable.")
    fields_gained: list[FieldName] = Field(default_factory=list, max_length=100, description="Fields that would become readable.")
    fields_lost: list[FieldName] = Field(default_factory=list, max_length=100, description="Fields that would no longer be readable.")
    as_of: datetime = Field(description="When it was counted.")
