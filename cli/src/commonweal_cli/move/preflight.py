"""Looking at both sites: what the department is there, and what stands in the way of its move."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from commonweal_cli.move.endpoint import End
from commonweal_cli.move.states import Seen, Source, Target
from commonweal_local.exceptions import LocalError

SYSTEM, SECTORS = "commonweal-system", "commonweal-sectors"
ROOM = 1.5  # of the store's size: the copy, and the log that is written while it is recovered
GiB = 2**30


def look(end: End) -> dict[str, Any] | None:
    """Return what the store says of itself, or None when it does not answer."""
    try:
        found: dict[str, Any] | None = end.step("look", seconds=60) if end.ready() else None
    except LocalError:
        return None
    return found


def seen(source: End, target: End) -> Seen:
    """Look at both sites. Raises KubectlError when one does not answer."""
    state, source_move = _source(source)
    there, target_move, uncertified = _target(target)
    if there is Target.PREPARED and state is Source.GONE and not target.ready():
        there = Target.AWAY  # it may be the copy: nobody knows before its store answers
    return Seen(state, there, source_move, target_move, uncertified)


def _source(end: End) -> tuple[Source, str]:
    found = end.object()
    if found is None:
        return (Source.LEAVING if end.namespaces() else Source.ABSENT), ""
    if "deletionTimestamp" in found["metadata"]:
        return Source.LEAVING, ""
    if end.arriving():
        raise LocalError(f"{end.site}: the department is arriving there by another move", "Finish that move first.")
    return source_state(look(end))


def source_state(told: Mapping[str, Any] | None) -> tuple[Source, str]:
    """Return how the store that a department leaves stands, and by which move, from what it told; None is one that does not answer."""
    if told is None:
        return Source.AWAY, ""
    standing = told["standing"]
    return (Source(standing["state"]), standing["id"]) if standing else (Source.SERVING, "")


def _target(end: End) -> tuple[Target, str, bool]:
    found = end.object()
    if found is None:
        return (Target.LEAVING if end.namespaces() else Target.ABSENT), "", False
    if "deletionTimestamp" in found["metadata"]:
        return Target.LEAVING, "", False
    arriving, told = end.arriving(), look(end)
    state, move = target_state(told, arriving=bool(arriving))
    uncertified = told is not None and not move and bool((told["certificate"] or {}).get("pending"))
    return state, move or arriving, uncertified


def target_state(told: Mapping[str, Any] | None, *, arriving: bool) -> tuple[Target, str]:
    """Return how the store that a department comes to stands, and by which move if a copy lies there, from what it told; None is one that does not answer."""
    if told is None:
        return (Target.PREPARED if arriving else Target.AWAY), ""
    standing = told["standing"]
    if standing and standing["state"] == "Arrived":
        return (Target.COPIED if arriving else Target.RELEASED), standing["id"]
    return (Target.PREPARED if arriving else Target.SERVING), ""


@dataclass(frozen=True)
class Facts:
    """What decides whether a department may move; all of it is read, nothing is changed."""

    department: str
    masters_equal: bool
    feed: bool
    claims: Sequence[str]
    apart: Sequence[str]
    store_bytes: int
    room_wanted: int
    size: str
    objects: Mapping[str, int] = field(default_factory=dict)


def obstacles(facts: Facts, *, apart_accepted: bool) -> list[str]:
    """Return what must be put right first; each sentence names the remedy. Pure."""
    out = []
    if not facts.masters_equal:
        out.append(
            "Secret commonweal-sectors: the two sites have different master keys, so every person would have another id at the new one. "
            "Set `commonweal:sectorsMaster` of the new site's stack to that of the old one, before any department lives there."
        )
    if facts.feed:
        out.append(
            "spec.consentFeed: the department runs on several sites already. Add the new site to spec.consentFeed.sites and take the old one out "
            "instead; what people say travels by the feed."
        )
    out += [
        f"PersistentVolumeClaim {name}: volumes of the department's own are not moved. Copy it by hand, or delete it."
        for name in facts.claims
    ]
    if facts.apart and not apart_accepted:
        named = "; ".join(facts.apart)
        out.append(
            f"Agreements that will be closed at the new site: {named}. Move or set up the other department there first, with the same keys; "
            "or say --accept-closed."
        )
    return out


def facts(source: End, target: End, manifests: Sequence[Mapping[str, Any]]) -> Facts:
    """Read what decides. Raises KubectlError, and LocalError when the old store does not answer."""
    told = look(source)
    if told is None:
        raise LocalError(f"{source.site}: the department's store does not answer", "Look at StoreReady of the Department there.")
    department = next(m for m in manifests if m["kind"] == "Department")
    counts: dict[str, int] = {}
    for manifest in manifests:
        counts[manifest["kind"]] = counts.get(manifest["kind"], 0) + 1
    return Facts(
        source.department,
        _master(source) == _master(target),
        bool(department["spec"].get("consentFeed")),
        [m["metadata"]["name"] for m in manifests if m["kind"] == "PersistentVolumeClaim" and m["metadata"]["name"] != "data-store-0"],
        apart(source.department, source.cluster.items("consentpolicies"), _keys(source), _keys(target)),
        told["bytes"],
        int(told["bytes"] * ROOM),
        str(department["spec"].get("store", {}).get("size", "")),
        counts,
    )


def apart(department: str, policies: Iterable[Mapping[str, Any]], here: Mapping[str, str], there: Mapping[str, str]) -> list[str]:
    """Return the agreements that cannot hold at the new site, because their other party is not there, or signs with another key there. Pure.

    `here` and `there` are the agreement keys that departments publish at either site.
    """
    out = []
    for policy in policies:
        provider, consumer = policy["metadata"]["namespace"].removeprefix("dept-"), policy["spec"]["consumer"]["department"]
        if department not in (provider, consumer) or provider == consumer:
            continue
        other, name = (consumer if provider == department else provider), policy["metadata"]["name"]
        if provider != department:
            out.append(f"{name} of {other} (it stays at the old site, where its consumer is no more)")
        elif other not in there:
            out.append(f"{name} with {other} (which is not at the new site)")
        elif there[other] != here.get(other):
            out.append(f"{name} with {other} (whose key there is another, so it has to sign again)")
    return out


def _keys(end: End) -> dict[str, str]:
    found = {}
    for item in end.cluster.items("departments"):
        keys = [k for k in item.get("status", {}).get("keys", []) if k.get("purpose") == "Agreement"]
        found[item["metadata"]["name"]] = str(keys[0]["x"]) if keys else ""
    return found


def _master(end: End) -> str:
    """Return a digest of the site's master key: the key itself is looked at and not kept."""
    secret = json.loads(end.cluster.run("get", "secret", SECTORS, "-n", SYSTEM, "-o", "json"))
    return hashlib.sha256(base64.b64decode(secret["data"]["master"]).strip()).hexdigest()
