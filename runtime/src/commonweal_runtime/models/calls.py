"""Who calls a model, and what the caller may be told: decided before anything is read, from the ModelService and the agreements that name the caller."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from commonweal_api.model_service import Caller
from commonweal_runtime.models.loaded_model import LoadedModel
from commonweal_runtime.models.problems import caller_not_agreed, caller_not_listed
from commonweal_runtime.tokens import Client


@dataclass(frozen=True, slots=True)
class Call:
    """One caller of one model. `values`: it could read all that the model reads itself, so it may be told what follows from that."""

    model: LoadedModel
    caller: Client
    values: bool


def call_of(model: LoadedModel, client: Client) -> Call:
    """Return the call, or raise why the model does not answer this client at all."""
    entry = model.entry
    if not _named(entry.spec.callers, client):
        raise caller_not_listed(entry.name, str(client))
    values = _named(entry.agreed, client)
    if not values and client.department != model.department:
        raise caller_not_agreed(entry, client)
    return Call(model, client, values)


def _named(callers: Iterable[Caller], client: Client) -> bool:
    # No Caller is made of the client: an account's name can be one that no ModelService can list, and is then listed by none.
    return any((c.department, c.client) == (client.department, client.client) for c in callers)


def for_values(call: Call) -> LoadedModel:
    """Return the model for what says something of values, or raise why this caller is not told it."""
    if not call.values:
        raise caller_not_agreed(call.model.entry, call.caller)
    return call.model
