"""Attack d: throw others off the node, by priority, by memory, processor and disk, and by taking all the room that there is."""

from __future__ import annotations

import time
from collections.abc import Callable

from commonweal_api import platform_namespace_of
from security import attackers, witness
from security.asks import Ask, made, sent, tried
from security.findings import Finding, Pod, refused
from security.stage import ATTACKER, SPACE, VICTIM, Stage, patched
from support.waiting import wait_for

PART = "eviction"
ABOVE = ("system-node-critical", "system-cluster-critical", "commonweal-platform")
VICTIM_SPACE = platform_namespace_of(VICTIM)
GENEROUS = {"cpu": "64", "memory": "64Gi", "storage": "20Gi", "ephemeralStorage": "200Gi", "pods": 100, "objects": 100}
MODEST = {"cpu": "4", "memory": "4Gi", "storage": "20Gi", "ephemeralStorage": "8Gi", "pods": 50, "objects": 100}
BACK_SECONDS = 150.0  # a minute for whoever has to leave, and then the start of a pod
FILL_SECONDS, BUSY_SECONDS = 75.0, 30.0
STAYS = 86_400  # seconds; a pod that may take so long to end keeps its room for as long


def run(stage: Stage, say: Callable[[str], None]) -> list[Finding]:
    """Try everything; the platform team has given this department more than the node has, so that no quota is in the way of what is filled."""
    found = tried(PART, stage.editor, stage.admin, asks(stage))
    say("more pods and claims than the quota allows")
    found += beyond_the_quota(stage)
    give(stage, GENEROUS)
    try:
        for attack in (memory, processor, room):
            say(attack.__doc__ or "")
            try:
                found += attack(stage)
            finally:
                stage.clear()
    finally:
        give(stage, MODEST)
    return found


def asks(stage: Stage) -> dict[str, Ask]:
    """Return what must be refused: a pod above others, and one that keeps its room after it was told to end."""
    plain = attackers.spec(stage.image, attackers.SLEEP)
    found = {f"a pod of class {name}": attackers.pod("above", {**plain, "priorityClassName": name}) for name in ABOVE}
    found |= {f"a Deployment of class {name}": attackers.deployment("above", {**plain, "priorityClassName": name}) for name in ABOVE}
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "store-0", "namespace": VICTIM_SPACE}}
    lasting = {**plain, "terminationGracePeriodSeconds": STAYS}
    return found | {
        "a priority by number": attackers.pod("above", {**plain, "priority": 2_000_000_000}),
        "a class of its own": made("PriorityClass", "above-all", value=1_000_000_000, globalDefault=True),
        "a pod that may take a day to end": attackers.pod("stays", lasting),
        "a Deployment of such pods": attackers.deployment("stays", lasting),
        "the eviction of another department's store": Ask("POST", f"/api/v1/namespaces/{VICTIM_SPACE}/pods/store-0/eviction", eviction),
        "the end of another department's store": Ask("DELETE", f"/api/v1/namespaces/{VICTIM_SPACE}/pods/store-0"),
        "pods on every node": made(
            "DaemonSet",
            "everywhere",
            SPACE,
            spec={
                "selector": {"matchLabels": {"app": "everywhere"}},
                "template": {"metadata": {"labels": {"app": "everywhere"}}, "spec": {**plain, "priorityClassName": ABOVE[0]}},
            },
        ),
    }


def give(stage: Stage, quota: dict[str, object]) -> None:
    """Give the attacker's department a quota, as the platform team does, and wait until it is in force."""
    patched(stage, f"department/{ATTACKER}", {"spec": {"quota": quota}})
    path = f"/api/v1/namespaces/{SPACE}/resourcequotas/department"
    wait_for(
        "the quota", lambda: stage.admin.call("GET", path)["status"].get("hard", {}).get("pods") == str(quota["pods"]) or None, every=0.3
    )


def beyond_the_quota(stage: Stage) -> list[Finding]:
    """Ask for more than the department may have of each, until it is refused."""
    found = []
    asks_for_much = attackers.spec(stage.image, attackers.SLEEP, resources={"limits": {"memory": "5Gi"}, "requests": {"memory": "16Mi"}})
    claim = {"accessModes": ["ReadWriteOnce"], "storageClassName": "std-rwo", "resources": {"requests": {"storage": "15Gi"}}}
    series = {
        "a pod with more memory than the quota": [attackers.pod("large", asks_for_much)],
        "claims of more space than the quota": [made("PersistentVolumeClaim", f"large-{n}", SPACE, spec=claim) for n in range(2)],
        "more claims than the quota": [
            made(
                "PersistentVolumeClaim",
                f"small-{n}",
                SPACE,
                spec={**claim, "resources": {"requests": {"storage": "1Mi"}}},
            )
            for n in range(200)
        ],
    }
    for name, requests in series.items():
        answers = []
        for ask in requests:
            answers.append(sent(stage.editor, ask))
            if answers[-1][0] >= 300:
                break
        found.append(refused(PART, f"{name} (request {len(answers)})", *answers[-1]))
        for ask in requests[: len(answers)]:
            stage.admin.ask("DELETE", f"{ask.path}/{ask.body['metadata']['name']}")
    return found


def memory(stage: Stage) -> list[Finding]:
    """Pods take all the memory that the node gives, and write more to its disk than they may."""
    found: list[Finding] = []
    little = {"requests": {"memory": "16Mi", "cpu": "5m"}, "limits": {"memory": "2Gi"}}
    honest = {"requests": {"memory": "1Gi", "cpu": "5m"}, "limits": {"memory": "1Gi"}}
    with witness.watching(f"{PART}: memory", stage, witness.everybody(stage), found):
        sent(stage.editor, attackers.pod("filling", attackers.spec(stage.image, attackers.FILLING)))
        sent(stage.editor, attackers.pod("honest", attackers.spec(stage.image, attackers.GREEDY, "800", resources=honest)))
        for n in range(8):
            sent(stage.editor, attackers.pod(f"greedy-{n}", attackers.spec(stage.image, attackers.GREEDY, "1500", resources=little)))
        how = lasting(stage, FILL_SECONDS)
    short = any(reason in ("OOMKilled", "Evicted", "Error") for reason in how)
    attack = "pods that ask for 16Mi and take 12 GiB of a node of 10"
    detail = ", ".join(sorted(set(how))) or "no pod of the attacker's was ended: the node was never short"
    return [Finding(PART, attack, short, "the node ends first who takes more than was asked for", detail), *found]


def lasting(stage: Stage, seconds: float) -> list[str]:
    """Return how the attacker's pods were ended meanwhile, after so long of an attack."""
    until, how = time.monotonic() + seconds, list[str]()

    def over() -> bool | None:
        how[:] = {*how, *attackers.ended(stage.attacking())}
        return time.monotonic() > until or None

    wait_for("the attack to have lasted", over, every=2.0)
    return how


def processor(stage: Stage) -> list[Finding]:
    """Pods keep every processor busy."""
    found: list[Finding] = []
    asked = {"requests": {"memory": "16Mi", "cpu": "100m"}, "limits": {"memory": "128Mi"}}
    with witness.watching(f"{PART}: processor", stage, witness.everybody(stage), found):
        for n in range(5):
            sent(stage.editor, attackers.pod(f"busy-{n}", attackers.spec(stage.image, attackers.BUSY, resources=asked)))
        lasting(stage, BUSY_SECONDS)
    return found


def room(stage: Stage) -> list[Finding]:
    """Pods ask for all the room there is, and stay when they are told to end, while a data API and a store start again."""
    asked = {"requests": {"memory": "1Gi", "cpu": "5m"}, "limits": {"memory": "1Gi"}}
    taken = attackers.spec(stage.image, attackers.STUBBORN, resources=asked, terminationGracePeriodSeconds=60)
    for n in range(12):
        sent(stage.editor, attackers.pod(f"room-{n}", taken))
    wait_for("the node to be full", lambda: full(stage) or None, every=0.5)
    found = []
    for begins in ("data-api-", "store-"):
        before = the_pod(stage, begins)
        began = time.monotonic()
        stage.admin.ask("DELETE", f"/api/v1/namespaces/{VICTIM_SPACE}/pods/{before.name.partition('/')[2]}")
        attack = f"all room is taken while {begins.rstrip('-')} starts again"
        try:
            wait_for("the platform's pod", lambda b=begins, u=before.uid: back(stage, b, u) or None, seconds=BACK_SECONDS, every=0.5)
            seconds = time.monotonic() - began
            found.append(Finding(PART, attack, True, "the platform's priority class", f"ready after {seconds:.0f} s"))
        except TimeoutError:
            found.append(Finding(PART, attack, False, "none", f"not ready after {BACK_SECONDS:.0f} s"))
    return found


def full(stage: Stage) -> bool:
    """Return whether a pod of the attacker's finds no room any more."""
    return any(
        c.get("reason") == "Unschedulable"
        for each in stage.attacking()
        for c in each.get("status", {}).get("conditions") or ()
        if c["status"] == "False"
    )


def the_pod(stage: Stage, begins: str) -> Pod:
    """Return the victim's pod whose name begins so."""
    return next(pod for pod in stage.pods(VICTIM_SPACE) if pod.name.startswith(f"{VICTIM_SPACE}/{begins}"))


def back(stage: Stage, begins: str, earlier: str) -> bool:
    """Return whether another pod of that name is ready."""
    return any(pod.ready and pod.uid != earlier for pod in stage.pods(VICTIM_SPACE) if pod.name.startswith(f"{VICTIM_SPACE}/{begins}"))
