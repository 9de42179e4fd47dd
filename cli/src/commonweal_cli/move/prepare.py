"""The department's objects at the new site: the same manifests and the same keys, closed until the move is over; and taking them away again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from commonweal_api.ending import CONFIRM_DELETE, CONFIRM_UNREACHABLE
from commonweal_api.move import ARRIVING
from commonweal_cli.exceptions import KubectlError
from commonweal_cli.kubectl import NOT_COUNTED
from commonweal_cli.move.endpoint import AGAIN, End, gone
from commonweal_cli.move.manifests import Manifest
from commonweal_local.exceptions import LocalError
from commonweal_local.waiting import until, within

KEYS = ("commonweal-keys", "commonweal-signing")
NAMESPACE_SECONDS, STORE_SECONDS, QUOTA_SECONDS, GONE_SECONDS = 120.0, 300.0, 120.0, 240.0


def prepare(source: End, target: End, manifests: Sequence[Manifest], move: str) -> None:
    """Bring department, keys and all else to the new site, marked as arriving; return when its store's pod is ready. Safe to repeat."""
    department, *rest = manifests
    marked = {**department, "metadata": {**department["metadata"], "annotations": {**_annotations(department), ARRIVING: move}}}
    if not within(GONE_SECONDS, lambda: target.object() is not None or gone(target)):
        raise LocalError(
            f"{target.site}: namespace {' or '.join(target.namespaces())} does not go away",
            "See what keeps it, then run the command again.",
        )
    target.cluster.apply_object(marked)
    bring_keys(source, target)
    apply(target, rest)
    await_store(target)


def bring_keys(source: End, target: End) -> None:
    """Make the department's keys where its new store is awaited, once its namespaces are there. Safe to repeat."""
    _await(f"{target.site}: namespaces {target.namespace} and {target.home}", NAMESPACE_SECONDS, target.namespaces_there)
    for name in KEYS:
        _bring_key(source, target, name)


def await_store(target: End) -> None:
    """Return when the pod of the new store is ready."""
    _await(f"{target.site}: pod store-0 of {target.home}", STORE_SECONDS, target.ready)


def _annotations(manifest: Manifest) -> dict[str, str]:
    return dict(manifest["metadata"].get("annotations") or {})


def _await(what: str, seconds: float, condition: Any) -> None:
    try:
        until(what, seconds, condition, every=0.3, meanwhile=(KubectlError,))
    except TimeoutError as error:
        raise LocalError(str(error), AGAIN) from None


def _bring_key(source: End, target: End, name: str) -> None:
    """Make a key's Secret at the new site as the operator would have: the department's own, with the content of the old site's."""
    if target.cluster.run("get", "secret", name, "-n", target.home, "-o", "name", "--ignore-not-found").strip():
        return
    secret, owner = source.cluster.get("secret", name, source.home), target.object()
    if owner is None:
        raise LocalError(f"{target.site}: the Department {target.department} went away meanwhile", AGAIN)
    was = secret["metadata"]
    metadata: dict[str, Any] = {"name": name, "namespace": target.home, "labels": was.get("labels", {})}
    metadata["ownerReferences"] = [{**reference, "uid": owner["metadata"]["uid"]} for reference in was["ownerReferences"]]
    kept = {k: v for k, v in (was.get("annotations") or {}).items() if not k.startswith("kubectl.")}
    if kept:
        metadata["annotations"] = kept
    made = {"apiVersion": "v1", "kind": "Secret", "type": secret.get("type", "Opaque"), "metadata": metadata, "data": secret["data"]}
    target.cluster.run("create", "-f", "-", stdin=json.dumps(made))


def apply(target: End, manifests: Sequence[Manifest]) -> None:
    """Apply manifests; again while a quota has not been counted yet."""
    if not manifests:
        return
    listed = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(manifests)})
    refused: list[KubectlError] = []

    def applied() -> bool:
        try:
            target.cluster.run("apply", "-f", "-", stdin=listed)
        except KubectlError as error:
            if NOT_COUNTED not in str(error):
                raise
            refused.append(error)
            return False
        return True

    if not within(QUOTA_SECONDS, applied, every=0.5):
        raise refused[-1]


def release(target: End) -> None:
    """Let the new site's operator write its plans: the store is closed by itself until it is opened."""
    target.cluster.run("annotate", "department", target.department, f"{ARRIVING}-")


def discard(target: End) -> None:
    """Remove the department from a site and return when nothing of it is left there."""
    remove(target)
    if not within(GONE_SECONDS, lambda: gone(target), every=0.5):
        raise LocalError(
            f"{target.site}: namespace {' or '.join(target.namespaces())} does not go away",
            "See what keeps it, then run the command again.",
        )


def remove(end: End, *, unreachable: bool = True) -> None:
    """Delete the Department, confirmed, and do not wait.

    With `unreachable` it does not wait for its parties either: what a move leaves behind serves nobody, and they go on elsewhere.
    """
    if end.object() is not None:
        confirmed = [CONFIRM_DELETE, *([CONFIRM_UNREACHABLE] if unreachable else [])]
        end.cluster.run("annotate", "department", end.department, *(f"{mark}={end.department}" for mark in confirmed), "--overwrite")
        end.cluster.run("delete", "department", end.department, "--wait=false", "--ignore-not-found")
