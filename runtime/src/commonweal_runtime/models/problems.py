"""Every way the model runtime says no, and the form in which it does under either of its two interfaces."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

from litestar import Request, Response

from commonweal_api.plan import ModelEntry
from commonweal_runtime.exceptions import InferenceRequestError, ProblemError
from commonweal_runtime.models.bodies import MOST_BYTES
from commonweal_runtime.models.features import name_of
from commonweal_runtime.problems import invalid_request
from commonweal_runtime.serving import NO_STORE, json_answer, problem_response
from commonweal_runtime.tokens import Client

_RETRY = MappingProxyType({"Retry-After": "2"})


def response(request: Request[Any, Any, Any], problem: ProblemError) -> Response[bytes]:
    """Return problem details, or under its own path what the Open Inference Protocol has in their place."""
    if not request.url.path.startswith("/v2"):
        return problem_response(problem)
    text = f"{problem.detail} {problem.remedy}".rstrip()
    return json_answer({"error": text}, problem.status, headers={**NO_STORE, **problem.headers})


def infer_error(error: InferenceRequestError) -> ProblemError:
    """Return the problem of a tensor; its text holds the remedy already."""
    return invalid_request(str(error), "")


def too_large() -> ProblemError:
    detail = f"The body has more than {MOST_BYTES} bytes."
    return ProblemError(413, "BodyTooLarge", "Request too large", detail, "Offer fewer actions, or describe them by fewer features.")


def store_unavailable() -> ProblemError:
    """Return the refusal while the log cannot be written: a decision that is not logged is not answered."""
    detail = "The store of decisions is away."
    return ProblemError(503, "StoreUnavailable", "Store away", detail, "Offer the first action, and try again in a few seconds.", _RETRY)


def caller_not_listed(model: str, client: str) -> ProblemError:
    detail = f"The model {model} does not list {client} among its callers."
    return ProblemError(
        403, "CallerNotListed", "Caller not listed", detail, "Ask the model's department to add the client to spec.callers."
    )


def caller_not_agreed(entry: ModelEntry, client: Client) -> ProblemError:
    """Return the refusal of what says something of values, to a caller that could not read those itself."""
    spec = entry.spec
    products = sorted({f"{f.department}/{f.product}" for f in spec.features})
    fields = ", ".join(name_of(f) for f in spec.features)
    detail = f"No agreement in force names {client} over all that the model {entry.name} reads: {fields}."
    remedy = (
        f"Have the client added to spec.consumer.clients of agreements for {client.department} over {', '.join(products)}, with the purpose {spec.purpose} and "
        "these fields; CallersAgreed of the ModelService shows the rest. A caller of the model's own department may rank and reward without."
    )
    return ProblemError(403, "CallerNotAgreed", "Caller not agreed", detail, remedy)


def unknown_model(department: str, name: str) -> ProblemError:
    detail = f"The department {department} serves no model {name}."
    return ProblemError(
        404, "UnknownModel", "No such model", detail, "See kubectl get modelservices for what is served, and its conditions."
    )


def unknown_version(model: str, current: str) -> ProblemError:
    detail = f"The model {model} is at version {current}; a model that learns keeps only its latest version."
    return ProblemError(
        404, "UnknownVersion", "No such version", detail, "Leave /versions/... out, or use the version that the metadata name."
    )


def unknown_event(event: str) -> ProblemError:
    """Return the refusal of an event that was never ranked."""
    detail = f"eventId: the model has decided nothing on the event {event}."
    return ProblemError(404, "UnknownEvent", "No such event", detail, "Rank first, then send the reward with the same eventId.")


def event_conflict() -> ProblemError:
    detail = "eventId: this event was ranked before with another body or by another caller."
    return ProblemError(409, "EventConflict", "Event already decided", detail, "Send the same body again, or choose a new eventId.")


def reward_conflict() -> ProblemError:
    detail = "value: this event was rewarded before with another value."
    return ProblemError(409, "RewardConflict", "Event already rewarded", detail, "A reward is final: send the same value, or none.")


def too_many_actions(known: int, unknown: int) -> ProblemError:
    detail = f"actions: the model knows {known} actions already and has no room for {unknown} more."
    remedy = "Offer actions it knows, take fewer slots, or use the shape Shared."
    return ProblemError(409, "TooManyActions", "Too many different actions", detail, remedy)
