"""What a person is shown of a stack: its objects in the columns that kubectl shows, and how to use it. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from commonweal_api import KINDS, department_at
from commonweal_api.common import Kind

Body = Mapping[str, Any]
_OF_TYPE = re.compile(r'^\.status\.conditions\[\?\(@\.type=="(\w+)"\)\]\.(\w+)$')


def tables(objects: Mapping[str, Sequence[Body]], now: datetime, *, wide: bool = False) -> Iterator[str]:
    """Yield the table of each kind, by plural, that has objects; `wide` adds the columns that kubectl shows with `-o wide`."""
    for kind in KINDS:
        found = objects.get(kind.plural, ())
        if found:
            yield _table(kind, found, now, wide=wide)


def _table(kind: type[Kind], found: Sequence[Body], now: datetime, *, wide: bool) -> str:
    columns = [c for c in kind.columns if wide or not c.get("priority")]
    head = [*(["NAMESPACE"] if kind.namespaced else []), "NAME", *(str(c["name"]).upper() for c in columns)]
    rows = [
        [*([b["metadata"]["namespace"]] if kind.namespaced else []), b["metadata"]["name"], *(_cell(c, b, now) for c in columns)]
        for b in found
    ]
    widths = [max(len(row[i]) for row in (head, *rows)) for i in range(len(head))]
    return "\n".join("   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in (head, *rows))


def _cell(column: Mapping[str, Any], body: Body, now: datetime) -> str:
    found = _at(str(column["jsonPath"]), body)
    if column["type"] == "date" and found:
        return _age((now - datetime.fromisoformat(str(found))).total_seconds())
    return "" if found is None else str(found)


def _at(path: str, body: Body) -> Any:
    typed = _OF_TYPE.match(path)
    if typed:
        conditions = (body.get("status") or {}).get("conditions") or ()
        return next((c.get(typed[2]) for c in conditions if c["type"] == typed[1]), None)
    found: Any = body
    for name in path.strip(".").split("."):
        found = found.get(name) if isinstance(found, Mapping) else None
    return found


def _age(seconds: float) -> str:
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= 2 * length:
            return f"{int(seconds // length)}{unit}"
    return f"{int(max(seconds, 0))}s"


class SigningIn(NamedTuple):
    """Where people sign in, where their pages are (empty where there are none), who they are, and the one password."""

    issuer: str
    portal: str
    people: Sequence[str]
    password: str


def usage(folder: Path, signing_in: SigningIn, departments: Sequence[Body], agreements: Sequence[Body]) -> Iterator[str]:
    """Yield the lines that say where everything answers, who can sign in, and a read that works."""
    for body in departments:
        status = body.get("status") or {}
        yield f"  {body['metadata']['name']:<24} data API {status.get('dataApi', '')}/openapi.json   models {status.get('models', '')}/v2"
    issuer, portal, people, password = signing_in
    if portal:
        yield f"  people's pages: {portal} (the portal: open it in a browser, and sign in)"
    yield f"  people sign in at {issuer}: {', '.join(people)}; password: {password}"
    found = next((a for a in agreements if _plain(a)), None)
    if found is not None:
        yield "  a read that works:"
        yield f"    {_curl(folder, found, departments)}"
    yield f"  look: commonweal dev get {folder}     walk the example's journey: commonweal dev journey {folder}     end: Ctrl-C"


def _plain(agreement: Body) -> bool:
    """Return whether a service, no model, may read without asking the person, one record at a time or a page."""
    spec, status = agreement["spec"], agreement.get("status") or {}
    return spec["basis"]["type"] != "Consent" and spec["consumer"]["clients"] != ["models"] and bool(status.get("endpoint"))


def _curl(folder: Path, agreement: Body, departments: Sequence[Body]) -> str:
    spec, provider = agreement["spec"], department_at(agreement["metadata"]["namespace"])
    base = next(d["status"]["dataApi"] for d in departments if d["metadata"]["name"] == provider)
    client = f"{spec['consumer']['department']}/{spec['consumer']['clients'][0]}"
    token = f"$(commonweal dev token {client} {provider} --folder {folder})"
    return f"""curl -H "Authorization: Bearer {token}" -H 'Purpose: {spec["purposes"][0]["key"]}' '{base}/v1/{spec["product"]["name"]}/subjects?limit=2'"""
