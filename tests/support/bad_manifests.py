"""Manifests that must be refused, by the API server and by the models alike, with a message that names the field and the remedy."""

from __future__ import annotations

from support.bad_manifests_in_full import IN_FULL
from support.manifests import Change, add, consent_policy, data_product, department, drop, model_service, on_basis, put
from support.products import one_byte_too_large
from support.refusals import EMPTY, ONE_OF, PATTERN, REQUIRED, TOO_HIGH, TOO_LONG, TOO_LOW, TOO_SHORT, UNKNOWN, Bad, Words, bad


def _product(what: str, field: str, remedy: Words | str, *changes: Change) -> Bad:
    return bad(f"DataProduct: {what}", data_product(*changes), field, remedy)


def _policy(what: str, field: str, remedy: Words | str, *changes: Change) -> Bad:
    return bad(f"ConsentPolicy: {what}", consent_policy(*changes), field, remedy)


def _model(what: str, field: str, remedy: Words | str, *changes: Change) -> Bad:
    return bad(f"ModelService: {what}", model_service(*changes), field, remedy)


NAME = "choose such a name"
DEPARTMENTS = [
    bad("Department: name with a dot", department(name="tax.north"), "metadata.name", NAME),
    bad("Department: name begins with a digit", department(name="4tax"), "metadata.name", NAME),
    bad("Department: name of 41 letters, too long for its namespace's uses", department(name="t" * 41), "metadata.name", NAME),
    bad("Department: nobody to complain to", department(drop("spec.contact")), "spec.contact", REQUIRED),
    bad("Department: contact is no address", department(put("spec.contact", "ask the desk")), "spec.contact", PATTERN),
    bad("Department: contact is plain http", department(put("spec.contact", "http://tax.example")), "spec.contact", PATTERN),
    bad("Department: empty display name", department(put("spec.displayName", "")), "spec.displayName", TOO_SHORT),
    bad("Department: quota in words", department(put("spec.quota.cpu", "four")), "spec.quota.cpu", PATTERN),
    bad("Department: quota as a number", department(put("spec.quota.cpu", 4)), "spec.quota.cpu", Words("expected string", "valid string")),
    bad("Department: no objects allowed", department(put("spec.quota.objects", 0)), "spec.quota.objects", TOO_LOW),
    bad("Department: misspelt field", department(put("spec.displayname", "Tax")), "spec.displayname", UNKNOWN),
    bad("Department: size with a space", department(put("spec.store.size", "1 Gi")), "spec.store.size", PATTERN),
]

PRODUCTS = [
    _product("one byte more than all its texts may have", "spec", "shorten descriptions", put("spec.fields", one_byte_too_large())),
    bad("DataProduct: name of 41 letters", data_product(name="p" * 41), "metadata.name", NAME),
    _product("no source", "spec.source", REQUIRED, drop("spec.source")),
    _product("empty source", "spec.source", "set exactly one of postgres, mysql, parquet, csv, excel and http", put("spec.source", {})),
    _product("source that nobody reads", "spec.source.oracle", UNKNOWN, put("spec.source.oracle", {"host": "heritage.internal"})),
    _product("password in the manifest", "spec.source.postgres.password", UNKNOWN, put("spec.source.postgres.password", "secret")),
    _product("no credentials", "spec.source.postgres.credentials", REQUIRED, drop("spec.source.postgres.credentials")),
    _product("port 0", "spec.source.postgres.port", TOO_LOW, put("spec.source.postgres.port", 0)),
    _product("host with options smuggled in", "spec.source.postgres.host", PATTERN, put("spec.source.postgres.host", "db user=postgres")),
    _product("query instead of a table", "spec.source.postgres.table", PATTERN, put("spec.source.postgres.table", "p; drop table p")),
    _product("quoted table", "spec.source.postgres.table", PATTERN, put("spec.source.postgres.table", 'person"')),
    _product("version of two parts", "spec.version", PATTERN, put("spec.version", "10.0.")),
    _product("version with a leading zero", "spec.version", PATTERN, put("spec.version", "01.0.0")),
    _product("class outside the common data model", "spec.class", ONE_OF, put("spec.class", "Vehicle")),
    _product("no fields", "spec.fields", EMPTY, put("spec.fields", [])),
    _product("field name in snake case", "spec.fields[0].name", PATTERN, put("spec.fields.0.name", "full_name")),
    _product("field named like the answer's own key", "spec.fields[].name", "choose another name", put("spec.fields.0.name", "subject")),
    _product("two fields of one name", "spec.fields", "names must be unique; rename one", put("spec.fields.3.name", "name")),
    _product("column over two lines", "spec.fields[0].column", PATTERN, put("spec.fields.0.column", "full\nname")),
    _product(
        "field without a type", "spec.fields[].type", "a field with a column or an expression needs a type", drop("spec.fields.0.type")
    ),
    _product("type that nobody knows", "spec.fields[0].type", ONE_OF, put("spec.fields.0.type", "Money")),
    _product("mask with a type", "spec.fields[].type", "leave it out", put("spec.fields.2.type", "Integer")),
    _product(
        "field that is raw and mask",
        "spec.fields[]",
        "set exactly one of column",
        put("spec.fields.2.column", "born"),
        put("spec.fields.2.type", "Date"),
    ),
    _product("field that is neither", "spec.fields[]", "set exactly one of column", put("spec.fields.3", {"name": "income"})),
    _product("mask of nothing", "spec.fields[].mask.of", "name a raw field of this product", put("spec.fields.2.mask.of", "deathDate")),
    _product(
        "mask of a mask",
        "spec.fields[].mask.of",
        "name a raw field",
        add("spec.fields", {"name": "decade", "mask": {"of": "birthYear", "kind": "Decade"}}),
    ),
    _product("year of a name", "spec.fields[].mask.kind", "Year needs Date", put("spec.fields.2.mask.of", "name")),
    _product(
        "first word of a number",
        "spec.fields[].mask.kind",
        "FirstWord needs String",
        put("spec.fields.2.mask", {"of": "income", "kind": "FirstWord"}),
    ),
    _product(
        "only masks",
        "spec.fields",
        "at least one field needs a column",
        put("spec.fields", [{"name": "y", "mask": {"of": "x", "kind": "Present"}}]),
    ),
    _product("many records, no key", "spec.subject.recordKey", "name the column", put("spec.subject.records", "Many")),
    _product(
        "a record key for one record", "spec.subject.recordKey", "leave it out when it is One", put("spec.subject.recordKey", "row_no")
    ),
    _product("refresh each second", "spec.serve.refreshSeconds", TOO_LOW, put("spec.serve.refreshSeconds", 1)),
    _product("audit that is never kept", "spec.serve.auditDurability", ONE_OF, put("spec.serve.auditDurability", "Never")),
    _product("semantic without a vocabulary", "spec.fields[0].semantic", PATTERN, put("spec.fields.0.semantic", "fullName")),
    _product("title as long as a page", "spec.title", TOO_LONG, put("spec.title", "x" * 121)),
    _product(
        "yes instead of true", "spec.fields[0].required", Words("expected boolean", "valid boolean"), put("spec.fields.0.required", "yes")
    ),
]

POLICIES = [
    bad("ConsentPolicy: name with a dot", consent_policy(name="tax.people"), "metadata.name", NAME),
    _policy("every field", "spec.fields[0]", PATTERN, put("spec.fields", ["*"])),
    _policy("no field", "spec.fields", EMPTY, put("spec.fields", [])),
    _policy("one field twice", "spec.fields", "listed twice; remove one", add("spec.fields", "name")),
    _policy("no purpose", "spec.purposes", EMPTY, put("spec.purposes", [])),
    _policy("one purpose twice", "spec.purposes", "remove the double one", add("spec.purposes", consent_policy()["spec"]["purposes"][0])),
    _policy("purpose without a department", "spec.purposes[0].key", PATTERN, put("spec.purposes.0.key", "check-claim")),
    _policy("purpose outside the vocabulary", "spec.purposes[0].iri", PATTERN, put("spec.purposes.0.iri", "https://example.org/purpose")),
    _policy("purpose in three words", "spec.purposes[0].text", TOO_SHORT, put("spec.purposes.0.text", "We need it.")),
    _policy("every client", "spec.consumer.clients[0]", PATTERN, put("spec.consumer.clients", ["*"])),
    _policy("no client", "spec.consumer.clients", EMPTY, put("spec.consumer.clients", [])),
    _policy("one client twice", "spec.consumer.clients", "listed twice; remove one", add("spec.consumer.clients", "benefits-app")),
    _policy("every department", "spec.consumer.department", PATTERN, put("spec.consumer.department", "*")),
    _policy("a product of another namespace", "spec.product.namespace", UNKNOWN, put("spec.product.namespace", "dept-health")),
    _policy("a basis that is none of the law's", "spec.basis.type", ONE_OF, put("spec.basis.type", "LegitimateInterest")),
    _policy("public task without a law", "spec.basis.legalPower", "name the law", on_basis("PublicTask"), drop("spec.basis.legalPower")),
    _policy(
        "consent without an end",
        "spec.subjects.consentValidityDays",
        "say how long a consent holds",
        drop("spec.subjects.consentValidityDays"),
    ),
    _policy(
        "consent validity on another basis",
        "spec.subjects.consentValidityDays",
        "leave it out otherwise",
        on_basis("PublicTask"),
        put("spec.subjects.consentValidityDays", 30),
    ),
    _policy("consent for ten years", "spec.subjects.consentValidityDays", TOO_HIGH, put("spec.subjects.consentValidityDays", 3650)),
    _policy(
        "objection against a legal obligation",
        "spec.subjects.objection",
        "write NotApplicable",
        on_basis("LegalObligation"),
        put("spec.subjects.objection", "Honoured"),
    ),
    _policy(
        "no objection against a public task",
        "spec.subjects.objection",
        "write Honoured",
        on_basis("PublicTask"),
        put("spec.subjects.objection", "NotApplicable"),
    ),
    _policy("no end", "spec.validity.until", REQUIRED, drop("spec.validity.until")),
    _policy("ends before it begins", "spec.validity.until", "must come after from", put("spec.validity.until", "2025-01-01T00:00:00Z")),
    _policy("ends when it begins", "spec.validity.until", "must come after from", put("spec.validity.until", "2026-01-01T00:00:00Z")),
    _policy("runs for six years", "spec.validity", "at most five years", put("spec.validity.until", "2032-01-01T00:00:00Z")),
    _policy(
        "a date without a time",
        "spec.validity.until",
        Words("should match", "write date, time and zone in full"),
        put("spec.validity.until", "2030-01-01"),
    ),
    _policy(
        "a time without a zone",
        "spec.validity.until",
        Words("should match", "write date, time and zone in full"),
        put("spec.validity.until", "2030-01-01T00:00:00"),
    ),
    _policy(
        "the 31st of February",
        "spec.validity.until",
        Words("date-time", "valid datetime"),
        put("spec.validity.until", "2030-02-31T00:00:00Z"),
    ),
    _policy("any number of rows", "spec.limits.maxRows", TOO_HIGH, put("spec.limits.maxRows", 1000000)),
    _policy("limit written as text", "spec.limits.maxRows", Words("expected numeric", "valid integer"), put("spec.limits.maxRows", "100")),
]

MODELS = [
    bad("ModelService: name begins with a digit", model_service(name="1st-step"), "metadata.name", NAME),
    _model("no features", "spec.features", EMPTY, put("spec.features", [])),
    _model("one feature twice", "spec.features", "listed twice; remove one", add("spec.features", model_service()["spec"]["features"][0])),
    _model("number without a scale", "spec.features[]", "a Number needs min and max", drop("spec.features.1.max")),
    _model("category with a scale", "spec.features[]", "a Category has neither", put("spec.features.0.min", 1)),
    _model("scale upside down", "spec.features[].max", "must be greater than min", put("spec.features.1.max", 1800)),
    _model("encoding that nobody knows", "spec.features[1].encoding", ONE_OF, put("spec.features.1.encoding", "Text")),
    _model("no callers", "spec.callers", EMPTY, put("spec.callers", [])),
    _model(
        "one caller twice",
        "spec.callers",
        "listed twice; remove one",
        add("spec.callers", {"department": "benefits", "client": "benefits-app"}),
    ),
    _model("every caller", "spec.callers[0].client", PATTERN, put("spec.callers.0.client", "*")),
    _model("no purpose", "spec.purpose", REQUIRED, drop("spec.purpose")),
    _model(
        "chance decides more than the model",
        "spec.learning.floor",
        "lower one of the two",
        put("spec.learning", {"floor": 0.1, "maxActions": 20}),
    ),
    _model("feature space that is no power of two", "spec.learning.slots", ONE_OF, put("spec.learning.slots", 65)),
    _model("no exploration", "spec.learning.floor", TOO_LOW, put("spec.learning.floor", 0)),
    _model("nothing but chance", "spec.learning.floor", TOO_HIGH, put("spec.learning.floor", 1)),
    _model("learner that nobody has", "spec.learning.shape", ONE_OF, put("spec.learning.shape", "Deep")),
    _model("half an action", "spec.learning.maxActions", Words("integer", "valid integer"), put("spec.learning.maxActions", 2.5)),
    _model("pickled model smuggled in", "spec.artifact", UNKNOWN, put("spec.artifact", "model.pkl")),
]

BAD = [*DEPARTMENTS, *PRODUCTS, *POLICIES, *MODELS, *IN_FULL]
