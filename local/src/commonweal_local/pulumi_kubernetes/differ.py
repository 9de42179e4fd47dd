"""Diff: which fields changed, and which of the changes need a new object. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from commonweal_local.pulumi_kubernetes.objects import Object, group, reference
from commonweal_local.pulumi_kubernetes.values import plain

_MISSING: Any = object()


class Change(Enum):
    """The engine's words for what happened to a property."""

    ADD = "ADD"
    DELETE = "DELETE"
    UPDATE = "UPDATE"


@dataclass(frozen=True)
class Difference:
    """One property that differs. `path` is a Pulumi property path; `replaces`: a new object is needed."""

    path: str
    change: Change
    replaces: bool = False


@dataclass(frozen=True)
class Comparison:
    """All that differs between two sets of inputs of one object."""

    differences: tuple[Difference, ...] = ()
    delete_first: bool = False

    @property
    def replaces(self) -> list[str]:
        return [d.path for d in self.differences if d.replaces]


@dataclass(frozen=True)
class Mutability:
    """The provider settings that let ConfigMaps and Secrets change in place; the vendor's plug-in replaces them by default."""

    config_maps: bool = False
    secrets: bool = False


IDENTITY = ("kind", "metadata.name", "metadata.namespace")
_SELECTOR = ("spec.selector",)
_VOLUME_SOURCES = ("csi", "hostPath", "local", "nfs", "iscsi", "fc", "awsElasticBlockStore", "azureDisk", "azureFile", "gcePersistentDisk")

# Which changes the API server refuses in place, per (group, kind); versions make no difference to the kinds listed.
FIXED: Mapping[tuple[str, str], Sequence[str]] = {
    ("apps", "Deployment"): _SELECTOR,
    ("apps", "DaemonSet"): _SELECTOR,
    ("apps", "StatefulSet"): (
        *_SELECTOR,
        "spec.podManagementPolicy",
        "spec.revisionHistoryLimit",
        "spec.serviceName",
        "spec.volumeClaimTemplates",
    ),
    ("batch", "Job"): (*_SELECTOR, "spec.completions", "spec.parallelism", "spec.template"),
    ("", "ConfigMap"): ("binaryData", "data"),
    ("", "Secret"): ("type", "stringData", "data"),
    ("", "Service"): ("spec.clusterIP",),
    ("", "ResourceQuota"): ("spec.scopes",),
    ("", "PersistentVolume"): tuple(f"spec.{source}" for source in _VOLUME_SOURCES),
    ("", "PersistentVolumeClaim"): ("spec",),
    ("rbac.authorization.k8s.io", "RoleBinding"): ("roleRef",),
    ("rbac.authorization.k8s.io", "ClusterRoleBinding"): ("roleRef",),
    ("storage.k8s.io", "StorageClass"): ("parameters", "provisioner", "reclaimPolicy", "volumeBindingMode"),
    ("apiextensions.k8s.io", "CustomResourceDefinition"): ("spec.scope", "spec.group", "spec.names.plural"),
}


def fixed_fields(obj: Mapping[str, Any], mutability: Mutability) -> tuple[str, ...]:
    """Return the paths whose change needs a new object."""
    kind = obj.get("kind", "")
    fields = tuple(FIXED.get((group(obj.get("apiVersion", "")), kind), ()))
    mutable = (kind == "ConfigMap" and mutability.config_maps) or (kind == "Secret" and mutability.secrets)
    if mutable and not obj.get("immutable"):
        fields = tuple(f for f in fields if f == "type")
    return (*IDENTITY, *fields)


def compare(
    olds: Mapping[str, Any], news: Mapping[str, Any], *, mutability: Mutability | None = None, ignore: Sequence[str] = ()
) -> Comparison:
    """Return what changed from the old inputs to the new ones; secrets and unknowns are compared by value.

    A change of API group means another object; a change of version only does not. An object that must be replaced and keeps its name and
    namespace has to be deleted first.
    """
    before, after = _canonical(plain(olds)), _canonical(plain(news))
    fixed = _Fixed(fixed_fields(before, mutability or Mutability()))
    found = []
    for path, change in _walk((), before, after):
        text = render(path)
        if any(text == skipped or text.startswith((f"{skipped}.", f"{skipped}[")) for skipped in ignore):
            continue
        regrouped = path == ("apiVersion",) and group(before["apiVersion"]) != group(after["apiVersion"])
        found.append(Difference(text, change, regrouped or fixed.covers(path)))
    same_place = reference(before).name == reference(after).name and reference(before).namespace == reference(after).namespace
    return Comparison(tuple(found), delete_first=same_place and any(d.replaces for d in found))


@dataclass(frozen=True)
class _Fixed:
    paths: tuple[str, ...]
    split: frozenset[tuple[str, ...]] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "split", frozenset(tuple(path.split(".")) for path in self.paths))

    def covers(self, path: tuple[str | int, ...]) -> bool:
        """Return whether the path is one of the fixed ones, lies under one, or holds one."""
        return any(path[: len(fixed)] == fixed or fixed[: len(path)] == path for fixed in self.split)


def _canonical(obj: Object) -> Object:
    """Return the object with the namespace `default` left out, which means the same as none."""
    metadata = dict(obj.get("metadata") or {})
    if metadata.get("namespace") == "default":
        del metadata["namespace"]
    return {**obj, "metadata": metadata}


def _walk(path: tuple[str | int, ...], old: Any, new: Any) -> Iterator[tuple[tuple[str | int, ...], Change]]:
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in sorted({*old, *new}):
            yield from _walk((*path, key), old.get(key, _MISSING), new.get(key, _MISSING))
    elif isinstance(old, list) and isinstance(new, list):
        for index in range(max(len(old), len(new))):
            yield from _walk((*path, index), _item(old, index), _item(new, index))
    elif old is _MISSING:
        yield path, Change.ADD
    elif new is _MISSING:
        yield path, Change.DELETE
    elif old != new or isinstance(old, bool) is not isinstance(new, bool):
        yield path, Change.UPDATE


def _item(items: list[Any], index: int) -> Any:
    return items[index] if index < len(items) else _MISSING


def render(path: Sequence[str | int]) -> str:
    """Return a Pulumi property path: `spec.template.spec.containers[0].image`, `data["a.b"]`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        elif any(c in part for c in '."[]'):
            text += '["' + part.replace('"', '\\"') + '"]'
        else:
            text += f".{part}" if text else part
    return text
