"""What the account of a stolen pod may do at the API server: its plan, its report, the logins that its products name, and nothing else; three of the five may do nothing at all."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest

from support.control_plane import ControlPlane

pytestmark = pytest.mark.usefixtures("business")
OWN, OURS, OTHER, SYSTEM = "dept-companies-registry", "dept-companies-registry-platform", "dept-tax-authority-platform", "commonweal-system"
ACCOUNTS = (f"{OURS}:store", f"{OURS}:data-api", f"{OURS}:models", f"{OWN}:volumes", f"{SYSTEM}:identity")
READ, REPORT = ("get", "list", "watch"), ("get", "patch")
MAY = {
    f"{OURS}:store": {
        *(("configmaps", OURS, name, verb) for name in ("commonweal-store-plan", "commonweal-store-closings") for verb in READ),
        *(("configmaps", OURS, "commonweal-store-report", verb) for verb in REPORT),
        ("secrets", OWN, "registry-database", "get"),
    },
    f"{OURS}:models": {
        *(("configmaps", OURS, "commonweal-model-plan", verb) for verb in READ),
        *(("configmaps", OURS, "commonweal-model-report", verb) for verb in REPORT),
    },
}
NAMES = {
    "configmaps": ("", *(f"commonweal-{n}" for n in ("store-plan", "store-closings", "store-report", "model-plan", "model-report", "ca"))),
    "secrets": (
        "",
        *(f"commonweal-{n}" for n in ("keys", "models", "signing", "sectors", "authority", "identity", "people")),
        "registry-database",
    ),
    "pods": ("",),
    "pods/exec": ("",),
    "serviceaccounts/token": ("", "store", "models"),
    "nodes": ("",),
    "namespaces": ("",),
}
VERBS = ("get", "list", "watch", "create", "update", "patch", "delete", "impersonate", "escalate")


def allowed(plane: ControlPlane, account: str, resource: str, namespace: str, name: str, verb: str) -> bool:
    kind, _, sub = resource.partition("/")
    space = account.partition(":")[0]
    review: dict[str, Any] = {
        "user": f"system:serviceaccount:{account}",
        "groups": ["system:serviceaccounts", f"system:serviceaccounts:{space}", "system:authenticated"],
        "resourceAttributes": {"verb": verb, "resource": kind, "subresource": sub, "namespace": namespace, "name": name},
    }
    body = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": review}
    return bool(plane.api().request("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", body)["status"]["allowed"])


@pytest.mark.parametrize("account", ACCOUNTS)
def test_the_account_of_a_stolen_pod_may_do_what_its_work_needs_and_nothing_else(plane: ControlPlane, account: str) -> None:
    asked = [
        (resource, namespace, name, verb)
        for resource, names in NAMES.items()
        for namespace, name, verb in product((OWN, OURS, OTHER, SYSTEM), names, VERBS)
    ]
    assert {each for each in asked if allowed(plane, account, *each)} == MAY.get(account, set())


@pytest.mark.parametrize("account", ACCOUNTS)
@pytest.mark.parametrize("kind", ["departments", "dataproducts", "consentpolicies", "modelservices"])
def test_it_neither_reads_nor_writes_what_is_agreed(plane: ControlPlane, account: str, kind: str) -> None:
    for verb, namespace in product(("get", "list", "create", "patch"), ("", OWN, OURS)):
        body = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "spec": {
                "user": f"system:serviceaccount:{account}",
                "groups": ["system:serviceaccounts", "system:authenticated"],
                "resourceAttributes": {"verb": verb, "group": "commonweal.dev", "resource": kind, "namespace": namespace},
            },
        }
        answer = plane.api().request("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", body)
        assert not answer["status"]["allowed"], (verb, namespace)
