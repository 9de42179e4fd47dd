"""Mistakes in what a department asks of people who link their sign-in to their record."""

from __future__ import annotations

from support.manifests import Change, department_in_full, drop, put
from support.refusals import EMPTY, ONE_OF, REQUIRED, TOO_HIGH, Bad, Words, bad


def _department(what: str, field: str, remedy: Words | str, *changes: Change) -> Bad:
    return bad(f"Department in full: {what}", department_in_full(*changes), field, remedy)


_AT = "spec.matching.attributes"
MATCHINGS = [
    _department("nothing singles a person out", _AT, "set unique: true on one", drop(f"{_AT}.1.unique")),
    _department("nothing asked", _AT, EMPTY, put(_AT, [])),
    _department("one thing asked twice", _AT, "listed twice; remove one", put(f"{_AT}.1.field", "name")),
    _department(
        "nine things asked",
        _AT,
        Words("must have at most", "should have at most"),
        put(_AT, [{"field": f, "label": {"en": f}, "unique": True} for f in [f"s{i}" for i in range(9)]]),
    ),
    _department("no label", f"{_AT}[0].label.en", REQUIRED, put(f"{_AT}.0.label", {"cy": "Enw"})),
    _department("an unknown form", f"{_AT}[0].normalise", ONE_OF, put(f"{_AT}.0.normalise", "Soundex")),
    _department(
        "shown twice", "spec.matching.preview", "listed twice", put("spec.matching.preview", [{"field": "a", "label": {"en": "A"}}] * 2)
    ),
    _department("tries without end", "spec.matching.tries", TOO_HIGH, put("spec.matching.tries", 1000)),
    _department("a code for a day", "spec.matching.code.minutes", TOO_HIGH, put("spec.matching.code.minutes", 1440)),
    _department("one level of sign-in twice", "spec.matching.acr", "listed twice", put("spec.matching.acr", ["high", "high"])),
    _department("nobody to decide cases", "spec.registrars", "add one of the department's own ServiceAccounts", put("spec.registrars", [])),
]
