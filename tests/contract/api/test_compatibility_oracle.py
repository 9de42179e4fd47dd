"""Our rules and those of `datacontract breaking` say the same of random pairs of contracts; what only ours can know is named."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from commonweal_api import DataProduct
from commonweal_api.compatibility import Rule, breaking
from commonweal_api.exports import odcs_contract
from support.contract_oracle import PYTHON, Oracle
from support.manifests import Body, data_product

# What the standard has no word for, so that the oracle cannot see it.
BEYOND = {Rule.KIND_CHANGED, Rule.MASK_CHANGED, Rule.ANSWER_CHANGED, Rule.MEANING_CHANGED, Rule.CLASS_CHANGED}
NAMES = ("a", "b", "c", "d")
TYPES = ("String", "Integer", "Number", "Boolean", "Date", "Timestamp")
FEW = st.integers(min_value=0, max_value=3)


@pytest.fixture(scope="module")
def oracle() -> Iterator[Oracle]:
    if not PYTHON.exists():
        pytest.skip("`make oracle` installs datacontract-cli into an environment of its own; `make test` does so too")
    with Oracle() as running:
        yield running


@st.composite
def fields(draw: st.DrawFn) -> list[Body]:
    """Return one to four raw fields and some masks of them."""
    raw: list[Body] = [
        {"name": name, "column": draw(st.sampled_from(("x", "y"))), "type": draw(st.sampled_from(TYPES)), "required": draw(st.booleans())}
        | draw(st.sampled_from(({}, {"semantic": "person:birthDate"}, {"classification": "OfficialSensitive"}, {"description": "Said."})))
        for name in draw(st.lists(st.sampled_from(NAMES), min_size=1, unique=True))
    ]
    of = {"Date": "Year", "String": "FirstWord", "Integer": "Decade"}
    masks = [
        {"name": f"{f['name']}Mask", "mask": {"of": f["name"], "kind": draw(st.sampled_from(("Present", of.get(f["type"], "Present"))))}}
        for f in raw
    ]
    return raw + [mask for mask in masks if draw(st.booleans())]


@st.composite
def checks(draw: st.DrawFn, among: list[Body]) -> list[Body]:
    """Return checks on some of the raw fields. A name goes with a metric: one that counts something else under an old name is a riddle to the oracle."""
    made: list[Body] = []
    for metric in draw(st.lists(st.sampled_from(("RowCount", "NullValues", "DuplicateValues", "InvalidValues")), unique=True)):
        low, high = sorted((draw(FEW), draw(FEW)))
        bounds = draw(st.sampled_from(({"atLeast": low}, {"atMost": high}, {"atLeast": low, "atMost": high})))
        check = {
            "name": metric[0].lower() + metric[1:],
            "metric": metric,
            "onFail": draw(st.sampled_from(("StopServing", "Warn"))),
            **bounds,
        }
        if metric != "RowCount":
            check["field"] = draw(st.sampled_from([f["name"] for f in among if "column" in f]))
        if metric == "InvalidValues":
            check["validValues"] = draw(st.lists(st.sampled_from(("1", "2", "3")), min_size=1, unique=True))
        made.append(check)
    return made


@st.composite
def products(draw: st.DrawFn) -> DataProduct:
    offered = draw(fields())
    answers = [
        {"name": name, "expression": draw(st.sampled_from(("true", "false"))), "description": "Whether it is so."}
        for name in draw(st.lists(st.sampled_from(("p", "q")), unique=True))
    ]
    body: dict[str, Any] = data_product()
    body["spec"] |= {
        "fields": offered,
        "answers": answers,
        "quality": draw(checks(offered)),
        "class": draw(st.sampled_from(("Person", "Business"))),
    }
    return DataProduct.model_validate(body)


def _contract(product: DataProduct) -> str:
    return yaml.safe_dump(odcs_contract(product, "tax", product.spec), sort_keys=False)


def _field(path: str) -> str:
    steps = path.split(".")
    return steps[3] if steps[2:3] == ["properties"] else ""


@settings(max_examples=150, deadline=None, derandomize=True, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
@given(old=products(), new=products())
def test_what_breaks_a_consumer_is_what_the_oracle_says(oracle: Oracle, old: DataProduct, new: DataProduct) -> None:
    ours = [c for c in breaking(old.spec, new.spec) if c.rule not in BEYOND]
    theirs = oracle.errors(_contract(old), _contract(new))
    assert {c.field for c in ours} == {_field(path) for _, path in theirs}, f"\nours: {ours}\ntheirs: {theirs}"


def test_the_oracle_sees_nothing_in_a_contract_that_stays(oracle: Oracle) -> None:
    product = DataProduct.model_validate(data_product())
    assert oracle.errors(_contract(product), _contract(product)) == []
