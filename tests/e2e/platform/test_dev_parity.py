"""The same manifests on a stack of `commonweal dev` and on a real site end in the same conditions, answers, refusals and OpenAPI documents."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest

from commonweal_cli.demo import bring_up
from commonweal_cli.demo.report import Row
from commonweal_cli.demo.walk import walk
from commonweal_cli.demo.web import Caller, trust_of
from commonweal_cli.exceptions import KubectlError
from commonweal_cli.kubectl import Cluster
from support.bad_manifests import BAD, Bad
from support.dev import Dev, example, place

ANSWER = re.compile(r"[1-5][0-9]{2}( [A-Z][A-Za-z]+)?")
KINDS = ("departments", "dataproducts", "consentpolicies", "modelservices")
# The first of each way in which a manifest can be refused by a rule of ours, whose words are the same everywhere.
OURS = [bad for bad in BAD if bad.remedy.server == bad.remedy.model and not bad.what.startswith("Department")][:12]


@pytest.fixture(scope="module")
def server() -> Iterator[Dev]:
    with Dev(example(place("parity")), "--sample") as dev:
        yield dev.ready()


@pytest.fixture(scope="module")
def sides(server: Dev, brought: bring_up.Brought) -> tuple[Cluster, Cluster]:
    return server.stack, brought.clusters[0]


def conditions(cluster: Cluster) -> dict[str, Any]:
    return {
        f"{body['kind']} {body['metadata'].get('namespace', '')}/{body['metadata']['name']}": {
            c["type"]: (c["status"], c["reason"]) for c in body["status"]["conditions"]
        }
        for kind in KINDS
        for body in cluster.items(kind)
        if not body["metadata"]["name"].startswith(("one-off-check", "count-once"))
    }


def test_everything_comes_to_the_same_conditions(sides: tuple[Cluster, Cluster]) -> None:
    here, there = map(conditions, sides)
    assert len(here) >= 13
    assert here == {name: found for name, found in there.items() if name in here}


def test_the_journey_is_answered_alike(server: Dev, sides: tuple[Cluster, Cluster], brought: bring_up.Brought) -> None:
    here, there = sides
    told = server.stack.ask("told")
    ours = walk(here, told["issuer"], told["password"])
    theirs = walk(there, bring_up.issuer_of(brought.clusters[0]), brought.password)
    assert [row.step for row in ours if not row.ok] == []
    assert list(map(outcome, ours)) == list(map(outcome, theirs))


def outcome(row: Row) -> tuple[str, str, bool]:
    """Return what does not depend on the day, or on how often something was asked before: a status with its reason."""
    got = row.got if ANSWER.fullmatch(row.got) else ""
    return row.step, got, row.ok


def test_the_openapi_documents_are_the_same(sides: tuple[Cluster, Cluster]) -> None:
    here, there = map(documents, sides)
    assert sorted(here) == ["benefits-department", "companies-registry", "tax-authority"]
    assert here == {name: found for name, found in there.items() if name in here}


def documents(cluster: Cluster) -> dict[str, str]:
    found = {}
    for body in cluster.items("departments"):
        caller = Caller(body["status"]["dataApi"], trust=trust_of(cluster))
        found[body["metadata"]["name"]] = json.dumps(caller.get("/openapi.json").body, sort_keys=True)
    return found


@pytest.mark.parametrize("bad", OURS, ids=lambda bad: bad.what)
def test_a_refusal_has_the_same_words(sides: tuple[Cluster, Cluster], bad: Bad) -> None:
    manifest = deepcopy(bad.manifest)
    manifest["metadata"]["namespace"] = "dept-companies-registry"
    for cluster in sides:
        with pytest.raises(KubectlError) as refusal:
            cluster.apply_object(manifest)
        assert bad.field in str(refusal.value)
        assert bad.remedy.server in str(refusal.value)
