"""A few lines of Kubernetes client for tests: one request, one answer, nothing cached but discovery, no answer asked for twice."""

from __future__ import annotations

import json
import ssl
import threading
import weakref
from collections.abc import Mapping
from http.client import HTTPResponse, HTTPSConnection
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from commonweal_stacks.manifests import documents
from support.waiting import HANG

Manifest = Mapping[str, Any]
APPLY, MERGE = "application/apply-patch+yaml", "application/merge-patch+json"


class Refused(Exception):  # noqa: N818 - it is an answer, not a fault
    """The API server said no; `message` is its sentence, `reason` its machine-readable word."""

    def __init__(self, status: int, body: Mapping[str, Any]) -> None:
        self.status, self.reason, self.message = status, str(body.get("reason", "")), str(body.get("message", ""))
        super().__init__(f"{status} {self.reason}: {self.message}")


def manifests_in(source: Manifest | str | Path) -> list[dict[str, Any]]:
    """Return the objects in a manifest: one mapping, YAML text of one or many documents, a file, or a directory of `*.yaml`."""
    if isinstance(source, Mapping):
        return [dict(source)]
    if isinstance(source, Path):
        files = sorted(source.glob("*.yaml")) if source.is_dir() else [source]
        return [found for file in files for found in manifests_in(file.read_text())]
    return list(documents(source))


class KubeApi:
    """The API server as one user sees it. Every refusal raises `Refused`; each thread keeps its connection, for making one costs as much as most answers."""

    def __init__(self, url: str, token: str, authority: Path) -> None:
        self._url, self._token = urlsplit(url), token
        self._tls = ssl.create_default_context(cafile=authority)
        self._resources: dict[tuple[str, str], tuple[str, bool]] = {}
        self._own, self._all = threading.local(), list[HTTPSConnection]()
        weakref.finalize(self, _close, self._all)

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        content_type: str = "application/json",
        accept: str = "application/json",
        **query: Any,
    ) -> dict[str, Any]:
        """Send one request and return the decoded answer."""
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": content_type, "Accept": accept}
        connection = self._connection()
        try:
            answer = _ask(connection, method, f"{path}?{urlencode(query)}", None if body is None else json.dumps(body), headers)
            text = answer.read().decode()
        except BaseException:
            connection.close()
            raise
        decoded: dict[str, Any] = json.loads(text) if text.startswith("{") else {"message": text}
        if answer.status >= 400:
            raise Refused(answer.status, decoded)
        return decoded

    def _connection(self) -> HTTPSConnection:
        """Return this thread's connection, whether it is open or not."""
        if not hasattr(self._own, "connection"):
            self._own.connection = HTTPSConnection(self._url.hostname or "", self._url.port, context=self._tls, timeout=HANG)
            self._all.append(self._own.connection)
        found: HTTPSConnection = self._own.connection
        return found

    def path_of(self, manifest: Manifest) -> str:
        """Return the path of the object that the manifest describes; it must have `metadata.name`."""
        api, kind = manifest["apiVersion"], manifest["kind"]
        plural, namespaced = self._resource(api, kind)
        root = f"/apis/{api}" if "/" in api else f"/api/{api}"
        space = f"/namespaces/{manifest['metadata'].get('namespace', 'default')}" if namespaced else ""
        return f"{root}{space}/{plural}/{quote(manifest['metadata']['name'])}"

    def apply(self, source: Manifest | str | Path, *, dry_run: bool = False, manager: str = "test") -> list[dict[str, Any]]:
        """Apply every object server-side, by force, and return what the server answers; with `dry_run` nothing is stored."""
        query = {"fieldManager": manager, "force": "true", **({"dryRun": "All"} if dry_run else {})}
        return [self.request("PATCH", self.path_of(m), m, content_type=APPLY, **query) for m in manifests_in(source)]

    def create(self, manifest: Manifest, *, dry_run: bool = False) -> dict[str, Any]:
        """Create the object as kubectl does, unknown fields refused; unlike `apply` it is refused when it exists."""
        query = {"fieldValidation": "Strict", **({"dryRun": "All"} if dry_run else {})}
        return self.request("POST", self.path_of(manifest).rpartition("/")[0], manifest, **query)

    def table(self, path: str) -> list[dict[str, Any]]:
        """Return what `kubectl get -o wide` shows of the objects at the path: one mapping from column to cell for each."""
        shown = self.request("GET", path, accept="application/json;as=Table;v=v1;g=meta.k8s.io")
        names = [column["name"] for column in shown["columnDefinitions"]]
        return [dict(zip(names, row["cells"], strict=True)) for row in shown["rows"]]

    def get(self, manifest: Manifest) -> dict[str, Any]:
        """Return the object of the manifest's kind, namespace and name."""
        return self.request("GET", self.path_of(manifest))

    def delete(self, manifest: Manifest, *, dry_run: bool = False) -> dict[str, Any]:
        """Delete the object of the manifest's kind, namespace and name."""
        return self.request("DELETE", self.path_of(manifest), **({"dryRun": "All"} if dry_run else {}))

    def _resource(self, api: str, kind: str) -> tuple[str, bool]:
        if (api, kind) not in self._resources:
            listing = self.request("GET", f"/apis/{api}" if "/" in api else f"/api/{api}")
            found = {(api, r["kind"]): (r["name"], r["namespaced"]) for r in listing["resources"] if "/" not in r["name"]}
            self._resources.update(found)
        if (api, kind) not in self._resources:
            raise Refused(404, {"reason": "NotFound", "message": f"the server serves no {kind} in {api}; install its definition first"})
        return self._resources[api, kind]


def _ask(connection: HTTPSConnection, *request: Any) -> HTTPResponse:
    """Send a request. One that a kept connection lost, because the server had closed it meanwhile, is sent over a new one."""
    kept = connection.sock is not None
    try:
        connection.request(*request)
        return connection.getresponse()
    except (ConnectionError, ssl.SSLEOFError):
        connection.close()
        if not kept:
            raise
        connection.request(*request)
        return connection.getresponse()


def _close(connections: list[HTTPSConnection]) -> None:
    for connection in connections:
        connection.close()
