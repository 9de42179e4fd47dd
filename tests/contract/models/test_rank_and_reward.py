"""Rank, activate and reward against a real PostgreSQL and a real data API over HTTP."""

from __future__ import annotations

import math
from typing import Any
from uuid import UUID, uuid4

import pytest

from support.model_runtime import Caller, ModelsProcess, Provider, calling, entry
from support.waiting import wait_for

COMPANY, PAYER = str(UUID(int=1, version=4)), str(UUID(int=2, version=4))
ACTIONS = [{"id": "vat-guide"}, {"id": "payroll-guide"}, {"id": "cash-accounting"}]
ALL_NAMES = ["companies/companies/sector", "companies/companies/year", "tax/payments/late", "tax/registrations/vatRegistered"]


def known(provider: Provider) -> None:
    """Let all four features of the person be readable."""
    provider.records["companies", COMPANY] = {"sector": "retail", "year": 2020}
    provider.records["registrations", PAYER] = {"vatRegistered": False}
    provider.records["payments", PAYER] = {"late": True}


def question(event: str = "e1", **more: Any) -> dict[str, Any]:
    return {"eventId": event, "subjects": {"companies": COMPANY, "tax": PAYER}, "actions": ACTIONS} | more


def reward(model: Caller, event: str, value: Any) -> tuple[int, dict[str, Any]]:
    answer = model.post("reward", {"eventId": event, "value": value})
    return answer.status_code, answer.json()


JOINED = {"joined": True, "learned": True, "late": False, "duplicate": False}


def test_rank_reads_as_any_consumer_and_answers_with_a_propensity(model: Caller, provider: Provider) -> None:
    known(provider)
    answer = model.post("rank", question())
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body["eventId"] == "e1"
    assert UUID(body["decisionId"])
    assert {r["id"] for r in body["ranking"]} == {a["id"] for a in ACTIONS}
    assert math.isclose(sum(r["probability"] for r in body["ranking"]), 1.0)
    assert body["propensity"] == next(r["probability"] for r in body["ranking"] if r["id"] == body["action"]) >= 0.02
    assert body["withheld"] == []
    assert body["baseline"] is False
    assert body["model"]["rows"] == 0
    asked = {r["product"]: r for r in provider.requests}
    assert {p: r["fields"] for p, r in asked.items()} == {
        "companies": ["sector", "year"],
        "registrations": ["vatRegistered"],
        "payments": ["late"],
    }
    assert asked["companies"]["headers"]["Authorization"] == "Bearer token-for-companies"
    assert asked["companies"]["headers"]["Purpose"] == "tax/personalise-guidance"
    assert asked["companies"]["headers"]["Caller"] == "tax/tax-app"
    assert asked["companies"]["headers"]["Caller-Gets"] == "Values"
    assert asked["companies"]["subject"] == COMPANY
    assert asked["payments"]["subject"] == PAYER


def test_a_reward_is_joined_and_learnt_once_however_often_it_is_sent(model: Caller, provider: Provider, store: Any) -> None:
    known(provider)
    model.post("rank", question())
    before = model.state()["digest"]
    assert reward(model, "e1", 0.75) == (200, JOINED)
    after = model.state()
    assert after["digest"] != before
    assert {k: after[k] for k in ("decisions", "rewarded", "learned", "rows", "meanReward")} == {
        "decisions": 1,
        "rewarded": 1,
        "learned": 1,
        "rows": 1,
        "meanReward": 0.75,
    }
    for _ in range(3):
        assert reward(model, "e1", 0.75) == (200, JOINED | {"duplicate": True})
    assert model.state()["digest"] == after["digest"]
    status, problem = reward(model, "e1", 0.5)
    assert (status, problem["reason"]) == (409, "RewardConflict")
    assert store.sql("SELECT reward, lesson FROM learning.decision", "models") == [["0.75", "1"]]


def test_the_same_event_is_the_same_answer_and_reads_nothing_again(model: Caller, provider: Provider) -> None:
    known(provider)
    first = model.post("rank", question()).json()
    reads = len(provider.requests)
    reward(model, "e1", 1.0)
    assert model.post("rank", question()).json() == first
    assert len(provider.requests) == reads
    other = model.post("rank", question(context={"channel": "web"}))
    assert (other.status_code, other.json()["reason"]) == (409, "EventConflict")


def test_a_late_reward_is_kept_but_not_learnt(model: Caller, provider: Provider, store: Any) -> None:
    known(provider)
    model.post("rank", question())
    store.sql("UPDATE learning.decision SET at = at - interval '8 days'", "models")
    assert reward(model, "e1", 1.0) == (200, {"joined": True, "learned": False, "late": True, "duplicate": False})
    assert reward(model, "e1", 1.0) == (200, {"joined": True, "learned": False, "late": True, "duplicate": True})
    state = model.state()
    assert (state["rewarded"], state["late"], state["learned"], state["rows"]) == (1, 1, 0, 0)


def test_activation_is_noted_once_and_a_reward_implies_it(model: Caller, provider: Provider) -> None:
    known(provider)
    model.post("rank", question("e1"))
    model.post("rank", question("e2"))
    assert model.post("activate", {"eventId": "e1"}).json() == {"eventId": "e1", "activated": True, "duplicate": False}
    assert model.post("activate", {"eventId": "e1"}).json() == {"eventId": "e1", "activated": True, "duplicate": True}
    assert model.state()["activated"] == 1
    reward(model, "e2", 0.0)
    assert model.state()["activated"] == 2


@pytest.mark.parametrize("verb", ["activate", "reward"])
def test_an_unknown_event_is_404(model: Caller, verb: str) -> None:
    answer = model.post(verb, {"eventId": "never"} | ({"value": 1.0} if verb == "reward" else {}))
    assert (answer.status_code, answer.json()["reason"]) == (404, "UnknownEvent")


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-0.1", "1.01", '"1"', "true", "null"])
def test_a_reward_that_is_no_number_from_0_to_1_is_refused_with_its_name(model: Caller, provider: Provider, value: str) -> None:
    known(provider)
    model.post("rank", question())
    answer = model.send(f"/v1/models/{model.model}/reward", content=f'{{"eventId": "e1", "value": {value}}}')
    assert (answer.status_code, answer.json()["reason"]) == (400, "InvalidRequest")
    assert answer.json()["detail"].startswith("value: ")
    assert model.state()["rewarded"] == 0


def test_what_is_withheld_is_named_and_the_rest_still_counts(model: Caller, provider: Provider, store: Any) -> None:
    known(provider)
    del provider.records["companies", COMPANY]  # the person withdrew there: absent and denied look the same
    body = model.post("rank", question()).json()
    assert body["withheld"] == ALL_NAMES[:2]
    assert body["baseline"] is False
    (subjects,) = store.sql("SELECT subjects FROM learning.decision", "models")[0]
    assert PAYER in subjects
    assert COMPANY not in subjects  # nothing of it was used, so it is not noted either


@pytest.mark.parametrize(
    ("status", "reason", "state"),
    [(403, "PurposeNotAgreed", "Refused"), (503, "StoreUnavailable", "Unavailable"), (401, "TokenInvalid", "Unavailable")],
)
def test_a_source_that_refuses_or_is_away_withholds_and_is_reported(
    process: ModelsProcess, model: Caller, provider: Provider, status: int, reason: str, state: str
) -> None:
    known(provider)
    provider.status["companies"] = (status, reason)
    body = model.post("rank", question()).json()
    assert body["withheld"] == ALL_NAMES[:2]
    assert model.state()["sources"] == [{"product": "companies/companies", "state": state, "reason": reason}]
    message = f"companies/companies is not read ({state}: {reason}), its features are withheld"
    wait_for("the report to say so", lambda: ((r := process.report()) and r.models["next-step"].message == message) or None)
    del provider.status["companies"]
    model.post("rank", question("e2"))
    assert model.state()["sources"] == []


@pytest.mark.parametrize("why", ["no subject", "all denied", "all away"])
def test_when_nothing_may_be_read_the_first_action_is_the_answer_and_nothing_of_the_person_is_noted(
    model: Caller, provider: Provider, store: Any, why: str
) -> None:
    if why == "all away":
        provider.status = dict.fromkeys(("companies", "registrations", "payments"), (503, "StoreUnavailable"))
    body = model.post("rank", question(**({"subjects": {}} if why == "no subject" else {}))).json()
    assert (body["action"], body["propensity"], body["baseline"], body["withheld"]) == ("vat-guide", 1.0, True, ALL_NAMES)
    assert [r["probability"] for r in body["ranking"]] == [1.0, 0.0, 0.0]
    assert reward(model, "e1", 1.0) == (200, JOINED | {"learned": False})
    dump = store.dump()
    assert "e1" in dump
    assert COMPANY not in dump
    assert PAYER not in dump
    assert store.sql("SELECT subjects, phi IS NULL, offered IS NULL FROM learning.decision", "models") == [["{}", "t", "t"]]
    assert model.state()["rows"] == 0


def test_values_that_are_withheld_or_never_asked_for_stand_in_no_row_and_no_log(mortal: ModelsProcess, server: Any) -> None:
    provider = mortal.provider
    known(provider)
    provider.records["companies", COMPANY] = {"sector": "secret-sector", "year": 2020, "director": "secret-director"}
    provider.records["registrations", PAYER] = {"vatRegistered": "secret-vat"}
    del provider.records["payments", PAYER]
    mortal.plan(entry("next-step"))
    with calling(mortal, "next-step") as model:
        for i in range(5):
            model.post("rank", question(f"e{i}"), params={"explain": "true"})
            assert reward(model, f"e{i}", 1.0) == (200, JOINED)
    mortal.stop()
    for place in (server.dump("mortal"), mortal.log.read_text()):
        assert "secret" not in place
    assert COMPANY not in mortal.log.read_text()
    assert "tax/payments/late" in server.dump("mortal")


def test_an_explanation_adds_up_and_is_given_once(model: Caller, provider: Provider) -> None:
    known(provider)
    for i in range(20):
        model.post("rank", question(f"e{i}"))
        reward(model, f"e{i}", i % 2)
    body = model.post("rank", question("last"), params={"explain": "true"}).json()
    why = body["explanation"]
    names = [t["name"] for t in why["terms"]]
    assert names[:2] == ["base", f"action {body['action']}"]
    assert {"person^companies/companies/sector=retail", "person^companies/companies/year", "person^tax/payments/late=true"} < set(names)
    assert sum(t["value"] for t in why["terms"]) == why["score"]
    assert why["fields"] == [ALL_NAMES[i] for i in (0, 1, 3, 2)]
    assert model.post("rank", question("last"), params={"explain": "true"}).json()["explanation"] == {"fields": why["fields"]}


def test_only_listed_callers_with_a_good_token_may_call(process: ModelsProcess, model: Caller, provider: Provider) -> None:
    def refusal(token: str | None) -> tuple[int, str]:
        headers = {"Authorization": f"Bearer {token}"} if token else {"Authorization": ""}
        answer = model.post("rank", question(), headers=headers)
        assert answer.headers["content-type"] == "application/problem+json"
        return answer.status_code, answer.json()["reason"]

    assert refusal(None) == (401, "TokenMissing")
    assert refusal(provider.token("tax", "tax-app", audience="https://commonweal.dev/departments/other")) == (401, "TokenInvalid")
    assert refusal(provider.token("tax", "tax-app", lifetime=-60)) == (401, "TokenInvalid")
    assert refusal(provider.token("tax", "another")) == (403, "CallerNotListed")
    assert refusal(provider.token("benefits", "tax-app")) == (403, "CallerNotListed")
    with calling(process, "nowhere") as caller:
        answer = caller.post("rank", question())
        assert (answer.status_code, answer.json()["reason"]) == (404, "UnknownModel")
    assert provider.requests == []


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"actions": []}, "actions"),
        ({"actions": [{"id": "a"}, {"id": "a"}]}, "actions"),
        ({"actions": [{"id": f"a{i}"} for i in range(21)]}, "actions"),
        ({"actions": [{"id": "a", "features": {"kind": "guide"}}]}, "actions.0.features"),
        ({"actions": [{"id": "a\x00b"}]}, "actions.0.id"),
        ({"eventId": ""}, "eventId"),
        ({"eventId": "x" * 201}, "eventId"),
        ({"subjects": {"tax": "AB123456C"}}, "subjects.tax"),
        ({"subjects": {"benefits": str(uuid4())}}, "subjects.benefits"),
        ({"context": {f"k{i}": 1 for i in range(33)}}, "context"),
        ({"context": {"k": 1e7}}, "context.k"),
        ({"context": {"k": "x" * 101}}, "context.k"),
        ({"context": {"k": [1]}}, "context.k"),
        ({"surprise": 1}, "surprise"),
    ],
)
def test_a_bad_question_is_refused_with_the_place_and_a_remedy(
    model: Caller, provider: Provider, change: dict[str, Any], place: str
) -> None:
    answer = model.post("rank", question() | change)
    assert (answer.status_code, answer.json()["reason"]) == (400, "InvalidRequest"), answer.text
    assert answer.json()["detail"].startswith(place), answer.json()
    assert answer.json()["remedy"]
    assert provider.requests == []


def test_a_body_over_the_limit_is_413_and_one_that_is_no_json_is_400(model: Caller) -> None:
    path = f"/v1/models/{model.model}/rank"
    assert model.send(path, content=b" " * 300_000).status_code == 413
    assert model.send(path, content=b"{").status_code == 400
    assert model.get("/v1/nothing").status_code == 404


def test_a_shared_model_uses_features_of_actions_and_of_the_context(process: ModelsProcess, provider: Provider) -> None:
    known(provider)
    process.plan(entry("long-list", shape="Shared", slots=64))
    with calling(process, "long-list") as model:
        actions = [{"id": f"film{i}", "features": {"genre": "drama" if i % 2 else "comedy"}} for i in range(4)]
        body = model.post("rank", question(actions=actions, context={"channel": "web", "hour": 14}), params={"explain": "true"})
        assert body.status_code == 200, body.text
        names = {t["name"] for t in body.json()["explanation"]["terms"]}
        assert any(n.startswith("context^channel=web*action^genre=") for n in names)
        assert reward(model, "e1", 1.0) == (200, JOINED)


def test_models_do_not_share_events_or_sums(process: ModelsProcess, provider: Provider) -> None:
    known(provider)
    process.plan(entry("one"), entry("two"))
    with calling(process, "one") as one, calling(process, "two") as two:
        one.post("rank", question())
        assert two.post("reward", {"eventId": "e1", "value": 1}).status_code == 404
        two.post("rank", question(context={"k": "other"}))
        reward(one, "e1", 1.0)
        assert (one.state()["rows"], two.state()["rows"]) == (1, 0)
        assert one.get("/v1/models").json() == {"items": ["one", "two"]}
