"""Open Inference Protocol v2, held against its written specification (no public client is light enough to install for this)."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from support.model_runtime import Caller, ModelsProcess, Provider, calling, entry

COMPANY, PAYER = str(UUID(int=1, version=4)), str(UUID(int=2, version=4))
ACTIONS = ["vat-guide", "payroll-guide", "cash-accounting"]
SECTOR, YEAR = "companies/companies/sector", "companies/companies/year"


def tensor(name: str, data: list[Any], shape: list[int], datatype: str = "BYTES") -> dict[str, Any]:
    return {"name": name, "shape": shape, "datatype": datatype, "data": data}


def people(provider: Provider) -> None:
    provider.records["companies", COMPANY] = {"sector": "retail", "year": 2020}
    provider.records["registrations", PAYER] = {"vatRegistered": False}
    provider.records["payments", PAYER] = {"late": True}


def infer(model: Caller, *inputs: dict[str, Any], **more: Any) -> Any:
    return model.send(f"/v2/models/{model.model}/infer", json={"inputs": [tensor("actions", ACTIONS, [1, 3]), *inputs]} | more)


def output(answer: Any, name: str) -> dict[str, Any]:
    assert answer.status_code == 200, answer.text
    return next(o for o in answer.json()["outputs"] if o["name"] == name)


def test_health_and_metadata_have_the_bodies_that_clients_parse(model: Caller) -> None:
    assert model.get("/v2/health/live").json() == {"live": True}
    assert model.get("/v2/health/ready").json() == {"ready": True}
    assert model.get("/v2/models/next-step/ready").json() == {"name": "next-step", "ready": True}
    assert set(model.get("/v2").json()) == {"name", "version", "extensions"}
    found = model.get("/v2/models/next-step").json()
    assert set(found) == {"name", "versions", "platform", "inputs", "outputs"}
    for tensors in (found["inputs"], found["outputs"]):
        assert all(set(t) == {"name", "datatype", "shape"} for t in tensors)
    kinds = {t["name"]: (t["datatype"], t["shape"]) for t in found["inputs"]}
    assert kinds["actions"] == ("BYTES", [-1, -1])
    assert kinds["subject:companies"] == kinds[SECTOR] == ("BYTES", [-1])
    assert kinds[YEAR] == ("FP64", [-1])
    assert "action_features" not in kinds


def test_infer_scores_what_may_be_read_and_leaves_no_trace(model: Caller, provider: Provider, store: Any) -> None:
    people(provider)
    subjects = [tensor("subject:companies", [COMPANY], [1]), tensor("subject:tax", [PAYER], [1])]
    answer = infer(model, *subjects, id="42", parameters={"anything": True})
    assert (answer.json()["id"], answer.json()["model_name"]) == ("42", "next-step")
    assert answer.headers["content-type"] == "application/json"
    assert output(answer, "score") == {"name": "score", "datatype": "FP64", "shape": [1, 3], "data": [0.25] * 3}
    assert sum(output(answer, "probability")["data"]) == pytest.approx(1.0)
    assert output(answer, "baseline") == {"name": "baseline", "datatype": "BOOL", "shape": [1], "data": [False]}
    assert output(answer, "withheld")["data"] == [""]
    assert len(provider.requests) == 3
    assert store.sql("SELECT count(*) FROM learning.decision", "models") == [["0"]]


def test_the_consent_filter_holds_for_infer_too(model: Caller, provider: Provider) -> None:
    people(provider)
    del provider.records["companies", COMPANY]
    answer = infer(model, tensor("subject:companies", [COMPANY], [1]), tensor("subject:tax", [PAYER], [1]))
    assert output(answer, "withheld")["data"] == [f"{SECTOR},{YEAR}"]
    provider.records.clear()
    answer = infer(model, tensor("subject:companies", [COMPANY], [1]))
    assert output(answer, "baseline")["data"] == [True]
    assert output(answer, "probability")["data"] == [1.0, 0.0, 0.0]


def test_values_given_by_the_caller_score_as_if_they_had_been_read(model: Caller, provider: Provider) -> None:
    people(provider)
    ids = {"companies": COMPANY, "tax": PAYER}
    for i in range(12):
        model.post("rank", {"eventId": f"e{i}", "subjects": ids, "actions": [{"id": a} for a in ACTIONS]})
        model.post("reward", {"eventId": f"e{i}", "value": i % 2})
    read = infer(model, tensor("subject:companies", [COMPANY], [1]), tensor("subject:tax", [PAYER], [1]))
    given = infer(
        model,
        tensor(SECTOR, ["retail"], [1]),
        tensor(YEAR, [2020.0], [1], "FP64"),
        tensor("tax/registrations/vatRegistered", ["false"], [1]),
        tensor("tax/payments/late", ["true"], [1]),
    )
    assert output(given, "score") == output(read, "score")
    assert len(set(output(given, "score")["data"])) > 1


def test_rows_are_scored_independently_flat_or_nested_and_outputs_can_be_chosen(model: Caller) -> None:
    inputs = [tensor("actions", [["a", "b"], ["a", "b"]], [2, 2]), tensor(SECTOR, ["retail", "farming"], [2])]
    flat = [tensor("actions", ["a", "b", "a", "b"], [2, 2]), inputs[1]]
    answers = [model.send("/v2/models/next-step/infer", json={"inputs": i, "outputs": [{"name": "score"}]}) for i in (inputs, flat)]
    assert answers[0].json() == answers[1].json()
    assert [o["name"] for o in answers[0].json()["outputs"]] == ["score"]
    assert output(answers[0], "score")["shape"] == [2, 2]


def test_a_version_is_the_one_that_is_served_or_clearly_none(model: Caller, provider: Provider) -> None:
    (version,) = model.get("/v2/models/next-step").json()["versions"]
    assert model.get(f"/v2/models/next-step/versions/{version}").status_code == 200
    assert model.get(f"/v2/models/next-step/versions/{version}/ready").json() == {"name": "next-step", "ready": True}
    body = {"inputs": [tensor("actions", ACTIONS, [1, 3])]}
    answer = model.send(f"/v2/models/next-step/versions/{version}/infer", json=body)
    assert answer.json()["model_version"] == version
    for path in ("", "/ready"):
        refused = model.get(f"/v2/models/next-step/versions/17{path}")
        assert (refused.status_code, set(refused.json())) == (404, {"error"})
    assert model.send("/v2/models/next-step/versions/17/infer", json=body).status_code == 404


def test_action_features_belong_to_the_shared_shape(process: ModelsProcess, model: Caller) -> None:
    refused = infer(model, tensor("action_features", ["{}", '{"kind": "x"}', "{}"], [1, 3]))
    assert refused.status_code == 400
    process.plan(entry("long-list", shape="Shared"))
    with calling(process, "long-list") as shared:
        assert "action_features" in {t["name"] for t in shared.get("/v2/models/long-list").json()["inputs"]}
        answer = infer(
            shared,
            tensor("action_features", ['{"kind": "x"}'] * 3, [1, 3]),
            tensor(SECTOR, ["retail"], [1]),
            tensor("context", ['{"hour": 3}'], [1]),
        )
        assert output(answer, "score")["data"] == [0.5] * 3


@pytest.mark.parametrize(
    ("inputs", "word"),
    [
        ([], "inputs"),
        ([tensor(SECTOR, ["x"], [1])], "actions"),
        ([tensor("actions", ["a"], [1])], "actions"),
        ([tensor("actions", ["a", "b"], [1, 3])], "actions"),
        ([tensor("actions", [1, 2], [1, 2])], "actions"),
        ([tensor("actions", ["a"] * 33, [33, 1])], "actions"),
        ([tensor("actions", ["a", "a"], [1, 2])], "actions"),
        ([tensor("actions", ["a"], [1, 1], "FP64")], "actions"),
        ([tensor("actions", ["a"], [1, 1])] * 2, "inputs"),
        ([tensor("actions", ["a"], [1, 1]), tensor("surprise", ["x"], [1])], "surprise"),
        ([tensor("actions", ["a"], [1, 1]), tensor("a/b/c", ["x"], [1])], "a/b/c"),
        ([tensor("actions", ["a"], [1, 1]), tensor(YEAR, ["x"], [1], "FP64")], YEAR),
        ([tensor("actions", ["a"], [1, 1]), tensor(YEAR, [True], [1], "FP64")], YEAR),
        ([tensor("actions", ["a"], [1, 1]), tensor(SECTOR, ["x", "y"], [2])], SECTOR),
        ([tensor("actions", ["a"], [1, 1]), tensor("subject:companies", ["nobody"], [1])], "subjects.companies"),
        ([tensor("actions", ["a"], [1, 1]), tensor("context", ["[]"], [1])], "context"),
        ([{"name": "actions"}], "inputs.0.shape"),
    ],
)
def test_a_wrong_tensor_is_400_and_named(model: Caller, inputs: list[Any], word: str) -> None:
    answer = model.send("/v2/models/next-step/infer", json={"inputs": inputs})
    assert answer.status_code == 400, answer.text
    assert answer.headers["content-type"] == "application/json"
    assert set(answer.json()) == {"error"}
    assert word in answer.json()["error"]


def test_binary_tensors_unknown_outputs_and_strangers_are_refused_in_the_protocols_words(
    process: ModelsProcess, model: Caller, provider: Provider
) -> None:
    body = {"inputs": [tensor("actions", ACTIONS, [1, 3])]}
    path = "/v2/models/next-step/infer"
    cases = [
        (model.send(path, json=body, headers={"Inference-Header-Content-Length": "10"}), 400),
        (model.send(path, json=body | {"outputs": [{"name": "nothing"}]}), 400),
        (model.send(path, content=b"{"), 400),
        (model.send(path, content=b" " * 300_000), 413),
        (model.send(path, json=body, headers={"Authorization": ""}), 401),
        (model.send(path, json=body, headers={"Authorization": f"Bearer {provider.token('tax', 'stranger')}"}), 403),
        (model.send("/v2/models/nothing/infer", json=body), 404),
        (model.get("/v2/models/nothing"), 404),
        (model.get("/v2/models/nothing/ready"), 404),
        (model.get("/v2/nothing"), 404),
    ]
    for answer, status in cases:
        assert answer.status_code == status, answer.text
        assert answer.headers["content-type"] == "application/json"
        assert list(answer.json()) == ["error"]
