"""How two sites of one department know each other: by a key that both derive from the department's sector key, which no one else holds.

A question is a short-lived token that names who asks whom, from which entry on, and a nonce. The answer is encrypted under a key of its own and
bound to all of that: an answer that was recorded earlier, or meant for another site, does not open. A question that is asked again by somebody else
yields an answer that they cannot read, and changes nothing.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import jwt
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from commonweal_runtime.exceptions import UnsealError

INFO = b"commonweal consent feed"
TOKEN_SECONDS = 60
LEEWAY_SECONDS = 30
LONGEST_TOKEN = 2048
_ALGORITHM = "HS256"
_SALT, _NONCE = 32, 12


@dataclass(frozen=True, slots=True)
class Question:
    """Site `asker` wants site `asked` to tell what follows entry `after` of its list of `epoch`; `seen` is the stamp of that entry."""

    asker: str
    asked: str
    epoch: str
    after: int
    seen: str
    nonce: str = field(default_factory=lambda: secrets.token_hex(16))

    def bound(self, department: str) -> bytes:
        """Return what an answer is bound to."""
        return json.dumps([department, self.asker, self.asked, self.epoch, self.after, self.seen, self.nonce]).encode()


class FeedKey:
    """The key of one department's feed. `now` gives seconds since 1970."""

    def __init__(self, sector_key: bytes, department: str, now: Callable[[], float] = time.time) -> None:
        self._token_key, self._answer_key = _derived(sector_key, b"", INFO + b" token"), _derived(sector_key, b"", INFO)
        self._department, self._now = department, now
        self._audience = f"{INFO.decode()} {department}"

    def token(self, question: Question) -> str:
        """Return the bearer token that asks `question`; it ends after `TOKEN_SECONDS`."""
        claims = {
            "iss": question.asker,
            "sub": question.asked,
            "aud": self._audience,
            "exp": int(self._now()) + TOKEN_SECONDS,
            "jti": question.nonce,
            "epoch": question.epoch,
            "after": question.after,
            "seen": question.seen,
        }
        return jwt.encode(claims, self._token_key, algorithm=_ALGORITHM)

    def question(self, token: str) -> Question:
        """Return what a token asks; raise UnsealError unless a site of this department made it within its time."""
        if len(token) > LONGEST_TOKEN:
            raise UnsealError("the token is too long")
        needed = ["iss", "sub", "aud", "exp", "jti", "epoch", "after", "seen"]
        try:
            # the time is judged here, by the clock that was given
            options: jwt.types.Options = {"require": needed, "verify_exp": False}
            claims = jwt.decode(token, self._token_key, algorithms=[_ALGORITHM], audience=self._audience, options=options)
            question = Question(
                claims["iss"], claims["sub"], str(claims["epoch"]), int(claims["after"]), str(claims["seen"]), claims["jti"]
            )
            late = self._now() - float(claims["exp"])
        except (jwt.PyJWTError, TypeError, ValueError) as error:
            raise UnsealError(f"the token is not one of this department's feed: {type(error).__name__}") from None
        if not -TOKEN_SECONDS - LEEWAY_SECONDS <= late <= LEEWAY_SECONDS:
            raise UnsealError("the token's time is over, or the two sites' clocks are apart")
        return question

    def seal(self, question: Question, page: bytes) -> bytes:
        """Return `page` so that only who asked `question` can read it."""
        salt, nonce = secrets.token_bytes(_SALT), secrets.token_bytes(_NONCE)
        return salt + nonce + self._cipher(salt).encrypt(nonce, page, question.bound(self._department))

    def unseal(self, question: Question, answer: bytes) -> bytes:
        """Return the page in an answer to `question`; raise UnsealError for anything else."""
        salt, nonce, sealed = answer[:_SALT], answer[_SALT : _SALT + _NONCE], answer[_SALT + _NONCE :]
        try:
            return self._cipher(salt).decrypt(nonce, sealed, question.bound(self._department))
        except (InvalidTag, ValueError):
            raise UnsealError("the answer was not made by a site of this department for this question") from None

    def _cipher(self, salt: bytes) -> AESGCM:
        # a key for each answer: a random nonce under one key for ever would one day come twice
        return AESGCM(_derived(self._answer_key, salt, INFO + b" answer"))


def _derived(key: bytes, salt: bytes, info: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=salt or None, info=info).derive(key)
