"""What is alike on every cluster, by revision. Pure: no file, no network, no clock."""

from __future__ import annotations

from commonweal_stacks.blueprint.changes import refusal_of
from commonweal_stacks.blueprint.model import Blueprint, Kubelet, Machine, Network, Size
from commonweal_stacks.blueprint.revisions import CURRENT, REVISIONS, current, revision

__all__ = [
    "CURRENT",
    "REVISIONS",
    "Blueprint",
    "Kubelet",
    "Machine",
    "Network",
    "Size",
    "current",
    "refusal_of",
    "revision",
]
