"""Good manifests of the four kinds, and changes to them: `data_product(put("spec.version", "2.0.0"), drop("spec.fields.1"))`."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

from commonweal_api import namespace_of
from commonweal_api.common import API_VERSION
from commonweal_api.rights import RIGHTS, BasisType

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


def department_in_full(*changes: Change, name: str = "tax") -> Body:
    """Return a Department that uses everything a department can have."""
    feed = {
        "maxStalenessSeconds": 60,
        "sites": [{"name": "north", "url": "https://data.north.example"}, {"name": "south", "url": "https://10.0.0.2:8080"}],
    }
    matching = {
        "product": "people",
        "attributes": [
            {"field": "name", "label": {"en": "Full name", "cy": "Enw llawn"}, "normalise": "Upper"},
            {
                "field": "number",
                "label": {"en": "Reference"},
                "description": {"en": "On each letter."},
                "normalise": "Digits",
                "unique": True,
            },
        ],
        "preview": [{"field": "birthDate", "label": {"en": "Born"}}],
        "tries": 3,
        "code": {"field": "email", "minutes": 10},
        "acr": ["substantial"],
    }
    more = (put("spec.registrars", ["registry", "court"]), put("spec.consentFeed", feed), put("spec.matching", matching))
    return department(*more, *changes, name=name)


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
        spec, rights = body["spec"], RIGHTS[BasisType(type_)]
        spec["basis"] = {"type": type_, **({} if rights.grant else {"legalPower": "Finance Act 2026, section 1"})}
        spec["subjects"] = {"objection": "Honoured" if rights.objection else "NotApplicable"}
        if rights.grant:
            spec["subjects"]["consentValidityDays"] = 365
        if rights.condition:
            spec["basis"]["condition"] = "Safeguarding"
        if rights.most_days is not None:
            spec["validity"] = {"from": "2026-11-01T00:00:00Z", "until": "2026-12-01T00:00:00Z"}

    return change


MYSQL: Body = {"mysql": {"host": "old.internal", "database": "crm", "table": "person", "credentials": {"name": "crm-login"}}}
PARQUET: Body = {
    "parquet": {
        "location": "s3://tax-data/people/2026",
        "endpoint": "https://objects.tax.example:9000",
        "region": "eu-west-2",
        "credentials": {"name": "objects-login"},
    }
}
CSV: Body = {
    "csv": {
        "location": "volume://exports/people.csv.gz",
        "encoding": "windows-1252",
        "delimiter": ";",
        "escape": "\\",
        "comment": "#",
        "skipLines": 1,
        "headings": [{"heading": "National Insurance number", "column": "nino"}],
        "nulls": ["", "NULL"],
    }
}
EXCEL: Body = {"excel": {"location": "volume://exports/people.xlsx", "sheet": "People", "range": "B3:F2000"}}
VOLUME: Body = {"parquet": {"location": "volume://exports/people"}}
HTTP: Body = {
    "http": {
        "url": "https://api.tax.example:8443/v1/people",
        "records": "/data/items",
        "query": [{"name": "filter[town]", "value": "Leeds"}],
        "headers": [{"name": "Accept", "value": "application/vnd.api+json"}],
        "paging": {
            "by": "Cursor",
            "member": "/meta/next",
            "parameter": "after",
            "size": 500,
            "sizeParameter": "limit",
            "total": "/meta/total",
        },
        "auth": {"by": "ClientCredentials", "tokenUrl": "https://login.tax.example/token", "scope": "people.read"},
        "credentials": {"name": "api-login"},
        "watermark": "/meta/changed",
    }
}
EARLIER: Body = {
    "version": "1.4.0",
    "until": "2027-06-01T00:00:00Z",
    "fields": [{"name": "name", "column": "full_name", "type": "String"}],
    "answers": [{"name": "adult", "expression": "name is not null", "description": "Whether the person is of age."}],
}


def data_product_in_full(*changes: Change, name: str = "people", department: str = "tax") -> Body:
    """Return a DataProduct that uses everything a product can have."""
    more = {
        "owner": {"steward": "mailto:steward@tax.example", "complaints": "https://tax.example/complaints"},
        "version": "2.1.0",
        "serve": {"mode": "Replica", "refreshSeconds": 60, "auditDurability": "Strict"},
        "answers": [
            {
                "name": "adult",
                "expression": "birthDate <= current_date - interval '18 years'",
                "description": "Whether the person is of age.",
            },
            {"name": "earns", "expression": "income > 0", "description": "Whether the person has an income."},
        ],
        "quality": [
            {"name": "enough", "metric": "RowCount", "atLeast": 1, "onFail": "StopServing"},
            {"name": "named", "metric": "NullValues", "field": "name", "atMost": 0},
            {"name": "single", "metric": "DuplicateValues", "field": "name", "atMost": 10, "atLeast": 0},
            {"name": "known", "metric": "InvalidValues", "field": "town", "validValues": ["London", "Leeds"], "atMost": 5},
        ],
        "sla": {"freshnessSeconds": 3600},
        "rights": {"erasure": "Supported"},
        "earlier": [EARLIER],
    }
    town = {
        "name": "town",
        "from": "upper(trim(town))",
        "type": "String",
        "classification": "OfficialSensitive",
        "semantic": "address:postTown",
    }

    def fill(body: Body) -> None:
        body["spec"] |= deepcopy(more)
        body["spec"]["fields"].append(deepcopy(town))

    return data_product(fill, *changes, name=name, department=department)


HASH = "sha256:" + "ab" * 32
ASSURANCE: Body = {
    "benefits": "People need not send the same papers twice.",
    "method": "Read through the data API, one record at a time.",
    "processors": ["Hosting Ltd"],
    "areas": ["GB", "GB-SCT"],
    "contact": "mailto:agreements@tax.example",
    "review": "2027-01-01",
    "dpia": "https://tax.example/dpia/7",
}


def signature(party: str, hash_: str = HASH) -> Body:
    """Return a signature that has the form of one."""
    return {"party": party, "hash": hash_, "jws": "eyJhbGciOiJFZERTQSJ9.eyJoYXNoIjoiYSJ9.c2lnbmF0dXJl"}


NONCE = "n" * 22


def revocation(party: str, nonce: str = NONCE) -> Body:
    """Return a revocation that has the form of one."""
    return {**signature(party), "nonce": nonce}


def consent_policy_in_full(*changes: Change, name: str = "benefits-reads-people", department: str = "tax") -> Body:
    """Return an agreement that uses everything an agreement can have, signed by both."""
    more = {
        "mode": "DryRun",
        "product": {"name": "people", "version": 2},
        "subjects": {"objection": "Honoured", "consentValidityDays": 365, "delegation": ["Parent", "Attorney"]},
        "limits": {
            "maxRows": 10,
            "requests": {"max": 100, "seconds": 60},
            "perSubject": {"max": 1, "seconds": 86400},
            "dataLifeDays": 15,
            "onwardSharing": True,
        },
        "transparency": {"visibility": "Delayed", "delayDays": 30, "reason": "An enquiry would be warned otherwise."},
        "linkage": {"on": "name", "normalise": "Upper"},
        "assurance": ASSURANCE,
        "signatures": [signature("tax"), signature("benefits")],
    }
    return consent_policy(lambda body: body["spec"].update(deepcopy(more)), *changes, name=name, department=department)


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
