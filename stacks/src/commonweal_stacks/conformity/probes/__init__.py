"""Behaviour probes: a site is tried, not believed. Each promise of the platform becomes one leaf of the conformity digest."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from commonweal_stacks.api import Api
from commonweal_stacks.blueprint import Blueprint
from commonweal_stacks.conformity.probes import departments, scratch, server, settings, traffic
from commonweal_stacks.conformity.probes.scratch import Say, left, sweep
from commonweal_stacks.conformity.probes.verdicts import Verdict, broken_ones, leaves_of, of_others

__all__ = ["Abilities", "Verdict", "abilities_of", "broken_ones", "leaves_of", "left", "probe", "sweep"]

SIMULATED = "no node runs pods"


@dataclass(frozen=True, slots=True)
class Abilities:
    """What can be tried on a site: whether an operator works there, and whether pods really run."""

    operator: bool
    pods: bool


def abilities_of(nodes: Iterable[Mapping[str, Any]]) -> Abilities:
    """Return what can be tried on a site with these nodes; simulated ones (KWOK's) run neither pods nor, therefore, the operator. Pure."""
    real = any(map(_is_real, nodes))
    return Abilities(operator=real, pods=real)


def _is_real(node: Mapping[str, Any]) -> bool:
    return "kwok.x-k8s.io/node" not in (node["metadata"].get("annotations") or {})


def probe(
    api: Api, image: str, blueprint: Blueprint, *, say: Say, ours: bool = True, abilities: Abilities | None = None
) -> dict[str, Verdict]:
    """Try every promise and return the verdicts by name; nothing of what was made for it stays. Raises SiteConfigError.

    `image` is what the pods run: the runtime's. `ours` says whether the cluster was made from the blueprint: one that others set up promises nothing
    of its settings. What cannot be tried has a verdict that says so.
    """
    nodes = api.ask("GET", "/api/v1/nodes").body.get("items") or ()
    able = abilities or abilities_of(nodes)
    with scratch.held(api, say):
        say("asking the API server for what it must refuse")
        found = server.verdicts(api)
        set_up = settings.verdicts(api, blueprint, [node["metadata"]["name"] for node in nodes if _is_real(node)])
        found |= set_up if ours else {name: of_others(verdict) for name, verdict in set_up.items()}
        if not able.operator:
            return found | departments.none(SIMULATED) | traffic.none(SIMULATED)
        begun = traffic.begin(api, image) if able.pods else None
        why = scratch.make(api, say) or departments.emptied(api)
        if why:
            return found | departments.failed(why) | (traffic.failed("no department", why) if begun else traffic.none(SIMULATED))
        found |= departments.verdicts(api)
        return found | (traffic.verdicts(api, image, begun, say) if begun else traffic.none(SIMULATED))
