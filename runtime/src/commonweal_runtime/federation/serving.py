"""What the data API answers another site of the department that asks for what people said here."""

from __future__ import annotations

from typing import Protocol

import asyncpg

from commonweal_runtime.exceptions import UnsealError
from commonweal_runtime.federation.sealing import FeedKey
from commonweal_runtime.problems import invalid_request, no_such_page, token_invalid, token_missing
from commonweal_runtime.store.problems import problem_of

LOGIN = "feed"
MOST_ENTRIES = 250  # named, written and sent well within the two seconds that a statement of the data API has
_STATEMENT = "select feed.page($1, $2, $3, $4)"
_SITE = "select feed.site()"


class Pools(Protocol):
    """What runs a statement as one login and returns its text."""

    async def call(self, login: str, statement: str, *args: object) -> str | None:
        """Return the statement's one value."""


_ALONE = "This department has no other sites."


class FeedService:
    """Answers `GET /v1/feed` through the login `feed`, which may call two functions and nothing else."""

    def __init__(self, pools: Pools, sector_key: bytes | None, department: str) -> None:
        self._pools, self._key = pools, FeedKey(sector_key, department) if sector_key is not None else None

    async def answer(self, bearer: str | None, after: str | None) -> bytes:
        """Return the sealed page that follows entry `after`, which must be what the token asks for.

        Raises a ProblemError: 401 without a token of another site of the department for this one, 404 where the department has one site, 503; and what
        `pools` raises when the store cannot be reached.
        """
        if bearer is None or not bearer.startswith("Bearer "):
            raise token_missing()
        if self._key is None:
            raise no_such_page(_ALONE)
        try:
            question = self._key.question(bearer.removeprefix("Bearer "))
        except UnsealError as error:
            raise token_invalid(
                f"Not accepted: {error}.", "The feed is for the department's own sites; they derive its key themselves."
            ) from None
        if after != str(question.after):
            raise invalid_request(
                "The parameter after is not what the token asks for.", "Write the entry that was read last, as in the token."
            )
        site = await self._call(_SITE)
        if site is None:
            raise no_such_page(_ALONE)
        if question.asked != site:
            raise token_invalid("The token asks another site.", "Correct spec.consentFeed.sites: each name goes with that site's own url.")
        page = await self._call(_STATEMENT, question.epoch, question.after, question.seen, MOST_ENTRIES)
        if page is None:
            raise no_such_page(_ALONE)
        return self._key.seal(question, page.encode())

    async def _call(self, statement: str, *args: object) -> str | None:
        try:
            return await self._pools.call(LOGIN, statement, *args)
        except asyncpg.PostgresError as error:
            raise problem_of(error) from None
