"""Open Inference Protocol v2: scores of given actions for given people or given values. It draws nothing, logs nothing and learns nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from math import prod
from typing import Any, Literal, NamedTuple

import orjson
from pydantic import ValidationError

from commonweal_api.model_service import Feature
from commonweal_api.plan import FeatureSource
from commonweal_runtime.bodies import first_error
from commonweal_runtime.exceptions import InferenceRequestError
from commonweal_runtime.models.bodies import InferBody, RankBody, Tensor
from commonweal_runtime.models.calls import Call, for_values
from commonweal_runtime.models.features import name_of, person_features
from commonweal_runtime.models.learning import probabilities
from commonweal_runtime.models.loaded_model import LoadedModel
from commonweal_runtime.models.problems import unknown_version
from commonweal_runtime.models.rank import check, offer_of
from commonweal_runtime.models.sources import FeatureReader, Readings

PLATFORM = "commonweal_linear_v1"
SERVER = {"name": "commonweal", "version": "1", "extensions": []}
MOST_ROWS = 32
ACTIONS, CONTEXT, ACTION_FEATURES, SUBJECT = "actions", "context", "action_features", "subject:"
OUTPUTS = {"score": "FP64", "probability": "FP64", "baseline": "BOOL", "withheld": "BYTES"}
_NUMBERS = ("FP64", "FP32", "INT64", "INT32")


class Row(NamedTuple):
    """One row of a request: the question, and the values that the caller gives itself."""

    body: RankBody
    given: dict[str, Any]


class Scored(NamedTuple):
    """One row of the answer."""

    score: list[float]
    probability: list[float]
    baseline: bool
    withheld: str


def version_of(model: LoadedModel) -> str:
    """Return the version that is served: the first twelve digits of the digest of the sums."""
    return model.learner.digest()[:12]


def require_version(model: LoadedModel, version: str) -> None:
    """Raise the problem that says which version the model is at, if that is another one."""
    current = version_of(model)
    if version != current:
        raise unknown_version(model.entry.name, current)


def metadata(model: LoadedModel, *, versioned: bool) -> dict[str, Any]:
    """Return the model's metadata. All inputs but `actions` may be left out; n is at most MOST_ROWS.

    The version is left out for whom is not to see it: it moves when something was learnt, and so tells that something was read of the last person.
    """
    spec = model.entry.spec
    inputs = [_tensor(ACTIONS, "BYTES", [-1, -1]), _tensor(CONTEXT, "BYTES", [-1])]
    if spec.learning.shape == "Shared":
        inputs.append(_tensor(ACTION_FEATURES, "BYTES", [-1, -1]))
    inputs += [_tensor(SUBJECT + d, "BYTES", [-1]) for d in sorted({f.department for f in spec.features})]
    inputs += [_tensor(name_of(f), _datatype(f), [-1]) for f in spec.features]
    outputs = [_tensor(n, t, [-1, -1] if t == "FP64" else [-1]) for n, t in OUTPUTS.items()]
    versions = {"versions": [version_of(model)]} if versioned else {}
    return {"name": model.entry.name, **versions, "platform": PLATFORM, "inputs": inputs, "outputs": outputs}


def parse(data: bytes) -> InferBody:
    """Return the request, or raise InferenceRequestError."""
    try:
        return InferBody.model_validate_json(data)
    except ValidationError as error:
        place, what = first_error(error)
        raise InferenceRequestError(f"{place}: {what}.") from None


async def infer(call: Call, reader: FeatureReader, sources: Mapping[str, FeatureSource], body: InferBody) -> dict[str, Any]:
    """Return the answer: a row per row of `actions`. Only for a caller that could read itself what the model reads."""
    model = for_values(call)
    rows = rows_of(model, body)
    unknown = sorted({w.name for w in body.outputs or ()} - set(OUTPUTS))
    if unknown:
        raise InferenceRequestError(f"outputs: there is no output {unknown[0]}; ask for {', '.join(OUTPUTS)}.")
    scored = await asyncio.gather(*(_score(call, reader, sources, row) for row in rows))
    wanted = [w.name for w in body.outputs] if body.outputs else list(OUTPUTS)
    outputs = [_output(name, [getattr(s, name) for s in scored]) for name in wanted]
    answer = {"model_name": model.entry.name, "model_version": version_of(model), "outputs": outputs}
    return answer | ({"id": body.id} if body.id is not None else {})


def rows_of(model: LoadedModel, body: InferBody) -> list[Row]:
    """Return the questions that the tensors ask, checked as a rank would be."""
    tensors = {t.name: t for t in body.inputs}
    if len(tensors) != len(body.inputs):
        raise InferenceRequestError("inputs: a tensor is given twice; send each once.")
    if ACTIONS not in tensors:
        raise InferenceRequestError("inputs: the tensor actions is missing; send BYTES of shape [rows, actions].")
    shape = tensors[ACTIONS].shape
    if len(shape) != 2 or not 1 <= shape[0] <= MOST_ROWS or shape[1] < 1:
        raise InferenceRequestError(f"actions: the shape must be [rows, actions] with 1 to {MOST_ROWS} rows.")
    columns = {name: _values(model, t, shape) for name, t in tensors.items()}
    return [_row(model, columns, i, shape[1]) for i in range(shape[0])]


def _row(model: LoadedModel, columns: Mapping[str, Sequence[Any]], i: int, k: int) -> Row:
    part = slice(i * k, (i + 1) * k)
    described = [_object(ACTION_FEATURES, v) for v in columns[ACTION_FEATURES][part]] if ACTION_FEATURES in columns else [{}] * k
    question = {
        "eventId": "infer",
        "subjects": {n.removeprefix(SUBJECT): v[i] for n, v in columns.items() if n.startswith(SUBJECT)},
        "context": _object(CONTEXT, columns[CONTEXT][i]) if CONTEXT in columns else {},
        "actions": [{"id": a, "features": f} for a, f in zip(columns[ACTIONS][part], described, strict=True)],
    }
    try:
        body = RankBody.model_validate_json(orjson.dumps(question))  # as JSON, for what a rank would refuse is refused here too
    except ValidationError as error:
        place, what = first_error(error)
        raise InferenceRequestError(f"row {i}: {place}: {what}.") from None
    check(model, body)
    return Row(body, {n: v[i] for n, v in columns.items() if "/" in n})


async def _score(call: Call, reader: FeatureReader, sources: Mapping[str, FeatureSource], row: Row) -> Scored:
    model, spec = call.model, call.model.entry.spec
    asked = [f for f in spec.features if name_of(f) not in row.given]
    readings = (
        await reader.read(call, sources, row.body.subjects, asked) if row.body.subjects else Readings({}, {}, sorted(map(name_of, asked)))
    )
    withheld, k = ",".join(readings.withheld), len(row.body.actions)
    if not readings.records and not row.given:
        return Scored([model.space.base] * k, [1.0] + [0.0] * (k - 1), baseline=True, withheld=withheld)
    person = person_features(spec.features, readings.records) | _given(spec.features, row.given)
    offer = offer_of(model, person, row.body)
    scores = model.learner.score([a.id for a in row.body.actions], offer.phis)
    p = probabilities(scores, model.learner.rows, model.learner.exploration)
    return Scored(scores.tolist(), p.tolist(), baseline=False, withheld=withheld)


def _given(features: Sequence[Feature], given: Mapping[str, Any]) -> dict[str, float]:
    """Encode the values that the caller gives itself, as if they had been read."""
    out: dict[str, float] = {}
    for f in features:
        if name_of(f) in given:
            out |= person_features([f], {(f.department, f.product): [{f.field: given[name_of(f)]}]})
    return out


def _values(model: LoadedModel, tensor: Tensor, rows: Sequence[int]) -> list[Any]:
    """Return a tensor's values, flat, after checking name, datatype, shape and length."""
    spec = model.entry.spec
    features = {name_of(f): f for f in spec.features}
    wide = tensor.name in (ACTIONS, ACTION_FEATURES)
    if not (wide or tensor.name in (CONTEXT, *features) or tensor.name.startswith(SUBJECT)):
        raise InferenceRequestError(f"{tensor.name}: the model has no such input; see its metadata.")
    shape = list(rows) if wide else [rows[0]]
    kind: Literal["BYTES", "FP64"] = _datatype(features[tensor.name]) if tensor.name in features else "BYTES"
    if tensor.datatype not in (_NUMBERS if kind == "FP64" else ("BYTES",)):
        raise InferenceRequestError(f"{tensor.name}: the datatype {tensor.datatype} does not fit; send {kind}.")
    values = [x for v in tensor.data for x in (v if isinstance(v, list) else [v])]
    if tensor.shape != shape or len(values) != prod(shape):
        raise InferenceRequestError(f"{tensor.name}: the shape must be {shape} and the data have {prod(shape)} values.")
    wrong = (not isinstance(v, str) if kind == "BYTES" else isinstance(v, bool) or not isinstance(v, int | float) for v in values)
    if any(wrong):
        raise InferenceRequestError(f"{tensor.name}: each value must be {'a text' if kind == 'BYTES' else 'a number'}.")
    return values


def _object(tensor: str, value: str) -> dict[str, Any]:
    try:
        found = orjson.loads(value)
    except orjson.JSONDecodeError:
        found = None
    if not isinstance(found, dict):
        raise InferenceRequestError(f"{tensor}: each value must be the text of a JSON object.")
    return found


def _output(name: str, values: list[Any]) -> dict[str, Any]:
    wide = OUTPUTS[name] == "FP64"
    shape = [len(values), len(values[0])] if wide else [len(values)]
    return {"name": name, "datatype": OUTPUTS[name], "shape": shape, "data": [x for v in values for x in v] if wide else values}


def _tensor(name: str, datatype: str, shape: list[int]) -> dict[str, Any]:
    return {"name": name, "datatype": datatype, "shape": shape}


def _datatype(feature: Feature) -> Literal["BYTES", "FP64"]:
    return "FP64" if feature.encoding == "Number" else "BYTES"
