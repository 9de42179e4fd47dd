"""One question to an API server, one answer: refusals are answers, too, for what conformity asks is often whether something is refused."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final
from urllib.parse import urlencode

import urllib3
from kubernetes.client.exceptions import ApiException

from commonweal_stacks.clusters.identity import client_of
from commonweal_stacks.site import SiteConfigError

SECONDS: Final = (5.0, 30.0)  # to connect, to answer
MERGE: Final = "application/merge-patch+json"
DRY: Final[Mapping[str, str]] = {"dryRun": "All"}


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server said: HTTP status, the object (or a Status), the answer as text, and the server's clock."""

    status: int
    body: Mapping[str, Any]
    text: str = ""
    date: datetime | None = None

    @property
    def ok(self) -> bool:
        return self.status < 300

    @property
    def message(self) -> str:
        return str(self.body.get("message", ""))


class Api:
    """An API server, with the rights of a kubeconfig. Raises SiteConfigError when it does not answer at all."""

    def __init__(self, kubeconfig: str, *, site: str) -> None:
        self.site = site
        self._client = client_of(kubeconfig, site=site)

    @property
    def client(self) -> Any:
        """The client below, for discovery."""
        return self._client

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        query: Mapping[str, str] | None = None,
        user: str = "",
        content: str = "application/json",
    ) -> Answer:
        """Ask, as `user` if one is named (impersonated: the caller needs the right to)."""
        headers = {"Accept": "application/json", "Content-Type": content, **({"Impersonate-User": user} if user else {})}
        self._client.update_params_for_auth(headers, [], ["BearerToken"], path, method, body)
        url = f"{self._client.configuration.host}{path}" + (f"?{urlencode(query)}" if query else "")
        try:
            response = self._client.call_api(method, url, headers, body, _request_timeout=SECONDS)
            raw = response.read()
        except (urllib3.exceptions.HTTPError, OSError, ApiException) as error:
            raise self.silent(error) from error
        return _answer(response, raw.decode(errors="replace"))

    def silent(self, error: Exception) -> SiteConfigError:
        """Return the error of a site that could not be read."""
        host = self._client.configuration.host
        return SiteConfigError(
            f"Site {self.site} ({host}) could not be read: {type(error).__name__}. Start it, or use an administrator's kubeconfig."
        )


def _answer(response: Any, text: str) -> Answer:
    try:
        parsed = json.loads(text)
    except ValueError:
        parsed = None
    body = parsed if isinstance(parsed, dict) else {}
    stamp = response.getheader("Date")
    return Answer(response.status, body, text, parsedate_to_datetime(stamp) if stamp else None)
