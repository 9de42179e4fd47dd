"""How far a workload has come, in the counts that its controller gives while one pod replaces another."""

from __future__ import annotations

import pytest

from commonweal_operator.engine.observed import workload


@pytest.mark.parametrize(
    ("said", "counts", "ready"),
    [
        ("nothing has been made", {}, 0),
        ("the first pod starts", {"replicas": 1, "updatedReplicas": 1}, 0),
        ("it is there", {"replicas": 1, "updatedReplicas": 1, "readyReplicas": 1}, 1),
        ("another is wanted, and none is made yet", {"replicas": 1, "readyReplicas": 1}, 0),
        ("it starts, and who is ready is the one of before", {"replicas": 2, "updatedReplicas": 1, "readyReplicas": 1}, 0),
        ("both are ready, so that some are still led to the one of before", {"replicas": 2, "updatedReplicas": 1, "readyReplicas": 2}, 0),
        ("the one of before is told to end", {"replicas": 1, "updatedReplicas": 1, "readyReplicas": 1}, 1),
    ],
)
def test_a_pod_of_before_is_not_taken_for_the_one_that_replaces_it(said: str, counts: dict[str, int], ready: int) -> None:
    found = workload({"spec": {"replicas": 1}, "status": {"observedGeneration": 2, **counts}})
    assert (found.wanted, found.ready) == (1, ready), said
