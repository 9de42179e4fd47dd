"""Every way the model runtime says no, and the form in which it does under either of its two interfaces."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

from litestar import Request, Response

from commonweal_runtime.models.bodies import MOST_BYTES
from commonweal_runtime.problems import Problem, invalid_request
from commonweal_runtime.serving import NO_STORE, json_answer, problem_response

_RETRY = MappingProxyType({"Retry-After": "2"})


class InferError(Exception):
    """A request of the Open Inference Protocol that cannot be answered; the text names the tensor and the remedy."""


def response(request: Request[Any, Any, Any], problem: Problem) -> Response[bytes]:
    """Return problem details, or under its own path what the Open Inference Protocol has in their place."""
    if not request.url.path.startswith("/v2"):
        return problem_response(problem)
    text = f"{problem.detail} {problem.remedy}".rstrip()
    return json_answer({"error": text}, problem.status, headers={**NO_STORE, **problem.headers})


def infer_error(error: InferError) -> Problem:
    """Return the problem of a tensor; its text holds the remedy already."""
    return invalid_request(str(error), "")


def too_large() -> Problem:
    detail = f"The body has more than {MOST_BYTES} bytes."
    return Problem(413, "BodyTooLarge", "Request too large", detail, "Offer fewer actions, or describe them by fewer features.")


def store_unavailable() -> Problem:
    """Return the refusal while the log cannot be written: a decision that is not logged is not answered."""
    detail = "The store of decisions is away."
    return Problem(503, "StoreUnavailable", "Store away", detail, "Offer the first action, and try again in a few seconds.", _RETRY)


def caller_not_listed(model: str, client: str) -> Problem:
    detail = f"The model {model} does not list {client} among its callers."
    return Problem(403, "CallerNotListed", "Caller not listed", detail, "Ask the model's department to add the client to spec.callers.")


def unknown_model(department: str, name: str) -> Problem:
    detail = f"The department {department} serves no model {name}."
    return Problem(404, "UnknownModel", "No such model", detail, "See kubectl get modelservices for what is served, and its conditions.")


def unknown_version(model: str, current: str) -> Problem:
    detail = f"The model {model} is at version {current}; a model that learns keeps only its latest version."
    return Problem(404, "UnknownVersion", "No such version", detail, "Leave /versions/... out, or use the version that the metadata name.")


def unknown_event(event: str) -> Problem:
    """Return the refusal of an event that was never ranked."""
    detail = f"eventId: the model has decided nothing on the event {event}."
    return Problem(404, "UnknownEvent", "No such event", detail, "Rank first, then send the reward with the same eventId.")


def event_conflict() -> Problem:
    detail = "eventId: this event was ranked before with another body."
    return Problem(409, "EventConflict", "Event already decided", detail, "Send the same body again, or choose a new eventId.")


def reward_conflict() -> Problem:
    detail = "value: this event was rewarded before with another value."
    return Problem(409, "RewardConflict", "Event already rewarded", detail, "A reward is final: send the same value, or none.")


def too_many_actions(known: int, unknown: int) -> Problem:
    detail = f"actions: the model knows {known} actions already and has no room for {unknown} more."
    remedy = "Offer actions it knows, take fewer slots, or use the shape Shared."
    return Problem(409, "TooManyActions", "Too many different actions", detail, remedy)
