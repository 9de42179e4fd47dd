"""The loop as a whole: from questions and rewards over HTTP the model finds out what helps whom."""

from __future__ import annotations

from random import Random
from uuid import UUID

from support.model_runtime import Caller, ModelsProcess, Provider, calling, entry

SECTORS = ["retail", "farming", "building"]
GUIDES = ["stock-guide", "grant-guide", "site-guide"]
RANDOM_REWARD = (0.9 + 0.1 + 0.1) / 3


def earn(model: Caller, provider: Provider, n: int, seed: int, described: bool) -> float:
    """Play n rounds of a planted problem: each sector is helped by its own guide 9 times in 10, by another 1 time in 10. Return the mean reward."""
    rng, total = Random(seed), 0.0
    for i in range(n):
        sector = rng.randrange(3)
        ids = {"companies": str(UUID(int=sector + 1, version=4)), "tax": str(UUID(int=7, version=4))}
        provider.records["companies", ids["companies"]] = {"sector": SECTORS[sector], "year": 2010}
        actions = [{"id": g, "features": {"guide": g}} if described else {"id": g} for g in GUIDES]
        event = f"{seed}-{i}"
        picked = model.post("rank", {"eventId": event, "subjects": ids, "actions": actions}).json()["action"]
        value = float(rng.random() < (0.9 if picked == GUIDES[sector] else 0.1))
        assert model.post("reward", {"eventId": event, "value": value}).json()["learned"] is True
        total += value
    return total / n


def test_a_model_per_action_learns_a_planted_problem(process: ModelsProcess, provider: Provider) -> None:
    process.plan(entry("planted", slots=32, floor=0.01))
    with calling(process, "planted") as model:
        earn(model, provider, 250, 1, described=False)
        assert earn(model, provider, 150, 2, described=False) > RANDOM_REWARD + 0.3


def test_a_shared_model_learns_a_planted_problem_from_features_of_actions(process: ModelsProcess, provider: Provider) -> None:
    process.plan(entry("planted", shape="Shared", slots=64, floor=0.01))
    with calling(process, "planted") as model:
        earn(model, provider, 250, 1, described=True)
        assert earn(model, provider, 150, 2, described=True) > RANDOM_REWARD + 0.3
