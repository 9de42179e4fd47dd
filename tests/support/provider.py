"""An identity provider of somebody else's making: OpenID Connect discovery and keys over HTTP, tokens signed by joserfc, nothing of ours in it."""

from __future__ import annotations

import json
import time
import warnings
from collections.abc import Mapping
from typing import Any

from joserfc import jwt
from joserfc.errors import SecurityWarning
from joserfc.jwk import ECKey, KeySet, OKPKey, RSAKey

from support.loopback import Loopback

MAKERS = {
    "RS256": lambda kid: RSAKey.generate_key(2048, {"kid": kid, "use": "sig", "alg": "RS256"}),
    "ES256": lambda kid: ECKey.generate_key("P-256", {"kid": kid, "use": "sig", "alg": "ES256"}),
    "EdDSA": lambda kid: OKPKey.generate_key("Ed25519", {"kid": kid, "use": "sig", "alg": "EdDSA"}),
}


class Provider(Loopback):
    """The provider. `keys` by id are what it publishes; `named` is what its metadata call it, its own address unless a test lies."""

    def __init__(self, *algorithms: str) -> None:
        self.keys = {f"{a}-1": MAKERS[a](f"{a}-1") for a in algorithms or MAKERS}
        self.fetched: list[str] = []
        self.named: str | None = None
        super().__init__(self._told)

    def _told(self, path: str, _: Mapping[str, str]) -> tuple[int, bytes]:
        self.fetched.append(path)
        documents = {"/.well-known/openid-configuration": self.metadata, "/keys/current": self.jwks}
        return (200, json.dumps(documents[path]()).encode()) if path in documents else (404, b"{}")

    def metadata(self) -> dict[str, Any]:
        """Return what stands under /.well-known/openid-configuration."""
        return {"issuer": self.named or self.url, "jwks_uri": f"{self.url}/keys/current", "response_types_supported": ["code"]}

    def jwks(self) -> dict[str, Any]:
        """Return the published keys."""
        return dict(KeySet(list(self.keys.values())).as_dict(private=False))

    def rotate(self, algorithm: str) -> str:
        """Withdraw the keys of an algorithm and publish a new one; return its id."""
        kid = f"{algorithm}-{len(self.fetched)}-new"
        self.keys = {k: v for k, v in self.keys.items() if not k.startswith(algorithm)} | {kid: MAKERS[algorithm](kid)}
        return kid

    def token(self, kid: str = "RS256-1", *, header: dict[str, Any] | None = None, now: float | None = None, **claims: Any) -> str:
        """Return a token; a claim given as None is left out."""
        now = time.time() if now is None else now
        body = {"iss": self.url, "aud": "the-portal", "sub": "u-1", "iat": int(now), "exp": int(now) + 600, **claims}
        algorithm = kid.partition("-")[0]
        with warnings.catch_warnings():  # RFC 9864 would have EdDSA called Ed25519; providers say EdDSA
            warnings.simplefilter("ignore", SecurityWarning)
            return self._signed(algorithm, kid, header, body)

    def _signed(self, algorithm: str, kid: str, header: dict[str, Any] | None, body: dict[str, Any]) -> str:
        text: str = jwt.encode(
            {"alg": algorithm, "kid": kid, "typ": "JWT", **(header or {})},
            {k: v for k, v in body.items() if v is not None},
            self.keys[kid],
            algorithms=[algorithm],
        )
        return text
