"""An identity provider of somebody else's making: OpenID Connect discovery and keys over HTTP, tokens signed by joserfc, nothing of ours in it."""

from __future__ import annotations

import json
import threading
import time
import warnings
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from joserfc import jwt
from joserfc.errors import SecurityWarning
from joserfc.jwk import ECKey, KeySet, OKPKey, RSAKey

MAKERS = {
    "RS256": lambda kid: RSAKey.generate_key(2048, {"kid": kid, "use": "sig", "alg": "RS256"}),
    "ES256": lambda kid: ECKey.generate_key("P-256", {"kid": kid, "use": "sig", "alg": "ES256"}),
    "EdDSA": lambda kid: OKPKey.generate_key("Ed25519", {"kid": kid, "use": "sig", "alg": "EdDSA"}),
}


class Provider:
    """The provider. `keys` by id are what it publishes; `named` is what its metadata call it, its own address unless a test lies."""

    def __init__(self, *algorithms: str) -> None:
        self.keys = {f"{a}-1": MAKERS[a](f"{a}-1") for a in algorithms or MAKERS}
        self.fetched: list[str] = []
        self.named: str | None = None
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                provider.fetched.append(self.path)
                documents = {"/.well-known/openid-configuration": provider.metadata, "/keys/current": provider.jwks}
                body = json.dumps(documents[self.path]()).encode() if self.path in documents else b"{}"
                self.send_response(200 if self.path in documents else 404)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

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
