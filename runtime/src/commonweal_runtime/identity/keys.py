"""The key that signs tokens: a mounted one, or one made at the start."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key

_RSA_BITS = 2048
_THUMB = {"RSA": ("e", "kty", "n"), "EC": ("crv", "kty", "x", "y")}


class SigningKey:
    """One private key, RS256 or ES256. Its id is the RFC 7638 thumbprint, so the same key has the same id after a restart."""

    def __init__(self, private: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> None:
        self._private = private
        if isinstance(private, rsa.RSAPrivateKey):
            self.algorithm, self._public = "RS256", jwt.algorithms.RSAAlgorithm.to_jwk(private.public_key(), as_dict=True)
        else:
            self.algorithm, self._public = "ES256", jwt.algorithms.ECAlgorithm.to_jwk(private.public_key(), as_dict=True)
        self.id = _thumbprint(self._public)

    @classmethod
    def read(cls, file: Path | None) -> SigningKey:
        """Return the key in a PEM file, or a new RSA key: RS256 is what OpenID Connect has every client understand."""
        if file is None:
            return cls(rsa.generate_private_key(public_exponent=65537, key_size=_RSA_BITS))
        private = load_pem_private_key(file.read_bytes(), password=None)
        if isinstance(private, ec.EllipticCurvePrivateKey) and isinstance(private.curve, ec.SECP256R1):
            return cls(private)
        if isinstance(private, rsa.RSAPrivateKey) and private.key_size >= 2048:
            return cls(private)
        raise ValueError(f"{file}: an RSA key of at least 2048 bits or an EC key on P-256 is needed, as unencrypted PEM")

    def sign(self, claims: dict[str, Any], kind: str) -> str:
        """Return a signed JWT; `kind` is its `typ`."""
        return jwt.encode(claims, self._private, algorithm=self.algorithm, headers={"kid": self.id, "typ": kind})

    def jwks(self) -> dict[str, Any]:
        """Return the public part, for the JWKS endpoint."""
        return {"keys": [self._public | {"kid": self.id, "use": "sig", "alg": self.algorithm}]}


def _thumbprint(jwk: dict[str, Any]) -> str:
    text = json.dumps({k: jwk[k] for k in _THUMB[jwk["kty"]]}, sort_keys=True, separators=(",", ":"))
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
