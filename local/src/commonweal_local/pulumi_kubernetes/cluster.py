"""The API server, as the plug-in sees it: discovery, objects as JSON, errors that say what to do."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

import kubernetes
import urllib3
from kubernetes.client.exceptions import ApiException

from commonweal_local.pulumi_kubernetes.config import ConfigError, Settings
from commonweal_local.pulumi_kubernetes.objects import Object, Reference

APPLY = "application/apply-patch+yaml"
CONNECT_SECONDS, READ_SECONDS = 5.0, 60.0


_new_client: Any = kubernetes.config.new_client_from_config_dict  # the package has no types


class Unreachable(Exception):  # noqa: N818 - it says what happened
    """The API server could not be reached."""


class NotServed(Exception):  # noqa: N818 - it says what happened
    """The API server does not know the kind (yet)."""


@dataclass
class Refused(Exception):  # noqa: N818 - it says what happened
    """The API server's refusal: its reason, its message and the causes it names."""

    status: int
    reason: str
    message: str
    causes: list[Mapping[str, str]] = field(default_factory=list)

    def __str__(self) -> str:
        return self.message

    @property
    def immutable(self) -> bool:
        return self.reason == "Invalid" and "immutable" in self.message

    @property
    def managers(self) -> list[str]:
        """The field managers that own the fields in conflict, as the causes name them: `conflict with "kubectl-edit" using v1`."""
        conflicts = [cause.get("message", "") for cause in self.causes if cause.get("reason") == "FieldManagerConflict"]
        return sorted({message.split('"')[1] for message in conflicts if message.count('"') >= 2})


@dataclass(frozen=True)
class Kind:
    """How a kind is served."""

    path: str
    plural: str
    namespaced: bool


class Cluster:
    """One API server. Safe to use from several threads."""

    def __init__(self, settings: Settings) -> None:
        context = settings.context or None
        config = {**settings.kubeconfig}
        if settings.cluster:
            config = _with_cluster(config, settings)
        try:
            self._client: Any = _new_client(config, context=context)
        except (kubernetes.config.ConfigException, OSError, KeyError, TypeError) as error:
            raise ConfigError(f"kubeconfig: {error}. Check its current-context, users and certificate paths.") from error
        self.server: str = self._client.configuration.host
        self._kinds: dict[tuple[str, str], Kind] = {}
        self._lock = threading.Lock()

    def version(self) -> str:
        """Return the server's version. Raises Unreachable or Refused."""
        return str(self._request("GET", "/version")["gitVersion"])

    def kind(self, api_version: str, kind: str) -> Kind:
        """Return how the kind is served; kinds not found are looked up again next time. Raises NotServed."""
        with self._lock:
            known = self._kinds.get((api_version, kind))
        if known:
            return known
        base = f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"
        try:
            listed = self._request("GET", base).get("resources", [])
        except Refused as error:
            if error.status != 404:
                raise
            listed = []
        found = {(api_version, r["kind"]): Kind(base, r["name"], r["namespaced"]) for r in listed if "/" not in r["name"]}
        with self._lock:
            self._kinds.update(found)
        if (api_version, kind) not in found:
            raise NotServed(
                f"The API server at {self.server} does not serve {kind} in {api_version}: create its CustomResourceDefinition first (depends_on)."
            )
        return found[api_version, kind]

    def forget(self, api_version: str, kind: str) -> None:
        """Forget how a kind is served, after its definition went away."""
        with self._lock:
            self._kinds.pop((api_version, kind), None)

    def get(self, ref: Reference) -> Object | None:
        """Return the live object, or None when there is none."""
        try:
            return self._request("GET", self._path(ref))
        except Refused as error:
            if error.status == 404:
                return None
            raise

    def apply(self, ref: Reference, obj: Object, manager: str, *, force: bool, dry_run: bool = False) -> Object:
        """Apply the object under the field manager; return what the server made of it."""
        query = {"fieldManager": manager, "force": str(force).lower(), "fieldValidation": "Warn", **_dry(dry_run)}
        return self._request("PATCH", self._path(ref), query, obj, APPLY)

    def replace(self, ref: Reference, obj: Object, manager: str, *, dry_run: bool = False) -> Object:
        """Put the object in the place of the live one, whose resourceVersion it carries."""
        return self._request("PUT", self._path(ref), {"fieldManager": manager, **_dry(dry_run)}, obj)

    def delete(self, ref: Reference, propagation: str) -> bool:
        """Ask for deletion; return False when the object is not there."""
        try:
            self._request("DELETE", self._path(ref), {"propagationPolicy": propagation})
        except Refused as error:
            if error.status == 404:
                return False
            raise
        return True

    def list(self, api_version: str, kind: str, namespace: str, labels: Mapping[str, str] | None = None) -> list[Object]:
        """Return the objects of a kind in a namespace that carry the labels."""
        path = self._path(Reference(api_version, kind, "", namespace))
        selector = ",".join(f"{key}={value}" for key, value in sorted((labels or {}).items()))
        listed: list[Object] = self._request("GET", path, {"labelSelector": selector} if selector else {}).get("items", [])
        return listed

    def _path(self, ref: Reference) -> str:
        kind = self.kind(ref.api_version, ref.kind)
        place = f"/namespaces/{quote(ref.namespace or 'default')}" if kind.namespaced else ""
        return f"{kind.path}{place}/{kind.plural}" + (f"/{quote(ref.name)}" if ref.name else "")

    def _request(
        self, method: str, path: str, query: Mapping[str, str] | None = None, body: Object | None = None, content: str = "application/json"
    ) -> Object:
        headers = {"Accept": "application/json", "Content-Type": content, "User-Agent": "commonweal-pulumi-kubernetes"}
        self._client.update_params_for_auth(headers, [], ["BearerToken"], path, method, body)
        url = f"{self.server}{path}" + (f"?{urlencode(query)}" if query else "")
        try:
            response = self._client.call_api(method, url, headers, body, _request_timeout=(CONNECT_SECONDS, READ_SECONDS))
            raw, status = response.read(), response.status
        except ApiException as error:
            raise _refused(error.status, error.body) from error
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise Unreachable(unreachable(self.server, error)) from error
        if status >= 400:
            raise _refused(status, raw)
        parsed: Object = json.loads(raw)
        return parsed


def _with_cluster(config: dict[str, Any], settings: Settings) -> dict[str, Any]:
    """Return the kubeconfig with its active context pointed at another of its clusters."""
    active = settings.context or config.get("current-context")
    contexts = [
        {**c, "context": {**c.get("context", {}), "cluster": settings.cluster}} if c.get("name") == active else c
        for c in config.get("contexts") or ()
    ]
    return {**config, "contexts": contexts}


def _dry(dry_run: bool) -> dict[str, str]:
    return {"dryRun": "All"} if dry_run else {}


def _refused(status: int, body: Any) -> Refused:
    text = body.decode(errors="replace") if isinstance(body, bytes) else str(body or "")
    try:
        parsed = json.loads(text)
        details = parsed.get("details") or {}
        return Refused(status, parsed.get("reason", ""), parsed.get("message", text), details.get("causes") or [])
    except (ValueError, AttributeError):
        return Refused(status, "", f"HTTP {status}: {text[:500]}")


def unreachable(server: str, error: BaseException) -> str:
    """Return the sentence for a server that does not answer."""
    cause = getattr(error, "reason", None) or error
    return (
        f"The API server at {server} cannot be reached: {type(cause).__name__}. Start the site, or correct the server address in its kubeconfig; "
        "if the cluster is gone for good, PULUMI_K8S_DELETE_UNREACHABLE=true takes its objects out of the state."
    )
