"""Request bodies: what is wrong is named with its remedy and never repeated, and the schema says what the check does."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import jsonschema
import pytest

from commonweal_runtime.bodies import Body, parse, schema_of
from commonweal_runtime.data_api.bodies import ConsentBody, DelegationBody, ObjectionBody, RegistrarsDelegationBody
from commonweal_runtime.data_api.people import _terms
from commonweal_runtime.exceptions import ProblemError
from commonweal_runtime.linkage.bodies import LinksBody
from commonweal_runtime.models.bodies import ActivateBody, ForgetBody, InferBody, RankBody, RewardBody

ID = "0b1de9ac-5f3c-8a7e-9d42-6a0c0e1f2a3b"
DELEGATION = {"delegate": ID, "type": "Adviser", "acts": ["See", "Consent"], "until": "2027-01-31T12:00:00+01:00"}
LINK = {"reference": "case-1", "token": "0" * 64}
RANK = {"eventId": "e", "actions": [{"id": "a"}]}

RIGHT: list[tuple[type[Body], dict[str, Any]]] = [
    (ConsentBody, {"state": "RequestDeferred"}),
    (ObjectionBody, {"state": "Lifted"}),
    (DelegationBody, DELEGATION),
    (DelegationBody, {**DELEGATION, "from": "2026-12-01T00:00:00Z", "agreements": ["yes", "own"]}),
    (RegistrarsDelegationBody, {**DELEGATION, "subject": ID.upper()}),
    (LinksBody, {"links": [LINK, {**LINK, "reference": "é" * 200}]}),
    (RankBody, {**RANK, "subjects": {"tax": ID}, "context": {"a": 1, "b": True, "c": "x", "d": -1e6}}),
    (ActivateBody, {"eventId": "e"}),
    (RewardBody, {"eventId": "e", "value": 1}),
    (ForgetBody, {"subjects": {"tax": ID}}),
    (InferBody, {"id": "1", "parameters": {"x": 1}, "inputs": [{"name": "a", "shape": [1], "datatype": "BYTES", "data": ["x"]}]}),
]

WRONG: list[tuple[type[Body], Any, str]] = [
    (ConsentBody, [], "body"),
    (ConsentBody, {}, "state"),
    (ConsentBody, {"state": "Objected"}, "state"),
    (ConsentBody, {"state": "Given", "states": "Given"}, "states"),
    (DelegationBody, {**DELEGATION, "delegate": f"urn:uuid:{ID}"}, "delegate"),
    (DelegationBody, {**DELEGATION, "delegate": ID.replace("-", "")}, "delegate"),
    (DelegationBody, {**DELEGATION, "type": "Friend"}, "type"),
    (DelegationBody, {**DELEGATION, "acts": []}, "acts"),
    (DelegationBody, {**DELEGATION, "acts": ["See", "See"]}, "acts"),
    (DelegationBody, {**DELEGATION, "acts": "See"}, "acts"),
    (DelegationBody, {**DELEGATION, "agreements": None}, "agreements"),
    (DelegationBody, {**DELEGATION, "agreements": []}, "agreements"),
    (DelegationBody, {**DELEGATION, "agreements": ["a"] * 51}, "agreements"),
    (DelegationBody, {**DELEGATION, "agreements": ["a", "../x"]}, "agreements.1"),
    (DelegationBody, {**DELEGATION, "from": None}, "from"),
    (DelegationBody, {**DELEGATION, "begins": "2026-12-01T00:00:00Z"}, "begins"),
    (DelegationBody, {**DELEGATION, "subject": ID}, "subject"),
    (RegistrarsDelegationBody, DELEGATION, "subject"),
    (LinksBody, {"links": []}, "links"),
    (LinksBody, {"links": [LINK] * 1001}, "links"),
    (LinksBody, {"links": [LINK, LINK]}, "links"),
    (LinksBody, {"links": [{**LINK, "token": "G" * 64}]}, "links.0.token"),
    (LinksBody, {"links": [{**LINK, "reference": "a\u0000"}]}, "links.0.reference"),
    (LinksBody, {"links": [{**LINK, "reference": 1}]}, "links.0.reference"),
    (RankBody, {**RANK, "actions": [{"id": "a"}, {"id": "a"}]}, "actions"),
    (RankBody, {**RANK, "event_id": "e"}, "event_id"),
    (RankBody, {**RANK, "subjects": {"tax": "x"}}, "subjects.tax"),
    (RankBody, {**RANK, "context": {f"k{n}": 1 for n in range(33)}}, "context"),
    (RewardBody, {"eventId": "e", "value": "1"}, "value"),
    (RewardBody, {"eventId": "e", "value": 1.01}, "value"),
    (ForgetBody, {"subjects": {}}, "subjects"),
    (InferBody, {"inputs": [{"name": "a", "shape": [1], "datatype": "BYTES", "data": ["x"]}], "output": []}, "output"),
]


def refusal(kind: type[Body], body: bytes) -> ProblemError:
    with pytest.raises(ProblemError) as refused:
        parse(kind, body)
    return refused.value


@pytest.mark.parametrize(("kind", "body"), RIGHT, ids=lambda v: v.__name__ if isinstance(v, type) else "")
def test_what_is_right_is_taken_and_fits_the_schema(kind: type[Body], body: dict[str, Any]) -> None:
    assert parse(kind, json.dumps(body).encode()) == kind.model_validate_json(json.dumps(body))
    jsonschema.validate(body, schema_of(kind))


@pytest.mark.parametrize(("kind", "body", "place"), WRONG, ids=lambda v: v if isinstance(v, str) else "")
def test_what_is_wrong_is_named_with_its_remedy(kind: type[Body], body: object, place: str) -> None:
    problem = refusal(kind, json.dumps(body).encode())
    assert (problem.status, problem.reason) == (400, "InvalidRequest")
    assert problem.detail.startswith(f"{place}: ")
    assert problem.remedy == f"Correct {place}. {kind.form}"


@pytest.mark.parametrize(
    "text", ["2027-01-31", "1700000000", "2027-01-31T12:00:00", "9999-12-31T23:59:59-14:00", "2027-01-31T12:00:00Z" + " " * 40, "x"]
)
def test_a_moment_is_iso_8601_with_an_offset(text: str) -> None:
    problem = refusal(DelegationBody, json.dumps({**DELEGATION, "until": text}).encode())
    assert problem.detail == "until: Input is not a time in ISO 8601 with an offset, such as 2027-01-31T12:00:00Z."


def test_values_are_never_repeated_and_names_are_cut_and_cleaned() -> None:
    secret = {**DELEGATION, "delegate": "Amina Khan", "acts": ["Amina Khan"], "until": "Amina Khan"}
    assert "Amina" not in str(refusal(DelegationBody, json.dumps(secret).encode()))
    named = refusal(ConsentBody, json.dumps({"state": "Given", "\n\u202e" + "n" * 500: 1}).encode())
    assert named.detail == f"??{'n' * 38}: Extra inputs are not permitted."


@pytest.mark.parametrize("body", [b"", b"{", b"null", b'"x"', b"\xff", b'{"state":"Given"', b'{"state":"\\ud800"}', b"[" * 5000])
def test_what_is_no_object_is_refused(body: bytes) -> None:
    assert refusal(ConsentBody, body).status == 400


def test_the_store_is_told_a_delegation_in_its_own_form() -> None:
    body = parse(DelegationBody, json.dumps({**DELEGATION, "agreements": ["yes", "own", "yes"]}).encode())
    assert _terms(body) == (UUID(ID), "Adviser", "See,Consent", "own,yes", None, datetime(2027, 1, 31, 11, tzinfo=UTC))
    assert _terms(parse(DelegationBody, json.dumps(DELEGATION).encode()))[3] is None


def test_a_schema_is_whole_and_holds_nothing_but_rules() -> None:
    assert schema_of(LinksBody) == {
        "type": "object",
        "additionalProperties": False,
        "required": ["links"],
        "properties": {
            "links": {
                "type": "array",
                "minItems": 1,
                "maxItems": 1000,
                "items": {
                    "type": "object",
                    "additionalProperties": False,
                    "required": ["reference", "token"],
                    "properties": {
                        "reference": {"type": "string", "minLength": 1, "maxLength": 200, "example": "case-4711"},
                        "token": {"type": "string", "pattern": "^[0-9a-f]{64}$", "example": "0" * 64},
                    },
                },
            }
        },
    }
