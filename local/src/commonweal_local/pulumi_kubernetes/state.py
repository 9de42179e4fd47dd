"""What the plug-in keeps in the stack's state: the live object, the inputs it was made from, its field manager. Pure.

The shape is that of the vendor's plug-in (`__inputs`, `__fieldManager`, `__initialApiVersion`), so that a stack can go from one to the
other.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from commonweal_local.pulumi_kubernetes.check import SECRET_FIELDS
from commonweal_local.pulumi_kubernetes.objects import READ_ONLY_METADATA, Object
from commonweal_local.pulumi_kubernetes.values import Secret, mark_secrets, plain

INPUTS, MANAGER, FIRST_VERSION = "__inputs", "__fieldManager", "__initialApiVersion"
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def field_manager(urn: str, state: Mapping[str, Any] | None = None) -> str:
    """Return the field manager of a resource: the one in its state, else one made from its URN.

    Made from the URN, not at random as the vendor's: after an `up` that was cut short, the object that it left can be told from a
    stranger's.
    """
    known = plain((state or {}).get(MANAGER))
    return str(known) if known else "pulumi-kubernetes-" + hashlib.sha256(urn.encode()).hexdigest()[:8]


def checkpoint(inputs: Mapping[str, Any], live: Mapping[str, Any], manager: str, first_version: str = "") -> Object:
    """Return the state of a resource. What was secret in the inputs is secret in the live object, too."""
    kept = mark_secrets(dict(live), inputs)
    if live.get("kind") == "Secret":
        kept = {key: Secret(plain(value)) if key in SECRET_FIELDS else value for key, value in kept.items()}
    return {**kept, INPUTS: dict(inputs), MANAGER: manager, FIRST_VERSION: first_version or plain(inputs.get("apiVersion", ""))}


def inputs_of(state: Mapping[str, Any]) -> Object:
    """Return the inputs kept in a state, with their secret marks."""
    inputs = state.get(INPUTS) or {}
    return dict(inputs.value if isinstance(inputs, Secret) else inputs)


def live_of(state: Mapping[str, Any]) -> Object:
    """Return the live object kept in a state, without secret marks."""
    return {key: plain(value) for key, value in state.items() if not key.startswith("__")}


def imported(live: Mapping[str, Any]) -> Object:
    """Return the inputs that would make this live object: without status and what the server alone sets."""
    inputs = {key: value for key, value in live.items() if key != "status"}
    metadata = {key: value for key, value in dict(live.get("metadata") or {}).items() if key not in READ_ONLY_METADATA}
    annotations = {
        k: v for k, v in (metadata.get("annotations") or {}).items() if k not in {LAST_APPLIED, "deployment.kubernetes.io/revision"}
    }
    metadata.pop("annotations", None)
    inputs["metadata"] = {**metadata, **({"annotations": annotations} if annotations else {})}
    return inputs


_ABSENT: Any = object()


def drifted(inputs: Any, before: Any, now: Any) -> Any:
    """Return the inputs with every field that changed on the cluster since it was last recorded, set to its value now.

    Only fields that the inputs name are looked at. Comparing with what was recorded, rather than with the inputs, keeps the server's own
    spelling of values (quantities, defaults, pruned fields) from looking like somebody's edit.
    """
    if isinstance(inputs, Secret):
        return Secret(drifted(inputs.value, before, now))
    if isinstance(inputs, Mapping) and isinstance(now, Mapping):
        old = before if isinstance(before, Mapping) else {}
        fields = {key: drifted(value, old.get(key, _ABSENT), now.get(key, _ABSENT)) for key, value in inputs.items()}
        return {key: value for key, value in fields.items() if value is not _ABSENT}
    if isinstance(inputs, list) and isinstance(now, list) and isinstance(before, list) and len(inputs) == len(now) == len(before):
        return [drifted(item, old, new) for item, old, new in zip(inputs, before, now, strict=True)]
    return inputs if before == now else now
