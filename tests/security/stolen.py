"""Pods of the platform that were taken over: from inside each container, with its own token and place in the network, and with the tokens of its account."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from commonweal_api import namespace_of, platform_namespace_of
from commonweal_cli.demo import bring_up
from commonweal_cli.demo.journey import BENEFITS, REGISTRY, TAX
from commonweal_local.sites.site import NEIGHBOURS
from security.asks import Ask, as_token, made, sent
from security.findings import Finding, together
from security.stage import SITE, SPACE, Stage, token_of

PART = "stolen pods"
SYSTEM = bring_up.SYSTEM
SCRIPT = Path(__file__).parent / "inside" / "stolen.py"
TLS = ("commonweal-data-api-tls", "commonweal-models-tls")
KEYS = ("commonweal-keys", "commonweal-models", "commonweal-signing", *TLS)
OWN = {REGISTRY: "registry-database", TAX: "tax-database", BENEFITS: "benefits-database"}
PORTS = {"data-api": 8080, "models": 8081, "store": 5432, "volumes": 8084}


@dataclass(frozen=True)
class Stolen:
    """One container: whose, where it runs, its account, and which ports of others it may reach by its work; `reaches` is one that shows that it has a network."""

    what: str
    department: str
    namespace: str
    pod: str
    container: str
    account: str
    may: frozenset[str] = frozenset()


def containers() -> list[Stolen]:
    """Return one container of each kind."""
    ours, tax = platform_namespace_of(REGISTRY), platform_namespace_of(TAX)
    reads = frozenset({f"{REGISTRY} data-api", f"{TAX} data-api"})
    return [
        Stolen("a data API", REGISTRY, ours, "data-api-", "data-api", "data-api"),
        Stolen("a keeper", REGISTRY, ours, "store-0", "keeper", "store"),
        Stolen("a store's PostgreSQL", REGISTRY, ours, "store-0", "postgres", "store"),
        Stolen("a model runtime", TAX, tax, "models-", "models", "models", reads),
        Stolen("a reader of volumes", BENEFITS, SPACE, "volumes-", "volumes", "volumes"),
        Stolen("the people's issuer", "", SYSTEM, "identity-", "identity", "identity"),
    ]


def run(stage: Stage, say: Callable[[str], None]) -> list[Finding]:
    """Try from inside each container what it must not have, reach or do."""
    pods = {f"{item['metadata']['namespace']}/{item['metadata']['name']}": item for item in stage.admin.items("/api/v1/pods")}
    found: list[Finding] = []
    for stolen in containers():
        say(f"inside {stolen.what}")
        found += inside(stage, stolen, pods)
        say(f"with the token of {stolen.what}")
        found += outside(stage, stolen)
    return found


def inside(stage: Stage, stolen: Stolen, pods: Mapping[str, Mapping[str, Any]]) -> list[Finding]:
    """Return what an attacker in the container gets."""
    name = next(name for name in sorted(pods) if name.startswith(f"{stolen.namespace}/{stolen.pod}")).partition("/")[2]
    asks = {title: [ask.method, path_of(ask), ask.body, ask.content, ask.impersonate] for title, ask in all_asks(stolen).items()}
    order = json.dumps({"asks": asks, "ports": ports(stolen, pods), "kubelet": kubelet(node_of(pods))})
    words = ("exec", "-n", stolen.namespace, name, "-c", stolen.container, "--", "python3", "-c", SCRIPT.read_text(), order)
    said = json.loads(stage.cluster.run(*words, seconds=240))
    return [*asked_inside(stolen, said), closed(stolen, said["reached"]), unanswered(stolen, said["kubelet"])]


def kubelet(node: str) -> dict[str, str]:
    """Return what a node's kubelet is asked. Its port is open to the pods of its own node whatever a network policy says: so Kubernetes has it."""
    base = f"https://{node}:10250"
    return {"its pods": f"{base}/pods", "a log": f"{base}/containerLogs/{SYSTEM}/x/y", "its settings": f"{base}/configz"}


def unanswered(stolen: Stolen, said: Mapping[str, int]) -> Finding:
    """Return whether the kubelet gave nothing to the container's token, or to no token."""
    given = {name: status for name, status in said.items() if status not in (0, 401, 403)}
    attack = f"{stolen.what}, from inside: the node's kubelet ({len(said)} requests)"
    detail = ", ".join(f"{name}: {status}" for name, status in given.items())
    layer = "network policy: not reached" if not any(said.values()) else "the kubelet's own login and access rules"
    return Finding(PART, attack, not given, layer if not given else "none", detail)


def asked_inside(stolen: Stolen, said: Mapping[str, Any]) -> list[Finding]:
    """Return a finding for each group of requests. Where the network lets the container reach no API server, that is the layer."""
    answers = {title: (int(status), str(text)) for title, (status, text) in said["asked"].items()}
    silent = {title for title, (status, _) in answers.items() if status == 0}
    if answers and len(silent) == len(answers):
        return [
            Finding(
                PART, f"{stolen.what}, from inside: the API server ({len(silent)} requests)", held=True, layer="network policy: not reached"
            )
        ]
    return grouped(f"{stolen.what}, from inside", answers)


def outside(stage: Stage, stolen: Stolen) -> list[Finding]:
    """Return what the account's token is good for elsewhere, should it be carried away."""
    api = as_token(stage.cluster.login(), token_of(stage.admin, stolen.namespace, stolen.account), SITE)
    answers = {title: sent(api, ask) for title, ask in all_asks(stolen).items()}
    return grouped(f"{stolen.what}, its token elsewhere", answers)


def grouped(who: str, answers: Mapping[str, tuple[int, str]]) -> list[Finding]:
    """Return one finding for Secrets and one for everything else."""
    secrets = {title: answer for title, answer in answers.items() if title.startswith("Secret")}
    others = {title: answer for title, answer in answers.items() if title not in secrets}
    return [together(PART, f"{who}: Secrets", secrets), together(PART, f"{who}: verbs", others)]


def closed(stolen: Stolen, reached: Mapping[str, bool]) -> Finding:
    """Return whether the container reaches no port of others; that something is closed counts only if the name service is not."""
    through = sorted(name for name, is_open in reached.items() if is_open and name not in stolen.may and name != "names")
    shown = reached.get("names", False) or stolen.namespace == SYSTEM
    why = f"reached: {', '.join(through)}" if through else "" if shown else "it reaches nothing at all, so this proves nothing"
    attack = f"{stolen.what}, from inside: ports of others ({len(reached) - 1})"
    return Finding(PART, attack, not through and shown, "network policy" if not through else "none", why)


def ports(stolen: Stolen, pods: Mapping[str, Mapping[str, Any]]) -> dict[str, tuple[str, int]]:
    """Return the ports of everybody else that are there to be reached, and the name service's, which must be."""
    found: dict[str, tuple[str, int]] = {}
    for item in pods.values():
        meta, address = item["metadata"], item.get("status", {}).get("podIP")
        component = (meta.get("labels") or {}).get("app.kubernetes.io/component", "")
        owner = (meta.get("labels") or {}).get("commonweal.dev/department", "")
        if address and component in PORTS and owner != stolen.department:
            found[f"{owner} {component}"] = (address, PORTS[component])
        if address and component == "operator":
            found["the operator's probes"] = (address, 8083)
        if address and component == "identity" and stolen.account != "identity":
            found["the issuer"] = (address, 8082)
        if (meta.get("labels") or {}).get("k8s-app") == "kube-dns":
            found["names"] = (address, 53)
    heritage = {} if stolen.account == "store" else {"the heritage database": (NEIGHBOURS["heritage"], 5432)}
    return found | heritage | {"etcd": (node_of(pods), 2379), "the cloud's metadata": ("169.254.169.254", 80)}


def node_of(pods: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the node's address."""
    return next(str(item["status"]["hostIP"]) for item in pods.values() if item.get("status", {}).get("hostIP"))


def path_of(ask: Ask) -> str:
    """Return the path with its query."""
    return f"{ask.path}?dryRun=All" if ask.dry and ask.method != "GET" else ask.path


def all_asks(stolen: Stolen) -> dict[str, Ask]:
    """Return every request that a taken-over container must be refused."""
    return secrets(stolen) | verbs(stolen)


def secrets(stolen: Stolen) -> dict[str, Ask]:
    """Return the Secrets of others, and those of its own department that it has no business with by way of the API server."""
    found: dict[str, Ask] = {}

    def wanted(namespace: str, *names: str) -> None:
        for name in names:
            found[f"Secret {namespace}/{name}"] = Ask("GET", f"/api/v1/namespaces/{namespace}/secrets/{name}")
        found[f"Secrets of {namespace}"] = Ask("GET", f"/api/v1/namespaces/{namespace}/secrets")

    for department, login in OWN.items():
        wanted(platform_namespace_of(department), *KEYS)
        # A keeper reads the logins that its own department's products name, by a role that names each.
        mine = stolen.account == "store" and department == stolen.department
        wanted(namespace_of(department), "commonweal-volumes-tls", *([] if mine else [login]))
    wanted(
        SYSTEM,
        "commonweal-sectors",
        "commonweal-authority",
        "commonweal-site-key",
        "commonweal-identity",
        "commonweal-identity-tls",
        "commonweal-people",
    )
    wanted("kube-system")
    found["Secrets of all"] = Ask("GET", "/api/v1/secrets")
    return found


def verbs(stolen: Stolen) -> dict[str, Ask]:
    """Return what an account of the platform must not do at the API server."""
    space, victim = stolen.namespace, platform_namespace_of(TAX if stolen.department == REGISTRY else REGISTRY)
    pod = {"containers": [{"name": "c", "image": "localhost/none"}]}
    token = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    opening = {"podSelector": {}, "policyTypes": ["Ingress", "Egress"], "ingress": [{}], "egress": [{}]}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"}
    who = [{"kind": "ServiceAccount", "name": stolen.account, "namespace": space}]
    kinds = "/apis/commonweal.dev/v1alpha1"
    return {
        "a pod": made("Pod", "more", space, spec=pod, dry=True),
        "a pod elsewhere": made("Pod", "more", victim, spec=pod, dry=True),
        "a shell in another department's store": Ask(
            "GET", f"/api/v1/namespaces/{victim}/pods/store-0/exec?command=id&container=postgres&stdout=true"
        ),
        "a forwarded port": Ask("GET", f"/api/v1/namespaces/{victim}/pods/store-0/portforward"),
        "a token of the operator": Ask("POST", f"/api/v1/namespaces/{SYSTEM}/serviceaccounts/commonweal-operator/token", token),
        "a token of another department's store": Ask("POST", f"/api/v1/namespaces/{victim}/serviceaccounts/store/token", token),
        "another plan of its own department": Ask(
            "PATCH", f"/api/v1/namespaces/{space}/configmaps/commonweal-store-plan", {"data": {}}, dry=True
        ),
        "another department's plan": Ask("GET", f"/api/v1/namespaces/{victim}/configmaps/commonweal-store-plan"),
        "another department's report": Ask(
            "PATCH", f"/api/v1/namespaces/{victim}/configmaps/commonweal-store-report", {"data": {}}, dry=True
        ),
        "a network policy": made("NetworkPolicy", "opens", space, spec=opening, dry=True),
        "the end of a network policy": Ask(
            "DELETE", f"/apis/networking.k8s.io/v1/namespaces/{space}/networkpolicies/default-deny", dry=True
        ),
        "a binding": made("RoleBinding", "more", space, roleRef=role, subjects=who, dry=True),
        "an administrator's binding": made("ClusterRoleBinding", "more", roleRef=role, subjects=who, dry=True),
        "another workload": Ask("PATCH", f"/apis/apps/v1/namespaces/{victim}/deployments/data-api", {"spec": {"replicas": 0}}, dry=True),
        "agreements": Ask("GET", f"{kinds}/namespaces/{namespace_of(REGISTRY)}/consentpolicies"),
        "departments": Ask("GET", f"{kinds}/departments"),
        "nodes": Ask("GET", "/api/v1/nodes"),
        "namespaces": Ask("GET", "/api/v1/namespaces"),
        "pods of all": Ask("GET", "/api/v1/pods"),
        "to be an administrator": Ask("GET", "/api/v1/nodes", impersonate="kubernetes-admin"),
    }
