"""Whatever is done to a good manifest, the API server and the models come to the same verdict."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from commonweal_api import KINDS
from commonweal_api.common import Kind
from commonweal_api.schema import Schema, root
from support.kube_api import KubeApi, Refused
from support.manifests import (
    CSV,
    EXCEL,
    HTTP,
    MYSQL,
    PARQUET,
    Body,
    consent_policy,
    consent_policy_in_full,
    data_product,
    data_product_in_full,
    department,
    department_in_full,
    model_service,
    on_basis,
    put,
)

MODEL_OF = {kind.__name__: kind for kind in KINDS}
SAMPLES = [
    department(put("spec.quota", {"cpu": "2"}), put("spec.store", {"size": "1Gi"})),
    data_product(put("spec.subject", {"column": "person_ref", "records": "Many", "recordKey": "row"}), put("spec.serve", {})),
    consent_policy(put("spec.limits", {"maxRows": 5})),
    consent_policy(on_basis("LegalObligation")),
    consent_policy(on_basis("VitalInterests")),
    consent_policy(on_basis("RecognisedLegitimateInterest")),
    consent_policy_in_full(),
    data_product_in_full(),
    data_product(put("spec.source", PARQUET)),
    data_product(put("spec.source", CSV)),
    data_product(put("spec.source", EXCEL)),
    data_product(put("spec.source", HTTP)),
    data_product(put("spec.source", MYSQL)),
    department_in_full(),
    model_service(put("spec.learning", {"floor": 0.02, "maxActions": 9})),
]
# null is left out: the API server drops it where there is a default and refuses it elsewhere, and none is ever stored.
TEXTS = (
    "",
    "a",
    "A",
    "a-",
    "a b",
    "a/b",
    "tax",
    "*",
    "é",
    "x" * 64,
    "y" * 600,
    "a\n",
    "1",
    "01.2.3",
    "2026-02-30T00:00:00Z",
    "2029-01-01T00:00:00Z",
    "2029-01-01",
    "2029-02-30",
    "https://a.example/b",
    "s3://bucket/a",
    "volume://claim",
    "3.0.0",
)
WORDS = (
    "Consent",
    "PublicTask",
    "VitalInterests",
    "Delayed",
    "RowCount",
    "Live",
    "Crime",
    "Many",
    "One",
    "Number",
    "Date",
    "NotApplicable",
    "true",
    "birthDate",
    "name",
)
NUMBERS = (0, 1, 2, 7, 64, 1000, 10**9, -1, 0.5, 0.0001, 2.5)
OTHERS: tuple[Any, ...] = (True, False, [], {}, ["a"], ["a", "a"], {"name": "a"})
ODD: st.SearchStrategy[Any] = st.sampled_from((*TEXTS, *WORDS, *NUMBERS, *OTHERS))


def _schema_paths(node: Schema, value: Any, path: tuple[str | int, ...]) -> Iterator[tuple[str | int, ...]]:
    """Yield every place that the manifest has or could have."""
    for name, child in node.get("properties", {}).items() if isinstance(value, dict) else ():
        yield (*path, name)
        if name in value:
            yield from _schema_paths(child, value[name], (*path, name))
    if "items" in node and isinstance(value, list):
        for index, item in enumerate(value):
            yield (*path, index)
            yield from _schema_paths(node["items"], item, (*path, index))


@st.composite
def _mutated(draw: st.DrawFn) -> Body:
    manifest = deepcopy(draw(st.sampled_from(SAMPLES)))
    kind: type[Kind] = MODEL_OF[manifest["kind"]]
    for _ in range(draw(st.integers(1, 2))):
        paths = list(_schema_paths(root(kind)["properties"]["spec"], manifest["spec"], ("spec",)))
        *way, last = draw(st.sampled_from(paths))
        place: Any = manifest
        for step in way:
            place = place[step]
        _mutate(place, last, draw(ODD), draw(st.sampled_from(["put", "put", "drop", "double"])))
    return manifest


def _mutate(place: Any, last: str | int, odd: Any, how: str) -> None:
    if how == "double" and isinstance(place, list):
        place.append(deepcopy(place[int(last)]))
    elif how == "drop":
        place.pop(last, None) if isinstance(place, dict) else place.pop(int(last))
    else:
        place[last] = deepcopy(odd)


def _model_refuses(manifest: Body) -> str | None:
    try:
        MODEL_OF[manifest["kind"]].model_validate(manifest)
    except ValidationError as refusal:
        return str(refusal)
    return None


def _server_refuses(api: KubeApi, manifest: Body) -> str | None:
    try:
        api.create(manifest, dry_run=True)
    except Refused as refusal:
        if refusal.status >= 500:
            raise
        return refusal.message
    return None


@settings(max_examples=600, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(manifest=_mutated())
def test_the_api_server_and_the_models_agree(api: KubeApi, manifest: Body) -> None:
    server, model = _server_refuses(api, manifest), _model_refuses(manifest)
    assert (server is None) == (model is None), f"\nAPI server: {server or 'accepts'}\nmodels: {model or 'accept'}"
