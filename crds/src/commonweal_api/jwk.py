"""Public keys as JSON Web Keys (RFC 8037): Ed25519 and nothing else, so that no algorithm can be negotiated down."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field as P
from pydantic import StringConstraints

from commonweal_api.common import Strict

KeyId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{16}$", min_length=16, max_length=16)]


class Jwk(Strict):
    """One public Ed25519 key."""

    kty: Literal["OKP"] = P(default="OKP", description="Octet key pair.")
    crv: Literal["Ed25519"] = P(default="Ed25519", description="The curve.")
    x: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{43}$", min_length=43, max_length=43)] = P(
        description="The public key, base64url without padding."
    )
    kid: KeyId = P(description="First 16 hex digits of the SHA-256 of the raw public key.")
    alg: Literal["EdDSA"] = P(default="EdDSA", description="The algorithm.")
    use: Literal["sig"] = P(default="sig", description="For signatures only.")
    purpose: Literal["Agreement", "Witness"] = P(
        description="Agreement: signs agreements. Witness: signs receipts and seals. A member of our own; readers of the standard ignore it."
    )
