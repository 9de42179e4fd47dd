"""Crashes, restarts and replicas: the log is the truth, and every reward counts once."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import repeat
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest

from support.model_runtime import Caller, ModelsProcess, Provider, calling, entry
from support.waiting import wait_for

ACTIONS = [{"id": f"guide-{i}"} for i in range(4)]


def person(i: int) -> dict[str, str]:
    return {"companies": str(UUID(int=1000 + i, version=4)), "tax": str(UUID(int=2000 + i, version=4))}


def people(provider: Provider, n: int) -> None:
    for i in range(n):
        ids = person(i)
        provider.records["companies", ids["companies"]] = {"sector": f"sector-{i % 5}", "year": 2000 + i % 30}
        provider.records["registrations", ids["tax"]] = {"vatRegistered": i % 2 == 0}
        provider.records["payments", ids["tax"]] = {"late": i % 3 == 0}


def question(event: int, who: int) -> dict[str, Any]:
    return {"eventId": f"e{event}", "subjects": person(who), "actions": ACTIONS}


def rank_all(model: Caller, n: int, people: int = 20) -> list[dict[str, Any]]:
    answers = [model.post("rank", question(i, i % people)) for i in range(n)]
    assert {a.status_code for a in answers} == {200}, answers[0].text
    return [a.json() for a in answers]


def reward_all(model: Caller, n: int) -> list[dict[str, Any]]:
    return [model.post("reward", {"eventId": f"e{i}", "value": (i % 8) / 8}).json() for i in range(n)]


def test_a_killed_runtime_comes_back_with_the_same_digest_and_the_same_answers(mortal: ModelsProcess, server: Any) -> None:
    people(mortal.provider, 20)
    mortal.plan(entry("next-step"))
    with calling(mortal, "next-step") as model:
        first = rank_all(model, 60)
        reward_all(model, 40)
        before = model.state()
    assert before["rows"] == 40
    mortal.kill()
    assert server.sql("SELECT count(*) FROM learning.snapshot", "mortal") == [["0"]]  # nothing but the log survived
    mortal.start()
    with calling(mortal, "next-step") as model:
        wait_for("the model", lambda: model.get("/v2/models/next-step").status_code == 200 or None)
        assert model.state() == before
        assert rank_all(model, 60) == first
        assert {a["duplicate"] for a in reward_all(model, 40)} == {True}
        assert model.state() == before
        after = model.post("rank", question(100, 3)).json()
    mortal.stop()
    assert server.sql("SELECT lesson, digest FROM learning.snapshot", "mortal") == [["40", before["digest"]]]
    mortal.start()
    with calling(mortal, "next-step") as model:
        wait_for("the model", lambda: model.get("/v2/models/next-step").status_code == 200 or None)
        assert model.state()["digest"] == before["digest"]
        assert model.post("rank", question(100, 3)).json() == after


def test_rewards_count_once_though_the_runtime_is_killed_while_they_arrive(mortal: ModelsProcess, server: Any) -> None:
    n = 150
    people(mortal.provider, 20)
    mortal.plan(entry("next-step"))
    with calling(mortal, "next-step") as model:
        rank_all(model, n)

    def send(event: int, sent: threading.Semaphore) -> bool:
        with calling(mortal, "next-step") as model:
            try:
                return model.post("reward", {"eventId": f"e{event}", "value": (event % 8) / 8}).status_code == 200
            except httpx.TransportError:
                return False
            finally:
                sent.release()

    for strike in range(3):
        sent = threading.Semaphore(0)
        with ThreadPoolExecutor(8) as pool:
            answers = pool.map(send, range(strike * 50, strike * 50 + 50), repeat(sent))
            for _ in range(15):
                assert sent.acquire(timeout=20)
            mortal.kill()
            list(answers)
        mortal.start()
    with calling(mortal, "next-step") as model:
        wait_for("the model", lambda: model.get("/v2/models/next-step").status_code == 200 or None)
        again = reward_all(model, n)
        assert {(a["joined"], a["learned"]) for a in again} == {(True, True)}
        assert {a["duplicate"] for a in again} == {True, False}  # some had got through before a kill, some had not
        state = model.state()
        assert (state["rewarded"], state["learned"], state["rows"]) == (n, n, n)
    counted = "SELECT count(DISTINCT lesson), min(lesson), max(lesson), count(*) FROM learning.decision WHERE lesson IS NOT NULL"
    assert server.sql(counted, "mortal") == [[str(n), "1", str(n), str(n)]]


def test_damaged_sums_are_rebuilt_from_the_log(mortal: ModelsProcess, server: Any) -> None:
    people(mortal.provider, 20)
    mortal.plan(entry("next-step"))
    with calling(mortal, "next-step") as model:
        rank_all(model, 20)
        reward_all(model, 20)
        digest = model.state()["digest"]
    mortal.stop()
    for damage in ("sums = substr(sums, 1, 400)", "digest = 'x'", "sums = 'nonsense'"):
        server.sql(f"UPDATE learning.snapshot SET {damage}", "mortal")
        mortal.start()
        with calling(mortal, "next-step") as model:
            wait_for("the model", lambda model=model: model.get("/v2/models/next-step").status_code == 200 or None)
            assert model.state()["digest"] == digest
        mortal.kill()


def test_two_runtimes_on_one_log_hold_the_same_bits(
    process: ModelsProcess, model: Caller, provider: Provider, server: Any, tmp_path: Path
) -> None:
    people(provider, 20)
    twin = ModelsProcess(tmp_path / "twin", server.address, provider)
    twin.start()
    try:
        twin.plan(entry("next-step", slots=32, floor=0.02))
        with calling(twin, "next-step") as other:
            first = rank_all(model, 30)
            assert rank_all(other, 30) == first  # the same event is the same decision wherever it is asked
            for i in range(30):
                (model if i % 2 else other).post("reward", {"eventId": f"e{i}", "value": (i % 8) / 8})
            a, b = model.state(), other.state()
            assert a["rows"] == b["rows"] == 30
            assert a["digest"] == b["digest"]
            other.post("rank", question(100, 1))
            one, two = model.post("rank", question(101, 2)).json(), other.post("rank", question(101, 2)).json()
            assert one == two
            forgotten = other.post("forget", {"subjects": person(3)}).json()
            assert forgotten["unlearned"] == 2
            assert model.state()["digest"] == other.state()["digest"] == forgotten["digest"]
    finally:
        twin.kill()


def test_forgetting_a_person_leaves_the_sums_and_the_log_as_if_they_had_never_come(
    model: Caller, process: ModelsProcess, provider: Provider, store: Any
) -> None:
    people(provider, 20)
    process.plan(entry("next-step", slots=32, floor=0.02), entry("never", slots=32, floor=0.02))
    rank_all(model, 40)
    reward_all(model, 40)
    assert model.state()["rows"] == 40
    answer = model.post("forget", {"subjects": person(7)}).json()
    assert (answer["decisions"], answer["unlearned"]) == (2, 2)
    state = model.state()
    assert (state["rows"], state["rewarded"], state["digest"]) == (38, 40, answer["digest"])
    dump = store.dump()
    assert not any(i in dump for i in person(7).values())
    assert all(i in dump for i in person(8).values())
    assert model.post("forget", {"subjects": person(7)}).json() == {
        "forgotten": True,
        "decisions": 0,
        "unlearned": 0,
        "digest": answer["digest"],
    }
    rebuilt = store.sql("SELECT count(*) FROM learning.decision WHERE lesson IS NOT NULL", "models")
    assert rebuilt == [["38"]]


def test_after_forgetting_the_log_alone_gives_the_same_sums(mortal: ModelsProcess, server: Any) -> None:
    people(mortal.provider, 20)
    mortal.plan(entry("next-step"))
    with calling(mortal, "next-step") as model:
        rank_all(model, 40)
        reward_all(model, 30)
        model.post("forget", {"subjects": person(4)})
        for i in range(30, 40):
            model.post("reward", {"eventId": f"e{i}", "value": 0.5})
        digest = model.state()["digest"]
    mortal.kill()
    server.sql("DELETE FROM learning.snapshot", "mortal")
    mortal.start()
    with calling(mortal, "next-step") as model:
        wait_for("the model", lambda: model.get("/v2/models/next-step").status_code == 200 or None)
        assert model.state()["digest"] == digest


@pytest.mark.parametrize(("change", "rows"), [({"floor": 0.02, "gamma": 50.0, "slots": 64}, 10), ({"slots": 128}, 0)])
def test_a_changed_model_keeps_its_sums_unless_its_features_changed(mortal: ModelsProcess, change: dict[str, Any], rows: int) -> None:
    people(mortal.provider, 20)
    mortal.plan(entry("next-step", slots=64))
    with calling(mortal, "next-step") as model:
        rank_all(model, 11)
        reward_all(model, 10)
        mortal.plan(entry("next-step", generation=2, **change))
        assert model.state()["rows"] == rows
        assert model.post("reward", {"eventId": "e10", "value": 1.0}).json()["learned"] is (rows > 0)
        mortal.plan(entry("next-step", uid="another", slots=64))
        assert (model.state()["rows"], model.state()["decisions"]) == (0, 0)
        mortal.plan()
        assert model.post("rank", question(50, 1)).json()["reason"] == "UnknownModel"


def test_while_the_store_is_away_nothing_is_decided_and_afterwards_all_goes_on(mortal: ModelsProcess, server: Any) -> None:
    people(mortal.provider, 20)
    mortal.plan(entry("next-step"))
    with calling(mortal, "next-step") as model:
        rank_all(model, 10)
        reward_all(model, 5)
        before = model.state()
        server.stop()
        try:
            answer = model.post("rank", question(50, 1))
            assert (answer.status_code, answer.json()["reason"]) == (503, "StoreUnavailable")
            assert answer.headers["retry-after"]
            assert model.get("/readyz").status_code == model.get("/v2/health/ready").status_code == 503
            assert model.get("/healthz").status_code == 200
        finally:
            server.start()
        wait_for("the runtime to be ready again", lambda: model.get("/readyz").status_code == 200 or None)
        assert model.state() == before
        assert model.post("rank", question(50, 1)).status_code == 200
        assert model.post("reward", {"eventId": "e5", "value": 1.0}).json()["learned"] is True
