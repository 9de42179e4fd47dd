"""Objects without what no two clusters share, and without what they are allowed not to share. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import yaml

from commonweal_stacks.clusters.contract import ALLOWED_DIFFERENCES, Declaration, Difference
from commonweal_stacks.conformity.tree import flatten, spelled
from commonweal_stacks.manifests import key_of

Object = Mapping[str, Any]

# Set by each server for itself, or noted by the tool that put the object there; the same object on two clusters need not agree in them. `*` is any
# one step; what lies under goes, too.
OF_THE_SERVER = (
    "status",
    "metadata/uid",
    "metadata/creationTimestamp",
    "metadata/deletionTimestamp",
    "metadata/generation",
    "metadata/resourceVersion",
    "metadata/managedFields",
    "metadata/selfLink",
    "metadata/ownerReferences/*/uid",
    "metadata/annotations/deployment.kubernetes.io~1revision",
    "metadata/annotations/kubectl.kubernetes.io~1last-applied-configuration",
    "metadata/annotations/pulumi.com~1skipAwait",
    "metadata/annotations/pulumi.com~1waitFor",
    "spec/clusterIP",
    "spec/clusterIPs",
    "spec/healthCheckNodePort",
    "spec/ports/*/nodePort",
    "secrets",
)


def matches(steps: Sequence[str], pattern: Sequence[str]) -> bool:
    """Return whether the steps lie at or under the pattern."""
    return len(steps) >= len(pattern) and all(part in {"*", step} for step, part in zip(steps, pattern, strict=False))


def leaves_of(obj: Object, *, allowed: Iterable[Difference] = ALLOWED_DIFFERENCES, live: bool = False) -> dict[str, Any]:
    """Return the object's leaves, by their full path. `live`: without the fields that each server sets for itself."""
    kind, namespace, name = key_of(obj)
    paths = [d.path for d in allowed if d.kind == obj["kind"] and d.name in {"", name}]
    patterns = [steps_of(path) for path in (*paths, *(OF_THE_SERVER if live else ()))]
    prefix = f"{kind}/{namespace}/{name}" if namespace else f"{kind}/{name}"
    opened = _opened(obj)
    return {f"{prefix}:{spelled(steps)}": value for steps, value in flatten(opened) if not any(matches(steps, p) for p in patterns)}


def steps_of(path: str) -> tuple[str, ...]:
    """Return the steps of a JSON pointer without its first slash."""
    return tuple(step.replace("~1", "/").replace("~0", "~") for step in path.split("/"))


def _opened(obj: Object) -> dict[str, Any]:
    """Return the object with a Secret's values hidden and a ConfigMap's YAML files opened, so that one setting is one leaf."""
    opened = dict(obj)
    if obj["kind"] == "Secret":
        keys = {*(obj.get("data") or {}), *(obj.get("stringData") or {})}
        opened.pop("stringData", None)
        opened["data"] = dict.fromkeys(sorted(keys), "(secret)")
    if obj["kind"] == "ConfigMap":
        opened["data"] = {key: _parsed(key, text) for key, text in (obj.get("data") or {}).items()}
    return opened


def _parsed(key: str, text: Any) -> Any:
    if not isinstance(text, str) or not key.endswith((".yaml", ".yml", ".json")):
        return text
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        return text


def allow_list(allowed: Iterable[Difference] = ALLOWED_DIFFERENCES) -> dict[str, Any]:
    """Return the leaves of the list itself: hiding a difference changes the root, too."""
    return {f"{d.kind}/{d.name or '*'}:{d.path}": d.why for d in allowed}


def declared_list(declarations: Iterable[Declaration]) -> dict[str, Any]:
    """Return the leaves of what every kind of site may differ in; all kinds' on every site, so that sites of different kinds can be alike."""
    return {f"{each.kind}: {path}": why for each in declarations for path, why in allow_list((*each.differences, *each.programs)).items()}
