"""Every verb on every kind that the API server serves, asked with each role's own token: what the hand-written table allows is allowed, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from contract.roles.expected import ALLOWED, EVERYBODY, ROLES, SPECIAL, VERBS, allowed
from support.control_plane import ControlPlane
from support.kube_api import MERGE, KubeApi, Refused

REVIEWS = "/apis/authorization.k8s.io/v1"
ELSEWHERE = ("dept-tax-platform", "dept-benefits", "commonweal-system", "kube-system", "default")
SECRET = {
    "apiVersion": "v1",
    "kind": "Secret",
    "metadata": {"name": "heritage-login", "namespace": "dept-tax"},
    "stringData": {"password": "p"},
}


def served(api: KubeApi) -> Iterator[tuple[str, str, bool]]:
    """Yield group, resource (subresources too) and whether it lies in a namespace, of all that the server serves."""
    versions = [("", "/api/v1")]
    for group in api.request("GET", "/apis")["groups"]:
        versions += [(group["name"], f"/apis/{version['groupVersion']}") for version in group["versions"]]
    for group, path in versions:
        for resource in api.request("GET", path)["resources"]:
            yield group, resource["name"], resource["namespaced"]


def may(api: KubeApi, group: str, resource: str, verb: str, namespace: str, name: str = "") -> bool:
    """Return the authorizer's answer about whoever asks."""
    kind, _, sub = resource.partition("/")
    wanted = {"group": group, "resource": kind, "subresource": sub, "verb": verb, "namespace": namespace, "name": name}
    review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", "spec": {"resourceAttributes": wanted}}
    return bool(api.request("POST", f"{REVIEWS}/selfsubjectaccessreviews", review)["status"]["allowed"])


def rules(api: KubeApi, namespace: str) -> list[Any]:
    """Return every rule that holds for whoever asks in the namespace, those of the whole cluster included."""
    review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectRulesReview", "spec": {"namespace": namespace}}
    status = api.request("POST", f"{REVIEWS}/selfsubjectrulesreviews", review)["status"]
    assert not status["incomplete"]
    return sorted(status["resourceRules"], key=repr)


@pytest.fixture(scope="module")
def questions(plane: ControlPlane) -> set[tuple[str, str, str]]:
    """Each (group, resource, verb) that can be asked about; the table names nothing that the server does not have."""
    found = {(group, resource) for group, resource, _ in served(plane.api())}
    assert {*ALLOWED, *EVERYBODY} <= found
    return {(*what, verb) for what in found for verb in VERBS} | {(*what, verb) for what, verbs in SPECIAL.items() for verb in verbs}


@pytest.mark.parametrize("role", [*ROLES, "nobody"])
def test_in_its_namespace_a_role_may_what_the_table_says(role: str, people: Mapping[str, KubeApi], questions: set[Any]) -> None:
    found = {question for question in questions if may(people[role], *question, namespace="dept-tax")}
    assert found == allowed(role)


@pytest.mark.parametrize("role", ROLES)
def test_of_what_lies_in_no_namespace_a_role_may_nothing(
    role: str, plane: ControlPlane, people: Mapping[str, KubeApi], questions: set[Any]
) -> None:
    wide = {(group, resource) for group, resource, namespaced in served(plane.api()) if not namespaced} | set(SPECIAL)
    asked = {question for question in questions if question[:2] in wide}
    everybody = {(*what, verb) for what, verbs in EVERYBODY.items() for verb in verbs}
    assert {question for question in asked if may(people[role], *question, namespace="")} == everybody


@pytest.mark.parametrize("who", [*ROLES, "court-team", "neighbour"])
def test_elsewhere_a_role_may_no_more_than_an_account_without_any(who: str, people: Mapping[str, KubeApi]) -> None:
    own = "dept-benefits" if who == "neighbour" else "dept-tax"
    assert rules(people[who], own) != rules(people["nobody"], "default")
    for place in {*ELSEWHERE, "dept-tax"} - {own}:
        assert rules(people[who], place) == rules(people["nobody"], "default")


@pytest.mark.parametrize("place", ["dept-tax-platform", "dept-benefits"])
def test_an_editor_does_nothing_in_another_namespace(place: str, people: Mapping[str, KubeApi]) -> None:
    """The same by requests: the authorizer's word about itself is not all there is."""
    root, kinds = f"/api/v1/namespaces/{place}", f"/apis/commonweal.dev/v1alpha1/namespaces/{place}"
    for path in (f"{root}/secrets", f"{root}/pods", f"{root}/configmaps/x", f"{kinds}/dataproducts", f"{kinds}/consentpolicies"):
        with pytest.raises(Refused) as refused:
            people["editor"].request("GET", path)
        assert refused.value.status == 403
    for path in (f"{root}/serviceaccounts/app/token", f"{root}/pods", f"{root}/secrets", f"{kinds}/modelservices"):
        with pytest.raises(Refused) as refused:
            people["editor"].request("POST", path, {})
        assert refused.value.status == 403


def test_an_editor_puts_a_login_in_place_and_does_not_read_it(people: Mapping[str, KubeApi]) -> None:
    editor, path = people["editor"], "/api/v1/namespaces/dept-tax/secrets"
    editor.create(SECRET)
    replaced = editor.request("PUT", f"{path}/heritage-login", SECRET | {"stringData": {"username": "u"}})
    assert set(replaced["data"]) == {"username"}, "what was there before does not come back"
    asked: list[tuple[str, str, Any]] = [("GET", f"{path}/heritage-login", None), ("GET", path, None)]
    for method, where, body in (*asked, ("PATCH", f"{path}/heritage-login", {}), ("DELETE", path, None)):
        with pytest.raises(Refused) as refused:
            editor.request(method, where, body, content_type=MERGE)
        assert refused.value.status == 403
    assert "data" not in editor.request("DELETE", f"{path}/heritage-login")


def test_kubernetes_own_roles_know_nothing_of_our_kinds(plane: ControlPlane) -> None:
    """Nothing aggregates into them: neither by label here, nor by the controller that would follow it."""
    for role in plane.api().request("GET", "/apis/rbac.authorization.k8s.io/v1/clusterroles")["items"]:
        if role["metadata"].get("labels", {}).get("app.kubernetes.io/part-of") == "commonweal":
            assert not [label for label in role["metadata"]["labels"] if "aggregate-to" in label]


@pytest.mark.parametrize("role", [*ROLES, "nobody"])
def test_each_role_may_read_which_authority_to_trust_and_not_write_it(role: str, people: Mapping[str, KubeApi]) -> None:
    assert may(people[role], "", "configmaps", "get", "dept-tax", "commonweal-ca") is (role != "nobody")
    if role in ("steward", "registrar"):
        assert not any(may(people[role], "", "configmaps", verb, "dept-tax", "commonweal-ca") for verb in VERBS if verb != "get")
        assert not may(people[role], "", "configmaps", "get", "dept-tax", "another")
