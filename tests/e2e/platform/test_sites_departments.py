"""The example on two real sites: the journey, identical sites, drift, policies that bite, and what survives a death."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from commonweal_api import namespace_of, platform_namespace_of
from commonweal_api.plan import audience_of
from commonweal_cli.agreements import sign_all
from commonweal_cli.demo import bring_up
from commonweal_cli.demo.command import walk
from commonweal_cli.demo.journey import BENEFITS, ONCE, REGISTRY, TAX, Site, poll, short_agreement
from commonweal_cli.demo.learning import MODEL
from commonweal_cli.demo.person import PEOPLE, SignIn
from commonweal_cli.demo.report import table
from commonweal_cli.demo.web import Answer, Caller, trust_of
from commonweal_cli.kubectl import Kubectl
from commonweal_cli.site import operations
from commonweal_local.images import builder
from commonweal_local.waiting import within
from support.waiting import HANG

pytestmark = pytest.mark.sites
ASK = """
import socket, sys
try:
    socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=4).close()
    print("open")
except OSError as error:
    print("closed", type(error).__name__)
"""


@pytest.fixture
def onprem(brought: bring_up.Brought) -> Kubectl:
    return brought.clusters[0]


def site_of(cluster: Kubectl, password: str) -> Site:
    address = cluster.get("services", "identity", bring_up.SYSTEM)["status"]["loadBalancer"]["ingress"][0]["ip"]
    return Site(cluster, SignIn(f"https://{address}", trust_of(cluster)), PEOPLE[0], password)


@pytest.mark.parametrize("number", [0, 1], ids=bring_up.SITES)
def test_every_step_of_the_journey_is_as_it_must_be(brought: bring_up.Brought, number: int) -> None:
    cluster = brought.clusters[number]
    rows = walk(cluster, bring_up.issuer_of(cluster), brought.password)
    print(table(rows))
    assert len(rows) >= 25
    assert [row.step for row in rows if not row.ok] == []


def test_a_second_pulumi_up_changes_nothing(brought: bring_up.Brought) -> None:
    for name in bring_up.SITES:
        outcome = operations.up(name, say=lambda _: None)
        assert outcome.changed == ()
        assert outcome.counts["same"] == sum(outcome.counts.values())


def probe(cluster: Kubectl, namespace: str, host: str, port: int) -> str:
    """Return what a pod of that namespace finds at host:port."""
    name = f"probe-{abs(hash((host, port))) % 100000}"
    locked = {"readOnlyRootFilesystem": True, "allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    container = {
        "name": "probe",
        "image": builder.built()["runtime"],
        "command": ["python3", "-c", ASK, host, str(port)],
        "securityContext": locked,
    }
    safe = {"runAsNonRoot": True, "runAsUser": 10001, "seccompProfile": {"type": "RuntimeDefault"}}
    spec = {"containers": [container], "restartPolicy": "Never", "securityContext": safe, "automountServiceAccountToken": False}
    cluster.apply_object({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": namespace}, "spec": spec})
    try:
        cluster.run("wait", "pod", name, "-n", namespace, "--for=jsonpath={.status.phase}=Succeeded", "--timeout=90s")
        return cluster.run("logs", name, "-n", namespace).strip()
    finally:
        cluster.run("delete", "pod", name, "-n", namespace, "--grace-period=0", "--force")


def test_pods_reach_the_data_api_of_a_department_with_an_agreement_and_no_store(brought: bring_up.Brought, onprem: Kubectl) -> None:
    api, store = (f"{name}.{platform_namespace_of(REGISTRY)}.svc.cluster.local" for name in ("data-api", "store"))
    assert probe(onprem, namespace_of(BENEFITS), api, 443) == "open"
    assert probe(onprem, namespace_of(BENEFITS), store, 5432).startswith("closed")
    assert probe(onprem, namespace_of(REGISTRY), f"data-api.{platform_namespace_of(BENEFITS)}.svc.cluster.local", 443).startswith("closed")


def test_no_pod_is_taken_for_the_api_server_a_source_or_the_name_service(brought: bring_up.Brought, onprem: Kubectl) -> None:
    """Whoever gets traffic to a pod of theirs by a Service with any address is met as that pod (attack a); what is refused by nobody would answer at once."""
    selector = "app.kubernetes.io/component=identity"
    issuer, *_ = [pod["status"]["podIP"] for pod in pods(onprem, bring_up.SYSTEM, selector)]  # type: ignore[index]

    def reached(host: str, port: int) -> str:
        place = ("store-0", "-n", platform_namespace_of(REGISTRY), "-c", "keeper")
        return onprem.run("exec", *place, "--", "python3", "-c", ASK, host, str(port)).strip()

    assert reached("kubernetes.default.svc", 443) == "open"
    assert {port: reached(issuer, port) for port in (443, 6443, 5432, 53)} == dict.fromkeys((443, 6443, 5432, 53), "closed TimeoutError")


def replaced(cluster: Kubectl, namespace: str, component: str) -> Callable[[], bool]:
    """Kill the pods of a component; return how to ask whether new ones are ready."""
    selector = f"app.kubernetes.io/component={component}"
    old = {pod["metadata"]["uid"] for pod in pods(cluster, namespace, selector)}
    cluster.run("delete", "pod", "-n", namespace, "-l", selector, "--grace-period=0", "--force")

    def ready() -> bool:
        new = [pod for pod in pods(cluster, namespace, selector) if pod["metadata"]["uid"] not in old]
        conditions = [c for pod in new for c in pod.get("status", {}).get("conditions", []) if c["type"] == "Ready"]
        return bool(conditions) and all(c["status"] == "True" for c in conditions)

    return ready


def pods(cluster: Kubectl, namespace: str, selector: str) -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads(cluster.run("get", "pods", "-n", namespace, "-l", selector, "-o", "json"))["items"]
    return found


def test_what_a_model_has_learnt_survives_the_death_of_its_pod(brought: bring_up.Brought, onprem: Kubectl) -> None:
    base = onprem.get("departments", TAX)["status"]["models"]
    token = onprem.token(namespace_of(TAX), "tax-app", audience_of(TAX))
    before = Caller(base, token, trust=trust_of(onprem)).get(MODEL).body
    assert before["rewarded"] > 0
    assert within(HANG, replaced(onprem, platform_namespace_of(TAX), "models"))
    after = poll(lambda: Caller(base, token, trust=trust_of(onprem)).get(MODEL), lambda answer: answer.status == 200, HANG).body
    # No agreement names this caller, so it is told no digest; that the sums are the same to the bit is the runtime's own contract test.
    assert (after["decisions"], after["rewarded"], after["meanReward"]) == (before["decisions"], before["rewarded"], before["meanReward"])


def test_consents_and_uses_survive_the_death_of_the_store(brought: bring_up.Brought, onprem: Kubectl) -> None:
    site = site_of(onprem, brought.password)
    me, app = site.me(REGISTRY), site.service(TAX, "tax-app", REGISTRY)
    path = f"/v1/companies/subjects/{site.subject(REGISTRY)}"
    assert me.call("PUT", "/me/objections/tax-registers-business", {"state": "Objected"}).status == 200
    uses = len(me.get("/me/uses").body["items"])
    assert within(HANG, replaced(onprem, platform_namespace_of(REGISTRY), "store"))
    closed = poll(
        lambda: app.get(path, Purpose="tax-authority/register-business"), lambda answer: answer.status not in (500, 502, 503), HANG
    )
    assert closed.status == 404
    assert len(poll(lambda: me.get("/me/uses"), lambda answer: answer.status == 200, HANG).body["items"]) >= uses
    assert me.call("PUT", "/me/objections/tax-registers-business", {"state": "Lifted"}).status == 200
    assert app.get(path, Purpose="tax-authority/register-business").status == 200


def brief(cluster: Kubectl, opens: Callable[[float], Answer]) -> tuple[dict[str, Any], datetime]:
    """Have an agreement that is open now and ends soon; return it and its end. On a machine so slow that it ends before it opens, a longer one."""
    tried = []
    for seconds in (20, 60, 180):
        until = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=seconds)
        manifest = short_agreement(until)
        cluster.apply_object(manifest)
        name = manifest["metadata"]["name"]
        assert sign_all(cluster, [namespace_of(REGISTRY)]) == [f"{namespace_of(REGISTRY)}/{name}"]
        answer = opens((until - datetime.now(UTC)).total_seconds())
        if answer.status == 200:
            return manifest, until
        tried.append((answer.brief(), cluster.get("consentpolicies", name, namespace_of(REGISTRY)).get("status")))
        cluster.run("delete", "consentpolicy", name, "-n", namespace_of(REGISTRY), "--wait=false")
    pytest.fail(f"the agreement never opened: {tried}")


def test_an_agreement_ends_on_time_while_the_operator_is_stopped(brought: bring_up.Brought, onprem: Kubectl) -> None:
    site = site_of(onprem, brought.password)
    app, path = site.service(BENEFITS, "benefits-app", REGISTRY), f"/v1/companies/subjects/{site.subject(REGISTRY)}"
    manifest, until = brief(onprem, lambda seconds: poll(lambda: app.get(path, Purpose=ONCE), lambda answer: answer.status == 200, seconds))
    onprem.run("scale", "deployment", "commonweal-operator", "-n", bring_up.SYSTEM, "--replicas=0")
    try:
        late = poll(lambda: app.get(path, Purpose=ONCE), lambda answer: answer.status != 200, HANG)
        assert (late.status, late.reason) == (403, "AgreementExpired")
        assert time.time() >= until.timestamp()
    finally:
        onprem.run("scale", "deployment", "commonweal-operator", "-n", bring_up.SYSTEM, "--replicas=1")
        onprem.run("delete", "consentpolicy", manifest["metadata"]["name"], "-n", namespace_of(REGISTRY), "--wait=false")


def test_a_broken_source_closes_itself_only_and_says_what_to_do(brought: bring_up.Brought, onprem: Kubectl) -> None:
    product = onprem.get("dataproducts", "companies", namespace_of(REGISTRY))
    broken = {"apiVersion": product["apiVersion"], "kind": "DataProduct", "metadata": {"name": "lost", "namespace": namespace_of(REGISTRY)}}
    source = {"postgres": product["spec"]["source"]["postgres"] | {"table": "no_such_table"}}
    onprem.apply_object(broken | {"spec": product["spec"] | {"source": source}})

    def reasons() -> dict[str, str]:
        conditions = onprem.get("dataproducts", "lost", namespace_of(REGISTRY)).get("status", {}).get("conditions", [])
        return {c["type"]: c["reason"] for c in conditions if c["status"] == "False"}

    try:
        assert within(HANG, lambda: reasons().get("Ready") == "TableMissing"), reasons()
        assert onprem.get("departments", REGISTRY)["status"]["conditions"]
        site = site_of(onprem, brought.password)
        read = site.service(TAX, "tax-app", REGISTRY).get(
            f"/v1/companies/subjects/{site.subject(REGISTRY)}", Purpose="tax-authority/register-business"
        )
        assert read.status == 200
    finally:
        onprem.run("delete", "dataproduct", "lost", "-n", namespace_of(REGISTRY), "--wait=false")
