"""What an attack came to, and what the reader is told. Pure."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

HELD, DID_NOT_HOLD = "held", "did not hold"
# What stands in a refusal, and the layer that says so; the first that is found.
LAYERS: Mapping[str, str] = {
    r"ValidatingAdmissionPolicy '([^']+)'": "admission policy {0}",
    r"violates PodSecurity": "Pod Security",
    r"external IPs is denied by admission control": "the API server's plug-in DenyServiceExternalIPs",
    r"priority .* must not be provided": "the API server's plug-in Priority",
    r"exceeded quota": "quota",
    r"(?:maximum|minimum) [\w.-]+ usage per": "limit range",
    r"User \"[^\"]*\" cannot|cannot (?:get|list|watch|create|update|patch|delete|impersonate|bind|escalate|use|approve|sign)": "access rules",
    r"attempting to grant RBAC permissions not currently held": "access rules (no right is passed on that is not held)",
    r"NodeRestriction|can only access|not a node": "the API server's plug-in NodeRestriction",
    r"Unauthorized": "no login",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One attack: what was tried, whether all it was meant to hurt went on, and the layer that stopped it."""

    part: str
    attack: str
    held: bool
    layer: str
    detail: str = ""


def layer_of(status: int, message: str) -> str:
    """Return the layer that refused a request; empty when it was taken, or refused for a reason that is no layer of ours, such as a mistake in it."""
    if status not in (401, 403):
        return ""
    for pattern, layer in LAYERS.items():
        if match := re.search(pattern, message):
            return layer.format(*match.groups())
    return ""


def refused(part: str, attack: str, status: int, message: str) -> Finding:
    """Return what one request came to. A refusal that no layer explains proves nothing, so it counts as not held."""
    layer = layer_of(status, message)
    return Finding(part, attack, bool(layer), layer or "none", "" if layer else f"{status}: {message[:200]}")


def together(part: str, attack: str, found: Mapping[str, tuple[int, str]]) -> Finding:
    """Return one finding for many requests of a kind: held when each was refused, and otherwise which were not."""
    layers = {name: layer_of(status, message) for name, (status, message) in found.items()}
    through = [f"{name} ({found[name][0]}: {found[name][1][:120]})" for name, layer in layers.items() if not layer]
    named = ", ".join(sorted({layer for layer in layers.values() if layer})) or "none"
    return Finding(part, f"{attack} ({len(found)} requests)", bool(found) and not through, named, "; ".join(through[:5]))


def passed(findings: Sequence[Finding]) -> bool:
    """Return whether every attack was held. Nothing tried is not held."""
    return bool(findings) and all(found.held for found in findings)


def table(findings: Sequence[Finding]) -> str:
    """Return the findings as lines, aligned; what did not hold says why."""
    verdicts = {found: HELD if found.held else DID_NOT_HOLD for found in findings}
    parts = max((len(found.part) for found in findings), default=0)
    attacks = max((len(found.attack) for found in findings), default=0)
    lines = []
    for found, verdict in verdicts.items():
        why = f": {found.detail}" if found.detail else ""
        lines.append(f"{verdict:<{len(DID_NOT_HOLD)}}  {found.part:<{parts}}  {found.attack:<{attacks}}  {found.layer}{why}")
    failed = sum(not found.held for found in findings)
    lines.append(f"{len(findings)} attacks: {len(findings) - failed} held, {failed} did not")
    return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class Asked:
    """One request of a witness: when it began and ended (seconds), and what was wrong with the answer."""

    began: float
    ended: float
    problem: str = ""


def longest_without(asked: Sequence[Asked], began: float, ended: float) -> float:
    """Return the longest time between two good answers, of which the beginning and the end of the attack count as two."""
    good = sorted(each.ended for each in asked if not each.problem)
    moments = [began, *(moment for moment in good if began <= moment <= ended), ended]
    return max(later - earlier for earlier, later in itertools.pairwise(moments))


def answered(part: str, who: str, asked: Sequence[Asked], began: float, ended: float, patience: float) -> Finding:
    """Return whether a legitimate client went on being answered: never longer than `patience` without a good answer."""
    good = [each for each in asked if not each.problem]
    gap = longest_without(asked, began, ended)
    slowest = max((each.ended - each.began for each in good), default=0.0)
    problems = sorted({each.problem for each in asked if each.problem})
    said = f"{len(good)} of {len(asked)} answered, slowest {slowest:.1f} s, longest without an answer {gap:.1f} s"
    detail = f"{said}{'; ' if problems else ''}{'; '.join(problems)[:300]}"
    return Finding(part, f"meanwhile: {who}", bool(good) and gap <= patience, f"answered within {patience:.0f} s", detail)


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod of the platform as it stands: which one, whether it is ready, and how often each of its containers started again."""

    name: str
    uid: str
    ready: bool
    restarts: int


def disturbed(before: Sequence[Pod], after: Sequence[Pod]) -> list[str]:
    """Return which pods were taken away, started again or are not ready, each with what happened."""
    now = {pod.name: pod for pod in after}
    found = []
    for pod in before:
        later = now.get(pod.name)
        if later is None:
            found.append(f"{pod.name} is gone")
        elif later.uid != pod.uid:
            found.append(f"{pod.name} was replaced")
        elif later.restarts > pod.restarts:
            found.append(f"{pod.name} started again {later.restarts - pod.restarts} times")
        elif not later.ready:
            found.append(f"{pod.name} is not ready")
    return found
