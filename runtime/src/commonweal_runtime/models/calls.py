"""Who calls a model, and what the caller may be told: decided before anything is read, from the ModelService and the agreements that name the caller."""

from __future__ import annotations

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
    caller, entry = Caller(department=client.department, client=client.client), model.entry
    if caller not in entry.spec.callers:
        raise caller_not_listed(entry.name, str(client))
    values = caller in entry.agreed
    if not values and client.department != model.department:
        raise caller_not_agreed(entry, str(client))
    return Call(model, client, values)


def for_values(call: Call) -> LoadedModel:
    """Return the model for what says something of values, or raise why this caller is not told it."""
    if not call.values:
        raise caller_not_agreed(call.model.entry, str(call.caller))
    return call.model
