"""The chart's rights of the operator against what it makes and watches: every name that is needed, and no other."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
import yaml

from commonweal_operator.desired.access import OPERATOR_ACCESS
from commonweal_operator.desired.certificates import secret_of
from commonweal_operator.desired.exports import AGREEMENT, CONTRACT
from commonweal_operator.desired.keys import NAME, SIGNING
from commonweal_operator.desired.manifest import RESOURCES
from commonweal_operator.desired.volumes import COMPONENT as VOLUMES
from commonweal_operator.desired.web import DATA_API, MODELS
from commonweal_operator.engine.watched import LIST_WATCHES, NAMES, is_watched

ROOT = Path(__file__).resolve().parents[3]
OUTPUTS = sorted((ROOT / "tests" / "golden").glob("*/output.yaml"))
PLATFORM, DEPARTMENT = "commonweal-operator-platform", "commonweal-operator-department"
APPLIED = ("get", "create", "patch")
Place = tuple[str, str]  # plural, name


def roles() -> dict[str, list[dict[str, Any]]]:
    """Return the rules of each ClusterRole, with those that only some sites get; Helm's own lines are left out."""
    text = (ROOT / "charts" / "commonweal" / "templates" / "operator" / "access.yaml").read_text()
    lines = [line for line in text.splitlines() if not line.strip().startswith("{{")]
    plain = re.sub(r"\{\{.*?\}\}", "x", "\n".join(lines))
    return {o["metadata"]["name"]: o.get("rules", []) for o in yaml.safe_load_all(plain) if o["kind"] == "ClusterRole"}


def named(rules: list[dict[str, Any]], *verbs: str) -> set[Place]:
    """Return what may be done by name, with an empty name where any will do."""
    places = defaultdict(set)
    for rule in rules:
        for resource in rule["resources"]:
            for name in rule.get("resourceNames", [""]):
                places[resource, name] |= set(rule["verbs"])
    return {place for place, granted in places.items() if set(verbs) <= granted}


def made(*, platform: bool) -> set[Place]:
    """Return plural and name of all that the golden cases have in that one of the two namespaces."""
    found = [o for path in OUTPUTS for o in yaml.safe_load_all(path.read_text()) if o["metadata"].get("namespace", "").startswith("dept-")]
    here = [o for o in found if o["metadata"]["namespace"].endswith("-platform") is platform]
    return {(RESOURCES[o["kind"]].plural, o["metadata"]["name"]) for o in here}


def test_in_the_platforms_namespace_it_applies_each_object_by_its_name_and_no_other() -> None:
    rules = roles()[PLATFORM]
    itself = {("rolebindings", OPERATOR_ACCESS)}
    applied = {place for place in named(rules, *APPLIED) if place[0] != "certificates"}
    assert applied == made(platform=True) - itself
    certificates = {("secrets", secret_of(DATA_API)), ("secrets", secret_of(MODELS))}
    assert named(rules, "patch") - applied - {("namespaces", "")} - {("certificates", name) for _, name in certificates} == certificates
    assert named(rules, "get") & {("secrets", NAME), ("secrets", SIGNING)} == {("secrets", NAME), ("secrets", SIGNING)}


def test_in_the_departments_own_namespace_it_applies_each_object_by_its_name_but_for_what_the_department_names() -> None:
    rules = roles()[DEPARTMENT]
    itself = {("rolebindings", OPERATOR_ACCESS)}
    applied = {place for place in named(rules, *APPLIED) if place[0] not in ("certificates", "secrets")}
    assert applied - {("configmaps", "")} == {place for place in made(platform=False) if place[0] != "configmaps"} - itself
    assert not any(is_watched("ConfigMap", f"{prefix}{name}") for prefix in (CONTRACT, AGREEMENT) for name in NAMES["ConfigMap"])
    assert {name for resource, name in named(rules, "create", "patch") if resource == "secrets"} == {secret_of(VOLUMES)}


@pytest.mark.parametrize("role", [PLATFORM, DEPARTMENT])
def test_without_a_name_it_may_do_in_a_departments_namespaces_only_what_no_rule_can_name(role: str) -> None:
    free = {
        PLATFORM: {("namespaces", "patch"), ("secrets", "create")},
        DEPARTMENT: {("namespaces", "patch"), ("secrets", "get"), *(("configmaps", verb) for verb in ("get", "list", "create", "patch"))},
    }
    rules = [rule for rule in roles()[role] if not rule.get("resourceNames")]
    assert {(resource, verb) for rule in rules for resource in rule["resources"] for verb in rule["verbs"]} == free[role]


def test_on_the_whole_cluster_it_sees_by_name_exactly_what_it_watches() -> None:
    ours = [rule for rule in roles()["commonweal-operator"] if rule["apiGroups"] != ["commonweal.dev"]]
    plurals = {kind: resource.plural for kind, resource in RESOURCES.items()} | {"PersistentVolumeClaim": "persistentvolumeclaims"}
    assert named(ours, "list", "watch") == {(plurals[watch.kind], watch.name) for watch in LIST_WATCHES}


def test_on_the_whole_cluster_it_makes_namespaces_and_one_binding_of_itself_and_nothing_else() -> None:
    rules = roles()["commonweal-operator"]
    ours = [rule for rule in rules if rule["apiGroups"] != ["commonweal.dev"]]
    assert named(ours, "create") == {("namespaces", ""), ("rolebindings", OPERATOR_ACCESS)}
    assert named(ours, "patch") == {("rolebindings", OPERATOR_ACCESS)}
    assert named(ours, "bind") == {("clusterroles", PLATFORM), ("clusterroles", DEPARTMENT)}
    writes = {"create", "patch", "bind"}
    assert {verb for rule in rules for verb in rule["verbs"]} <= writes | {"get", "list", "watch"}


def test_each_role_gives_known_verbs_and_none_that_takes_away_or_raises() -> None:
    found = roles()
    assert set(found) == {"commonweal-operator", PLATFORM, DEPARTMENT, "commonweal-operator-elsewhere"}
    assert found["commonweal-operator-elsewhere"] == []
    verbs = {verb for rules in found.values() for rule in rules for verb in rule["verbs"]}
    assert verbs == {"get", "list", "watch", "create", "patch", "bind"}


def test_every_child_is_watched_by_its_name_but_for_what_departments_name() -> None:
    watched = {(RESOURCES[kind].plural, name) for kind, names in NAMES.items() for name in names}
    found = made(platform=True) | made(platform=False)
    assert watched == {p for p in found if p[0] != "configmaps" or is_watched("ConfigMap", p[1])}


def test_a_watch_asks_for_its_name_by_the_field_that_access_rules_know() -> None:
    for watch in LIST_WATCHES:
        query = parse_qs(f"labelSelector={watch.collection.selector}")
        assert query.get("fieldSelector") == ([f"metadata.name={watch.name}"] if watch.name else None)
        assert query["labelSelector"]
