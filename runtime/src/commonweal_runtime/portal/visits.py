"""What a person's browser keeps of a visit: one cookie, encrypted, so that the portal keeps nothing and either replica answers.

The cookie holds who is signed in as a token that the issuer honours only while its session lives; it holds no token for a department.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Callable
from typing import Literal

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from pydantic import BaseModel, ConfigDict, Field, ValidationError

IDLE_SECONDS, ABSOLUTE_SECONDS = 15 * 60, 8 * 3600
SIGNING_SECONDS = 30 * 60
RENEW_SECONDS = 30  # a cookie younger than that is not written again
LONGEST = 4000  # browsers take 4096 bytes with name and attributes
Language = Literal["en", "cy"]


class _Kept(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Session(_Kept):
    """A person who is signed in. `token` is for the issuer alone; `sid` is what the issuer calls the session before us."""

    token: str
    id_token: str
    sid: str
    name: str
    started: int
    seen: int

    def lives(self, now: float) -> bool:
        """Whether the session is neither idle for too long nor too old."""
        return now - self.seen <= IDLE_SECONDS and now - self.started <= ABSOLUTE_SECONDS

    @property
    def holder(self) -> str:
        """A name for the session in memory, from which the token does not follow."""
        return hashlib.sha256(self.token.encode()).hexdigest()


class Signing(_Kept):
    """A sign-in under way: what the issuer's answer has to fit."""

    state: str
    nonce: str
    verifier: str
    onward: str
    begun: int


class Acting(_Kept):
    """For which person, as one department knows them, somebody acts there."""

    department: str
    subject: str
    label: str = ""


class Visit(_Kept):
    """All of a cookie. `secret` is what tokens of forms are made from."""

    language: Language = "en"
    chosen: bool = False
    secret: str = Field(default_factory=lambda: secrets.token_urlsafe(24))
    session: Session | None = None
    signing: Signing | None = None
    acting: Acting | None = None

    def signed_out(self) -> Visit:
        """Return the visit without anybody signed in; with another secret, so that forms from before are refused."""
        return Visit(language=self.language, chosen=self.chosen)

    def at(self, now: float) -> Visit:
        """Return the visit as it is now: without a session or a sign-in whose time is over."""
        if self.session is not None and not self.session.lives(now):
            return self.signed_out()
        if self.signing is not None and now - self.signing.begun > SIGNING_SECONDS:
            return self.model_copy(update={"signing": None})
        return self

    def seen(self, now: float) -> Visit:
        """Return the visit with the session seen now; the same one while that was a moment ago."""
        if self.session is None or now - self.session.seen < RENEW_SECONDS:
            return self
        return self.model_copy(update={"session": self.session.model_copy(update={"seen": int(now)})})


class Cookies:
    """Seals visits into cookies and opens them. What is not ours, changed or too old is a new visit."""

    def __init__(self, key: bytes, clock: Callable[[], float], *, secure: bool) -> None:
        self._fernet = Fernet(base64.urlsafe_b64encode(_derived(key, "cookie")))
        self._forms = _derived(key, "forms")
        self._clock, self._secure = clock, secure
        self.name = "__Host-commonweal-portal" if secure else "commonweal-portal"

    def now(self) -> float:
        """Return the time by which sessions end."""
        return self._clock()

    def seal(self, visit: Visit) -> str:
        """Return the value of the cookie; ValueError for a visit that no browser would keep."""
        sealed = self._fernet.encrypt_at_time(visit.model_dump_json(exclude_none=True).encode(), int(self._clock())).decode()
        if len(sealed) > LONGEST:
            raise ValueError("The session does not fit into a cookie: the issuer's tokens are too long.")
        return sealed

    def open(self, value: str | None) -> Visit:
        """Return the visit of a cookie as it is now."""
        now = self._clock()
        try:
            text = self._fernet.decrypt_at_time((value or "").encode(), ABSOLUTE_SECONDS, int(now))
            return Visit.model_validate_json(text).at(now)
        except (InvalidToken, ValidationError, ValueError):
            return Visit()

    def header(self, visit: Visit) -> str:
        """Return the header's value that has a browser keep the visit until it is closed. No script reads it."""
        return f"{self.name}={self.seal(visit)}; Path=/; HttpOnly; SameSite=Lax{'; Secure' if self._secure else ''}"

    def wrap(self, visit: Visit, text: str) -> str:
        """Return a text as a page may carry it to its next form: readable by nobody else, and taken from this person alone, for a while."""
        bound = visit.session.holder if visit.session else visit.secret
        return self._fernet.encrypt_at_time(f"{bound} {text}".encode(), int(self._clock())).decode()

    def unwrap(self, visit: Visit, wrapped: str) -> str | None:
        """Return the text that a form brings back, or None for what is not ours, another person's or too old."""
        try:
            text = self._fernet.decrypt_at_time(wrapped.encode(), IDLE_SECONDS, int(self._clock())).decode()
        except InvalidToken:
            return None
        bound, _, kept = text.partition(" ")
        return kept if bound == (visit.session.holder if visit.session else visit.secret) else None

    def form_token(self, visit: Visit) -> str:
        """Return what each form of this visit carries."""
        return hmac.new(self._forms, visit.secret.encode(), hashlib.sha256).hexdigest()

    def is_form_token(self, visit: Visit, token: str) -> bool:
        """Whether a form carries this visit's token; compared in constant time."""
        return hmac.compare_digest(self.form_token(visit).encode(), token.encode())


def _derived(key: bytes, purpose: str) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=f"portal {purpose} v1".encode()).derive(key)
