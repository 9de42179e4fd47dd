"""Behaviour probes: a site is tried, not believed. Each promise of the platform becomes one leaf of the conformity digest."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from commonweal_stacks.conformity.api import Api
from commonweal_stacks.conformity.probes import departments, scratch, server, traffic
from commonweal_stacks.conformity.probes.scratch import Say, left, sweep
from commonweal_stacks.conformity.probes.verdicts import Verdict, broken_ones, leaves_of

__all__ = ["Abilities", "Verdict", "abilities_of", "broken_ones", "leaves_of", "left", "probe", "sweep"]

SIMULATED = "no node runs pods"


@dataclass(frozen=True, slots=True)
class Abilities:
    """What can be tried on a site: whether an operator works there, and whether pods really run."""

    operator: bool
    pods: bool


def abilities_of(nodes: Iterable[Mapping[str, Any]]) -> Abilities:
    """Return what can be tried on a site with these nodes; simulated ones (KWOK's) run neither pods nor, therefore, the operator. Pure."""
    real = any("kwok.x-k8s.io/node" not in (node["metadata"].get("annotations") or {}) for node in nodes)
    return Abilities(operator=real, pods=real)


def probe(api: Api, image: str, *, say: Say, abilities: Abilities | None = None) -> dict[str, Verdict]:
    """Try every promise and return the verdicts by name; nothing of what was made for it stays. Raises SiteConfigError.

    `image` is what the pods run: the runtime's. What cannot be tried has a verdict that says so.
    """
    able = abilities or abilities_of(api.ask("GET", "/api/v1/nodes").body.get("items") or ())
    with scratch.held(api, say):
        say("asking the API server for what it must refuse")
        found = server.verdicts(api)
        if not able.operator:
            return found | departments.none(SIMULATED) | traffic.none(SIMULATED)
        begun = traffic.begin(api, image) if able.pods else None
        why = scratch.make(api, say)
        if why:
            return found | departments.failed(why) | (traffic.failed("no department", why) if begun else traffic.none(SIMULATED))
        found |= departments.verdicts(api)
        return found | (traffic.verdicts(api, image, begun, say) if begun else traffic.none(SIMULATED))
