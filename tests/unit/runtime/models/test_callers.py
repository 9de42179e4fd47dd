"""What callers of a model are told: two people who differ are told apart by nobody whom no agreement names."""

from __future__ import annotations

import asyncio
from typing import Any, cast
from uuid import UUID

import pytest

from commonweal_runtime.exceptions import ProblemError
from commonweal_runtime.models import answers, oip, service
from commonweal_runtime.models.bodies import RankBody
from commonweal_runtime.models.calls import Call, call_of
from commonweal_runtime.models.features import space_of
from commonweal_runtime.models.learning import Sums
from commonweal_runtime.models.loaded_model import LoadedModel
from commonweal_runtime.models.log import Forgotten, Joined, ModelRef, State
from commonweal_runtime.models.rank import Ranked, decide
from commonweal_runtime.models.sources import FeatureReader, Readings
from commonweal_runtime.tokens import Client
from support.model_runtime import APP, FEATURES, entry

OTHER = {"department": "health", "client": "app"}
BODY = RankBody.model_validate_json('{"eventId": "e", "actions": [{"id": "a"}, {"id": "b"}]}')
RICH = Readings({("tax", "payments"): [{"late": True}], ("tax", "registrations"): [{"vatRegistered": "over-90k"}]}, {"tax": "x"}, [])
POOR = Readings({("tax", "payments"): [{"late": False}]}, {"tax": "x"}, ["tax/registrations/vatRegistered"])
NOBODY = Readings({}, {}, ["tax/payments/late", "tax/registrations/vatRegistered"])


def loaded(*agreed: dict[str, str]) -> LoadedModel:
    found = entry("m", callers=(APP, OTHER), agreed=agreed)
    return LoadedModel("tax", found, ModelRef(1, 1), State(Sums(space_of(found.spec)), 0))


def called(model: LoadedModel, department: str = "tax", client: str = "tax-app") -> Call:
    return call_of(model, Client(department, client))


def told(call: Call, readings: Readings, *, learnt: bool) -> list[dict[str, Any]]:
    """Return every answer about a person of whom this was read, but for what was chosen."""
    decided, terms = decide(call.model, BODY, readings, b"", explain=True)
    counts = {
        "decisions": 1,
        "baseline": int(decided.baseline),
        "activated": 0,
        "rewarded": 1,
        "late": 0,
        "learned": int(learnt),
        "meanReward": 1.0,
    }
    found = [
        answers.ranked(call, Ranked(decided, terms), explain=True),
        answers.ranked(call, Ranked(decided, None), explain=True),
        answers.rewarded(call, Joined("Joined", late=False, learnt=learnt, example=None)),
        answers.forgotten(call, Forgotten(int(learnt), int(learnt), State(call.model.learner.sums, 0))),
        answers.state(call, counts, [{"product": "tax/payments", "state": "Unavailable", "reason": "FrequencyLimit"}] if learnt else []),
    ]
    return [{k: v for k, v in a.items() if k != "action"} for a in found]


def test_a_caller_that_no_agreement_names_is_told_the_same_of_everybody() -> None:
    worlds = [told(called(loaded()), r, learnt=bool(r.records)) for r in (RICH, POOR, NOBODY)]
    assert worlds[0] == worlds[1] == worlds[2]
    assert "over-90k" not in str(worlds)
    assert worlds[0][0]["explanation"] == {"fields": [f"{f['department']}/{f['product']}/{f['field']}" for f in FEATURES]}


def test_a_caller_that_is_named_is_told_apart_so_the_comparison_can_fail() -> None:
    worlds = [told(called(loaded(APP)), r, learnt=bool(r.records)) for r in (RICH, POOR, NOBODY)]
    assert worlds[0] != worlds[1] != worlds[2]
    assert "vatRegistered=over-90k" in str(worlds[0])


def test_who_may_call_and_what_the_refusals_say() -> None:
    model = loaded(APP)
    assert called(model).values
    assert not called(loaded()).values
    for client, reason in (
        (("health", "app"), "CallerNotAgreed"),
        (("tax", "x"), "CallerNotListed"),
        (("health", "x"), "CallerNotListed"),
        (("tax", "my.app"), "CallerNotListed"),
    ):
        with pytest.raises(ProblemError) as refused:
            called(model, *client)
        assert (refused.value.status, refused.value.reason) == (403, reason)
    with pytest.raises(ProblemError) as refused:
        called(model, "health", "app")
    for word in ("health/app", "companies/companies/sector", "tax/payments/late"):
        assert word in refused.value.detail
    for word in ("spec.consumer.clients", "for health", "companies/companies", "tax/personalise-guidance"):
        assert word in refused.value.remedy
    assert called(loaded(OTHER), "health", "app").values


class NoReader:
    """A reader that must not be asked."""

    async def read(self, *_: Any) -> Readings:
        raise AssertionError("something of a person was read")


def infer(call: Call, *inputs: dict[str, Any]) -> dict[str, Any]:
    actions = {"name": "actions", "shape": [1, 2], "datatype": "BYTES", "data": ["a", "b"]}
    body = oip.InferBody.model_validate({"inputs": [actions, *inputs]})
    return asyncio.run(oip.infer(call, cast("FeatureReader", NoReader()), {}, body))


def test_scores_are_for_callers_that_are_named_and_without_a_person_nothing_is_read() -> None:
    given = {"name": "tax/registrations/vatRegistered", "shape": [1], "datatype": "BYTES", "data": ["over-90k"]}
    about = {"name": "subject:tax", "shape": [1], "datatype": "BYTES", "data": [str(UUID(int=1))]}
    assert infer(called(loaded(APP)), given)["outputs"]
    for inputs in ((), (given,), (about,), (about, given)):
        with pytest.raises(ProblemError) as refused:
            infer(called(loaded()), *inputs)
        assert refused.value.reason == "CallerNotAgreed"


def test_the_version_moves_with_what_was_learnt_and_is_shown_on_demand_only() -> None:
    assert "versions" not in oip.metadata(loaded(), versioned=False)
    assert oip.metadata(loaded(), versioned=True)["versions"]


@pytest.mark.parametrize(("agreed", "waits"), [((), True), ((APP,), False)])
def test_a_choice_alone_is_answered_on_a_tick(monkeypatch: pytest.MonkeyPatch, agreed: tuple[dict[str, str], ...], waits: bool) -> None:
    waited: list[float] = []

    async def noted(seconds: float) -> None:
        waited.append(seconds)

    async def answered() -> None:
        async with service._on_tick(called(loaded(*agreed))):
            pass

    monkeypatch.setattr(service.asyncio, "sleep", noted)
    asyncio.run(answered())
    assert [0 < seconds <= service.TICK for seconds in waited] == [True] * waits
