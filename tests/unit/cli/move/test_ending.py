"""Ending a department from the command line: what it says beforehand, and that it goes on until nothing is left."""

from __future__ import annotations

import json
from typing import Any

import pytest

from commonweal_cli.main import main
from commonweal_cli.move import ending
from commonweal_cli.move.endpoint import End
from commonweal_local.exceptions import LocalError

PARTIES = [{"department": "health", "agreements": ["tax/health-reads", "health/tax-reads"], "models": ["health/next"]}]


def department(*, waits: str = "", **more: Any) -> dict[str, Any]:
    continues = {"type": "Continues", "reason": "Ending", "message": waits}
    status = {"parties": PARTIES, "conditions": [continues] if waits else []}
    return {"metadata": {"name": "tax", **more}, "spec": {}, "status": status}


class Cluster:
    """A site as kubectl tells of it, one look after the other; the last one stays."""

    name = "onprem"

    def __init__(self, *looks: tuple[dict[str, Any] | None, str]) -> None:
        self._looks, self.did = list(looks), list[str]()

    def run(self, verb: str, *words: str, **_: Any) -> str:
        if verb != "get":
            self.did.append(" ".join((verb, *words)))
            return ""
        if words[0] == "namespace":
            return self._looks[0][1]
        found = self._looks[0][0]
        if len(self._looks) > 1 and self.did:
            self._looks.pop(0)
        return json.dumps(found) if found is not None else ""


SPACES = "namespace/dept-tax\nnamespace/dept-tax-platform\n"
GONE: tuple[None, str] = (None, "")


def ended(cluster: Cluster, *, unreachable: bool = False, seconds: float = 30.0) -> list[str]:
    said: list[str] = []
    kubectl: Any = cluster
    ending.end(End("tax", kubectl), said.append, unreachable=unreachable, seconds=seconds)
    return said


def test_it_says_beforehand_whom_the_end_concerns() -> None:
    text = "\n".join(ending.what_goes(department()))
    for part in (
        "health is told",
        "tax/health-reads (which it provides)",
        "health/tax-reads (under which it reads)",
        "model health/next",
        "every consent",
    ):
        assert part in text
    alone = department() | {"status": {}}
    assert "No other department" in "\n".join(ending.what_goes(alone))


def test_it_says_how_long_other_sites_have_for_the_feed() -> None:
    feed = {"sites": [{"name": "north"}, {"name": "south"}], "maxStalenessSeconds": 120}
    assert "north, south: it stays until they have had 120 s" in "\n".join(ending.what_goes(department() | {"spec": {"consentFeed": feed}}))


def test_it_confirms_deletes_and_follows_until_nothing_is_left() -> None:
    cluster = Cluster(
        (department(), SPACES),
        (department(waits="Waits for: a."), SPACES),
        (department(waits="Waits for: a."), SPACES),
        (None, SPACES),
        GONE,
    )
    said = ended(cluster)
    assert cluster.did == [
        "annotate department tax commonweal.dev/confirm-delete=tax --overwrite",
        "delete department tax --wait=false --ignore-not-found",
    ]
    assert said[0] == "Waits for: a."
    assert len(said) == len(set(said))


def test_let_go_is_said_only_when_asked_for() -> None:
    cluster = Cluster((department(), SPACES), GONE)
    ended(cluster, unreachable=True)
    assert "commonweal.dev/confirm-unreachable=tax" in cluster.did[0]


def test_a_run_that_comes_later_follows_what_was_begun() -> None:
    cluster = Cluster((None, SPACES))
    with pytest.raises(LocalError, match="waits for dept-tax and dept-tax-platform to be removed"):
        ended(cluster, seconds=0.0)
    assert cluster.did == []


def test_what_takes_too_long_is_told_with_what_is_waited_for() -> None:
    with pytest.raises(LocalError, match="Waits for: its own store") as refusal:
        ended(Cluster((department(waits="Waits for: its own store."), SPACES)), seconds=0.0)
    assert "--unreachable" in str(refusal.value)


def test_a_department_that_is_not_there_is_named() -> None:
    kubectl: Any = Cluster(GONE)
    with pytest.raises(LocalError, match="no Department tax"):
        ending.looked_up("tax", kubectl)


def test_another_name_confirms_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["department", "end", "tax", "--site", "onprem", "--confirm", "health"]) == 1
    assert "--confirm tax" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("ready", "told"),
    [
        (True, "2 consents in force, 0 objections, 1 delegations, 3 links, 4 erasures"),
        (False, "does not answer"),
        (None, "does not answer"),
    ],
)
def test_it_says_how_much_the_store_holds(monkeypatch: pytest.MonkeyPatch, ready: bool | None, told: str) -> None:
    def step(_: End, verb: str, **__: Any) -> dict[str, int]:
        if ready is None:
            raise LocalError("cut", "Again.")
        return {"consents": 2, "objections": 0, "delegations": 1, "links": 3, "erasures": 4} if verb == "holdings" else {}

    monkeypatch.setattr(End, "ready", lambda _: ready is not False)
    monkeypatch.setattr(End, "step", step)
    kubectl: Any = Cluster(GONE)
    assert told in ending.holdings(End("tax", kubectl))
