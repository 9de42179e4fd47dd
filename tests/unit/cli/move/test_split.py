"""A department taken into the platform's namespace: what is done next follows from what both namespaces and the Department say."""

from __future__ import annotations

import json
from typing import Any

import pytest

from commonweal_cli.exceptions import MoveRefusedError
from commonweal_cli.move import preflight, split
from commonweal_cli.move.endpoint import End
from commonweal_cli.move.states import Step, decide
from commonweal_local.exceptions import LocalError

OWN, OURS = "dept-tax", "dept-tax-platform"


class Cluster:
    """A site as kubectl tells of it: the Department's annotations, and the stores by namespace with what each says of itself."""

    name = "onprem"

    def __init__(self, marks: dict[str, str] | None, stores: dict[str, Any]) -> None:
        self._marks, self.stores = marks, stores
        self.deleted: list[str] = []

    def run(self, verb: str, *words: str, **_: Any) -> str:
        if verb == "delete":
            self.deleted.append(f"{words[0]} in {words[2]}")
            return ""
        if words[0] == "statefulset":
            return "statefulset.apps/store\n" if words[3] in self.stores else ""
        assert words[0] == "departments.commonweal.dev"
        return json.dumps({"metadata": {"name": "tax", "annotations": self._marks}}) if self._marks is not None else ""


def looking(monkeypatch: pytest.MonkeyPatch, cluster: Cluster) -> tuple[End, End]:
    def look(end: End) -> dict[str, Any] | None:
        found: dict[str, Any] | None = cluster.stores.get(end.home)
        return found

    monkeypatch.setattr(preflight, "look", look)
    kubectl: Any = cluster
    return End("tax", kubectl, unsplit=True), End("tax", kubectl)


def store(state: str = "", move: str = "m") -> dict[str, Any]:
    return {"standing": {"state": state, "id": move} if state else None, "certificate": None}


BOTH = {"commonweal.dev/splitting": "m", "commonweal.dev/arriving": "m"}
TAKEN_UP = {"commonweal.dev/splitting": "m"}


@pytest.mark.parametrize(
    ("marks", "stores", "step"),
    [
        ({}, {OWN: store()}, Step.PREPARE),
        (BOTH, {OWN: store()}, Step.COPY),
        (BOTH, {OWN: store(), OURS: None}, Step.COPY),
        (BOTH, {OWN: store(), OURS: store()}, Step.COPY),
        (BOTH, {OWN: store("Frozen"), OURS: store()}, Step.COPY),
        (BOTH, {OWN: store(), OURS: store("Arrived")}, Step.DISCARD),
        (TAKEN_UP, {OWN: store(), OURS: store("Arrived")}, Step.DISCARD),
        (TAKEN_UP, {OWN: store("Gone"), OURS: store("Arrived")}, Step.OPEN),
        (BOTH, {OWN: store("Gone"), OURS: store("Arrived")}, Step.OPEN),
        (TAKEN_UP, {OWN: store("Gone"), OURS: store()}, Step.ERASE),
        (TAKEN_UP, {OURS: store()}, Step.ERASE),
        ({}, {OURS: store()}, Step.DONE),
        ({}, {OWN: None}, Step.REFUSE),
        (TAKEN_UP, {OWN: store("Gone"), OURS: None}, Step.REFUSE),
        (TAKEN_UP, {OWN: store("Gone"), OURS: store("Arrived", "another")}, Step.REFUSE),
        ({}, {OWN: store(), OURS: store()}, Step.REFUSE),
    ],
)
def test_what_is_done_next(monkeypatch: pytest.MonkeyPatch, marks: dict[str, str], stores: dict[str, Any], step: Step) -> None:
    assert decide(split.seen(*looking(monkeypatch, Cluster(marks, stores)))).step is step


def test_a_department_that_is_not_there_or_arrives_from_another_site_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(MoveRefusedError, match="has no department tax"):
        split.seen(*looking(monkeypatch, Cluster(None, {})))
    with pytest.raises(LocalError, match="by another move"):
        split.seen(*looking(monkeypatch, Cluster({"commonweal.dev/arriving": "x"}, {OWN: store()})))


def test_the_claim_of_the_old_store_goes_last_and_nothing_is_taken_in_the_new_namespace(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Cluster(TAKEN_UP, {OWN: store("Gone"), OURS: store()})
    marked: list[tuple[str, ...]] = []
    old, new = looking(monkeypatch, cluster)
    run = cluster.run

    def noted(verb: str, *words: str, **more: Any) -> str:
        if verb == "annotate":
            marked.append(words[2:])
            return ""
        return run(verb, *words, **more)

    monkeypatch.setattr(cluster, "run", noted)
    splitter = split.Splitter(old, new, progress=None)  # type: ignore[arg-type] - nothing is shown
    splitter._erase()
    assert all(name.endswith(f"in {OWN}") for name in cluster.deleted)
    assert (cluster.deleted[0], cluster.deleted[-1]) == (f"statefulset/store in {OWN}", f"persistentvolumeclaim/data-store-0 in {OWN}")
    assert marked == [("commonweal.dev/splitting-", "--overwrite")], "only when nothing is left"
