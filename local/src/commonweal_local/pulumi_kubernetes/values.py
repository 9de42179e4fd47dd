"""Pulumi's property values as plain Python data, and back.

Numbers come as floats and go back to integers where they are whole; `null` counts as absent, since an input that was set to None in a
program arrives that way and the API server would drop it too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from google.protobuf import struct_pb2  # type: ignore[import-untyped]
from pulumi.runtime import rpc

SIGNATURE: Final = rpc._special_sig_key  # noqa: SLF001 - the wire format's constants have no public name
SECRET: Final = rpc._special_secret_sig  # noqa: SLF001
OUTPUT: Final = rpc._special_output_value_sig  # noqa: SLF001
UNKNOWN_STRINGS: Final = frozenset({rpc.UNKNOWN, "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7", "3eeb2bf0-c639-47a8-9e75-3b44932eb421"})

DASHED: Final = {
    key.replace("-", "_"): key
    for key in (
        "x-kubernetes-embedded-resource",
        "x-kubernetes-int-or-string",
        "x-kubernetes-list-map-keys",
        "x-kubernetes-list-type",
        "x-kubernetes-map-type",
        "x-kubernetes-preserve-unknown-fields",
        "x-kubernetes-validations",
    )
}
UNDERSCORED: Final = {dashed: underscored for underscored, dashed in DASHED.items()}


class Unknown:
    """A value that is not known before the update has run."""

    def __repr__(self) -> str:
        return "unknown"


UNKNOWN: Final = Unknown()


@dataclass(frozen=True)
class Secret:
    """A value that the engine encrypts in the state; its text form hides it."""

    value: Any

    def __repr__(self) -> str:
        return "Secret(…)"


def decode(value: struct_pb2.Value) -> Any:
    """Return the Python form of a property value, with `Secret` and `UNKNOWN` kept."""
    kind = value.WhichOneof("kind")
    if kind == "struct_value":
        return _decode_struct(value.struct_value)
    if kind == "list_value":
        return [decode(item) for item in value.list_value.values]
    if kind == "number_value":
        return int(value.number_value) if value.number_value.is_integer() else value.number_value
    if kind == "string_value":
        return UNKNOWN if value.string_value in UNKNOWN_STRINGS else value.string_value
    return value.bool_value if kind == "bool_value" else None


def _decode_struct(struct: struct_pb2.Struct) -> Any:
    signature = struct.fields[SIGNATURE].string_value if SIGNATURE in struct.fields else ""
    if signature == SECRET:
        return Secret(decode(struct.fields["value"]))
    if signature == OUTPUT:
        inner = decode(struct.fields["value"]) if "value" in struct.fields else UNKNOWN
        return Secret(inner) if struct.fields["secret"].bool_value else inner
    if signature:
        raise ValueError("Assets, archives and resource references have no place in a Kubernetes object: give their text or id instead.")
    return {DASHED.get(key, key): item for key, item in ((k, decode(v)) for k, v in struct.fields.items()) if item is not None}


def properties(struct: struct_pb2.Struct) -> dict[str, Any]:
    """Return a message's properties; an absent message is an empty mapping."""
    return {DASHED.get(key, key): item for key, item in ((k, decode(v)) for k, v in struct.fields.items()) if item is not None}


def encode(value: Any) -> struct_pb2.Value:
    """Return the property value of Python data."""
    if isinstance(value, Secret):
        fields = {SIGNATURE: struct_pb2.Value(string_value=SECRET), "value": encode(value.value)}
        return struct_pb2.Value(struct_value=struct_pb2.Struct(fields=fields))
    if isinstance(value, Unknown):
        return struct_pb2.Value(string_value=rpc.UNKNOWN)
    if isinstance(value, Mapping):
        return struct_pb2.Value(struct_value=message(value))
    if isinstance(value, list | tuple):
        return struct_pb2.Value(list_value=struct_pb2.ListValue(values=[encode(item) for item in value]))
    return _encode_scalar(value)


def _encode_scalar(value: Any) -> struct_pb2.Value:
    if value is None:
        return struct_pb2.Value(null_value=struct_pb2.NullValue.NULL_VALUE)
    if isinstance(value, bool):
        return struct_pb2.Value(bool_value=value)
    if isinstance(value, int | float):
        return struct_pb2.Value(number_value=value)
    return struct_pb2.Value(string_value=str(value))


def message(data: Mapping[str, Any]) -> struct_pb2.Struct:
    """Return the message for a mapping. Keys `x-kubernetes-…` go with underscores, as the SDK's types have them."""
    return struct_pb2.Struct(fields={UNDERSCORED.get(key, key): encode(item) for key, item in data.items() if item is not None})


def plain(value: Any) -> Any:
    """Return the value without secret marks, for the API server. Never log it."""
    if isinstance(value, Secret):
        return plain(value.value)
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list | tuple) else value


def has_unknowns(value: Any) -> bool:
    """Return whether any part of the value is not known yet."""
    if isinstance(value, Secret):
        return has_unknowns(value.value)
    if isinstance(value, Mapping):
        return any(has_unknowns(item) for item in value.values())
    return any(has_unknowns(item) for item in value) if isinstance(value, list | tuple) else isinstance(value, Unknown)


def mark_secrets(target: Any, source: Any) -> Any:
    """Return `target` with a secret wherever `source` has one, so that what goes in secret comes out secret."""
    if isinstance(source, Secret):
        return target if isinstance(target, Secret) else Secret(plain(target))
    if isinstance(target, Mapping) and isinstance(source, Mapping):
        return {key: mark_secrets(item, source.get(key)) for key, item in target.items()}
    if isinstance(target, list) and isinstance(source, list):
        rest = [None] * (len(target) - len(source))
        return [mark_secrets(item, mark) for item, mark in zip(target, [*source, *rest], strict=False)]
    return target
