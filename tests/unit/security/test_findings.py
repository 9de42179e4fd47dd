"""What the suite of attacks makes of what it saw: a refusal is held only with the layer that explains it, and nothing tried is not held."""

from __future__ import annotations

import pytest

from security.findings import Asked, Finding, Pod, answered, disturbed, layer_of, longest_without, passed, refused, table, together

POLICY = "services \"x\" is forbidden: ValidatingAdmissionPolicy 'commonweal-traffic' with binding 'commonweal-traffic' denied request: no"
RULES = 'secrets is forbidden: User "system:serviceaccount:a:b" cannot list resource "secrets" in API group ""'


@pytest.mark.parametrize(
    ("status", "message", "layer"),
    [
        (403, POLICY, "admission policy commonweal-traffic"),
        (403, RULES, "access rules"),
        (403, 'pods "p" is forbidden: violates PodSecurity "restricted:latest": hostPort', "Pod Security"),
        (403, "exceeded quota: department, requested: pods=1", "quota"),
        (403, "Use of external IPs is denied by admission control.", "the API server's plug-in DenyServiceExternalIPs"),
        (401, "Unauthorized", "no login"),
        (403, "something nobody knows", ""),
        (422, POLICY, ""),
        (404, RULES, ""),
        (201, "", ""),
    ],
)
def test_a_refusal_is_explained_by_the_layer_that_made_it(status: int, message: str, layer: str) -> None:
    assert layer_of(status, message) == layer
    found = refused("part", "attack", status, message)
    assert (found.held, found.layer) == (bool(layer), layer or "none")
    assert bool(found.detail) is not found.held


def test_of_many_requests_each_has_to_be_refused() -> None:
    good = together("part", "attack", {"a": (403, RULES), "b": (403, POLICY)})
    assert (good.held, good.layer) == (True, "access rules, admission policy commonweal-traffic")
    bad = together("part", "attack", {"a": (403, RULES), "b": (200, "{}")})
    assert not bad.held
    assert bad.detail == "b (200: {})"
    assert not together("part", "attack", {}).held


def test_nothing_tried_is_not_held_and_one_that_did_not_hold_is_enough() -> None:
    held, broken = Finding("p", "a", held=True, layer="l"), Finding("p", "b", held=False, layer="none", detail="why")
    assert passed([held])
    assert not passed([held, broken])
    assert not passed([])
    lines = table([held, broken]).splitlines()
    assert lines[0].split() == ["held", "p", "a", "l"]
    assert lines[1].split() == ["did", "not", "hold", "p", "b", "none:", "why"]
    assert lines[2] == "2 attacks: 1 held, 1 did not"


def test_a_client_is_answered_when_it_never_waits_longer_than_it_bears() -> None:
    asked = [Asked(1, 2), Asked(3, 4, "503"), Asked(5, 9), Asked(10, 11)]
    assert longest_without(asked, 0, 20) == 9  # from the last good answer to the end of the attack
    assert longest_without([], 0, 20) == 20
    assert answered("p", "who", asked, 0, 20, 9).held
    late = answered("p", "who", asked, 0, 20, 8.9)
    assert not late.held
    assert late.detail == "3 of 4 answered, slowest 4.0 s, longest without an answer 9.0 s; 503"
    assert not answered("p", "who", [Asked(1, 2, "503")], 0, 3, 60).held


def test_a_pod_that_is_gone_replaced_started_again_or_not_ready_is_named() -> None:
    before = [Pod(name, name, ready=True, restarts=1) for name in "abcde"]
    after = [
        Pod("a", "a", ready=True, restarts=1),
        Pod("b", "other", ready=True, restarts=0),
        Pod("c", "c", ready=True, restarts=3),
        Pod("d", "d", ready=False, restarts=1),
    ]
    assert disturbed(before, after) == ["b was replaced", "c started again 2 times", "d is not ready", "e is gone"]
