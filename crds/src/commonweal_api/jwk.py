"""Public keys as JSON Web Keys (RFC 8037): Ed25519 and nothing else, so that no algorithm can be negotiated down."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, StringConstraints

from commonweal_api.common import Strict
from commonweal_api.signatures import jwk_of

PurposeOfKey = Literal["Agreement", "Seal"]
# What the purpose `Seal` was called before the first release. Key sets that auditors have kept, and the status of running departments, hold the word.
STORED_PURPOSES = {"Witness": "Seal"}
KeyId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{16}$", min_length=16, max_length=16)]


def purpose_of(word: Any) -> Any:
    """Return the purpose of a key in today's word."""
    return STORED_PURPOSES.get(word, word) if isinstance(word, str) else word


class Jwk(Strict):
    """One public Ed25519 key."""

    kty: Literal["OKP"] = Field(default="OKP", description="Octet key pair.")
    crv: Literal["Ed25519"] = Field(default="Ed25519", description="The curve.")
    x: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{43}$", min_length=43, max_length=43)] = Field(
        description="The public key, base64url without padding."
    )
    kid: KeyId = Field(description="First 16 hex digits of the SHA-256 of the raw public key.")
    alg: Literal["EdDSA"] = Field(default="EdDSA", description="The algorithm.")
    use: Literal["sig"] = Field(default="sig", description="For signatures only.")
    purpose: Annotated[PurposeOfKey, BeforeValidator(purpose_of)] = Field(
        description="Agreement: signs agreements. Seal: signs receipts and seals. A member of our own; readers of the standard ignore it."
    )

    @classmethod
    def of(cls, public: bytes, purpose: PurposeOfKey) -> Jwk:
        """Return the JWK of a raw public key."""
        return cls.model_validate({**jwk_of(public), "purpose": purpose})
