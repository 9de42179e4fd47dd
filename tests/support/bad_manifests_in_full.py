"""Mistakes in all that a product, an agreement and a department can have beyond the least: sources, answers, quality, versions, bases, limits, signatures."""

from __future__ import annotations

from typing import Any

from support.bad_apis import APIS
from support.bad_matchings import MATCHINGS
from support.manifests import (
    CSV,
    EARLIER,
    EXCEL,
    MYSQL,
    PARQUET,
    VOLUME,
    Change,
    add,
    consent_policy,
    consent_policy_in_full,
    data_product,
    data_product_in_full,
    department_in_full,
    drop,
    on_basis,
    put,
    revocation,
    signature,
)
from support.refusals import EMPTY, ONE_OF, PATTERN, REQUIRED, TOO_HIGH, TOO_LONG, TOO_LOW, TOO_SHORT, UNKNOWN, Bad, Words, bad


def _product(what: str, field: str, remedy: Words | str, *changes: Change) -> Bad:
    return bad(f"DataProduct in full: {what}", data_product_in_full(*changes), field, remedy)


def _live(what: str, field: str, remedy: str, *changes: Change) -> Bad:
    return bad(f"DataProduct read live: {what}", data_product(put("spec.serve", {"mode": "Live"}), *changes), field, remedy)


def _source(what: str, field: str, remedy: Words | str, source: Any, *changes: Change) -> Bad:
    return bad(f"DataProduct: {what}", data_product(put("spec.source", source), *changes), f"spec.source{field}", remedy)


def _policy(what: str, field: str, remedy: Words | str, *changes: Change) -> Bad:
    return bad(f"ConsentPolicy in full: {what}", consent_policy_in_full(*changes), field, remedy)


def _plain(what: str, field: str, remedy: Words | str, *changes: Change) -> Bad:
    return bad(f"ConsentPolicy: {what}", consent_policy(*changes), field, remedy)


def _department(what: str, field: str, remedy: Words | str, *changes: Change) -> Bad:
    return bad(f"Department in full: {what}", department_in_full(*changes), field, remedy)


def _all(number: int) -> list[str]:
    return [f"s{i}" for i in range(number)]


IN_WELSH = put("spec.purposes.0.cy", {"text": "Brawddeg y mae person yn ei darllen yn Gymraeg."})
_PARQUET = ".parquet.location"
_KEPT = "Live keeps no values"
LIVE = [
    _live("files", "spec.serve.mode", "only a postgres source", put("spec.source", VOLUME)),
    _live("an expression", "spec.serve.mode", _KEPT, add("spec.fields", {"name": "town", "from": "upper(town)", "type": "String"})),
    _live("an answer", "spec.serve.mode", _KEPT, put("spec.answers", EARLIER["answers"])),
    _live("a check", "spec.serve.mode", _KEPT, put("spec.quality", [{"name": "rows", "metric": "RowCount", "atLeast": 1}])),
    _live("a promise of freshness", "spec.serve.mode", _KEPT, put("spec.sla", {"freshnessSeconds": 600})),
    _live("an earlier version", "spec.serve.mode", _KEPT, put("spec.version", "2.0.0"), put("spec.earlier", [EARLIER | {"answers": []}])),
    _live("many records", "spec.serve.mode", "one record per subject", put("spec.subject", {"column": "nino", "records": "Many", "recordKey": "id"})),
    _live("a strict audit", "spec.serve.auditDurability", "Strict cannot be kept", put("spec.serve.auditDurability", "Strict")),
    _live("erasure here", "spec.rights.erasure", "erased at their source", put("spec.rights", {"erasure": "Supported"})),
]  # fmt: skip
SOURCES = [
    _source("two sources", "", "set exactly one of postgres, mysql, parquet, csv, excel and http", MYSQL | VOLUME),
    _source("MySQL on port 70000", ".mysql.port", TOO_HIGH, MYSQL, put("spec.source.mysql.port", 70000)),
    _source("MySQL with a schema, which it has not", ".mysql.schema", UNKNOWN, MYSQL, put("spec.source.mysql.schema", "public")),
    _source("MySQL table in backticks", ".mysql.table", PATTERN, MYSQL, put("spec.source.mysql.table", "`person`")),
    _source("location on a web server", _PARQUET, PATTERN, PARQUET, put("spec.source.parquet.location", "https://tax.example/people")),
    _source("location that climbs out", _PARQUET, PATTERN, VOLUME, put("spec.source.parquet.location", "volume://exports/../etc")),
    _source("location with a hidden folder", _PARQUET, PATTERN, VOLUME, put("spec.source.parquet.location", "volume://exports/.ssh")),
    _source("location with a pattern of its own", _PARQUET, PATTERN, PARQUET, put("spec.source.parquet.location", "s3://tax-data/*")),
    _source("bucket in capitals", _PARQUET, PATTERN, PARQUET, put("spec.source.parquet.location", "s3://Tax/people")),
    _source(
        "object storage without an address", ".parquet.endpoint", "name the object storage", PARQUET, drop("spec.source.parquet.endpoint")
    ),
    _source(
        "volume with an address",
        ".parquet.endpoint",
        "leave it out for a volume",
        VOLUME,
        put("spec.source.parquet.endpoint", "https://a.example"),
    ),
    _source("object storage in the clear", ".parquet.endpoint", PATTERN, PARQUET, put("spec.source.parquet.endpoint", "http://a.example")),
    _source(
        "login in the address", ".parquet.endpoint", PATTERN, PARQUET, put("spec.source.parquet.endpoint", "https://me:secret@a.example")
    ),
    _source("object storage without a login", ".parquet.credentials", "name the Secret", PARQUET, drop("spec.source.parquet.credentials")),
    _source(
        "volume with a login",
        ".parquet.credentials",
        "leave it out for a volume",
        VOLUME,
        put("spec.source.parquet.credentials", {"name": "a"}),
    ),
    _source("CSV on a volume with an address", ".csv.endpoint", "leave it out", CSV, put("spec.source.csv.endpoint", "https://a.example")),
    _source(
        "workbook on a volume with an address",
        ".excel.endpoint",
        "leave it out",
        EXCEL,
        put("spec.source.excel.endpoint", "https://a.example"),
    ),
    _source(
        "workbook on a volume with a login",
        ".excel.credentials",
        "leave it out",
        EXCEL,
        put("spec.source.excel.credentials", {"name": "a"}),
    ),
    _source(
        "workbook on a volume with a region", ".excel.region", "a volume has no region", EXCEL, put("spec.source.excel.region", "eu-west-2")
    ),
    _source(
        "workbook with two places of headings", ".excel.headerRow", "leave one of the two out", EXCEL, put("spec.source.excel.headerRow", 2)
    ),
    _source("CSV on a volume with a login", ".csv.credentials", "leave it out", CSV, put("spec.source.csv.credentials", {"name": "a"})),
    _source("CSV on a volume with a region", ".csv.region", "a volume has no region", CSV, put("spec.source.csv.region", "eu-west-2")),
    _source("CSV with one sign for two things", ".csv", "must be different characters", CSV, put("spec.source.csv.quote", ";")),
    _source("CSV with a comment like its escape", ".csv", "must be different characters", CSV, put("spec.source.csv.comment", "\\")),
    _source("CSV whose delimiter is a letter", ".csv.delimiter", PATTERN, CSV, put("spec.source.csv.delimiter", "x")),
    _source("CSV in an unknown encoding", ".csv.encoding", ONE_OF, CSV, put("spec.source.csv.encoding", "utf-7")),
    _source("CSV with names and headings", ".csv.headings", "has no headings", CSV, put("spec.source.csv.columns", ["nino"])),
    _source("volume with a region", ".parquet.region", "a volume has no region", VOLUME, put("spec.source.parquet.region", "eu-west-2")),
]

PRODUCTS = [
    _product("a steward without an address", "spec.owner.steward", PATTERN, put("spec.owner.steward", "Ann in room 5")),
    _product("complaints by mail only", "spec.owner.complaints", PATTERN, put("spec.owner.complaints", "mailto:ann@tax.example")),
    _product("a way of serving that does not exist", "spec.serve.mode", ONE_OF, put("spec.serve.mode", "Cache")),
    _product("a field from column and expression", "spec.fields[]", "set exactly one of column", put("spec.fields.4.column", "town")),
    _product("an expression without a type", "spec.fields[].type", "needs a type", drop("spec.fields.4.type")),
    _product("an empty expression", "spec.fields[4].from", TOO_SHORT, put("spec.fields.4.from", "")),
    _product("an expression as long as a program", "spec.fields[4].from", TOO_LONG, put("spec.fields.4.from", "a" * 501)),
    _product("a secret field", "spec.fields[0].classification", ONE_OF, put("spec.fields.0.classification", "TopSecret")),
    _product("an answer named like a field", "spec.answers[].name", "choose another name", put("spec.answers.0.name", "income")),
    _product("two answers of one name", "spec.answers[].name", "choose another name", put("spec.answers.0.name", "earns")),
    _product("an answer named like the answer's own key", "spec.fields[].name", "are taken", put("spec.answers.0.name", "record")),
    _product("an answer without a question", "spec.answers[0].description", REQUIRED, drop("spec.answers.0.description")),
    _product("an answer without an expression", "spec.answers[0].expression", REQUIRED, drop("spec.answers.0.expression")),
    _product("an answer with a type", "spec.answers[0].type", UNKNOWN, put("spec.answers.0.type", "Boolean")),
    _product("a metric that nobody counts", "spec.quality[0].metric", ONE_OF, put("spec.quality.0.metric", "Beauty")),
    _product("nulls of no field", "spec.quality[].field", "name the field that is counted", drop("spec.quality.1.field")),
    _product("rows of a field", "spec.quality[].field", "leave it out for RowCount", put("spec.quality.0.field", "name")),
    _product("a check on a mask", "spec.quality[].field", "is no raw field", put("spec.quality.1.field", "birthYear")),
    _product("a check on an answer", "spec.quality[].field", "is no raw field", put("spec.quality.1.field", "adult")),
    _product("invalid without what is valid", "spec.quality[].validValues", "list what is valid", drop("spec.quality.3.validValues")),
    _product("nulls with what is valid", "spec.quality[].validValues", "leave it out otherwise", put("spec.quality.1.validValues", ["a"])),
    _product("nothing is valid", "spec.quality[3].validValues", EMPTY, put("spec.quality.3.validValues", [])),
    _product("a check that cannot fail", "spec.quality[]", "set atLeast, atMost or both", drop("spec.quality.1.atMost")),
    _product("a check that cannot pass", "spec.quality[].atMost", "is less than atLeast; raise it", put("spec.quality.2.atLeast", 11)),
    _product("fewer than no rows", "spec.quality[0].atLeast", TOO_LOW, put("spec.quality.0.atLeast", -1)),
    _product("a check that shouts", "spec.quality[0].onFail", ONE_OF, put("spec.quality.0.onFail", "Page")),
    _product("two checks of one name", "spec.quality", "names must be unique", put("spec.quality.1.name", "enough")),
    _product("fresh to the second", "spec.sla.freshnessSeconds", TOO_LOW, put("spec.sla.freshnessSeconds", 1)),
    _product("an sla on nothing", "spec.sla.freshnessSeconds", REQUIRED, put("spec.sla", {})),
    _product("erasure now and then", "spec.rights.erasure", ONE_OF, put("spec.rights.erasure", "Sometimes")),
    _product(
        "an earlier version of the same major", "spec.earlier[].version", "raise spec.version", put("spec.earlier.0.version", "2.0.0")
    ),
    _product("an earlier version that is later", "spec.earlier[].version", "raise spec.version", put("spec.earlier.0.version", "10.0.0")),
    _product(
        "two earlier versions of one major", "spec.earlier", "one version per major", add("spec.earlier", EARLIER | {"version": "1.3.0"})
    ),
    _product("an earlier version without an end", "spec.earlier[0].until", REQUIRED, drop("spec.earlier.0.until")),
    _product("an earlier version without fields", "spec.earlier[0].fields", EMPTY, put("spec.earlier.0.fields", [])),
    _product(
        "four earlier versions",
        "spec.earlier",
        Words("Too many", "at most 3 items"),
        put("spec.version", "9.0.0"),
        put("spec.earlier", [EARLIER | {"version": f"{i}.0.0"} for i in range(4)]),
    ),
    _product("an earlier field twice", "spec.earlier[].fields", "names must be unique", add("spec.earlier.0.fields", EARLIER["fields"][0])),
    _product(
        "an earlier mask of nothing",
        "spec.earlier[].fields[].mask.of",
        "name a raw field",
        add("spec.earlier.0.fields", {"name": "year", "mask": {"of": "born", "kind": "Year"}}),
    ),
    _product(
        "an earlier year of a name",
        "spec.earlier[].fields[].mask.kind",
        "Year needs Date",
        add("spec.earlier.0.fields", {"name": "year", "mask": {"of": "name", "kind": "Year"}}),
    ),
    _product("an earlier field that is taken", "spec.earlier[].fields[].name", "are taken", put("spec.earlier.0.fields.0.name", "subject")),
    _product(
        "an earlier answer named like a field",
        "spec.earlier[].answers[].name",
        "choose another",
        put("spec.earlier.0.answers.0.name", "name"),
    ),
    _product(
        "only earlier masks",
        "spec.earlier[].fields",
        "at least one field needs",
        put("spec.earlier.0.fields", [{"name": "y", "mask": {"of": "x", "kind": "Present"}}]),
    ),
]

POLICIES = [
    _policy("a mode of its own", "spec.mode", ONE_OF, put("spec.mode", "Maybe")),
    _policy("a full version", "spec.product.version", Words("expected numeric", "valid integer"), put("spec.product.version", "2.1.0")),
    _policy("a version below zero", "spec.product.version", TOO_LOW, put("spec.product.version", -1)),
    _plain(
        "an interest without a condition",
        "spec.basis.condition",
        "say which interest",
        on_basis("RecognisedLegitimateInterest"),
        drop("spec.basis.condition"),
    ),
    _plain(
        "an interest of its own",
        "spec.basis.condition",
        ONE_OF,
        on_basis("RecognisedLegitimateInterest"),
        put("spec.basis.condition", "Marketing"),
    ),
    _plain(
        "a condition on a public task",
        "spec.basis.condition",
        "leave it out otherwise",
        on_basis("PublicTask"),
        put("spec.basis.condition", "Crime"),
    ),
    _plain(
        "vital interests without a law", "spec.basis.legalPower", "name the law", on_basis("VitalInterests"), drop("spec.basis.legalPower")
    ),
    _plain(
        "vital interests for a month and a day",
        "spec.validity",
        "at most 30 days",
        on_basis("VitalInterests"),
        put("spec.validity.until", "2026-12-01T00:00:01Z"),
    ),
    _plain(
        "objection against vital interests",
        "spec.subjects.objection",
        "write NotApplicable",
        on_basis("VitalInterests"),
        put("spec.subjects.objection", "Honoured"),
    ),
    _plain(
        "objection against a contract",
        "spec.subjects.objection",
        "write NotApplicable",
        on_basis("Contract"),
        put("spec.subjects.objection", "Honoured"),
    ),
    _plain(
        "no objection against an interest",
        "spec.subjects.objection",
        "write Honoured",
        on_basis("RecognisedLegitimateInterest"),
        put("spec.subjects.objection", "NotApplicable"),
    ),
    _policy("a delegate that the law does not know", "spec.subjects.delegation[0]", ONE_OF, put("spec.subjects.delegation", ["Friend"])),
    _policy("one delegate twice", "spec.subjects.delegation", "listed twice", put("spec.subjects.delegation", ["Parent", "Parent"])),
    _policy("no requests at all", "spec.limits.requests.max", TOO_LOW, put("spec.limits.requests.max", 0)),
    _policy("requests in no time", "spec.limits.requests.seconds", REQUIRED, drop("spec.limits.requests.seconds")),
    _policy("once and often", "spec.limits.perSubject", "leave one of the two out", put("spec.limits.once", True)),
    _policy("per subject in ten years", "spec.limits.perSubject.seconds", TOO_HIGH, put("spec.limits.perSubject.seconds", 316_224_000)),
    _policy("kept for no day", "spec.limits.dataLifeDays", TOO_LOW, put("spec.limits.dataLifeDays", 0)),
    _policy("passed on unassessed", "spec.assurance.dpia", "name the data protection impact assessment", drop("spec.assurance.dpia")),
    _policy("passed on unassured", "spec.assurance.dpia", "set spec.limits.onwardSharing to false", drop("spec.assurance")),
    _policy("shown some day", "spec.transparency.visibility", ONE_OF, put("spec.transparency.visibility", "Later")),
    _policy("delayed for how long", "spec.transparency.delayDays", "say after how many days", drop("spec.transparency.delayDays")),
    _policy("delayed for two years", "spec.transparency.delayDays", TOO_HIGH, put("spec.transparency.delayDays", 730)),
    _policy(
        "suppressed for a time", "spec.transparency.delayDays", "leave it out otherwise", put("spec.transparency.visibility", "Suppressed")
    ),
    _policy("hidden without a reason", "spec.transparency.reason", "say why", drop("spec.transparency.reason")),
    _policy("hidden because", "spec.transparency.reason", TOO_SHORT, put("spec.transparency.reason", "Because.")),
    _plain(
        "a reason for nothing",
        "spec.transparency.reason",
        "leave it out when visibility is Immediate",
        put("spec.transparency", {"reason": "We always say why we do it."}),
    ),
    _policy("linked on everything", "spec.linkage.on", PATTERN, put("spec.linkage.on", "*")),
    _policy("linked by sound", "spec.linkage.normalise", ONE_OF, put("spec.linkage.normalise", "Soundex")),
    _policy("benefits in a word", "spec.assurance.benefits", TOO_SHORT, put("spec.assurance.benefits", "Savings.")),
    _policy("benefits nobody", "spec.assurance.benefits", REQUIRED, drop("spec.assurance.benefits")),
    _policy("nowhere", "spec.assurance.areas", EMPTY, put("spec.assurance.areas", [])),
    _policy("for Wales in English", "spec.assurance.areas", "add the block cy to each purpose", put("spec.assurance.areas", ["GB-WLS"])),
    _policy(
        "for Wales in half Welsh",
        "spec.assurance.areas",
        "add the block cy to each purpose",
        put("spec.assurance.areas", ["GB", "GB-EAW"]),
        IN_WELSH,
    ),
    _policy("a block without Welsh", "spec.purposes[0].cy.text", REQUIRED, put("spec.purposes.0.cy", {})),
    _policy("in small letters", "spec.assurance.areas[0]", PATTERN, put("spec.assurance.areas", ["gb"])),
    _policy("reviewed after its end", "spec.assurance.review", "choose a day between", put("spec.assurance.review", "2030-01-01")),
    _policy("reviewed before it began", "spec.assurance.review", "choose a day between", put("spec.assurance.review", "2025-12-31")),
    _policy(
        "reviewed on a day in short",
        "spec.assurance.review",
        Words("should match", "write year, month and day"),
        put("spec.assurance.review", "2027-1-1"),
    ),
    _policy(
        "reviewed on the 31st of June", "spec.assurance.review", Words("date", "valid date"), put("spec.assurance.review", "2027-06-31")
    ),
    _policy("assessed in the clear", "spec.assurance.dpia", PATTERN, put("spec.assurance.dpia", "http://tax.example/dpia")),
    _policy("signed by three", "spec.signatures", Words("Too many", "at most 2 items"), add("spec.signatures", signature("health"))),
    _policy("signed twice by one", "spec.signatures", "a party signs once", put("spec.signatures.1.party", "tax")),
    _policy(
        "signed over two hashes",
        "spec.signatures",
        "the parties signed different hashes",
        put("spec.signatures.1.hash", "sha256:" + "cd" * 32),
    ),
    _policy("a nonce of other letters", "spec.nonce", PATTERN, put("spec.nonce", "!" * 22)),
    _policy(
        "revoked twice by one",
        "spec.revocations",
        "a party revokes a nonce once",
        put("spec.revocations", [revocation("tax"), revocation("tax") | {"hash": "sha256:" + "cd" * 32}]),
    ),
    *(
        _policy(
            f"{what} in a text",
            "spec.purposes[0].text",
            PATTERN,
            put("spec.purposes.0.text", f"A purpose that reads {character}differently."),
        )
        for what, character in {
            "an escape": "\x1b[2K",
            "a carriage return": "\r",
            "a turn of direction": "\u202e",
            "an isolate": "\u2066",
            "a mark of direction": "\u200f",
            "an Arabic mark": "\u061c",
            "a space of no width": "\u200b",
            "a control of C1": "\x9b",
        }.items()
    ),
    _policy("an escape in a contact", "spec.assurance.contact", PATTERN, put("spec.assurance.contact", "mailto:a@tax.example\x1b[2K")),
    _policy("a hash that is none", "spec.signatures[0].hash", PATTERN, put("spec.signatures.0.hash", "sha256:" + "AB" * 32)),
    _policy(
        "a signature that is none", "spec.signatures[0].jws", PATTERN, put("spec.signatures.0.jws", "signed, sealed, delivered, yours")
    ),
]

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

IN_FULL = [*DEPARTMENTS, *MATCHINGS, *SOURCES, *APIS, *LIVE, *PRODUCTS, *POLICIES]
