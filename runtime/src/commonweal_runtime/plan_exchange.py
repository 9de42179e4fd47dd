"""Where a department's plan arrives, its report is left, and the Secrets that the plan names are read.

On a site these are ConfigMaps and the Secrets; outside Kubernetes, files in a directory. Plan and closings are watched through the API server, not read
from a mounted file, which the kubelet would bring up to a minute later.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import logging
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote

import orjson

from commonweal_api import namespace_of
from commonweal_api.closings import CLOSINGS_KEY, STORE_CLOSINGS
from commonweal_api.plan import PLAN_KEY, REPORT_KEY
from commonweal_kube.client import Api
from commonweal_kube.cluster import Cluster
from commonweal_kube.exceptions import ApiError, ApiServerUnavailableError, ResourceExpiredError
from commonweal_kube.protocol import JSON, MERGE

CONNECTIONS = 5  # the watches of plan and closings, and what is read and left meanwhile
FIELD_MANAGER = "commonweal-runtime"
RETRY_SECONDS = (0.2, 0.5, 1.0, 2.0, 5.0)
LOOK_SECONDS = 0.1
WATCH_SECONDS = (
    45  # one object only, so that to begin anew costs little; no plan waits more than a minute for a connection that died without a word
)
_FAULTS = (ApiError, ApiServerUnavailableError, ResourceExpiredError, OSError, ValueError)

_logger = logging.getLogger(__name__)
Pause = Callable[[float], Awaitable[None]]


class PlanExchange(Protocol):
    """What both exchanges do."""

    def plans(self) -> AsyncIterator[str]:
        """Yield the plan's text as it is now, then each change that is seen; wait while there is none. Never ends; outages are waited out."""

    def closings(self) -> AsyncIterator[str]:
        """Yield the text of the list of what may be open, then each change that is seen; an empty text while there is none. Never ends."""

    async def report(self, text: str) -> None:
        """Leave the report in place of the last one; one that lies there already is not written again. Tries until it succeeds."""

    async def secret(self, name: str) -> dict[str, str] | None:
        """Return the values of a Secret, or None if there is none that may be read. Raises OSError, ApiError or ApiServerUnavailableError."""


class KubernetesExchange:
    """An exchange in the pod's namespace, opened with its ServiceAccount; the Secrets lie in `secrets`, the department's own namespace.

    It needs get, list and watch on the plan (and on the closings, if they are followed), get and patch on the report (which the operator makes), and get on the Secrets.
    """

    def __init__(self, api: Api, namespace: str, plan: str, report: str, *, secrets: str, pause: Pause = asyncio.sleep) -> None:
        self._api, self._pause, self._secrets = api, pause, f"/api/v1/namespaces/{secrets}/secrets"
        self._base, self._plan, self._report = f"/api/v1/namespaces/{namespace}", plan, report
        self._reported: str | None = None

    async def plans(self) -> AsyncIterator[str]:
        """Yield the plan's text, and each change of it. A watch that ends is begun again; nothing is missed, for it begins with the present."""
        async for text in self._followed("plan", self._plans):
            yield text

    async def closings(self) -> AsyncIterator[str]:
        """Yield the closings' text, and each change of it; an empty text when they are deleted or were never there."""
        async for text in self._followed("closings", self._lists):
            yield text

    async def report(self, text: str) -> None:
        """Patch the report's ConfigMap, unless it says so already."""
        failures = 0
        while True:
            try:
                await self._leave(text)
            except _FAULTS as error:
                _logger.warning("the report cannot be left, trying again: %s", _told(error))
                failures += 1
                await self._wait(failures)
            else:
                return

    async def secret(self, name: str) -> dict[str, str] | None:
        """Return the decoded values of a Secret of the department."""
        try:
            data = _data(await self._api.call("GET", f"{self._secrets}/{name}"))
        except ApiError as error:
            if error.status in {403, 404}:
                return None
            raise
        return {key: base64.b64decode(value).decode() for key, value in data.items()}

    async def _followed(self, what: str, watch: Callable[[], AsyncIterator[str]]) -> AsyncIterator[str]:
        seen: str | None = None
        failures = 0
        while True:
            try:
                async for text in watch():
                    failures = 0
                    if text != seen:
                        seen = text
                        yield text
            except _FAULTS as error:
                _logger.warning("the %s cannot be watched, trying again: %s", what, _told(error))
                failures += 1
            await self._wait(failures)

    async def _plans(self) -> AsyncIterator[str]:
        async for there, data in self._contents(self._plan):
            if there and PLAN_KEY in data:
                yield data[PLAN_KEY]

    async def _lists(self) -> AsyncIterator[str]:
        if await self._api.metadata(f"{self._base}/configmaps/{STORE_CLOSINGS}") is None:
            yield ""
        async for there, data in self._contents(STORE_CLOSINGS):
            yield data.get(CLOSINGS_KEY, "") if there else ""

    async def _contents(self, name: str) -> AsyncIterator[tuple[bool, dict[str, str]]]:
        """Yield whether the ConfigMap is there and what it holds, now and at each change, for as long as one watch lasts."""
        only = f"&fieldSelector={quote(f'metadata.name={name}')}"
        # without a version the watch begins with a synthetic ADDED of what is there
        async for event in self._api.watch(f"{self._base}/configmaps", only, "", accept=JSON, seconds=WATCH_SECONDS):
            if event["type"] in {"ADDED", "MODIFIED", "DELETED"}:
                yield event["type"] != "DELETED", _data(event["object"])

    async def _leave(self, text: str) -> None:
        path = f"{self._base}/configmaps/{self._report}"
        if self._reported is None:
            self._reported = _data(await self._api.call("GET", path)).get(REPORT_KEY)
        if text == self._reported:
            return
        body = orjson.dumps({"data": {REPORT_KEY: text}})
        await self._api.call("PATCH", f"{path}?fieldManager={FIELD_MANAGER}", body, content=MERGE)
        self._reported = text

    async def _wait(self, failures: int) -> None:
        await self._pause(RETRY_SECONDS[min(max(failures - 1, 0), len(RETRY_SECONDS) - 1)])


class DirectoryExchange:
    """An exchange in a directory: `plan.json`, `closings.json`, `report.json`, `secrets/<name>/<key>`.

    Replace plan and closings by renaming a new file over the old one.
    """

    def __init__(self, directory: Path, interval: float = LOOK_SECONDS) -> None:
        self._directory, self._interval = directory, interval

    async def plans(self) -> AsyncIterator[str]:
        """Yield the file's text, and each change of it; it is looked at every `interval` seconds."""
        async for text in self._texts(PLAN_KEY):
            if text:
                yield text

    async def closings(self) -> AsyncIterator[str]:
        """Yield the file's text, and each change of it; an empty text while there is no file."""
        async for text in self._texts(CLOSINGS_KEY):
            yield text

    async def _texts(self, name: str) -> AsyncIterator[str]:
        seen: str | None = None
        while True:
            text = await asyncio.to_thread(_read, self._directory / name) or ""
            if text != seen:
                seen = text
                yield text
            await asyncio.sleep(self._interval)

    async def report(self, text: str) -> None:
        """Replace the file in one step, unless it says so already."""
        await asyncio.to_thread(_replace, self._directory / REPORT_KEY, text)

    async def secret(self, name: str) -> dict[str, str] | None:
        """Return what the files of a secret hold, without white space around it."""
        return await asyncio.to_thread(_read_all, self._directory / "secrets" / name)


@contextlib.asynccontextmanager
async def open_exchange(plan: str, report: str) -> AsyncIterator[PlanExchange]:
    """Open the exchange that the environment names: the directory COMMONWEAL_PLAN_EXCHANGE, else ConfigMaps in COMMONWEAL_NAMESPACE, beside COMMONWEAL_DEPARTMENT's own."""
    folder = os.environ.get("COMMONWEAL_PLAN_EXCHANGE")
    if folder:
        yield DirectoryExchange(Path(folder))
        return
    api = Api(Cluster.in_pod(), CONNECTIONS, FIELD_MANAGER)
    try:
        yield KubernetesExchange(
            api, os.environ["COMMONWEAL_NAMESPACE"], plan, report, secrets=namespace_of(os.environ["COMMONWEAL_DEPARTMENT"])
        )
    finally:
        await api.close()


def _data(obj: dict[str, Any]) -> dict[str, str]:
    return dict(obj.get("data") or {})


def _told(error: Exception) -> str:
    """Return what may stand in a log: never the error's text, which can hold what was sent."""
    status = f" {error.status}" if isinstance(error, ApiError) else ""
    return type(error).__name__ + status


def _read(path: Path) -> str | None:
    try:
        return path.read_text()
    except OSError:
        return None


def _read_all(folder: Path) -> dict[str, str] | None:
    if not folder.is_dir():
        return None
    values = {file.name: _read(file) for file in folder.iterdir()}
    return {key: value.strip() for key, value in values.items() if value is not None}


def _replace(path: Path, text: str) -> None:
    if _read(path) == text:
        return
    fresh = path.with_suffix(f".{os.getpid()}")
    fresh.write_text(text)
    fresh.replace(path)
