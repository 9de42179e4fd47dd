"""Probes that need an API server with the layer on it, and no pods."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from commonweal_kube.blocking import DRY, Answer
from commonweal_stacks.api import Api
from commonweal_stacks.conformity.probes.scratch import DEPARTMENTS, department, meta
from commonweal_stacks.conformity.probes.verdicts import Verdict, both, in_step, kept_apart, refused, sealed
from commonweal_stacks.manifests import NAMESPACE, SITE_KEY_SECRET
from commonweal_stacks.waiting import within

SYSTEM: Final = f"/api/v1/namespaces/{NAMESPACE}"
POLICIES: Final = f"/apis/commonweal.dev/v1alpha1/namespaces/{NAMESPACE}/consentpolicies"
ACCOUNTS: Final = ("commonweal-operator", "identity", "identity-store", "portal", "default")
ATTEMPTS: Final = 3  # several API servers may share one address, and each counts for itself


def privileged(api: Api, pods: str) -> Verdict:
    """Holds when neither a privileged container is let in, by whatever rule, nor, by Pod Security, a pod that takes its node another way."""
    flagged = refused(api.ask("POST", pods, intruder({"privileged": True}), query=DRY), statuses=(403, 422))
    return both(flagged, refused(api.ask("POST", pods, intruder({}), query=DRY), "violates PodSecurity"))


def intruder(security: dict[str, Any]) -> dict[str, Any]:
    """Return a pod that takes its node's network, processes and disk."""
    container = {"name": "probe", "image": "localhost/none", "securityContext": security}
    spec = {
        "hostNetwork": True,
        "hostPID": True,
        "containers": [container],
        "volumes": [{"name": "node", "hostPath": {"path": "/"}}],
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta("commonweal-probe-privileged"), "spec": spec}


def agreement(**changes: Any) -> dict[str, Any]:
    """Return an agreement that the API takes, but for the changes to its spec."""
    spec = {
        "product": {"name": "probe"},
        "consumer": {"department": "commonweal-probe-b", "clients": ["probe"]},
        "purposes": [{"key": "commonweal-probe-b/probe", "iri": "dpv:ServiceProvision", "text": "To see whether it is refused."}],
        "fields": ["probe"],
        "basis": {"type": "PublicTask", "legalPower": "urn:commonweal:probe"},
        "subjects": {"objection": "Honoured"},
        "validity": {"from": "2026-01-01T00:00:00Z", "until": "2027-01-01T00:00:00Z"},
        **changes,
    }
    return {"apiVersion": "commonweal.dev/v1alpha1", "kind": "ConsentPolicy", "metadata": meta("commonweal-probe"), "spec": spec}


def verdicts(api: Api) -> dict[str, Verdict]:
    """Return what the server itself can be asked. Raises SiteConfigError when it does not answer."""
    return {name: ask(api) for name, ask in PROBES.items()}


def _outside(api: Api) -> Verdict:
    return refused(api.ask("POST", POLICIES, agreement(), query=DRY), "belongs to no department", statuses=(403, 422))


def _lawless(api: Api) -> Verdict:
    body = agreement(basis={"type": "PublicTask"})
    return refused(api.ask("POST", POLICIES, body, query=DRY), "spec.basis.legalPower", statuses=(422,))


def _department(api: Api) -> Verdict:
    twice = department("commonweal-probe-invalid")
    twice["spec"]["registrars"] = ["one", "one"]
    return refused(api.ask("POST", DEPARTMENTS, twice, query=DRY), "spec.registrars", statuses=(422,))


def _site_key(api: Api) -> Verdict:
    """The seed of the site's signature: none of the platform's own accounts may read it."""
    path = f"{SYSTEM}/secrets/{SITE_KEY_SECRET}"
    answers = {name: api.ask("GET", path, user=f"system:serviceaccount:{NAMESPACE}:{name}") for name in ACCOUNTS}
    return kept_apart(answers, api.ask("GET", path))


def _clock(api: Api) -> Verdict:
    before = datetime.now(UTC)
    answer = api.ask("GET", "/version")
    return in_step(answer, before, datetime.now(UTC))


def of_a_write(api: Api, judged: Callable[[Answer, Answer], Verdict]) -> Verdict:
    """Return the verdict on the server's metrics before and after a Secret is written, from several tries."""
    found: list[Verdict] = []

    def counted() -> bool:
        before = api.ask("GET", "/metrics")
        body = {"apiVersion": "v1", "kind": "Secret", "metadata": meta("commonweal-probe"), "stringData": {"probe": "probe"}}
        api.ask("POST", f"{SYSTEM}/secrets", body)
        api.ask("DELETE", f"{SYSTEM}/secrets/commonweal-probe")
        found.append(judged(before, api.ask("GET", "/metrics")))
        return not found[-1].broken or len(found) == ATTEMPTS

    within(10.0, counted)
    return found[-1]


PROBES: Final[Mapping[str, Callable[[Api], Verdict]]] = {
    "access.site-key": _site_key,
    "admission.agreement-in-a-department": _outside,
    "admission.agreement-names-its-law": _lawless,
    "admission.department": _department,
    "clock": _clock,
    "pod-security.platform": lambda api: privileged(api, f"{SYSTEM}/pods"),
    "secrets-at-rest": lambda api: of_a_write(api, sealed),
}
