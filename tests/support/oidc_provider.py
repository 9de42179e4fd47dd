"""An OpenID provider of somebody else's making, over real HTTP on loopback: Authlib's server, with PKCE, and keys and metadata of its own."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

from authlib.oauth2.rfc6749 import AuthorizationServer, ClientMixin, OAuth2Error, OAuth2Request
from authlib.oauth2.rfc6749.grants import AuthorizationCodeGrant
from authlib.oauth2.rfc6749.requests import BasicOAuth2Payload
from authlib.oauth2.rfc6750 import BearerTokenGenerator
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oidc.core import AuthorizationCodeMixin
from authlib.oidc.core.grants import OpenIDCode
from joserfc.jwk import ECKey, KeySet

CLIENT, SECRET = "commonweal-issuer", "a secret: with / and +"
Claims = Callable[[dict[str, Any]], dict[str, Any]]


@dataclass
class User:
    """Who is signed in at the provider, and how."""

    sub: str = "u-1"
    name: str = "Amina Khan"
    acr: str | None = "loa2"
    amr: list[str] | None = field(default_factory=lambda: ["pwd", "otp"])
    auth_time: int | None = None


class _Client(ClientMixin):  # type: ignore[misc]
    def __init__(self, redirect_uri: str, is_public: bool) -> None:
        self.redirect_uri, self.is_public = redirect_uri, is_public
        self.id_token_signed_response_alg = "ES256"

    def get_client_id(self) -> str:
        return CLIENT

    def get_default_redirect_uri(self) -> str:
        return self.redirect_uri

    def get_allowed_scope(self, scope: str) -> str:
        return " ".join(s for s in scope.split() if s in ("openid", "profile"))

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        return redirect_uri == self.redirect_uri

    def check_client_secret(self, client_secret: str) -> bool:
        return client_secret == SECRET

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        return method == ("none" if self.is_public else "client_secret_basic")

    def check_response_type(self, response_type: str) -> bool:
        return response_type == "code"

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type == "authorization_code"


@dataclass
class _Code(AuthorizationCodeMixin):  # type: ignore[misc]
    redirect_uri: str
    scope: str
    nonce: str
    user: User
    code_challenge: str
    code_challenge_method: str

    def get_redirect_uri(self) -> str:
        return self.redirect_uri

    def get_scope(self) -> str:
        return self.scope

    def get_nonce(self) -> str:
        return self.nonce

    def get_auth_time(self) -> int | None:
        return self.user.auth_time

    def get_acr(self) -> str | None:
        return self.user.acr

    def get_amr(self) -> list[str] | None:
        return self.user.amr


class _Request(OAuth2Request):  # type: ignore[misc]
    def __init__(self, method: str, path: str, values: dict[str, str], headers: Mapping[str, str]) -> None:
        super().__init__(method, f"https://provider{path}", headers=dict(headers))
        self.payload = BasicOAuth2Payload(values)
        self._values = values

    @property
    def args(self) -> dict[str, str]:
        return self._values

    @property
    def form(self) -> dict[str, str]:
        return self._values


class _CodeGrant(AuthorizationCodeGrant):  # type: ignore[misc]
    TOKEN_ENDPOINT_AUTH_METHODS = ("none", "client_secret_basic")

    def save_authorization_code(self, code: str, request: Any) -> None:
        data = request.payload.data
        self.server.provider.codes[code] = _Code(
            data["redirect_uri"], data["scope"], data["nonce"], request.user, data["code_challenge"], data["code_challenge_method"]
        )

    def query_authorization_code(self, code: str, client: Any) -> _Code | None:
        found: _Code | None = self.server.provider.codes.get(code)
        return found

    def delete_authorization_code(self, authorization_code: _Code) -> None:
        codes = self.server.provider.codes
        self.server.provider.codes = {code: kept for code, kept in codes.items() if kept is not authorization_code}

    def authenticate_user(self, authorization_code: _Code) -> User:
        return authorization_code.user


class _IdToken(OpenIDCode):  # type: ignore[misc]
    def __init__(self, provider: OidcProvider) -> None:
        super().__init__(require_nonce=True)
        self._provider = provider

    def exists_nonce(self, nonce: str, request: Any) -> bool:
        return any(code.nonce == nonce for code in self._provider.codes.values())

    def resolve_client_private_key(self, client: Any) -> Any:
        return self._provider.signing

    def get_encode_header(self, client: Any) -> dict[str, Any]:
        return {"alg": "ES256", "kid": self._provider.kid}

    def get_client_claims(self, client: Any) -> dict[str, Any]:
        return {"iss": self._provider.url, "aud": CLIENT}

    def generate_user_info(self, user: User, scope: str) -> dict[str, Any]:
        info: dict[str, Any] = {"sub": user.sub, **({"name": user.name} if "profile" in scope.split() else {})}
        return info | self._provider.more


class _Server(AuthorizationServer):  # type: ignore[misc]
    def __init__(self, provider: OidcProvider) -> None:
        super().__init__(["openid", "profile"])
        self.provider = provider
        self.register_token_generator("default", BearerTokenGenerator(lambda **_: f"token-{time.monotonic_ns()}"))
        self.register_grant(_CodeGrant, [CodeChallenge(required=True), _IdToken(provider)])

    def query_client(self, client_id: str) -> _Client | None:
        return self.provider.client if client_id == CLIENT else None

    def save_token(self, token: Any, request: Any) -> None:
        return

    def send_signal(self, name: str, *args: Any, **kwargs: Any) -> None:
        return

    def create_oauth2_request(self, request: _Request) -> _Request:
        return request

    def handle_response(self, status: int, body: Any, headers: Any) -> tuple[int, Any, dict[str, str]]:
        return status, body, dict(headers)


class OidcProvider:
    """The provider while the block runs. `user` is who is signed in there, None who refuses; `more` are claims that its ID tokens carry besides or instead."""

    def __init__(self, redirect_uri: str, *, is_public: bool = False) -> None:
        self.client = _Client(redirect_uri, is_public)
        self.user: User | None = User()
        self.more: dict[str, Any] = {}
        self.metadata_more: dict[str, Any] = {}
        self.codes: dict[str, _Code] = {}
        self.asked: list[dict[str, str]] = []
        self.signing, self.kid = ECKey.generate_key("P-256", {"kid": "k-1", "use": "sig", "alg": "ES256"}), "k-1"
        self.published = [self.signing]
        self.fails = False
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._http.server_port}"
        self._server = _Server(self)
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()

    def answer(self, method: str, address: str, headers: Mapping[str, str], body: str) -> tuple[int, Any, dict[str, str]]:
        """Return status, body and headers."""
        path, values = urlsplit(address).path, dict(parse_qsl(urlsplit(address).query if method == "GET" else body))
        if self.fails:
            return 503, {}, {}
        if path == "/.well-known/openid-configuration":
            return 200, self.metadata(), {}
        if path == "/keys":
            return 200, KeySet(self.published).as_dict(private=False), {}
        request = _Request(method, address, values, headers)
        if path == "/token":
            return tuple(self._server.create_token_response(request))  # type: ignore[return-value]
        self.asked.append(values)
        return self._authorized(request)

    def metadata(self) -> dict[str, Any]:
        """Return what stands under /.well-known/openid-configuration."""
        known = {"authorization_endpoint": f"{self.url}/authorize", "token_endpoint": f"{self.url}/token", "jwks_uri": f"{self.url}/keys"}
        return {"issuer": self.url, **known, "response_types_supported": ["code"]} | self.metadata_more

    def _authorized(self, request: _Request) -> tuple[int, Any, dict[str, str]]:
        try:
            grant = self._server.get_consent_grant(request, self.user)
        except OAuth2Error as error:
            return tuple(self._server.handle_error_response(request, error))  # type: ignore[return-value]
        return tuple(self._server.create_authorization_response(request, self.user, grant=grant))  # type: ignore[return-value]

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._say(provider.answer("GET", self.path, self.headers, ""))

            def do_POST(self) -> None:
                text = self.rfile.read(int(self.headers["Content-Length"])).decode()
                self._say(provider.answer("POST", self.path, self.headers, text))

            def _say(self, said: tuple[int, Any, dict[str, str]]) -> None:
                status, body, headers = said
                raw = (body if isinstance(body, str) else json.dumps(body)).encode()
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(raw))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(raw)

            def log_message(self, *_: object) -> None:
                return

        return Handler
