"""Good manifests of the four kinds, and changes to them: `data_product(put("spec.version", "2.0.0"), drop("spec.fields.1"))`."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

from commonweal_api import namespace_of
from commonweal_api.common import API_VERSION

Body = dict[str, Any]
Change = Callable[[Body], None]
Path = str | tuple[str | int, ...]


def put(path: Path, value: Any) -> Change:
    """Set what lies at the path (`spec.fields.0.name`, or a tuple when a key has dots), making mappings on the way."""

    def change(body: Body) -> None:
        *way, last = _steps(path)
        place: Any = body
        for step in way:
            place = place[step] if isinstance(step, int) else place.setdefault(step, {})
        place[last] = deepcopy(value)

    return change


def drop(path: Path) -> Change:
    """Remove what lies at the path; KeyError when there is nothing."""

    def change(body: Body) -> None:
        *way, last = _steps(path)
        place: Any = body
        for step in way:
            place = place[step]
        del place[last]

    return change


def add(path: Path, value: Any) -> Change:
    """Append to the list at the path."""

    def change(body: Body) -> None:
        place: Any = body
        for step in _steps(path):
            place = place[step]
        place.append(deepcopy(value))

    return change


def department(*changes: Change, name: str = "tax") -> Body:
    """Return a Department."""
    spec = {"displayName": "Tax Authority", "contact": "mailto:data@tax.example"}
    return _built("Department", {"name": name}, spec, changes)


def data_product(*changes: Change, name: str = "people", department: str = "tax") -> Body:
    """Return a DataProduct with the fields name, birthDate, birthYear (a mask) and income."""
    credentials = {"name": "heritage-login"}
    spec = {
        "title": "People",
        "version": "1.0.0",
        "class": "Person",
        "source": {"postgres": {"host": "heritage.internal", "database": "heritage", "table": "person", "credentials": credentials}},
        "subject": {"column": "person_ref"},
        "fields": [
            {"name": "name", "column": "full_name", "type": "String", "required": True},
            {"name": "birthDate", "column": "born", "type": "Date", "semantic": "person:birthDate"},
            {"name": "birthYear", "mask": {"of": "birthDate", "kind": "Year"}},
            {"name": "income", "column": "income", "type": "Number"},
        ],
    }
    return _built("DataProduct", _in(department, name), spec, changes)


def consent_policy(*changes: Change, name: str = "benefits-reads-people", department: str = "tax") -> Body:
    """Return an agreement on basis Consent: benefits may read name and birthYear of people."""
    purpose = {
        "key": "benefits/check-claim",
        "iri": "dpv:ServiceAccessDetermination",
        "text": "The benefits office checks your claim without asking you again.",
    }
    spec = {
        "product": {"name": "people"},
        "consumer": {"department": "benefits", "clients": ["benefits-app"]},
        "purposes": [purpose],
        "fields": ["name", "birthYear"],
        "basis": {"type": "Consent"},
        "subjects": {"objection": "Honoured", "consentValidityDays": 365},
        "validity": {"from": "2026-01-01T00:00:00Z", "until": "2030-01-01T00:00:00Z"},
    }
    return _built("ConsentPolicy", _in(department, name), spec, changes)


def model_service(*changes: Change, name: str = "next-step", department: str = "benefits") -> Body:
    """Return a model of benefits that reads two fields of tax's people."""
    spec = {
        "title": "The next step",
        "purpose": "benefits/suggest-next-step",
        "features": [
            {"department": "tax", "product": "people", "field": "name"},
            {"department": "tax", "product": "people", "field": "birthYear", "encoding": "Number", "min": 1900, "max": 2030},
        ],
        "callers": [{"department": "benefits", "client": "benefits-app"}],
    }
    return _built("ModelService", _in(department, name), spec, changes)


def on_basis(type_: str) -> Change:
    """Put an agreement on another lawful basis, with all that goes with it."""

    def change(body: Body) -> None:
        spec = body["spec"]
        spec["basis"] = {"type": type_, **({} if type_ == "Consent" else {"legalPower": "Finance Act 2026, section 1"})}
        spec["subjects"] = {"objection": "NotApplicable" if type_ == "LegalObligation" else "Honoured"}
        if type_ == "Consent":
            spec["subjects"]["consentValidityDays"] = 365

    return change


def namespace(department: str) -> Body:
    """Return a department's namespace as the operator labels it."""
    labels = {"app.kubernetes.io/managed-by": "commonweal", "commonweal.dev/department": department}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace_of(department), "labels": labels}}


def _in(department: str, name: str) -> Body:
    return {"name": name, "namespace": namespace_of(department)}


def _built(kind: str, metadata: Body, spec: Body, changes: tuple[Change, ...]) -> Body:
    body = deepcopy({"apiVersion": API_VERSION, "kind": kind, "metadata": metadata, "spec": spec})
    for change in changes:
        change(body)
    return body


def _steps(path: Path) -> tuple[str | int, ...]:
    return path if isinstance(path, tuple) else tuple(int(step) if step.isdigit() else step for step in path.split("."))
