"""The operator's token in somebody else's hands, with the access rules that the chart gives it: what it cannot do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from commonweal_api import namespace_of, platform_namespace_of
from commonweal_cli.demo import bring_up
from security.asks import Ask, as_token, made, tried
from security.findings import Finding
from security.stage import ATTACKER, SITE, VICTIM, Stage, token_of

PART = "operator's token"
SYSTEM, OWN, OURS = bring_up.SYSTEM, namespace_of(VICTIM), platform_namespace_of(VICTIM)
RBAC = "rbac.authorization.k8s.io"
OPERATOR = {"kind": "ServiceAccount", "name": "commonweal-operator", "namespace": SYSTEM}
ADMINISTRATOR = {"apiGroup": RBAC, "kind": "ClusterRole", "name": "cluster-admin"}


def run(stage: Stage, say: Callable[[str], None]) -> list[Finding]:
    """Try, with the operator's own token, what its work does not need. As dry runs: the site has to go on if one is taken."""
    say("what its work does not need")
    api = as_token(stage.cluster.login(), token_of(stage.admin, SYSTEM, "commonweal-operator"), SITE)
    return tried(PART, api, stage.admin, {**pods(stage), **rights(), **reads(), **ends(), **shapes()})


def _pod(**more: Any) -> dict[str, Any]:
    return {"containers": [{"name": "c", "image": "localhost/none"}], **more}


def pods(stage: Stage) -> dict[str, Ask]:
    """Return ways to run something."""
    node = {"hostPID": True, "volumes": [{"name": "node", "hostPath": {"path": "/"}}]}
    template = {"metadata": {"labels": {"a": "b"}}, "spec": _pod(**node)}
    set_of_all = {"selector": {"matchLabels": {"a": "b"}}, "template": template}
    another = {"spec": {"template": {"spec": {"containers": [{"name": "data-api", "image": "registry.example/tool:1"}]}}}}
    command = {"spec": {"template": {"spec": {"containers": [{"name": "data-api", "image": stage.image, "command": ["sh", "-c", "id"]}]}}}}
    place = f"/apis/apps/v1/namespaces/{OURS}/deployments/data-api"
    return {
        "a pod that takes the node": made("Pod", "p", "kube-system", spec=_pod(**node), dry=True),
        "a pod in a department": made("Pod", "p", OURS, spec=_pod(), dry=True),
        "pods on every node": made("DaemonSet", "d", "kube-system", spec=set_of_all, dry=True),
        "a workload beside the API server": made("Deployment", "d", "kube-system", spec=set_of_all, dry=True),
        "another image for a data API": Ask("PATCH", place, another, dry=True),
        "another command for a data API": Ask("PATCH", place, command, dry=True),
        "a shell in a store": Ask("GET", f"/api/v1/namespaces/{OURS}/pods/store-0/exec?command=id&container=postgres&stdout=true"),
        "a forwarded port": Ask("GET", f"/api/v1/namespaces/{OURS}/pods/store-0/portforward"),
        "the node's kubelet": Ask("GET", f"/api/v1/nodes/{SITE}-0/proxy/pods"),
    }


def rights() -> dict[str, Ask]:
    """Return ways to a greater right."""
    token = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    everything = {"rules": [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]}
    policies = "/apis/admissionregistration.k8s.io/v1"
    return {
        "the cluster for itself": made("ClusterRoleBinding", "b", roleRef=ADMINISTRATOR, subjects=[OPERATOR], dry=True),
        "a department's namespace for itself": made("RoleBinding", "b", OURS, roleRef=ADMINISTRATOR, subjects=[OPERATOR], dry=True),
        "Secrets beside the API server": made(
            "RoleBinding",
            "b",
            "kube-system",
            roleRef={**ADMINISTRATOR, "name": "commonweal-department-secrets"},
            subjects=[OPERATOR],
            dry=True,
        ),
        "more in its own role": Ask("PATCH", f"/apis/{RBAC}/v1/clusterroles/commonweal-operator", everything, dry=True),
        "a token of another account": Ask("POST", f"/api/v1/namespaces/{OURS}/serviceaccounts/store/token", token),
        "to be an administrator": Ask("GET", "/api/v1/nodes", impersonate="kubernetes-admin"),
        "the end of the policy that binds it": Ask(
            "DELETE", f"{policies}/validatingadmissionpolicybindings/commonweal-operator-objects", dry=True
        ),
        "other words for that policy": Ask(
            "PATCH", f"{policies}/validatingadmissionpolicies/commonweal-operator-objects", {"spec": {}}, dry=True
        ),
        "another level of Pod Security": Ask(
            "PATCH", f"/api/v1/namespaces/{OWN}", {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "privileged"}}}, dry=True
        ),
    }


def reads() -> dict[str, Ask]:
    """Return what it must not read."""
    core = "/api/v1/namespaces"
    return {
        "all Secrets": Ask("GET", "/api/v1/secrets"),
        "a list of Secrets beside the API server": Ask("GET", f"{core}/kube-system/secrets"),
        "the site's key": Ask("GET", f"{core}/{SYSTEM}/secrets/commonweal-site-key"),
        "a list of a department's Secrets": Ask("GET", f"{core}/{OURS}/secrets"),
        "what a pod wrote to its log": Ask("GET", f"{core}/{OURS}/pods/store-0/log?container=keeper"),
    }


def ends() -> dict[str, Ask]:
    """Return what it must not take away."""
    kinds = "/apis/commonweal.dev/v1alpha1"
    return {
        "the end of a department": Ask("DELETE", f"{kinds}/departments/{VICTIM}", dry=True),
        "the end of a namespace": Ask("DELETE", f"/api/v1/namespaces/{OURS}", dry=True),
        "the end of a store's volume": Ask("DELETE", f"/api/v1/namespaces/{OURS}/persistentvolumeclaims/data-store-0", dry=True),
        "the end of a network policy": Ask(
            "DELETE", f"/apis/networking.k8s.io/v1/namespaces/{OURS}/networkpolicies/default-deny", dry=True
        ),
        "an agreement without signatures": Ask(
            "PATCH", f"{kinds}/namespaces/{OWN}/consentpolicies/tax-registers-business", {"spec": {}}, dry=True
        ),
        "a product of its own": made("DataProduct", "p", OWN, spec={}, dry=True),
    }


def shapes() -> dict[str, Ask]:
    """Return objects of another shape than ours, in a department's namespace."""
    elsewhere = {"metadata": {"labels": {"commonweal.dev/department": ATTACKER}}}
    outside = {"spec": {"externalIPs": ["10.210.0.1"]}}
    selected = {"spec": {"selector": {"commonweal.dev/department": ATTACKER}}}
    return {
        "a namespace that is no department's": made("Namespace", "anything", dry=True),
        "a namespace that was there before": Ask("PATCH", "/api/v1/namespaces/kube-system", elsewhere, dry=True),
        "addresses for a Service": Ask("PATCH", f"/api/v1/namespaces/{OURS}/services/data-api", outside, dry=True),
        "a Service of another department's pods": Ask("PATCH", f"/api/v1/namespaces/{OURS}/services/data-api", selected, dry=True),
        "its own configuration": Ask(
            "PATCH", f"/api/v1/namespaces/{SYSTEM}/configmaps/commonweal-operator", {"data": {"x": "y"}}, dry=True
        ),
        "another department's pods as its own": Ask("PATCH", f"/api/v1/namespaces/{OWN}", elsewhere, dry=True),
    }
