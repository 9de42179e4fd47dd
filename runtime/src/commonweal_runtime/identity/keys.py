"""The key that signs tokens: one that the operator made, or one of the platform team's. Either outlives the process."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from commonweal_api.signatures import base64url, canonical

_THUMB = {"RSA": ("e", "kty", "n"), "EC": ("crv", "kty", "x", "y"), "OKP": ("crv", "kty", "x")}
_Private = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | Ed25519PrivateKey


class SigningKey:
    """One private key, RS256, ES256 or EdDSA. Its id is the RFC 7638 thumbprint, so the same key has the same id after a restart."""

    def __init__(self, private: _Private) -> None:
        self._private = private
        if isinstance(private, rsa.RSAPrivateKey):
            self.algorithm, self._public = "RS256", jwt.algorithms.RSAAlgorithm.to_jwk(private.public_key(), as_dict=True)
        elif isinstance(private, Ed25519PrivateKey):
            self.algorithm, self._public = "EdDSA", jwt.algorithms.OKPAlgorithm.to_jwk(private.public_key(), as_dict=True)
        else:
            self.algorithm, self._public = "ES256", jwt.algorithms.ECAlgorithm.to_jwk(private.public_key(), as_dict=True)
        self.id = _thumbprint(self._public)

    @classmethod
    def of(cls, seed: bytes) -> SigningKey:
        """Return the Ed25519 key of a seed of 32 bytes."""
        return cls(Ed25519PrivateKey.from_private_bytes(seed))

    @classmethod
    def read(cls, file: Path) -> SigningKey:
        """Return the key in a PEM file; a ValueError says what is accepted."""
        private = load_pem_private_key(file.read_bytes(), password=None)
        if isinstance(private, Ed25519PrivateKey):
            return cls(private)
        if isinstance(private, ec.EllipticCurvePrivateKey) and isinstance(private.curve, ec.SECP256R1):
            return cls(private)
        if isinstance(private, rsa.RSAPrivateKey) and private.key_size >= 2048:
            return cls(private)
        raise ValueError(f"{file}: an RSA key of at least 2048 bits, an EC key on P-256 or an Ed25519 key is needed, as unencrypted PEM")

    def sign(self, claims: dict[str, Any], kind: str) -> str:
        """Return a signed JWT; `kind` is its `typ`."""
        return jwt.encode(claims, self._private, algorithm=self.algorithm, headers={"kid": self.id, "typ": kind})

    def claims(self, text: str, kind: str, audience: str | None) -> dict[str, Any] | None:
        """Return what this key signed as a text of that kind, and for that audience if one is named; None for any other text. Times are the caller's to check."""
        try:
            header = jwt.get_unverified_header(text)
            if header.get("typ") != kind or header.get("alg") != self.algorithm:
                return None
            options: Any = {"verify_exp": False, "verify_iat": False, "verify_nbf": False, "verify_aud": audience is not None}
            key = jwt.PyJWK(self._public | {"alg": self.algorithm})
            found: dict[str, Any] = jwt.decode(text, key, algorithms=[self.algorithm], audience=audience, options=options)
        except (jwt.PyJWTError, ValueError):
            return None
        return found

    def jwks(self) -> dict[str, Any]:
        """Return the public part, for the JWKS endpoint."""
        return {"keys": [self._public | {"kid": self.id, "use": "sig", "alg": self.algorithm}]}


def _thumbprint(jwk: dict[str, Any]) -> str:
    return base64url(hashlib.sha256(canonical({k: jwk[k] for k in _THUMB[jwk["kty"]]})).digest())
