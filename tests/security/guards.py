"""Guards that can be taken away, so that it is seen whether the attacks notice: a suite that says «held» of everything proves nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from commonweal_api import namespace_of, platform_namespace_of
from commonweal_cli.demo.journey import BENEFITS, REGISTRY, TAX
from commonweal_local.progress import Progress
from security import addresses, attackers, stolen
from security.asks import Ask, collection, made, sent
from security.findings import Finding, layer_of, refused
from security.stage import SPACE, Stage
from support.waiting import wait_for

PART = "without a guard"
BINDINGS = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings"
OPENING = {"podSelector": {}, "policyTypes": ["Ingress", "Egress"], "ingress": [{}], "egress": [{}]}
SPACES = tuple(space for name in (REGISTRY, TAX, BENEFITS) for space in (namespace_of(name), platform_namespace_of(name)))


@dataclass(frozen=True)
class Guard:
    """How a guard is taken away and brought back, and the attack that must succeed without it."""

    away: Callable[[Stage], None]
    back: Callable[[Stage], None]
    attack: Callable[[Stage], list[Finding]]


def _binding(name: str, ask: Callable[[Stage], Ask]) -> Guard:
    kept: dict[str, object] = {}

    def away(stage: Stage) -> None:
        found = stage.admin.call("GET", f"{BINDINGS}/{name}")
        metadata = {key: found["metadata"][key] for key in ("name", "labels") if key in found["metadata"]}
        kept.update({"apiVersion": found["apiVersion"], "kind": found["kind"], "metadata": metadata, "spec": found["spec"]})
        stage.admin.ask("DELETE", f"{BINDINGS}/{name}")
        wait_for(
            "the policy to be out of force", lambda: not layer_of(*sent(stage.editor, _dry(ask(stage)))) or None, seconds=60, every=0.3
        )

    def back(stage: Stage) -> None:
        stage.admin.ask("POST", BINDINGS, kept)
        wait_for("the policy to be in force", lambda: layer_of(*sent(stage.editor, _dry(ask(stage)))) or None, seconds=60, every=0.3)

    def attack(stage: Stage) -> list[Finding]:
        request = ask(stage)
        found = [refused(PART, name, *sent(stage.editor, request))]
        stage.admin.ask("DELETE", f"{request.path}/{request.body['metadata']['name']}", {"gracePeriodSeconds": 0})
        return found

    return Guard(away, back, attack)


def _dry(ask: Ask) -> Ask:
    return Ask(ask.method, ask.path, ask.body, dry=True)


def _opened(stage: Stage) -> None:
    for space in SPACES:
        sent(stage.admin, made("NetworkPolicy", "by-hand", space, spec=OPENING))


def _closed(stage: Stage) -> None:
    for space in SPACES:
        stage.admin.ask("DELETE", f"{collection('NetworkPolicy', space)}/by-hand")


def _reaches(stage: Stage) -> list[Finding]:
    pods = {f"{item['metadata']['namespace']}/{item['metadata']['name']}": item for item in stage.admin.items("/api/v1/pods")}
    container = next(each for each in stolen.containers() if each.account == "data-api")
    return [found for found in stolen.inside(stage, container, pods) if "ports of others" in found.attack]


GUARDS: Mapping[str, Guard] = {
    # Not an address: that a quota refuses, too.
    "traffic-policy": _binding("commonweal-traffic", lambda _: made("Service", "takes", SPACE, spec=addresses.NAMED)),
    "workloads-policy": _binding(
        "commonweal-workloads",
        lambda stage: attackers.pod("stays", attackers.spec(stage.image, attackers.SLEEP, terminationGracePeriodSeconds=86_400)),
    ),
    "network-policies": Guard(_opened, _closed, _reaches),
}


def take_away(stage: Stage, name: str) -> None:
    """Take a guard away for good."""
    GUARDS[name].away(stage)


def seen(stage: Stage, progress: Progress) -> list[Finding]:
    """Take each guard away in turn, and return whether the attack on what it guards was seen to succeed; each is brought back."""
    found = []
    for name, guard in GUARDS.items():
        with progress.step(f"without {name}, an attack must succeed", measured=f"without {name}"):
            guard.away(stage)
            try:
                attacked = guard.attack(stage)
            finally:
                guard.back(stage)
        through = [each.detail for each in attacked if not each.held]
        detail = "" if through else "the attack was refused all the same, so the suite does not see this guard"
        found.append(Finding(PART, f"without {name}, the attack succeeds and is seen", bool(through), "this suite", detail))
    return found
