"""Probes of what the servers of a cluster run with: the blueprint says it, and what they do shows it. Needs no operator, and nodes for one of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from commonweal_kube.blocking import DRY
from commonweal_stacks.api import Api
from commonweal_stacks.blueprint import Blueprint, Kubelet
from commonweal_stacks.conformity.probes.scratch import OPEN, meta
from commonweal_stacks.conformity.probes.server import intruder, of_a_write
from commonweal_stacks.conformity.probes.verdicts import Verdict, audited, limited, not_probed, refused
from commonweal_stacks.waiting import within

NAMES: Final = ("settings.audit", "settings.external-ips", "settings.kubelet", "settings.pod-security")
DENIED: Final = "DenyServiceExternalIPs"
SETTLES_SECONDS: Final = 60.0  # until a new namespace has its account; only what hangs takes all of it
NO_NODE: Final = "no node has a kubelet"


def verdicts(api: Api, blueprint: Blueprint, nodes: Iterable[str]) -> dict[str, Verdict]:
    """Return whether the site runs with the blueprint's settings. `nodes` are those that have a kubelet."""
    return {
        "settings.audit": of_a_write(api, audited),
        "settings.external-ips": _external_ips(api, blueprint.admission),
        "settings.kubelet": _kubelets(api, blueprint.kubelet, nodes),
        "settings.pod-security": _pod_security(api, blueprint.pod_security),
    }


def _pod_security(api: Api, level: str) -> Verdict:
    """A pod that takes its node, in a namespace that says nothing of pods: held to what the server's own file says."""
    api.ask("POST", "/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": meta(OPEN.rpartition("/")[2])})
    found: list[Verdict] = []

    def answered() -> bool:
        answer = api.ask("POST", f"{OPEN}/pods", intruder({}), query=DRY)
        found.append(refused(answer, f'violates PodSecurity "{level}:'))
        return "serviceaccount" not in answer.message

    within(SETTLES_SECONDS, answered, every=0.2)
    return found[-1]


def _external_ips(api: Api, plugins: Iterable[str]) -> Verdict:
    """A Service that takes an address which is not its own: refused in every namespace, whoever asks. The namespace need not be there."""
    if DENIED not in plugins:
        return not_probed(f"this revision of the blueprint has no {DENIED}")
    body = {"apiVersion": "v1", "kind": "Service", "metadata": meta("commonweal-probe"), "spec": addressed()}
    return refused(api.ask("POST", "/api/v1/namespaces/default/services", body, query=DRY), "Use of external IPs")


def addressed() -> dict[str, Any]:
    """Return the spec of a Service that takes an address of a range that is nobody's (RFC 5737)."""
    return {"externalIPs": ["192.0.2.1"], "ports": [{"port": 80}]}


def _kubelets(api: Api, wanted: Kubelet, nodes: Iterable[str]) -> Verdict:
    answers = {node: api.ask("GET", f"/api/v1/nodes/{node}/proxy/configz") for node in nodes}
    return limited(answers, _as_said(wanted)) if answers else not_probed(NO_NODE)


def _as_said(wanted: Kubelet) -> Mapping[str, Any]:
    """Return the limits as a kubelet says what it runs with."""
    return {
        "containerLogMaxFiles": wanted.log_files,
        "containerLogMaxSize": f"{wanted.log_mib}Mi",
        "maxPods": wanted.max_pods,
        "podPidsLimit": wanted.pod_pids,
    }
