"""The same manifests at both ends: what a site adds is left out, and a line that an author wrote never is."""

from __future__ import annotations

from typing import Any

import pytest

from commonweal_api.move import ARRIVING, SPLITTING
from commonweal_cli.move.manifests import belongs, changed_lines, identities, ordered, written
from commonweal_cli.move.preflight import Facts, apart, obstacles


def product(uid: str, **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "commonweal.dev/v1alpha1",
        "kind": "DataProduct",
        "metadata": {
            "name": "people",
            "namespace": "dept-club",
            "uid": uid,
            "resourceVersion": uid,
            "generation": 3,
            "managedFields": [{}],
            "annotations": {"kubectl.kubernetes.io/last-applied-configuration": uid, "owner": "club"},
        },
        "spec": {"title": "People", **spec},
        "status": {"conditions": []},
    }


def test_what_a_site_adds_does_not_count_as_a_change() -> None:
    assert changed_lines([written(product("1"))], [written(product("2"))]) == []
    assert written(product("1"))["metadata"]["annotations"] == {"owner": "club"}


def test_a_line_that_somebody_changed_is_counted() -> None:
    changed = changed_lines([written(product("1"))], [written(product("2", title="Persons"))])
    assert changed == ["-  title: People", "+  title: Persons"]
    assert len(changed_lines([written(product("1"))], [])) == len(changed_lines([], [written(product("1"))])) > 5


@pytest.mark.parametrize("mark", [ARRIVING, SPLITTING])
def test_the_mark_of_a_move_or_a_split_is_no_part_of_the_manifest(mark: str) -> None:
    department = {"apiVersion": "v", "kind": "Department", "metadata": {"name": "club", "annotations": {mark: "m"}}, "spec": {}}
    assert "annotations" not in written(department)["metadata"]


def test_what_a_service_was_given_by_its_cluster_is_left_out() -> None:
    service: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "s"},
        "spec": {"clusterIP": "10.0.0.1", "ports": []},
    }
    assert written(service)["spec"] == {"ports": []}
    assert service["spec"]["clusterIP"] == "10.0.0.1", "the object that was read is not touched"


def test_whose_an_object_is() -> None:
    own = {"kind": "Secret", "metadata": {"name": "login"}}
    assert belongs(own)
    assert not belongs({**own, "metadata": {"name": "k", "labels": {"app.kubernetes.io/managed-by": "commonweal"}}})
    assert not belongs({**own, "metadata": {"name": "k", "ownerReferences": [{}]}})
    assert not belongs({"kind": "ConfigMap", "metadata": {"name": "kube-root-ca.crt"}})


def test_what_is_needed_comes_first() -> None:
    kinds = ["ModelService", "ConsentPolicy", "DataProduct", "Secret", "Role", "Department", "ServiceAccount"]
    made = ordered({"kind": kind, "metadata": {"name": "x"}} for kind in kinds)
    assert [m["kind"] for m in made] == ["Department", "Secret", "ServiceAccount", "DataProduct", "ConsentPolicy", "ModelService", "Role"]


def test_each_object_is_known_by_the_uid_that_it_had() -> None:
    assert identities([product("1")], [product("2")], ("DataProduct",)) == {"2": "1"}
    assert identities([product("1")], [product("2")], ("ConsentPolicy",)) == {}
    assert identities([], [product("2")], ("DataProduct",)) == {}


def policy(provider: str, consumer: str) -> dict[str, Any]:
    return {"metadata": {"name": f"{provider}-{consumer}", "namespace": f"dept-{provider}"}, "spec": {"consumer": {"department": consumer}}}


def test_agreements_that_would_be_closed_are_named_with_the_reason() -> None:
    keys = {"club": "k", "tax": "t", "benefits": "b"}
    policies = [policy("club", "club"), policy("club", "tax"), policy("benefits", "club"), policy("tax", "benefits")]
    assert apart("club", policies[:1], keys, {}) == [], "an agreement with oneself moves along"
    assert apart("club", [policy("club", "tax")], keys, keys) == []
    found = apart("club", policies, keys, {"tax": "another"})
    assert [line.split(" ", 1)[0] for line in found] == ["club-tax", "benefits-club"]
    assert "sign again" in found[0]
    assert "not at the new site" in apart("club", policies[1:2], keys, {})[0]


def test_every_obstacle_names_its_remedy_and_none_is_found_without_cause() -> None:
    fit = Facts("club", True, False, (), (), 1000, 1500, "2Gi")
    assert obstacles(fit, apart_accepted=False) == []
    unfit = Facts("club", False, True, ("own-data",), ("x with tax",), 1000, 1500, "2Gi")
    found = obstacles(unfit, apart_accepted=False)
    assert [line.split(":", 1)[0].split(" ", 1)[-1] for line in found] == [
        "commonweal-sectors",
        "spec.consentFeed",
        "own-data",
        "that will be closed at the new site",
    ]
    assert len(obstacles(unfit, apart_accepted=True)) == len(found) - 1


def test_what_holds_a_department_at_one_site_and_what_confirms_its_end_there_do_not_travel() -> None:
    annotations = {"commonweal.dev/confirm-delete": "tax", "commonweal.dev/confirm-unreachable": "tax", "kept": "yes"}
    found = {"kind": "Department", "metadata": {"name": "tax", "finalizers": ["commonweal.dev/ending"], "annotations": annotations}}
    assert written(found)["metadata"] == {"name": "tax", "annotations": {"kept": "yes"}}
