"""The blueprint layer: what a site is meant to be, without what may differ. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from commonweal_stacks.conformity.normal import leaves_of
from commonweal_stacks.conformity.tree import flatten, layer_root, spelled

LAYER = "blueprint"


def blueprint_leaves(objects: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the leaves of rendered objects; the values of Secrets play no part."""
    return {path: value for obj in objects for path, value in leaves_of(obj).items()}


def cluster_leaves(blueprint: Mapping[str, Any]) -> dict[str, Any]:
    """Return the leaves of a blueprint of clusters, given as plain values: what is alike on every kind of site."""
    return {f"cluster:{spelled(steps)}": value for steps, value in flatten(blueprint)}


def blueprint_root(objects: Iterable[Mapping[str, Any]]) -> str:
    """Return the digest of the blueprint, in hexadecimal: equal for two sites that were meant to be alike."""
    return layer_root(LAYER, blueprint_leaves(objects)).hex()
