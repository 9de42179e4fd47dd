"""What a Kubernetes object is: its identity, its token in Pulumi, its annotations for the plug-in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

PREFIX = "pulumi.com/"
READ_ONLY_METADATA = (
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "generation",
    "managedFields",
    "resourceVersion",
    "selfLink",
    "uid",
)

Object = dict[str, Any]


@dataclass(frozen=True)
class Reference:
    """Where an object lives. `namespace` is empty for cluster-scoped kinds, or where the scope is not known yet."""

    api_version: str
    kind: str
    name: str
    namespace: str = ""

    def __str__(self) -> str:
        place = f" in namespace {self.namespace}" if self.namespace else ""
        return f"{self.kind} {self.name}{place}"


def reference(obj: Mapping[str, Any]) -> Reference:
    """Return the identity of an object; missing parts are empty."""
    metadata = obj.get("metadata") or {}
    return Reference(obj.get("apiVersion", ""), obj.get("kind", ""), metadata.get("name", ""), metadata.get("namespace", ""))


def group(api_version: str) -> str:
    """Return the API group, empty for the core one."""
    return api_version.rpartition("/")[0]


def from_token(token: str) -> tuple[str, str]:
    """Return (apiVersion, kind) of a resource token such as `kubernetes:apps/v1:Deployment`."""
    _, module, kind = token.split(":")
    return module.removeprefix("core/"), kind


def annotation(obj: Mapping[str, Any], name: str) -> str:
    """Return the plug-in annotation `pulumi.com/<name>`, or an empty string."""
    annotations = (obj.get("metadata") or {}).get("annotations") or {}
    value = annotations.get(PREFIX + name, "")
    return value if isinstance(value, str) else str(value).lower()


def is_true(obj: Mapping[str, Any], name: str) -> bool:
    """Return whether the plug-in annotation says true."""
    return annotation(obj, name).lower() == "true"


def identifier(obj: Mapping[str, Any]) -> str:
    """Return the resource id, as the vendor's plug-in forms it: `namespace/name`, or `name`."""
    ref = reference(obj)
    return f"{ref.namespace}/{ref.name}" if ref.namespace else ref.name


def split_identifier(text: str) -> tuple[str, str]:
    """Return (namespace, name) of a resource id."""
    namespace, _, name = text.rpartition("/")
    return namespace, name
