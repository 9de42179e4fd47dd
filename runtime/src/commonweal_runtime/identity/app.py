"""The issuer put together: settings, parts, routes, and how what goes wrong is answered."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from litestar import Litestar

from commonweal_runtime import serving
from commonweal_runtime.exceptions import AuthorizationError, IdentityStoreError, ProviderError, SignInShownError
from commonweal_runtime.identity import responses
from commonweal_runtime.identity.accounts import Accounts
from commonweal_runtime.identity.clients import read_clients
from commonweal_runtime.identity.directory import Directory
from commonweal_runtime.identity.keys import SigningKey
from commonweal_runtime.identity.parts import Given, Parts
from commonweal_runtime.identity.person_routes import person_routes
from commonweal_runtime.identity.postgres import PostgresStore
from commonweal_runtime.identity.routes import sign_in_routes
from commonweal_runtime.identity.settings import Settings
from commonweal_runtime.identity.subjects import Subjects
from commonweal_runtime.serving import Application, Failures, Front, Running

LONGEST_BODY = 32 * 1024
FAILURES = Failures(
    service="sign-in",
    see="/.well-known/openid-configuration",
    too_large=partial(serving.too_large, LONGEST_BODY),
    own={
        SignInShownError: responses.shown,
        AuthorizationError: responses.refused,
        IdentityStoreError: responses.away,
        ProviderError: responses.provider_failed,
    },
    form=responses.of_problem,
)


def create() -> Application:
    """Return the application that the environment describes."""
    serving.start_log()
    settings = Settings.from_environment()
    store = PostgresStore(settings.store, settings.password)
    return Front(application(Parts.of(given(settings, store)), store.running))


def given(settings: Settings, store: PostgresStore) -> Given:
    """Return what the issuer is made of."""
    return Given(
        url=settings.issuer,
        key=SigningKey.read(settings.signing_key) if settings.signing_key else SigningKey.of(settings.seed),
        seal=settings.seal,
        accounts=Accounts(settings.people),
        clients=read_clients(settings.clients, *settings.own_clients),
        subjects=Subjects(settings.subjects),
        directory=Directory(settings.directory),
        store=store,
        clock=time.time,
        provider=settings.provider,
    )


def application(parts: Parts, running: Running) -> Litestar:
    """Return the application around its parts; `running` is entered while it serves."""

    @asynccontextmanager
    async def both() -> AsyncIterator[None]:
        async with running(), parts.running():
            yield

    return serving.assemble([*sign_in_routes(parts), *person_routes(parts)], FAILURES, largest=LONGEST_BODY, running=both)
