"""Attack b in full: a caller tries to recover a person's values from a model. A real store, keeper, data API and model runtime; nothing in between."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import httpx
import pytest

from support.data_api import DEPARTMENT, Issuer, agreement, login, person_product, plan, subject
from support.department import Department, running
from support.doors import refused
from support.fixtures import heritage, issuer
from support.model_runtime import Caller, ModelsProcess, Provider, calling, entry
from support.postgres import HeritageServer, StoreServer

__all__ = ["heritage", "issuer"]
PURPOSE = "tax/serve"
FIELDS = ["area", "active"]
NAMES = [f"{DEPARTMENT}/people/{f}" for f in FIELDS]
FEATURES = [{"department": DEPARTMENT, "product": "people", "field": f} for f in FIELDS]
# Of the model's own department, named in no agreement; of it, and named; of others, named and not.
APP, NAMED, FOREIGN, STRANGER = (
    {"department": d, "client": c} for d, c in (("tax", "app"), ("tax", "named"), ("health", "app"), ("benefits", "app"))
)
ALL = (APP, NAMED, FOREIGN, STRANGER)
ACTIONS = [{"id": a} for a in ("guide", "adviser", "grant")]
numbers = itertools.count()


def agreed(basis: str, consumer: str, clients: list[str], **over: Any) -> dict[str, Any]:
    """Return an agreement for the model's purpose."""
    spec = agreement(basis, consumer=consumer, fields=FIELDS, **over)
    purposes = [{**spec["purposes"][0], "key": PURPOSE}]
    return {**spec, "consumer": {"department": consumer, "clients": clients}, "purposes": purposes}


@pytest.fixture(scope="module")
def registry(heritage: HeritageServer, issuer: Issuer) -> Iterator[tuple[Department, StoreServer]]:
    """The department whose people the model knows: it lets the model and one service of tax read, and health where the person says yes."""
    people = {"people": person_product(heritage)}
    terms = {
        "guidance": agreed("PublicTask", "tax", ["models", "named"]),
        "health": agreed("Consent", "health", ["app"]),
        "once": agreed("PublicTask", "benefits", ["models", "named"], limits={"maxRows": 100, "once": True}),
    }
    with StoreServer() as store, running(store, heritage, issuer, plan(people, terms)) as department:
        yield department, store


@pytest.fixture(scope="module")
def runtime(server: Any, registry: tuple[Department, StoreServer], tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModelsProcess]:
    server.database("callers")
    with Provider() as provider:
        process = ModelsProcess(tmp_path_factory.mktemp("callers") / "runtime", server.address, provider, database="callers")
        (process.folder / "tokens" / DEPARTMENT).write_text(registry[0].issuer.client("tax", "models"))
        process.start()
        yield process
        process.kill()


@pytest.fixture
def department(registry: tuple[Department, StoreServer]) -> Department:
    return registry[0]


class Model:
    """A new model that has learnt nothing, and its callers."""

    def __init__(self, process: ModelsProcess, department: Department, *named: dict[str, str]) -> None:
        self.process = process
        wanted = entry("m", uid=f"uid-{next(numbers)}", callers=ALL, agreed=named, features=FEATURES, purpose=PURPOSE, slots=32, floor=0.01)
        process.plan(wanted, at={DEPARTMENT: department.api.url})

    @contextmanager
    def called(self, who: dict[str, str]) -> Iterator[Caller]:
        with calling(self.process, "m", who["client"], who["department"]) as caller:
            yield caller


@pytest.fixture
def model(runtime: ModelsProcess, department: Department) -> Model:
    """As the operator plans it: the two that agreements name are agreed."""
    return Model(runtime, department, NAMED, FOREIGN)


def question(who: UUID, event: str) -> dict[str, Any]:
    return {"eventId": event, "subjects": {DEPARTMENT: str(who)}, "actions": ACTIONS}


def explained(caller: Caller, who: UUID, event: str = "e1") -> httpx.Response:
    return caller.post("rank", question(who, event), params={"explain": "true"})


def tensor(name: str, value: str) -> dict[str, Any]:
    return {"name": name, "shape": [1], "datatype": "BYTES", "data": [value]}


def infer(caller: Caller, *inputs: dict[str, Any], version: str = "") -> httpx.Response:
    actions = {"name": "actions", "shape": [1, 3], "datatype": "BYTES", "data": [a["id"] for a in ACTIONS]}
    return caller.send(f"/v2/models/m{version}/infer", json={"inputs": [actions, *inputs]})


def uses(department: Department, who: UUID) -> list[dict[str, Any]]:
    return list(department.me("GET", "/me/uses", who).json()["items"])


def read(department: Department, who: UUID, client: tuple[str, str] = ("tax", "models"), **headers: str) -> httpx.Response:
    token = department.client(*client)
    return department.ask(f"/v1/people/subjects/{who}?fields=area,active", token=token, purpose=PURPOSE, **headers)


def test_b_an_explanation_tells_a_caller_that_no_agreement_names_fields_and_no_value(department: Department, model: Model) -> None:
    who = subject("P10")  # area AB1, active
    assert read(department, who, ("tax", "app")).json()["reason"] == "NoAgreement", "the caller could not read it itself"
    with model.called(APP) as app:
        answer = explained(app, who)
        assert answer.status_code == 200, answer.text
        assert set(answer.json()) == {"eventId", "decisionId", "gets", "action", "explanation"}
        assert answer.json()["explanation"] == {"fields": NAMES}
    with model.called(NAMED) as named:
        terms = {t["name"] for t in explained(named, who, "e2").json()["explanation"]["terms"]}
    assert {f"person^{NAMES[0]}=AB1", f"person^{NAMES[1]}=true"} < terms, "the value was read, and who may know it is told"


def everything_asked(caller: Caller, who: UUID) -> list[tuple[int, Any]]:
    """Ask all that can be asked about a person, rewards between, so that the model learns; return every answer but for what was chosen."""
    found = []
    guesses = [tensor(NAMES[0], "AB1"), tensor(NAMES[1], "true")]
    about = tensor(f"subject:{DEPARTMENT}", str(who))
    for n in range(4):
        found += [explained(caller, who, f"e{n}"), explained(caller, who, f"e{n}")]
        found += [caller.post("activate", {"eventId": f"e{n}"}), caller.get("/v1/models/m"), caller.get("/v2/models/m")]
        found += [
            infer(caller, about),
            infer(caller, about, guesses[0]),
            infer(caller, about, guesses[1]),
            infer(caller, *guesses),
            infer(caller),
        ]
        found += [caller.post("reward", {"eventId": f"e{n}", "value": 1.0}), caller.post("reward", {"eventId": f"e{n}", "value": 1.0})]
        found += [caller.post("reward", {"eventId": f"e{n}", "value": 0.5}), caller.get("/v1/models"), caller.get("/v1/models/m")]
        found += [
            caller.get("/v2/models/m"),
            caller.get("/v2/models/m/versions/0123456789ab"),
            infer(caller, version="/versions/0123456789ab"),
        ]
    found += [
        caller.post("rank", {**question(who, "e0"), "context": {"k": 1}}),
        caller.post("forget", {"subjects": {DEPARTMENT: str(who)}}),
    ]
    found.append(caller.get("/v1/models/m"))
    return [(a.status_code, {k: v for k, v in a.json().items() if k not in ("action", "decisionId")}) for a in found]


def test_b_every_answer_is_the_same_whatever_the_persons_values_are_and_whether_there_is_anybody(
    runtime: ModelsProcess, department: Department
) -> None:
    """P10 is AB1 and active, P11 is AB2 and not, and nobody has the third id. Answers that are equal tell nothing that differs."""
    heard = []
    for who in (subject("P10"), subject("P11"), subject("nobody")):
        model = Model(runtime, department, NAMED, FOREIGN)
        with model.called(APP) as app:
            heard.append(everything_asked(app, who))
    assert heard[0] == heard[1] == heard[2]
    assert {status for status, _ in heard[0]} == {200, 403, 409}
    with model.called(NAMED) as named:  # the same script of one who may know does differ: the comparison can fail
        told = [everything_asked(named, who) for who in (subject("P10"), subject("nobody"))]
    assert told[0] != told[1]


def test_b_infer_is_refused_before_anything_is_read_to_whom_no_agreement_names(department: Department, model: Model) -> None:
    who = subject("P12")
    about, guess = tensor(f"subject:{DEPARTMENT}", str(who)), tensor(NAMES[0], "AB3")
    for caller in (APP, STRANGER):
        with model.called(caller) as stranger:
            for inputs in ((about,), (about, guess), (guess,), ()):
                answer = infer(stranger, *inputs)
                assert answer.status_code == 403
                assert NAMES[0] in answer.json()["error"]
                assert "spec.consumer.clients" in answer.json()["error"]
    assert uses(department, who) == []


def test_scoring_given_values_joins_nothing_that_is_stored(department: Department, model: Model) -> None:
    who = subject("P13")
    with model.called(NAMED) as named:
        assert infer(named, tensor(NAMES[0], "AB4")).status_code == 200
        assert uses(department, who) == []
        assert infer(named, tensor(f"subject:{DEPARTMENT}", str(who))).status_code == 200
    assert [(u["client"], u["caller"]) for u in uses(department, who)] == [("tax/models", "tax/named")]


def test_b_a_caller_of_another_department_needs_an_agreement_and_the_persons_yes(department: Department, model: Model) -> None:
    who = subject("P14")
    with model.called(STRANGER) as stranger:
        refusals = [explained(stranger, who), stranger.post("reward", {"eventId": "e1", "value": 1}), stranger.get("/v1/models/m")]
        assert [(r.status_code, r.json()["reason"]) for r in refusals] == [(403, "CallerNotAgreed")] * 3
        assert "benefits" in refusals[0].json()["remedy"]
        assert stranger.get("/v1/models").json() == {"items": []}
    assert uses(department, who) == []
    with model.called(FOREIGN) as health:
        assert (answer := explained(health, who).json())["withheld"] == sorted(NAMES)
        assert (answer["baseline"], answer["explanation"]) == (True, {"fields": NAMES})
        assert department.me("PUT", "/me/consents/health", who, json={"state": "Given"}).status_code == 200
        answer = explained(health, who, "e2").json()
        assert (answer["withheld"], answer["baseline"]) == ([], False)
        assert department.me("PUT", "/me/consents/health", who, json={"state": "Withdrawn"}).status_code == 200
        assert explained(health, who, "e3").json()["withheld"] == sorted(NAMES)


def test_b_the_persons_list_names_the_caller(department: Department, model: Model) -> None:
    who = subject("P15")
    department.me("PUT", "/me/consents/health", who, json={"state": "Given"})
    for caller in (APP, NAMED, FOREIGN):
        with model.called(caller) as one:
            assert explained(one, who, f"list-{caller['department']}-{caller['client']}").status_code == 200
    listed = [(u["consumer"], u["client"], u["caller"], u["given"]) for u in reversed(uses(department, who))]
    assert listed == [
        ("tax", "tax/models", "tax/app", True),
        ("tax", "tax/models", "tax/named", True),
        ("health", "health/app", None, True),
        ("tax", "tax/models", "health/app", True),
    ]
    export = department.me("GET", "/me/export", who).json()
    assert {u["caller"] for u in export["uses"]} == {"tax/app", "tax/named", "health/app", None}


def test_an_event_belongs_to_its_caller(department: Department, model: Model) -> None:
    """What one caller was told is not had by another with the same event and body."""
    who = subject("P16")
    with model.called(NAMED) as named, model.called(APP) as app, model.called(FOREIGN) as health:
        assert explained(named, who).status_code == 200
        assert [explained(c, who).json().get("reason") for c in (app, health, named)] == ["EventConflict", "EventConflict", None]
        assert named.post("reward", {"eventId": "e1", "value": 0.75}).status_code == 200
        for other in (app, health):  # nor can another teach by it, or find out by guesses how well it went
            for path, body in (("activate", {}), ("reward", {"value": 0.75}), ("reward", {"value": 0.5})):
                answer = other.post(path, {"eventId": "e1", **body})
                assert (answer.status_code, answer.json()["reason"]) == (404, "UnknownEvent")
        assert named.post("reward", {"eventId": "e1", "value": 0.75}).json()["duplicate"] is True
    assert len(uses(department, who)) == 1


def test_a_plan_that_is_wrong_about_who_is_agreed_opens_nothing(runtime: ModelsProcess, department: Department) -> None:
    """The plan decides nothing: the data API asks its own agreements, and the store those again."""
    who = subject("P17")
    model = Model(runtime, department, *ALL)
    for caller in (APP, STRANGER):
        with model.called(caller) as one:
            answer = explained(one, who, caller["department"]).json()
            assert (answer["withheld"], answer["baseline"], answer["explanation"]) == (sorted(NAMES), True, {"fields": NAMES})
            scored = {o["name"]: o["data"] for o in infer(one, tensor(f"subject:{DEPARTMENT}", str(who))).json()["outputs"]}
            assert (scored["baseline"], scored["withheld"]) == ([True], [",".join(sorted(NAMES))])
    assert uses(department, who) == []
    with model.called(NAMED) as named:
        assert named.get("/v1/models/m").json()["sources"] == [], "the want of a caller is not a fault of the source"


@pytest.mark.parametrize(
    ("headers", "client", "answer"),
    [
        ({}, ("tax", "models"), (403, "CallerMissing")),
        ({"Caller": "tax/app", "Caller-Gets": "Decision"}, ("tax", "named"), (403, "CallerNotAccepted")),
        ({"Caller": "tax/app", "Caller-Gets": "Values"}, ("tax", "models"), (403, "CallerNotAgreed")),
        ({"Caller": "benefits/app", "Caller-Gets": "Decision"}, ("tax", "models"), (403, "CallerNotAgreed")),
        ({"Caller": "health/other", "Caller-Gets": "Values"}, ("tax", "models"), (403, "CallerNotAgreed")),
        ({"Caller": "tax/app"}, ("tax", "models"), (400, "InvalidRequest")),
        ({"Caller-Gets": "Values"}, ("tax", "models"), (400, "InvalidRequest")),
        ({"Caller": "tax/app", "Caller-Gets": "All"}, ("tax", "models"), (400, "InvalidRequest")),
        ({"Caller": "tax", "Caller-Gets": "Decision"}, ("tax", "models"), (400, "InvalidRequest")),
        ({"Caller": "tax/App", "Caller-Gets": "Decision"}, ("tax", "models"), (400, "InvalidRequest")),
        ({"Caller": "tax/" + "a" * 64, "Caller-Gets": "Decision"}, ("tax", "models"), (400, "InvalidRequest")),
        ({"Caller": "tax/app/x", "Caller-Gets": "Decision"}, ("tax", "models"), (400, "InvalidRequest")),
    ],
)
def test_only_a_model_runtime_names_a_caller_and_in_one_form(
    department: Department, headers: dict[str, str], client: tuple[str, str], answer: tuple[int, str]
) -> None:
    who = subject("P18")
    refusal = read(department, who, client, **headers)
    assert (refusal.status_code, refusal.json()["reason"]) == answer
    assert refusal.json()["remedy"]
    assert uses(department, who) == [], "nothing was read"


def test_a_model_runtime_reads_no_pages(department: Department) -> None:
    headers = {
        "Authorization": f"Bearer {department.client('tax', 'models')}",
        "Purpose": PURPOSE,
        "Caller": "tax/app",
        "Caller-Gets": "Decision",
    }
    assert department.http.get("/v1/people/subjects", headers=headers).json()["reason"] == "CallerMissing"


def test_a_read_for_a_named_caller_counts_once_towards_the_limits_of_their_one_agreement(department: Department) -> None:
    who, headers = subject("P19"), {"Caller": "benefits/named", "Caller-Gets": "Values"}
    assert [read(department, who, ("benefits", "models"), **headers).status_code for _ in range(2)] == [200, 429]


def test_absent_and_denied_look_the_same_to_a_runtime_that_reads_for_another(department: Department) -> None:
    headers = {"Caller": "health/app", "Caller-Gets": "Decision"}
    denied, absent = (read(department, who, **headers) for who in (subject("P20"), subject("nobody")))
    assert denied.status_code == absent.status_code == 404
    assert denied.content == absent.content


CASES = {
    "a caller of one who is no model runtime": ("tax/named", "tax/app", False),
    "a caller in no form": ("tax/models", "tax/app\nhealth/app", False),
    "a caller that is long": ("tax/models", "tax/" + "a" * 64, False),
    "values for one whom the agreement does not name": ("tax/models", "tax/app", True),
    "values for nobody": ("tax/models", None, True),
}


@pytest.mark.parametrize("case", CASES)
def test_the_store_itself_refuses(registry: tuple[Department, StoreServer], case: str) -> None:
    """By raw SQL with the agreement's own login, as if the data API were taken over by a careless hand."""

    async def attempt() -> tuple[str | None, str]:
        client, caller, values = CASES[case]
        connection = await login(registry[1], "agr_1")
        statement = "select door.a1_point($1, 'area', $2, $3, $4, $5)"
        try:
            return await refused(connection.fetchval(statement, subject("P21"), client, PURPOSE, caller, values))
        finally:
            await connection.close()

    assert asyncio.run(attempt())[0] == "CW002"
    assert uses(registry[0], subject("P21")) == []
