"""Which of a department's two namespaces holds what, and what becomes of one whose store lies in the department's own."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import orjson
import pytest

from commonweal_api.closings import STORE_CLOSINGS
from commonweal_api.plan import MODEL_PLAN, STORE_PLAN
from commonweal_kube.queue import Key
from commonweal_operator.desired.manifest import Child
from commonweal_operator.engine.observed import ServiceAddress, Workload
from commonweal_operator.kinds.reading import department_of
from support.signing import keys_status
from support.site import NOW, REGISTRY, Site

OURS = f"{REGISTRY}-platform"
DEPARTMENT = Key(REGISTRY, "Department", "companies-registry")
UP = Workload(1, 1, 1)


@pytest.fixture
def site() -> Site:
    return Site()


def made(children: Iterable[Child], namespace: str) -> set[tuple[str, str]]:
    return {(c.kind, c.name) for c in children if c.namespace == namespace}


def body(children: Iterable[Child], kind: str, namespace: str, name: str) -> dict[str, Any]:
    (found,) = [c for c in children if (c.kind, c.namespace, c.name) == (kind, namespace, name)]
    content: dict[str, Any] = orjson.loads(found.body)
    return content


def test_nothing_of_the_platform_lies_where_the_department_may_write(site: Site) -> None:
    children = site.children(DEPARTMENT)
    assert made(children, REGISTRY) == {
        ("RoleBinding", "commonweal-operator-access"),
        ("RoleBinding", "commonweal-stewards"),
        ("NetworkPolicy", "default-deny"),
        ("NetworkPolicy", "dns"),
        ("NetworkPolicy", "workloads"),
        ("NetworkPolicy", "volumes"),
        ("ResourceQuota", "department"),
        ("LimitRange", "department"),
        ("Role", "sources"),
        ("RoleBinding", "sources"),
        ("ServiceAccount", "volumes"),
        ("Deployment", "volumes"),
        ("Service", "volumes"),
    }
    owner = site.rules.keys_of(site.gathered(DEPARTMENT))
    assert owner is not None
    assert owner.owner.namespace == OURS, "the keys"


def test_both_namespaces_say_whose_they_are_and_which(site: Site) -> None:
    labels = {c.name: orjson.loads(c.body)["metadata"]["labels"] for c in site.children(DEPARTMENT) if c.kind == "Namespace"}
    assert {n: (v["commonweal.dev/department"], v["commonweal.dev/scope"]) for n, v in labels.items()} == {
        REGISTRY: ("companies-registry", "department"),
        OURS: ("companies-registry", "platform"),
    }
    assert all(v["pod-security.kubernetes.io/enforce"] == "restricted" for v in labels.values())


def test_the_keeper_reads_the_secrets_that_the_products_name_and_no_other(site: Site) -> None:
    children = site.children(DEPARTMENT)
    rules = body(children, "Role", REGISTRY, "sources")["rules"]
    assert [(r["resources"], r["verbs"]) for r in rules] == [(["secrets"], ["get"])]
    assert rules[0]["resourceNames"]
    (subject,) = body(children, "RoleBinding", REGISTRY, "sources")["subjects"]
    assert (subject["namespace"], subject["name"]) == (OURS, "store")
    here = body(children, "Role", OURS, "store")["rules"]
    assert not any("secrets" in r["resources"] for r in here), "in its own namespace it mounts its keys, and reads no Secret"


def test_who_signs_is_named_by_the_department_object_and_may_read_one_secret(site: Site) -> None:
    stewards = [{"kind": "User", "name": "ada"}, {"kind": "ServiceAccount", "name": "signer"}]
    department = site.body(DEPARTMENT)
    site.put(department | {"spec": department["spec"] | {"stewards": stewards}}, 2)
    children = site.children(DEPARTMENT)
    for namespace, name, role in (
        (REGISTRY, "commonweal-stewards", "commonweal-department-steward"),
        (OURS, "commonweal-steward-signing", "commonweal-steward-signing"),
    ):
        binding = body(children, "RoleBinding", namespace, name)
        assert binding["roleRef"]["name"] == role
        assert [(s["kind"], s["name"], s.get("namespace")) for s in binding["subjects"]] == [
            ("User", "ada", None),
            ("ServiceAccount", "signer", REGISTRY),
        ]
    (rule,) = body(children, "Role", OURS, "commonweal-steward-signing")["rules"]
    assert rule == {"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["commonweal-signing"], "verbs": ["get"]}


def test_without_stewards_both_bindings_stand_and_bind_nobody(site: Site) -> None:
    department = site.body(DEPARTMENT)
    site.put(department | {"spec": department["spec"] | {"stewards": []}}, 2)
    children = site.children(DEPARTMENT)
    assert "subjects" not in body(children, "RoleBinding", REGISTRY, "commonweal-stewards")
    assert "subjects" not in body(children, "RoleBinding", OURS, "commonweal-steward-signing")


def test_beside_a_store_in_the_departments_own_namespace_none_is_made_and_revocations_still_reach_it(site: Site) -> None:
    site.observed.known["StatefulSet", REGISTRY, "store"] = UP
    children = site.children(DEPARTMENT)
    found = [(c.namespace, c.name) for c in children]
    assert found == [(REGISTRY, name) for name in ("commonweal-operator-access", STORE_CLOSINGS, STORE_PLAN, MODEL_PLAN)]
    assert site.rules.keys_of(site.gathered(DEPARTMENT)) is None, "no second pair of keys"
    status, reason, message = site.conditions("Department", "companies-registry")["NamespaceReady"]
    assert (status, reason) == ("False", "LayoutOutdated")
    assert "commonweal department split" in message
    site.observed.known["Service", REGISTRY, "data-api"] = ServiceAddress("10.210.0.7", NOW)
    assert site.status(DEPARTMENT)["dataApi"] == "http://10.210.0.7", "what callers are told is where it serves"


def test_beside_such_a_store_whose_department_has_no_known_key_the_operator_may_still_write_what_products_publish(site: Site) -> None:
    site.observed.known["StatefulSet", REGISTRY, "store"] = UP
    site.put(site.body(DEPARTMENT), 2)
    assert [(c.namespace, c.name) for c in site.children(DEPARTMENT)] == [(REGISTRY, "commonweal-operator-access")]


def test_a_store_of_that_name_in_the_departments_namespace_counts_for_nothing_once_the_platform_has_one(site: Site) -> None:
    site.observed.known["StatefulSet", OURS, "store"] = UP
    before = site.children(DEPARTMENT)
    site.observed.known["StatefulSet", REGISTRY, "store"] = UP
    assert site.children(DEPARTMENT) == before


def test_while_a_department_is_split_both_are_there_and_only_the_old_store_has_a_plan(site: Site) -> None:
    department = site.body(DEPARTMENT)
    meta = department["metadata"] | {"annotations": {"commonweal.dev/arriving": "split", "commonweal.dev/splitting": "split"}}
    site.put(department | {"metadata": meta}, 2, keys=keys_status("companies-registry"))
    site.observed.known["StatefulSet", REGISTRY, "store"] = site.observed.known["StatefulSet", OURS, "store"] = UP
    children = site.children(DEPARTMENT)
    assert {c.namespace for c in children if c.name in (STORE_PLAN, MODEL_PLAN)} == {REGISTRY}
    assert ("StatefulSet", "store") in made(children, OURS)
    wanted = site.rules.keys_of(site.gathered(DEPARTMENT))
    assert wanted is not None
    assert (wanted.make, wanted.owner.namespace) == (False, OURS), "its keys are brought, not made"
    assert site.rules.status(site.gathered(DEPARTMENT), ())["dataApi"] == f"http://data-api.{REGISTRY}.svc.cluster.local"
    taken_up = meta | {"annotations": {"commonweal.dev/splitting": "split"}}
    site.put(department | {"metadata": taken_up}, 2, keys=keys_status("companies-registry"))
    children = site.children(DEPARTMENT)
    assert {c.namespace for c in children if c.name in (STORE_PLAN, MODEL_PLAN)} == {REGISTRY, OURS}, (
        "until it has gone, the old store is told too"
    )
    assert site.rules.status(site.gathered(DEPARTMENT), ())["dataApi"] == f"https://data-api.{OURS}.svc.cluster.local"


def test_a_change_in_either_namespace_asks_for_the_department(site: Site) -> None:
    for kind, namespace, name in (("Deployment", OURS, "data-api"), ("Namespace", "", OURS), ("Namespace", "", REGISTRY)):
        assert DEPARTMENT in {key for key, _ in site.rules.child_changed(kind, namespace, name)}


def test_objects_of_ours_in_the_platforms_namespace_belong_to_no_department() -> None:
    assert department_of(OURS) == ""
