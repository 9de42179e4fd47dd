"""What operations of the OpenAPI document are made of: parameters, headers, schemas of refusals, and the operation itself.

A refusal's example is the refusal: the very ProblemError that the code raises.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, get_args

from commonweal_runtime import serving
from commonweal_runtime.audit import service as audit
from commonweal_runtime.data_api import problems
from commonweal_runtime.data_api.complaints import ComplaintState
from commonweal_runtime.data_api.requests import LONGEST_BODY
from commonweal_runtime.exceptions import ProblemError
from commonweal_runtime.linkage.problems import no_linkage
from commonweal_runtime.problems import MEDIA_TYPE, invalid_request, keys_unavailable, token_invalid, token_missing
from commonweal_runtime.turns import too_many_at_once

Schema = dict[str, Any]

UUID: Schema = {"type": "string", "format": "uuid"}
MOMENT: Schema = {"type": "string", "format": "date-time"}
TEXT: Schema = {"type": "string"}
SAID: Schema = {
    "type": "object",
    "description": "A text for people, in English, and in Welsh (cy) where the department gives it.",
    "required": ["en"],
    "additionalProperties": False,
    "properties": {"en": TEXT, "cy": TEXT},
}


def said(text: str) -> dict[str, Any]:
    """Return the schema of a text for people that can be missing, with what it is."""
    return {**SAID, "type": ["object", "null"], "description": f"{text} In English, and in Welsh (cy) where there is Welsh."}


EXAMPLE_ID = "0b1de9ac-5f3c-8a7e-9d42-6a0c0e1f2a3b"

_EXAMPLES: tuple[ProblemError, ...] = (
    invalid_request(
        "The subject in the address is not a UUID.", "Write a pairwise id of this department as 8-4-4-4-12 hexadecimal digits."
    ),
    token_missing(),
    token_invalid("The token has expired.", "Ask for a new token; projected ServiceAccount tokens are renewed in their file."),
    problems.no_agreement("tax/assess"),
    problems.purpose_missing(),
    problems.purpose_not_agreed(["tax/assess-credit"]),
    problems.field_not_agreed(["income"], ["fullName", "birthYear"]),
    problems.agreement_expired("people-tax"),
    problems.agreement_not_begun("people-tax"),
    problems.caller_missing(),
    problems.caller_not_accepted("tax/app"),
    problems.caller_not_agreed("health/app", "people", ["income"], "The client health/app has no agreement on this product."),
    problems.not_found(),
    problems.not_delegated(),
    problems.no_registrar(),
    problems.no_consent_to_decide(),
    problems.delegation_not_possible(),
    problems.nothing_to_erase(),
    serving.too_slow(),
    serving.too_large(LONGEST_BODY),
    problems.frequency_limit(3600),
    problems.rate_limit(20),
    problems.saying_limit(3600),
    serving.fault("data API"),
    problems.store_unavailable(),
    keys_unavailable("https://people.example"),
    problems.consent_feed_stale(),
    problems.quality_stopped(),
    problems.source_unavailable(),
    problems.answers_pending(),
    problems.department_moving(),
    problems.department_moved("https://registry.cloud.example"),
    no_linkage(),
    problems.link_frozen(),
    problems.link_ended(),
    problems.link_not_offered(),
    problems.link_not_possible(),
    problems.not_linked(),
    problems.sign_in_too_weak(["substantial"]),
    problems.ticket_void(),
    problems.wrong_code(3),
    problems.code_not_sent(),
    problems.decision_not_possible(),
    audit.no_such_row(),
    audit.not_sealed_yet(),
    audit.not_permitted(),
    audit.proof_broken("The row is not what was sealed."),
    too_many_at_once(16),
)
PROBLEMS: Mapping[str, ProblemError] = {problem.reason: problem for problem in _EXAMPLES}
TOKEN = ("TokenMissing", "TokenInvalid", "IssuerUnavailable")
ALWAYS = ("InvalidRequest", "Fault")
BODY = ("BodyTooSlow", "BodyTooLarge")

PROBLEM: Schema = {
    "type": "object",
    "description": "RFC 9457 problem details. `reason` is stable; `remedy` says what to do next.",
    "required": ["type", "title", "status", "detail", "reason", "remedy"],
    "additionalProperties": False,
    "properties": {
        "type": {"type": "string", "format": "uri"},
        "title": TEXT,
        "status": {"type": "integer"},
        "detail": TEXT,
        "reason": TEXT,
        "remedy": TEXT,
    },
}
HEADERS: Mapping[str, Schema] = {
    "X-Request-Id": {"description": "The request's id, yours if you sent one. It is in the department's log.", "schema": TEXT},
    "ETag": {"description": "Strong tag over the body; send it as If-None-Match to get 304 while nothing has changed.", "schema": TEXT},
    "Cache-Control": {"description": "no-store for whatever is about people.", "schema": TEXT},
    "Product-Version": {"description": "Semantic version of the contract that the answer follows.", "schema": TEXT},
    "Retry-After": {"description": "Seconds to wait.", "schema": {"type": "string", "pattern": "^[0-9]+$"}},
    "WWW-Authenticate": {"description": "RFC 6750.", "schema": TEXT},
}


def parameter(name: str, where: str, schema: Schema, text: str, *, required: bool = False, example: object = None) -> Schema:
    """Return a parameter."""
    shown = {} if example is None else {"example": example}
    return {"name": name, "in": where, "required": required, "schema": schema, "description": text, **shown}


_NUMBER: Schema = {"type": "string", "pattern": "^[0-9]{1,18}$"}
PARAMETERS: Mapping[str, Schema] = {
    "subject": parameter("subject", "path", UUID, "The department's pairwise id of the person.", required=True, example=EXAMPLE_ID),
    "agreement": parameter("agreement", "path", TEXT, "Name of the agreement.", required=True, example="people-tax"),
    "product": parameter("product", "path", TEXT, "Name of the product.", required=True, example="people"),
    "reference": parameter(
        "reference", "path", {"type": "string", "minLength": 1, "maxLength": 200}, "Your own reference.", required=True, example="case-4711"
    ),
    "delegation": parameter("delegation", "path", UUID, "`id` of a delegation.", required=True, example=EXAMPLE_ID),
    "complaint": parameter("complaint", "path", UUID, "`id` of a complaint.", required=True, example=EXAMPLE_ID),
    "state": parameter(
        "state", "query", {"type": "string", "enum": list(get_args(ComplaintState))}, "Only those in this state.", example="Open"
    ),
    "case": parameter("case", "path", UUID, "`id` of a case.", required=True, example=EXAMPLE_ID),
    "use": parameter("use", "path", _NUMBER, "`id` of a use.", required=True, example="4711"),
    "event": parameter("event", "path", _NUMBER, "`event` of a receipt.", required=True, example="4711"),
    "Purpose": parameter(
        "Purpose",
        "header",
        {"type": "string", "maxLength": 104},
        "department/purpose, one of the agreed ones.",
        required=True,
        example="tax/assess",
    ),
    "Caller": parameter(
        "Caller",
        "header",
        {"type": "string", "maxLength": 104},
        "The service that a model runtime answers, as department/client; taken of model runtimes only.",
        example="tax/app",
    ),
    "Caller-Gets": parameter(
        "Caller-Gets",
        "header",
        {"type": "string", "enum": ["Decision", "Values"]},
        "Decision: a caller of the runtime's department is told a choice and nothing else. Values: the caller must be named in an agreement itself.",
    ),
    "On-Behalf-Of": parameter(
        "On-Behalf-Of", "header", UUID, "Who it is about, when not yourself: a person for whose affairs you may act."
    ),
    "If-None-Match": parameter("If-None-Match", "header", TEXT, "ETags of bodies that you have."),
    "X-Request-Id": parameter(
        "X-Request-Id", "header", {"type": "string", "maxLength": 64}, "Your id of the request: letters, digits, . _ -"
    ),
    "fields": parameter("fields", "query", TEXT, "Only these of the agreed fields, comma-separated.", example="fullName"),
    "after": parameter("after", "query", UUID, "`next` of the page before."),
    "limit": parameter("limit", "query", {"type": "integer", "minimum": 1, "maximum": 1000}, "Most items; an agreement can set fewer."),
    "cursor": parameter("after", "query", TEXT, "`after` of the last line of the part before."),
    "entry": parameter("after", "query", {"type": "string", "pattern": "^[0-9]{1,18}$"}, "The entry that was read last.", required=True),
    "seal": parameter("after", "query", _NUMBER, "`next` of the page before."),
    "before": parameter("before", "query", _NUMBER, "`next` of the page before."),
    "earlier": parameter("before", "query", MOMENT, "`next` of the page before."),
    "about": parameter("subject", "query", UUID, "Who it is about.", required=True, example=EXAMPLE_ID),
}


def ref(kind: str, name: str) -> Schema:
    """Return a reference to a component."""
    return {"$ref": f"#/components/{kind}/{name}"}


def page_of(item: Schema, following: Schema) -> Schema:
    """Return the schema of one page of a list."""
    return record({"items": {"type": "array", "items": item}, "next": following}, "items", "next")


def record(properties: Schema, *required: str, **more: Any) -> Schema:
    """Return the schema of an object that has no other members."""
    return {
        "type": "object",
        **({"required": list(required)} if required else {}),
        "additionalProperties": False,
        "properties": properties,
        **more,
    }


def operation(
    name: str,
    summary: str,
    answer: Schema | None,
    *,
    tag: str,
    reasons: Iterable[str] = (),
    who: str | None = None,
    parameters: Iterable[str] = (),
    body: Schema | None = None,
    status: int = 200,
    read: bool = True,
    versioned: bool = False,
    media_type: str = serving.JSON,
) -> Schema:
    """Return an operation with all that it can answer. `who` names the security scheme; `read`: it answers with an ETag and to If-None-Match. `answer` is None where there is no body."""
    wanted = [*parameters, *(["If-None-Match"] if read else []), "X-Request-Id"]
    headers = ["X-Request-Id", "Cache-Control", *(["ETag"] if read else []), *(["Product-Version"] if versioned else [])]
    content = {"content": {media_type: {"schema": answer}}} if answer is not None else {}
    answers: dict[str, Schema] = {str(status): {"description": "What was asked for.", "headers": _headers(headers), **content}}
    if read:
        answers["304"] = {"description": "You have it already; the use is recorded all the same.", "headers": _headers(headers)}
    refused = [*ALWAYS, *reasons, *(TOKEN if who else ()), *(BODY if body is not None else ())]
    return {
        "operationId": name,
        "summary": summary,
        "tags": [tag],
        "security": [{who: []}] if who else [],
        "parameters": [ref("parameters", p) for p in wanted],
        **({"requestBody": {"required": True, "content": {serving.JSON: {"schema": body}}}} if body is not None else {}),
        "responses": {**answers, **_refusals(refused)},
    }


def _headers(names: Iterable[str]) -> Schema:
    return {name: ref("headers", name) for name in names}


def _refusals(reasons: Iterable[str]) -> dict[str, Schema]:
    by_status: dict[int, list[str]] = {}
    for reason in dict.fromkeys(reasons):
        by_status.setdefault(PROBLEMS[reason].status, []).append(reason)
    return {str(status): _refusal(found) for status, found in sorted(by_status.items())}


def _refusal(reasons: list[str]) -> Schema:
    sent = {header for reason in reasons for header in PROBLEMS[reason].headers} & set(HEADERS)
    schema = {"allOf": [ref("schemas", "Problem"), {"properties": {"reason": {"enum": reasons}}}]}
    examples = {reason: ref("examples", reason) for reason in reasons}
    return {
        "description": "; ".join(f"{reason}: {PROBLEMS[reason].title}" for reason in reasons) + ".",
        "headers": _headers(["X-Request-Id", "Cache-Control", *sorted(sent)]),
        "content": {MEDIA_TYPE: {"schema": schema, "examples": examples}},
    }


def components(schemas: Mapping[str, Schema]) -> Schema:
    """Return the components that operations refer to."""
    bearer = {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
    return {
        "schemas": {"Problem": PROBLEM, **schemas},
        "parameters": dict(PARAMETERS),
        "headers": dict(HEADERS),
        "examples": {reason: {"summary": p.title, "value": p.document()} for reason, p in PROBLEMS.items()},
        "securitySchemes": {
            "client": {**bearer, "description": "A ServiceAccount token with this department as its audience."},
            "site": {**bearer, "description": "Made by another site of this department from the key that both have."},
            "person": {**bearer, "description": "A person's token of the people's issuer for this department."},
        },
    }
