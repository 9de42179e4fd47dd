"""Mistakes in all that a department can have beyond the least: registrars, stewards, sites of the consent feed, matching."""

from __future__ import annotations

from support.manifests import Change, add, department_in_full, drop, put
from support.refusals import EMPTY, ONE_OF, PATTERN, REQUIRED, TOO_HIGH, Bad, Words, bad


def _department(what: str, field: str, remedy: Words | str, *changes: Change) -> Bad:
    return bad(f"Department in full: {what}", department_in_full(*changes), field, remedy)


DEPARTMENTS = [
    _department("one registrar twice", "spec.registrars", "listed twice; remove it", add("spec.registrars", "court")),
    _department("every registrar", "spec.registrars[0]", PATTERN, put("spec.registrars", ["*"])),
    _department("the platform's name", "metadata.name", "ends in -platform", put("metadata.name", "court-platform")),
    _department(
        "one steward twice", "spec.stewards", "listed twice; remove it", put("spec.stewards", [{"kind": "User", "name": "ada"}] * 2)
    ),
    _department(
        "everybody a steward",
        "spec.stewards[].name",
        "begins with system:",
        put("spec.stewards", [{"kind": "Group", "name": "system:authenticated"}]),
    ),
    _department(
        "a person of a namespace",
        "spec.stewards[].namespace",
        "only a ServiceAccount has one",
        put("spec.stewards", [{"kind": "User", "name": "ada", "namespace": "dept-tax"}]),
    ),
    _department("a feed without sites", "spec.consentFeed.sites", EMPTY, put("spec.consentFeed.sites", [])),
    _department("one site twice", "spec.consentFeed.sites", "names must be unique", put("spec.consentFeed.sites.1.name", "north")),
    _department("a site by file", "spec.consentFeed.sites[0].url", PATTERN, put("spec.consentFeed.sites.0.url", "file:///etc/passwd")),
    _department(
        "a site with a path", "spec.consentFeed.sites[0].url", PATTERN, put("spec.consentFeed.sites.0.url", "https://a.example/v1")
    ),
    _department(
        "word that may be a week old", "spec.consentFeed.maxStalenessSeconds", TOO_HIGH, put("spec.consentFeed.maxStalenessSeconds", 604800)
    ),
]
_AT = "spec.matching.attributes"
DEPARTMENTS += [
    _department("nothing singles a person out", _AT, "set unique: true on one", drop(f"{_AT}.1.unique")),
    _department("nothing asked", _AT, EMPTY, put(_AT, [])),
    _department("one thing asked twice", _AT, "listed twice; remove one", put(f"{_AT}.1.field", "name")),
    _department(
        "nine things asked",
        _AT,
        Words("must have at most", "should have at most"),
        put(_AT, [{"field": f, "label": {"en": f}, "unique": True} for f in (f"s{i}" for i in range(9))]),
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
