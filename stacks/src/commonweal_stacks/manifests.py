"""What our own manifests have in common."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import yaml

NAMESPACE = "commonweal-system"
STORAGE_CLASS: Final = "std-rwo"
SECTORS_SECRET = "commonweal-sectors"  # noqa: S105 - the name of a Secret, not a secret
AUTHORITY_SECRET = "commonweal-authority"  # noqa: S105 - as above
SITE_KEY_SECRET = "commonweal-site-key"  # noqa: S105 - as above
LABELS: Mapping[str, str] = {"app.kubernetes.io/managed-by": "commonweal", "app.kubernetes.io/part-of": "commonweal"}

Manifest = dict[str, Any]
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # definitions are long, and the one in C is ten times as fast


def manifest(api_version: str, kind: str, name: str, *, namespace: str = NAMESPACE, component: str = "", **body: Any) -> Manifest:
    """Return an object with our labels; `namespace` empty for a cluster-scoped one."""
    labels = {**LABELS, **({"app.kubernetes.io/component": component} if component else {})}
    metadata = {"name": name, **({"namespace": namespace} if namespace else {}), "labels": labels}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **body}


def documents(text: str) -> Iterator[Manifest]:
    """Yield the objects of a YAML text."""
    return (found for found in yaml.load_all(text, Loader=_Loader) if found)


def key_of(obj: Mapping[str, Any]) -> tuple[str, str, str]:
    """Return what identifies an object in a layer: kind with its group, namespace, name."""
    metadata = obj["metadata"]
    api_group = str(obj["apiVersion"]).rpartition("/")[0]
    kind = f"{obj['kind']}.{api_group}" if api_group else str(obj["kind"])
    return kind, metadata.get("namespace", ""), metadata["name"]
