"""The desk: where a department's plan arrives and its report is left. Two ConfigMaps on a site; two files in tests.

The plan is watched through the API server, not read from a mounted file, which the kubelet would bring up to a minute later.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Protocol

import aiohttp
import orjson

from commonweal_api.plan import PLAN_KEY, REPORT_KEY

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
CLUSTER = "https://kubernetes.default.svc"
WATCH_SECONDS = 240
RETRY_SECONDS = (0.2, 0.5, 1.0, 2.0, 5.0)
POLL_SECONDS = 0.05
_MOST_LINE = 4 * 2**20
_LABELS = {"app.kubernetes.io/managed-by": "commonweal", "app.kubernetes.io/part-of": "commonweal"}


class _AbsentError(Exception):
    """The object is not there."""


_FAULTS = (_AbsentError, aiohttp.ClientError, OSError, TimeoutError, ValueError)
_logger = logging.getLogger(__name__)


class Desk(Protocol):
    """What both desks do."""

    def plans(self) -> AsyncIterator[str]:
        """Yield the plan's text as it is now, then each change; wait while there is none. Never ends; outages are waited out."""

    async def report(self, text: str) -> None:
        """Leave the report; a report that lies there already is not written again. Tries until it succeeds."""


class ClusterDesk:
    """Plan and report as ConfigMaps in the department's namespace. Needs list and watch on the one, get, patch and create on the other."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        namespace: str,
        plan: str,
        report: str,
        *,
        account: Path = SERVICE_ACCOUNT,
        base: str = CLUSTER,
    ) -> None:
        self._session, self._account = session, account
        self._maps, self._plan, self._report = f"{base}/api/v1/namespaces/{namespace}/configmaps", plan, report
        authority = account / "ca.crt"
        self._trust: ssl.SSLContext | bool = ssl.create_default_context(cafile=str(authority)) if authority.exists() else True
        self._last: str | None = None

    async def plans(self) -> AsyncIterator[str]:
        """Yield the plan's text, and each change of it."""
        before: str | None = None
        failures = 0
        while True:
            try:
                async for text in self._follow():
                    failures = 0
                    if text is not None and text != before:
                        before = text
                        yield text
            except _FAULTS as error:
                await _pause("the plan cannot be watched", error, failures)
                failures += 1

    async def report(self, text: str) -> None:
        """Leave the report, unless it lies there already."""
        failures = 0
        while text != self._last:
            try:
                if await self._stored_report() != text:
                    await self._write_report(text)
                self._last = text
            except _FAULTS as error:
                await _pause("the report cannot be left", error, failures)
                failures += 1

    async def _follow(self) -> AsyncIterator[str | None]:
        """List, then watch from there until the server ends the watch."""
        select = {"fieldSelector": f"metadata.name={self._plan}"}
        async with self._call("GET", self._maps, params=select) as answer:
            listed = orjson.loads(await answer.read())
        for item in listed["items"]:
            yield _text(item, PLAN_KEY)
        more = {"watch": "true", "resourceVersion": listed["metadata"]["resourceVersion"], "timeoutSeconds": str(WATCH_SECONDS)}
        async with self._call("GET", self._maps, params=select | more, seconds=WATCH_SECONDS + 30) as answer:
            async for line in answer.content:
                event = orjson.loads(line)
                if event["type"] == "ERROR":
                    return
                if event["type"] in ("ADDED", "MODIFIED"):
                    yield _text(event["object"], PLAN_KEY)

    async def _stored_report(self) -> str | None:
        with contextlib.suppress(_AbsentError):
            async with self._call("GET", f"{self._maps}/{self._report}") as answer:
                return _text(orjson.loads(await answer.read()), REPORT_KEY)
        return None

    async def _write_report(self, text: str) -> None:
        data = {"data": {REPORT_KEY: text}}
        try:
            async with self._call("PATCH", f"{self._maps}/{self._report}", body=data, kind="application/merge-patch+json"):
                return
        except _AbsentError:
            made = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": self._report, "labels": _LABELS}, **data}
            async with self._call("POST", self._maps, body=made):
                return

    @contextlib.asynccontextmanager
    async def _call(
        self,
        method: str,
        url: str,
        *,
        params: dict[str, str] | None = None,
        body: Any = None,
        kind: str = "application/json",
        seconds: float = 30,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        headers = {"Accept": "application/json", "Content-Type": kind}
        token = self._account / "token"
        if token.exists():  # read each time: Kubernetes renews it
            headers["Authorization"] = f"Bearer {token.read_text().strip()}"
        data = None if body is None else orjson.dumps(body)
        timeout = aiohttp.ClientTimeout(total=seconds)
        async with self._session.request(
            method, url, params=params, data=data, headers=headers, ssl=self._trust, timeout=timeout, read_bufsize=_MOST_LINE
        ) as answer:
            if answer.status == 404:
                raise _AbsentError
            answer.raise_for_status()
            yield answer


class DirectoryDesk:
    """Plan and report as the files plan.json and report.json of one directory; for tests and for trying things out."""

    def __init__(self, folder: Path) -> None:
        self._plan, self._report = folder / PLAN_KEY, folder / REPORT_KEY

    async def plans(self) -> AsyncIterator[str]:
        """Yield the file's text, and each change of it."""
        before: str | None = None
        while True:
            text = self._plan.read_text() if self._plan.exists() else None
            if text and text != before:
                before = text
                yield text
            await asyncio.sleep(POLL_SECONDS)

    async def report(self, text: str) -> None:
        """Replace the file in one step, unless it says so already."""
        if self._report.exists() and self._report.read_text() == text:
            return
        new = self._report.with_suffix(".new")
        new.write_text(text)
        new.replace(self._report)


@contextlib.asynccontextmanager
async def open_desk(plan: str, report: str) -> AsyncIterator[Desk]:
    """Open the desk that the environment names: the directory COMMONWEAL_DESK, else ConfigMaps in COMMONWEAL_NAMESPACE."""
    folder = os.environ.get("COMMONWEAL_DESK")
    if folder:
        yield DirectoryDesk(Path(folder))
        return
    async with aiohttp.ClientSession() as session:
        yield ClusterDesk(session, os.environ["COMMONWEAL_NAMESPACE"], plan, report)


def _text(configmap: dict[str, Any], key: str) -> str | None:
    text = (configmap.get("data") or {}).get(key)
    return text if isinstance(text, str) else None


async def _pause(what: str, error: Exception, failures: int) -> None:
    status = error.status if isinstance(error, aiohttp.ClientResponseError) else ""
    _logger.warning("%s, trying again: %s %s", what, type(error).__name__, status)
    await asyncio.sleep(RETRY_SECONDS[min(failures, len(RETRY_SECONDS) - 1)])
