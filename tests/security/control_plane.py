"""Attack on what all departments share: the API server, its storage and the operator, by as many and as large objects as a department may have."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from commonweal_api import namespace_of
from commonweal_cli.agreements import sign_all
from commonweal_cli.demo.journey import REGISTER, REGISTRY, TAX
from commonweal_cli.demo.web import Caller
from security import witness
from security.asks import CREATABLE, Ask, collection, made, sent
from security.findings import Finding, refused
from security.stage import SPACE, Stage
from support.products import largest_product
from support.waiting import HANG, wait_for

PART = "control plane"
OBSERVED_SECONDS, CLOSED_SECONDS = 60.0, 30.0
AT_ONCE, MOST_SECONDS = 4, 90.0
MOST = 500  # a quota of 100 objects of each kind of ours allows 320 ConfigMaps
LARGE = "x" * 900_000
AGREEMENT = "tax-registers-business"


def run(stage: Stage, say: Callable[[str], None]) -> list[Finding]:
    """Fill a department's quota with the largest objects, and look how soon another department's change is seen and a revocation closes."""
    found, meanwhile = list[Finding](), list[Finding]()
    usual = changed(stage, 0)
    with witness.watching(PART, stage, [witness.person(stage), witness.newcomer(stage)], meanwhile):
        for title, asks in (("the largest ConfigMaps", config_maps()), ("the largest products", products()), ("Services", services())):
            say(f"{title}, up to the quota and beyond")
            found.append(filled(stage, title, asks))
        say("another department's change, and a revocation")
        seconds = changed(stage, 1)
        found.append(in_time("another department's change is observed", seconds, OBSERVED_SECONDS, usual))
        found.append(in_time("a revocation closes", revoked(stage), CLOSED_SECONDS, 0.0))
    say("what was made is taken away")
    for kind, name in (("ConfigMap", "large"), ("DataProduct", "large"), ("Service", "many")):
        for n in range(MOST):  # by name: to list them would be to read them all
            stage.admin.ask("DELETE", f"{collection(kind, SPACE)}/{name}-{n}")
    return [*found, *meanwhile]


def in_time(attack: str, seconds: float, most: float, usual: float) -> Finding:
    """Return whether something came about within its bound."""
    before = f", {usual:.1f} s before" if usual else ""
    return Finding(
        PART, f"meanwhile: {attack}", seconds <= most, f"bounded work for each department, at most {most:.0f} s", f"{seconds:.1f} s{before}"
    )


def config_maps() -> Iterator[Ask]:
    """Return ConfigMaps of nearly the size that the API server takes."""
    return (made("ConfigMap", f"large-{n}", SPACE, labels={"attack": "true"}, data={"x": LARGE}) for n in range(MOST))


def products() -> Iterator[Ask]:
    """Return products that are as large as one may be."""
    for n in range(MOST):
        body = largest_product(name=f"large-{n}")
        yield made("DataProduct", f"large-{n}", SPACE, labels={"attack": "true"}, spec=body["spec"])


def services() -> Iterator[Ask]:
    """Return Services, of which each has an address."""
    return (made("Service", f"many-{n}", SPACE, labels={"attack": "true"}, spec={"ports": [{"port": 80}]}) for n in range(MOST))


def filled(stage: Stage, title: str, asks: Iterator[Ask]) -> Finding:
    """Make objects, several at once, until one is refused; not for longer than the attack may last."""
    until, last, count = time.monotonic() + MOST_SECONDS, (0, ""), 0
    with ThreadPoolExecutor(AT_ONCE) as pool:
        while time.monotonic() < until:
            batch = [ask for _, ask in zip(range(AT_ONCE), asks, strict=False)]
            answers = list(pool.map(lambda ask: sent(stage.editor, ask), batch))
            count += sum(status < 300 for status, _ in answers)
            last = next((answer for answer in answers if answer[0] >= 300), (0, ""))
            if last[0]:
                found = refused(PART, f"{title} without end", *last)
                return replace(found, detail=f"{count} were taken{': ' * bool(found.detail)}{found.detail}")
    return Finding(PART, f"{title} without end", held=False, layer="none", detail=f"{count} in {MOST_SECONDS:.0f} s, and none was refused")


def changed(stage: Stage, number: int) -> float:
    """Change the victim's product as its steward would; return after how many seconds its status has seen it."""
    space, began = namespace_of(REGISTRY), time.monotonic()
    path = f"/apis/{CREATABLE['DataProduct'][0]}/namespaces/{space}/dataproducts/companies"
    patch = {"spec": {"owner": {"steward": f"mailto:steward-{number}@companies-registry.example"}}}
    stage.admin.call("PATCH", path, patch, content="application/merge-patch+json")

    def seen() -> bool | None:
        item = stage.admin.call("GET", path)
        generation = item["metadata"]["generation"]
        return all(c.get("observedGeneration") == generation for c in item["status"]["conditions"]) or None

    wait_for("the change to be observed", seen, every=0.1)
    return time.monotonic() - began


def revoked(stage: Stage) -> float:
    """Take the signatures out of an agreement; return after how many seconds its reader is refused. It is signed again afterwards."""
    token = stage.site.service(TAX, "tax-app", REGISTRY).token
    path = f"/v1/companies/subjects/{stage.site.subject(REGISTRY)}"

    def read() -> int:
        return Caller(stage.site.apis[REGISTRY], token, trust=stage.site.trust).get(path, Purpose=REGISTER).status

    began = time.monotonic()
    stage.cluster.patch("consentpolicy", AGREEMENT, namespace_of(REGISTRY), {"spec": {"signatures": []}})
    wait_for("the agreement to be closed", lambda: read() == 403 or None, every=0.1)
    seconds = time.monotonic() - began
    sign_all(stage.cluster, [namespace_of(REGISTRY)])
    wait_for("the agreement to be open again", lambda: read() == 200 or None, seconds=HANG, every=0.3)
    return seconds
