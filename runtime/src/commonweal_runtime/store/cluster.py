"""The keeper's desk in Kubernetes: one ConfigMap watched, one patched, and the Secrets that its Role names."""

from __future__ import annotations

import asyncio
import base64
import logging
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import orjson

from commonweal_api.plan import PLAN_KEY, REPORT_KEY, STORE_PLAN, STORE_REPORT, StorePlan, StoreReport
from commonweal_runtime.store.desk import CredentialsMissingError, parse
from commonweal_runtime.store.sources import Credentials
from commonweal_runtime.tokens import SERVICE_ACCOUNT

API_SERVER = "https://kubernetes.default.svc"
WATCH_SECONDS = 290
RETRY_SECONDS = (0.2, 0.5, 1.0, 2.0, 5.0)
_LINE = 4 * 1024 * 1024  # a ConfigMap of 1 MiB, as JSON in JSON

log = logging.getLogger(__name__)


class ClusterDesk:
    """Watches `commonweal-store-plan` and patches `commonweal-store-report` in the pod's namespace, with its ServiceAccount."""

    def __init__(self, namespace: str, server: str = API_SERVER, account: Path = SERVICE_ACCOUNT) -> None:
        self._base, self._account = f"{server}/api/v1/namespaces/{namespace}", account
        authority = account / "ca.crt"
        self._trust: ssl.SSLContext | bool = ssl.create_default_context(cafile=str(authority)) if authority.exists() else True
        self._reported: str | None = None

    @asynccontextmanager
    async def _ask(self, method: str, path: str, **more: Any) -> AsyncIterator[aiohttp.ClientResponse]:
        token = await asyncio.to_thread((self._account / "token").read_text)  # read anew: it is rotated
        headers = {"Authorization": f"Bearer {token.strip()}", **more.pop("headers", {})}
        timeout = more.pop("timeout", aiohttp.ClientTimeout(total=10))
        async with (
            aiohttp.ClientSession(timeout=timeout, read_bufsize=_LINE) as session,
            session.request(method, self._base + path, headers=headers, ssl=self._trust, **more) as answer,
        ):
            yield answer

    async def plans(self) -> AsyncIterator[StorePlan]:
        """Yield each plan. A watch that breaks is begun again at once, then ever more slowly; nothing is missed, for it begins with the present."""
        seen, failures = None, 0
        while True:
            try:
                async for text in self._texts():
                    failures = 0
                    if text != seen:
                        seen = text
                        plan = parse(text)
                        if plan is None:
                            log.error("the plan cannot be read; the one before it stays in force")
                        else:
                            yield plan
            except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
                log.warning("watching the plan: %s; trying again", type(error).__name__)
            await asyncio.sleep(RETRY_SECONDS[min(failures, len(RETRY_SECONDS) - 1)])
            failures += 1

    async def _texts(self) -> AsyncIterator[str]:
        """Yield the plan's text now and at each change, for as long as one watch lasts."""
        query = {"watch": "true", "fieldSelector": f"metadata.name={STORE_PLAN}", "timeoutSeconds": str(WATCH_SECONDS)}
        # without a resourceVersion the watch begins with a synthetic ADDED of what is there
        timeout = aiohttp.ClientTimeout(total=WATCH_SECONDS + 30, sock_connect=5)
        async with self._ask("GET", "/configmaps", params=query, timeout=timeout) as answer:
            answer.raise_for_status()
            async for line in answer.content:
                event = orjson.loads(line)
                if event.get("type") in {"ADDED", "MODIFIED"}:
                    text = _data(event["object"]).get(PLAN_KEY)
                    if text is not None:
                        yield text

    async def report(self, report: StoreReport) -> None:
        """Patch the report's ConfigMap if it says anything else; raise if the API server does not take it."""
        text = report.model_dump_json(by_alias=True, exclude_none=True)
        if self._reported is None:
            async with self._ask("GET", f"/configmaps/{STORE_REPORT}") as answer:
                answer.raise_for_status()
                self._reported = _data(await answer.json()).get(REPORT_KEY)
        if text == self._reported:
            return
        body = orjson.dumps({"data": {REPORT_KEY: text}})
        headers = {"Content-Type": "application/merge-patch+json"}
        async with self._ask("PATCH", f"/configmaps/{STORE_REPORT}?fieldManager=commonweal-keeper", data=body, headers=headers) as answer:
            answer.raise_for_status()
        self._reported = text

    async def credentials(self, secret: str) -> Credentials:
        """Return the login in a Secret of the namespace."""
        async with self._ask("GET", f"/secrets/{secret}") as answer:
            if answer.status in {403, 404}:
                raise CredentialsMissingError(f"There is no Secret «{secret}» that the store may read.")
            answer.raise_for_status()
            data = _data(await answer.json())
        missing = [key for key in ("username", "password") if not data.get(key)]
        if missing:
            raise CredentialsMissingError(f"The Secret «{secret}» lacks {' and '.join(missing)}.")
        user, password = (base64.b64decode(data[key]).decode() for key in ("username", "password"))
        return Credentials(user, password)


def _data(obj: Mapping[str, Any]) -> dict[str, str]:
    return dict(obj.get("data") or {})
