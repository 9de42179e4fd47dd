"""Real input: a heritage PostgreSQL with MovieLens-100k, published, shared under agreements, and learnt from by replaying real ratings."""

from __future__ import annotations

import sys
import uuid
from typing import Any

import numpy as np
import pytest

from support import movielens
from support.film_club import MODEL, Club

pytestmark = pytest.mark.sites
DECISIONS = 1200  # from 1,000 on, a third of them tells learning from luck in each of twelve runs; `make bench-move` replays more
Interactions = dict[str, list[dict[str, Any]]]


@pytest.fixture
def here(club: tuple[Club, Club]) -> Club:
    """The club at the site that has it."""
    return club[0]


@pytest.fixture(scope="module")
def people(club: tuple[Club, Club]) -> list[str]:
    """Every member's id."""
    return club[0].members()


@pytest.fixture(scope="module")
def interactions(club: tuple[Club, Club], people: list[str]) -> Interactions:
    """Every member's ratings."""
    return club[0].ratings(people)


def test_all_people_and_ratings_arrive_and_no_key_of_the_old_database(people: list[str], interactions: Interactions) -> None:
    assert len(people) == len(set(people)) == 943
    assert sum(len(records) for records in interactions.values()) == 100_000
    assert all(uuid.UUID(subject).version == 8 for subject in people)
    assert {key for record in interactions[people[0]] for key in record} == {"record", "filmId", "rating", "releaseYear", "genres"}


def test_a_raw_field_beside_its_mask_is_refused(here: Club, people: list[str]) -> None:
    research = here.client("research", "replay")
    answer = research.get(f"/v1/people/subjects/{people[0]}?fields=age")
    assert (answer.status, answer.reason) == (403, "FieldNotAgreed")
    record = research.get(f"/v1/people/subjects/{people[0]}").body["record"]
    assert list(record) == ["ageDecade"]
    assert record["ageDecade"] % 10 == 0


def test_the_model_learns_from_real_ratings_and_ends_clearly_above_random(
    here: Club, interactions: Interactions, capsys: pytest.CaptureFixture[str]
) -> None:
    made = movielens.offers(interactions, seed=1, most=DECISIONS)
    rewards = here.replay(made, "learning")
    chance, hindsight, late = movielens.uniform(made), movielens.best_fixed(made, interactions), float(np.mean(rewards[-DECISIONS // 3 :]))
    error = float(np.std(rewards[-DECISIONS // 3 :]) / np.sqrt(DECISIONS // 3))
    with capsys.disabled():
        points = " ".join(f"{point:.3f}" for point in movielens.curve(rewards))
        print(f"\nMovieLens-100k, {DECISIONS} decisions: mean reward by tenths {points}", file=sys.stderr)
        print(f"  last third {late:.3f}, by lot {chance:.3f}, best fixed list in hindsight {hindsight:.3f}", file=sys.stderr)
    state = here.model().get(MODEL).body
    assert state["rows"] == DECISIONS
    assert late > chance + 0.05
    assert late > chance + 3 * error
