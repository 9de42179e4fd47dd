"""Where the keeper gets its plan and its credentials, and where it leaves its report."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Protocol

from pydantic import ValidationError

from commonweal_api.plan import PLAN_KEY, REPORT_KEY, StorePlan, StoreReport
from commonweal_runtime.store.sources import Credentials


class CredentialsMissingError(Exception):
    """The Secret of a source is not there or lacks a key; the text says which."""


class Desk(Protocol):
    """The keeper's only tie to the world outside the store and its sources."""

    def plans(self) -> AsyncIterator[StorePlan]:
        """Yield the plan as it stands, then each later one; older ones that nobody fetched are skipped."""

    async def report(self, report: StoreReport) -> None:
        """Leave a report in place of the last one; an equal one is not written again."""

    async def credentials(self, secret: str) -> Credentials:
        """Return a source's login; raise CredentialsMissingError."""


def parse(text: str) -> StorePlan | None:
    """Return the plan in a ConfigMap's text, or None if it cannot be read: then the plan before it stays in force."""
    try:
        return StorePlan.model_validate_json(text)
    except ValidationError:
        return None


class DirectoryDesk:
    """A desk in a directory, for a store outside Kubernetes: `plan.json`, `report.json`, `secrets/<name>/{username,password}`.

    Replace `plan.json` by renaming a new file over it; it is looked at each `interval` seconds.
    """

    def __init__(self, directory: Path, interval: float = 0.2) -> None:
        self._directory, self._interval = directory, interval
        self._reported: str | None = None

    async def plans(self) -> AsyncIterator[StorePlan]:
        """Yield the plan whenever the file has changed."""
        seen = None
        while True:
            text = await asyncio.to_thread(_read, self._directory / PLAN_KEY)
            if text is not None and text != seen:
                seen = text
                plan = parse(text)
                if plan is not None:
                    yield plan
            await asyncio.sleep(self._interval)

    async def report(self, report: StoreReport) -> None:
        """Write the report, whole or not at all."""
        text = report.model_dump_json(by_alias=True, exclude_none=True)
        if text != self._reported:
            await asyncio.to_thread(_replace, self._directory / REPORT_KEY, text)
            self._reported = text

    async def credentials(self, secret: str) -> Credentials:
        """Return the two files of a secret."""
        folder = self._directory / "secrets" / secret
        user, password = [await asyncio.to_thread(_read, folder / key) for key in ("username", "password")]
        if user is None or password is None:
            raise CredentialsMissingError(f"{secret} needs the keys username and password.")
        return Credentials(user.strip(), password.strip())


def _read(path: Path) -> str | None:
    try:
        return path.read_text()
    except OSError:
        return None


def _replace(path: Path, text: str) -> None:
    fresh = path.with_suffix(f".{os.getpid()}")
    fresh.write_text(text)
    fresh.replace(path)
