"""Real input: a heritage PostgreSQL with MovieLens-100k, published, shared under agreements, and learnt from by replaying real ratings."""

from __future__ import annotations

import asyncio
import sys
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from commonweal_api import namespace_of
from commonweal_api.plan import audience_of
from commonweal_local import paths
from commonweal_local.demo import bring_up
from commonweal_local.demo.cluster import Cluster
from commonweal_local.demo.heritage import HeritageMachine
from commonweal_local.demo.web import Caller
from support import movielens

pytestmark = pytest.mark.sites
ARCHIVE = "film-archive"
TRIALS = 3
MODEL = "/v1/models/recommend"
REPLAY = "film-archive/replay"
MANIFESTS = Path(__file__).parent / "manifests" / "movielens.yaml"
DECISIONS = 3000
Interactions = dict[str, list[dict[str, Any]]]


async def fill(heritage: HeritageMachine) -> None:
    archive = movielens.wheel(paths.cache() / "wheels")
    async with heritage.connection("postgres") as admin:
        if await admin.fetchval("select true from pg_database where datname = 'movielens'"):
            return
        await admin.execute("create database movielens")
    async with heritage.connection("movielens") as connection:
        await movielens.load(connection, archive)


@pytest.fixture(scope="module")
def archive(brought: bring_up.Brought) -> Iterator[Cluster]:
    """The site on which the film archive publishes what its old database holds."""
    asyncio.run(fill(brought.heritage))
    cluster = brought.clusters[0]
    department, *rest = MANIFESTS.read_text().split("\n---\n")
    cluster.run("apply", "-f", "-", stdin=department)
    cluster.wait_for(("departments",), "NamespaceReady", 120, lambda _: None)
    cluster.run("apply", "-f", "-", stdin="\n---\n".join(rest))
    cluster.sign(namespace_of(ARCHIVE))
    cluster.wait_for(bring_up.KINDS, "Ready", 300, lambda _: None)
    yield cluster
    cluster.run("annotate", "department", ARCHIVE, f"commonweal.dev/confirm-delete={ARCHIVE}")
    cluster.run("delete", "department", ARCHIVE, "--wait=false")


@pytest.fixture(scope="module")
def research(archive: Cluster) -> Caller:
    """The archive's own research service, at its data API."""
    token = archive.token(namespace_of(ARCHIVE), "research", audience_of(ARCHIVE))
    return Caller(archive.one("departments", ARCHIVE)["status"]["dataApi"], token, {"Purpose": REPLAY})


@pytest.fixture(scope="module")
def people(research: Caller) -> list[str]:
    """Every member's id, page by page."""
    found: list[str] = []
    after = ""
    while True:
        page = research.get(f"/v1/people/subjects?limit=1000{after}").body
        found += [item["subject"] for item in page["items"]]
        if page["next"] is None:
            return found
        after = f"&after={page['next']}"


@pytest.fixture(scope="module")
def interactions(research: Caller, people: list[str]) -> Interactions:
    """Every member's ratings, read under the agreement, one read each."""
    read: Interactions = {}
    for subject in people:
        answer = research.get(f"/v1/ratings/subjects/{subject}")
        assert answer.status == 200, dict(answer.body)
        read[subject] = list(answer.body["records"])
    return read


def test_all_people_and_ratings_arrive_and_no_key_of_the_old_database(people: list[str], interactions: Interactions) -> None:
    assert len(people) == len(set(people)) == 943
    assert sum(len(records) for records in interactions.values()) == 100_000
    assert all(uuid.UUID(subject).version == 8 for subject in people)
    assert {key for record in interactions[people[0]] for key in record} == {"record", "filmId", "rating", "releaseYear", "genres"}


def test_a_raw_field_beside_its_mask_is_refused(research: Caller, people: list[str]) -> None:
    answer = research.get(f"/v1/people/subjects/{people[0]}?fields=age")
    assert (answer.status, answer.reason) == (403, "FieldNotAgreed")
    record = research.get(f"/v1/people/subjects/{people[0]}").body["record"]
    assert list(record) == ["ageDecade"]
    assert record["ageDecade"] % 10 == 0


def replay(model: Caller, made: list[movielens.Offer]) -> list[float]:
    """Ask the model which film first, and reward it with what the person really thought."""
    rewards = []
    for offer in made:
        actions = [{"id": film.item, "features": film.features} for film in offer.films]
        # A person who could not be read in time is answered as one who withheld; a service asks again, and so does this.
        for _ in range(TRIALS):
            event = str(uuid.uuid4())
            ranked = model.call("POST", f"{MODEL}/rank", {"eventId": event, "subjects": {ARCHIVE: offer.subject}, "actions": actions})
            assert ranked.status == 200, dict(ranked.body)
            if not ranked.body["baseline"]:
                break
        assert not ranked.body["baseline"], dict(ranked.body)
        value = float(next(film.liked for film in offer.films if film.item == ranked.body["action"]))
        rewarded = model.call("POST", f"{MODEL}/reward", {"eventId": event, "value": value})
        assert rewarded.body["learned"], dict(rewarded.body)
        rewards.append(value)
    return rewards


def test_the_model_learns_from_real_ratings_and_ends_clearly_above_random(
    archive: Cluster, interactions: Interactions, capsys: pytest.CaptureFixture[str]
) -> None:
    made = movielens.offers(interactions, seed=1, most=DECISIONS)
    token = archive.token(namespace_of(ARCHIVE), "research", audience_of(ARCHIVE))
    model = Caller(archive.one("departments", ARCHIVE)["status"]["models"], token)
    began = datetime.now(UTC)
    rewards = replay(model, made)
    seconds = (datetime.now(UTC) - began).total_seconds()
    chance, hindsight, late = movielens.uniform(made), movielens.best_fixed(made, interactions), float(np.mean(rewards[-DECISIONS // 3 :]))
    error = float(np.std(rewards[-DECISIONS // 3 :]) / np.sqrt(DECISIONS // 3))
    with capsys.disabled():
        points = " ".join(f"{point:.3f}" for point in movielens.curve(rewards))
        print(f"\nMovieLens-100k, {DECISIONS} decisions in {seconds:.0f} s: mean reward by tenths {points}", file=sys.stderr)
        print(f"  last third {late:.3f}, by lot {chance:.3f}, best fixed list in hindsight {hindsight:.3f}", file=sys.stderr)
    state = model.get(MODEL).body
    assert state["rows"] == DECISIONS
    assert late > chance + 0.05
    assert late > chance + 3 * error
