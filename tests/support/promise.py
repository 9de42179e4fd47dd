"""The SQL of one agreement of the examples, from the empty table of its product to its closing, as the keeper sends it and as a reader is shown it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from commonweal_api.consent_policy import ConsentPolicySpec
from commonweal_api.data_product import DataProductSpec
from commonweal_api.plan import AgreementPlan
from commonweal_runtime.store.agreements import PublisherContext, Served, cleanup_sql, compile_agreement, revoke_sql
from commonweal_runtime.store.names import relation_of
from commonweal_runtime.store.preconditions import preconditions_of
from commonweal_runtime.store.products import create, shape_of

EXAMPLES = Path(__file__).parents[2] / "examples" / "start-a-business"
NUMBER, PRODUCT, AGREEMENT = 7, "companies", "benefits-checks-company"
CLIENT, PURPOSE = "benefits-department/benefits-app", "benefits-department/check-self-employment"
MADE = "The product's table, made before any agreement: nobody but the store's own roles may see a row of it"
OPENED = "Opening, in one transaction: restrictive policies, then the permissive one, grants, and the door's functions last"
SHUT = "Closing, in one transaction: from its commit on nobody reads; it waits for no lock on the product's table"
CLEARED = "What the closed agreement has left behind, removed as soon as the table is free"
WIDTH = 132
CLAUSES = frozenset(
    [
        "and",
        "as",
        "case",
        "else",
        "end",
        "from",
        "function",
        "generated",
        "group",
        "into",
        "on",
        "or",
        "order",
        "primary",
        "raise",
        "returns",
        "revoke",
        "security",
        "select",
        "then",
        "to",
        "using",
        "values",
        "when",
        "where",
        "with",
    ]
)
_WORDS = re.compile(r"""(?:'(?:[^']|'')*'|"[^"]*"|[^\s'"])+""")


def _spec(file: str, name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(d["spec"] for d in yaml.safe_load_all((EXAMPLES / file).read_text()) if d["metadata"]["name"] == name)
    return found


def product() -> Served:
    """Return the product as the store holds it once it is loaded."""
    return Served(
        "uid-of-companies",
        PRODUCT,
        relation_of(PRODUCT, "uid-of-companies"),
        DataProductSpec.model_validate(_spec("30-products.yaml", PRODUCT)),
        (),
    )


def statements() -> dict[str, list[str]]:
    """Return every statement in order, under what they do together. The department has another site, so that all preconditions are there."""
    served, spec = product(), ConsentPolicySpec.model_validate(_spec("40-agreements.yaml", AGREEMENT))
    agreement = AgreementPlan(name=AGREEMENT, uid="uid-of-the-agreement", generation=1, spec=spec)
    publisher = PublisherContext(
        "companies-registry", "Companies Registry", "mailto:data@companies-registry.example", preconditions_of(spec, served, fed=True)
    )
    return {
        MADE: create(served.relation, served.uid, shape_of(served.spec)),
        OPENED: list(compile_agreement(NUMBER, agreement, served, publisher).statements),
        SHUT: revoke_sql(NUMBER),
        CLEARED: cleanup_sql(NUMBER, served.relation),
    }


def readable(statement: str) -> str:
    """Return a statement broken into lines. Only white space outside of quotes changes, so it does the same."""
    return "\n".join(piece for line in statement.splitlines() for piece in _broken(line)) + ";"


def _broken(line: str) -> list[str]:
    """Break at the last clause that begins in the line's second half, else at the last word that fits."""
    indent, words = " " * (len(line) - len(line.lstrip())), _WORDS.findall(line)
    pieces: list[str] = []
    while words:
        first = indent + ("    " if pieces else "")
        fits = max(1, sum(1 for n in range(1, len(words) + 1) if len(first + " ".join(words[:n])) <= WIDTH))
        if fits < len(words):
            clauses = (n for n in range(fits, 0, -1) if words[n].lower() in CLAUSES and len(" ".join(words[:n])) > WIDTH / 2)
            fits = next(clauses, fits)
        pieces.append(first + " ".join(words[:fits]))
        words = words[fits:]
    return pieces or [""]
