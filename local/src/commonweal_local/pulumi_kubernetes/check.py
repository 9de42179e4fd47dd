"""Check: what is wrong with an object before anything is created, and what its inputs really are. Pure."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from commonweal_local.pulumi_kubernetes.objects import READ_ONLY_METADATA, Object, from_token
from commonweal_local.pulumi_kubernetes.values import Secret, Unknown, has_unknowns, plain

SECRET_FIELDS = ("data", "stringData")


@dataclass(frozen=True)
class Failure:
    """One thing wrong: the property at fault, and a reason that says what to do."""

    field: str
    reason: str


def check(token: str, news: Mapping[str, Any], *, namespace: str = "", namespaced: bool | None = None) -> tuple[Object, list[Failure]]:
    """Return the inputs to keep and what is wrong with them.

    `namespace` is the provider's default, put in where the kind is namespaced (or, for a kind that is not served yet, may be) and the
    program names none. `data` and `stringData` of a Secret become secret, whether or not the program marked them.
    """
    api_version, kind = from_token(token)
    inputs = {"apiVersion": api_version, "kind": kind, **news}
    failures = [*_type_failures(inputs, api_version, kind), *_name_failures(inputs)]
    if failures:
        return inputs, failures
    metadata = {key: value for key, value in _metadata(inputs).items() if key not in READ_ONLY_METADATA}
    if namespaced is False:
        metadata.pop("namespace", None)
    elif namespace and not metadata.get("namespace"):
        metadata["namespace"] = namespace
    inputs["metadata"] = metadata
    return (_hide(inputs) if (api_version, kind) == ("v1", "Secret") else inputs), []


def _metadata(inputs: Mapping[str, Any]) -> Object:
    metadata = inputs.get("metadata")
    metadata = metadata.value if isinstance(metadata, Secret) else metadata
    return dict(metadata) if isinstance(metadata, Mapping) else {}


def _type_failures(inputs: Mapping[str, Any], api_version: str, kind: str) -> list[Failure]:
    wanted = {"apiVersion": api_version, "kind": kind}
    return [
        Failure(field, f"{field} is {plain(inputs[field])!r}, but the resource's type says {value!r}: make the two agree.")
        for field, value in wanted.items()
        if plain(inputs[field]) != value
    ]


def _name_failures(inputs: Mapping[str, Any]) -> list[Failure]:
    metadata = inputs.get("metadata")
    if isinstance(metadata, Unknown):
        return []
    fields = _metadata(inputs)
    if fields.get("generateName"):
        return [Failure("metadata.generateName", "generateName does not go with server-side apply: set metadata.name instead.")]
    if not fields.get("name"):
        return [
            Failure(
                "metadata.name",
                "The object has no name, and names are not made up here, so that two sites can be compared: set metadata.name.",
            )
        ]
    return []


def _hide(inputs: Object) -> Object:
    """Return a Secret's inputs with all values in `data`, marked secret: `stringData` is never read back, so drift could not be seen in it."""
    data, text = plain(inputs.get("data", {})), plain(inputs.get("stringData", {}))
    if has_unknowns(data) or has_unknowns(text):
        return {key: Secret(plain(value)) if key in SECRET_FIELDS else value for key, value in inputs.items()}
    encoded = {key: base64.b64encode(str(value).encode()).decode() for key, value in text.items()}
    kept = {key: value for key, value in inputs.items() if key not in SECRET_FIELDS}
    return {**kept, "data": Secret({**data, **encoded})} if data or encoded else kept
