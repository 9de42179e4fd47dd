"""The issuer put together: settings, what a sign-in needs, routes, and how what goes wrong is answered."""

from __future__ import annotations

import time
from functools import partial

from litestar import Litestar

from commonweal_runtime import serving
from commonweal_runtime.exceptions import AuthorizationError, SignInShownError
from commonweal_runtime.identity import responses
from commonweal_runtime.identity.accounts import Accounts
from commonweal_runtime.identity.clients import read_clients
from commonweal_runtime.identity.issue import Issuer
from commonweal_runtime.identity.keys import SigningKey
from commonweal_runtime.identity.routes import sign_in_routes
from commonweal_runtime.identity.service import SignInContext
from commonweal_runtime.identity.settings import Settings
from commonweal_runtime.identity.subjects import Subjects
from commonweal_runtime.serving import Application, Failures, Front

LONGEST_BODY = 32 * 1024
FAILURES = Failures(
    service="sign-in",
    see="/.well-known/openid-configuration",
    too_large=partial(serving.too_large, LONGEST_BODY),
    own={SignInShownError: responses.shown, AuthorizationError: responses.refused},
    form=responses.of_problem,
)


def create() -> Application:
    """Return the application that the environment describes."""
    serving.start_log()
    return Front(application(context_of(Settings.from_environment())))


def context_of(settings: Settings) -> SignInContext:
    """Return what a sign-in needs, with nothing under way."""
    key = SigningKey.read(settings.signing_key) if settings.signing_key else SigningKey.of(settings.seed)
    issuer = Issuer(settings.issuer, key, Subjects(settings.subjects), time.time)
    return SignInContext.of(issuer, Accounts(settings.people), read_clients(settings.clients), settings.seal, time.time)


def application(context: SignInContext) -> Litestar:
    """Return the application around a context."""
    return serving.assemble(sign_in_routes(context), FAILURES, largest=LONGEST_BODY)
