"""Whether a source is asked for the keys and nothing else: judged by the plans of both sides. Pure functions."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from commonweal_api.reasons import Reason
from commonweal_runtime.exceptions import SourceReadError

_NAME = r'(?:"(?:[^"]|"")*"|\w+)'
_NAMES = re.compile(_NAME)
_REMOTE = re.compile(rf"^SELECT (?P<columns>{_NAME}(?:, {_NAME})*) FROM (?P<table>{_NAME}\.{_NAME}) WHERE (?P<where>.+)$")  # noqa: S608 - it reads a statement
# Two keys of each type that stand for any two: the statement is planned, not run.
SAMPLE = {
    "text": "{commonweal-a,commonweal-b}",
    "bpchar": "{commonweal-a,commonweal-b}",
    "smallint": "{1,2}",
    "integer": "{1,2}",
    "bigint": "{1,2}",
    "numeric": "{1,2}",
    "uuid": "{00000000-0000-4000-8000-000000000001,00000000-0000-4000-8000-000000000002}",
}


def unsafe(why: str) -> SourceReadError:
    """Return the refusal of a product that cannot be read by key alone."""
    return SourceReadError(Reason.PUSHDOWN_UNSAFE, why)


def check_here(plan: str, key: str, allowed: set[str]) -> None:
    """Raise SourceReadError unless the store's plan is one remote statement, with the key in its condition and no column but the allowed ones."""
    top = json.loads(plan)[0]["Plan"]
    if top["Node Type"] != "Foreign Scan" or top.get("Filter") is not None or top.get("Plans"):
        raise unsafe("A part of the condition would be evaluated here, so rows that were not asked for would leave the source.")
    found = _REMOTE.match(top.get("Remote SQL", ""))
    if found is None or not re.search(rf'\("?{re.escape(key.replace(chr(34), 2 * chr(34)))}"? = ANY \(', found["where"]):
        raise unsafe(f"The key «{key}» is not in the statement that the source would get.")
    columns = {_bare(name) for name in _NAMES.findall(found["columns"])}
    if not columns <= allowed:
        raise unsafe("The source would be asked for columns that the product does not name.")


def _bare(name: str) -> str:
    return name[1:-1].replace('""', '"') if name.startswith('"') else name


def check_there(plan: str, key: str) -> None:
    """Raise SourceReadError unless the source finds the rows by an index on the key; `plan` is made with sequential scans discouraged."""
    nodes = list(_nodes(json.loads(plan)[0]["Plan"]))
    asked = re.compile(r"= ANY \('\{")
    if any(asked.search(n.get("Filter", "")) for n in nodes) or not any(asked.search(n.get("Index Cond", "")) for n in nodes):
        raise unsafe(f"The source finds no row by «{key}» alone: it has no index that fits, or a view keeps the key from it.")


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", []):
        yield from _nodes(child)
