"""Whether the objects of two sites are alike, but for what their adapters say may differ. Pure."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from typing import Any

from commonweal_api.signatures import canonical
from commonweal_stacks.clusters.contract import Declaration, Difference
from commonweal_stacks.clusters.kubeadm import SHARED
from commonweal_stacks.conformity.normal import matches, steps_of
from commonweal_stacks.conformity.tree import ABSENT, flatten
from commonweal_stacks.manifests import Manifest

Rendered = tuple[Declaration, Iterable[Manifest]]


def unlike(one: Rendered, other: Rendered) -> list[str]:
    """Return the places, as `Kind:path`, in which two sites set up by kubeadm differ though neither adapter declares it.

    Objects of the providers' own kinds play no part: they are what an adapter is for.
    """
    allowed = (*SHARED, *one[0].differences, *other[0].differences)
    ours, theirs = _by_kind(one), _by_kind(other)
    found = [f"{kind}:" for kind in sorted(set(ours) ^ set(theirs))]
    for kind in sorted(set(ours) & set(theirs)):
        patterns = [steps_of(each.path) for each in allowed if each.kind in {"*", kind}]
        found += [f"{kind}:{'/'.join(steps)}" for steps in _differing(ours[kind], theirs[kind]) if not _declared(steps, patterns)]
    return found


def used(one: Rendered, other: Rendered) -> set[Difference]:
    """Return those of the declared differences of `one` that are a difference between the two."""
    ours, theirs = _by_kind(one), _by_kind(other)
    return {
        each
        for each in one[0].differences
        for kind in set(ours) & set(theirs) & {each.kind}
        if any(_declared(steps, [steps_of(each.path)]) for steps in _differing(ours[kind], theirs[kind]))
    }


def _by_kind(rendered: Rendered) -> dict[str, Manifest]:
    declaration, objects = rendered
    return {made["kind"]: _keyed(made) for made in objects if made["kind"] not in declaration.infrastructure}


def _keyed(made: Manifest) -> Manifest:
    """Return the object with a machine's files by their path in place of by their number."""
    keyed = copy.deepcopy(made)
    spec = keyed["spec"].get("template", {}).get("spec", {})
    for holder in (spec, spec.get("kubeadmConfigSpec", {})):
        if "files" in holder:
            holder["files"] = {file["path"]: file for file in holder["files"]}
    return keyed


def _differing(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[tuple[str, ...]]:
    left, right = dict(flatten(one)), dict(flatten(other))
    places = sorted({*left, *right})
    return [steps for steps in places if canonical(left.get(steps, ABSENT)) != canonical(right.get(steps, ABSENT))]


def _declared(steps: tuple[str, ...], patterns: Iterable[tuple[str, ...]]) -> bool:
    return any(matches(steps, pattern) for pattern in patterns)
