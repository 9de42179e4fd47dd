"""What an API server with our definitions would refuse, in its words: the definitions' own schemas, their defaults and their rules in CEL, run by Google's library for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from functools import cache
from typing import Any

from cel_expr_python import cel
from cel_expr_python.ext import ext_strings
from google.protobuf.timestamp_pb2 import Timestamp  # type: ignore[import-untyped]
from pydantic_core import SchemaValidator, core_schema

from commonweal_api import KINDS
from commonweal_api.common import API_VERSION, GROUP
from commonweal_api.schema import RULES, Schema, root
from commonweal_cli.dev.places import Body
from commonweal_kube.exceptions import ApiError
from commonweal_operator.kinds.reading import read

# Words of CEL that cannot name a member; a schema's rules write them between underscores.
_RESERVED = frozenset(
    [
        "true",
        "false",
        "null",
        "in",
        "as",
        "break",
        "const",
        "continue",
        "else",
        "for",
        "function",
        "if",
        "import",
        "let",
        "loop",
        "package",
        "namespace",
        "return",
        "var",
        "void",
        "while",
    ]
)
_TYPES: Mapping[str, type | tuple[type, ...]] = {
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "array": list,
    "object": dict,
}
_CALLED = {"integer": "numeric (int or float)", "number": "numeric (int or float)", "array": "list", "object": "map"}
_SELF, _OLD = "self", "oldSelf"


def admit(new: Body, old: Body | None) -> Body:
    """Return an object of ours with its defaults filled in, and any other as it is. Raises ApiError, 422, where it would be refused."""
    if new.get("apiVersion") != API_VERSION:
        return new
    schema = _roots()[new["kind"]]
    filled: Body = {**new, "spec": _filled(new["spec"], schema["properties"]["spec"])} if isinstance(new.get("spec"), dict) else new
    refused = list(_broken(filled, schema, "")) or list(_against_rules(filled, old, schema, "", cache(lambda: _told_by_models(filled))))
    if refused:
        told = refused[0] if len(refused) == 1 else f"[{', '.join(refused)}]"
        raise ApiError(422, {"reason": "Invalid", "message": f'{new["kind"]}.{GROUP} "{new["metadata"]["name"]}" is invalid: {told}'})
    return filled


@cache
def _roots() -> Mapping[str, Schema]:
    """Return the schema of each kind, but for metadata beyond the name and for the status, which no file says."""
    found = {}
    for kind in KINDS:
        schema = root(kind)
        found[kind.__name__] = {
            **schema,
            "properties": {key: value for key, value in schema["properties"].items() if key not in ("metadata", "status")},
        }
    return found


def _filled(value: Any, schema: Schema) -> Any:
    """Return a value with what the schema says for what is left out."""
    if isinstance(value, dict):
        properties = schema.get("properties", {})
        missing = {key: child["default"] for key, child in properties.items() if key not in value and "default" in child}
        each = schema.get("additionalProperties", {})
        return {key: _filled(child, properties.get(key, each)) for key, child in {**value, **missing}.items()}
    if isinstance(value, list):
        return [_filled(child, schema.get("items", {})) for child in value]
    return value


# The schema --------------------------------------------------------------------------------------------------------


def _broken(value: Any, schema: Schema, path: str) -> Iterator[str]:
    kind = schema["type"]
    if not isinstance(value, _TYPES[kind]) or (isinstance(value, bool) and kind != "boolean"):
        if isinstance(value, float) and kind == "integer":
            yield f'{path}: Invalid value: "number": {path} in body must be of type integer: "number"'
        elif path:
            yield f".{path}: expected {_CALLED.get(kind, kind)}, got {_named(value)}"
        return
    if isinstance(value, dict):
        yield from _object(value, schema, path)
    elif isinstance(value, list):
        yield from _list(value, schema, path)
    else:
        yield from (f"{path}: {text}" for text in _scalar(value, schema, path))


def _object(value: Body, schema: Schema, path: str) -> Iterator[str]:
    at = f"{path}." if path else ""
    yield from (f"{at}{key}: Required value" for key in schema.get("required", ()) if key not in value)
    if "maxProperties" in schema and len(value) > schema["maxProperties"]:
        yield f"{path}: Too many: {len(value)}: must have at most {schema['maxProperties']} items"
    for key, child in value.items():
        node = schema.get("properties", {}).get(key, schema.get("additionalProperties"))
        if node is not None:
            yield from _broken(child, node, f"{at}{key}")
        elif path:
            yield f".{at}{key}: field not declared in schema"


def _list(value: list[Any], schema: Schema, path: str) -> Iterator[str]:
    if len(value) > schema.get("maxItems", len(value)):
        yield f"{path}: Too many: {len(value)}: must have at most {schema['maxItems']} items"
    if len(value) < schema.get("minItems", 0):
        yield f"{path}: Invalid value: {len(value)}: {path} in body should have at least {schema['minItems']} items"
    for i, child in enumerate(value):
        yield from _broken(child, schema["items"], f"{path}[{i}]")


def _scalar(value: Any, schema: Schema, path: str) -> Iterator[str]:
    if "enum" in schema and value not in schema["enum"]:
        yield f'Unsupported value: "{value}": supported values: {", ".join(f"{word!r}" for word in schema["enum"])}'.replace("'", '"')
    if isinstance(value, str):
        yield from _text(value, schema, path)
    elif not isinstance(value, bool):
        yield from _number(value, schema, path)


def _text(value: str, schema: Schema, path: str) -> Iterator[str]:
    shown = f'Invalid value: "{value}": {path} in body'
    if len(value) > schema.get("maxLength", len(value)):
        yield f"Too long: may not be more than {schema['maxLength']} bytes"
    if len(value) < schema.get("minLength", 0):
        yield f"{shown} should be at least {schema['minLength']} chars long"
    if "pattern" in schema and not _matches(schema["pattern"], value):
        yield f"{shown} should match '{schema['pattern']}'"
    if schema.get("format") in ("date-time", "date") and not _is_moment(value):
        yield f"{shown} must be of type {schema['format']}"


def _number(value: float, schema: Schema, path: str) -> Iterator[str]:
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None and (value < low or (value == low and schema.get("exclusiveMinimum"))):
        yield f"Invalid value: {value}: {path} in body should be greater than {'' if schema.get('exclusiveMinimum') else 'or equal to '}{low}"
    if high is not None and (value > high or (value == high and schema.get("exclusiveMaximum"))):
        yield f"Invalid value: {value}: {path} in body should be less than {'' if schema.get('exclusiveMaximum') else 'or equal to '}{high}"


@cache
def _pattern(pattern: str) -> SchemaValidator:
    # The engine that the models use: it reads the same expressions as the API server's, which Python's own does not.
    return SchemaValidator(core_schema.str_schema(pattern=pattern))


def _matches(pattern: str, value: str) -> bool:
    return bool(_pattern(pattern).isinstance_python(value))


def _is_moment(value: str) -> bool:
    try:
        datetime.fromisoformat(value)
    except ValueError:
        return False
    return True


def _named(value: Any) -> str:
    if value is None:
        return "null"
    return next(name for name in ("boolean", "string", "integer", "number", "array", "object") if isinstance(value, _TYPES[name]))


# The rules ---------------------------------------------------------------------------------------------------------


def _against_rules(value: Any, old: Any, schema: Schema, path: str, told: Callable[[], str]) -> Iterator[str]:
    """Yield what each rule says that does not hold; a rule about a change holds where nothing was before."""
    for rule in schema.get(RULES, ()):
        about_change = _OLD in rule["rule"]
        if about_change and old is None:
            continue
        given = {_SELF: _spoken(value, schema), **({_OLD: _spoken(old, schema)} if about_change else {})}
        if not _holds(rule, given, told):
            yield f"{path or '<nil>'}: Invalid value: {rule['message']}"
    for child, before, node, at in _below(value, old, schema, path):
        yield from _against_rules(child, before, node, at, told)


def _below(value: Any, old: Any, schema: Schema, path: str) -> Iterator[tuple[Any, Any, Schema, str]]:
    """Yield each member with what it was before, its schema and its path. What stands in a list has no member that it was before."""
    if isinstance(value, list):
        yield from ((child, None, schema["items"], f"{path}[{i}]") for i, child in enumerate(value))
    if not isinstance(value, dict):
        return
    for key, child in value.items():
        node = schema.get("properties", {}).get(key, schema.get("additionalProperties"))
        if node is not None:
            yield child, old.get(key) if isinstance(old, dict) else None, node, f"{path}.{key}" if path else key


def _holds(rule: Mapping[str, str], given: Mapping[str, Any], told: Callable[[], str]) -> bool:
    """Return whether a rule holds. The library gives up where lists are long; then the models say, which hold the same rules."""
    try:
        return bool(_rule(rule["rule"]).eval(data=given).value())
    except RuntimeError as error:
        if "budget" not in str(error):
            raise
    return rule["message"] not in told()


def _told_by_models(body: Body) -> str:
    return read({**body, "metadata": {"resourceVersion": "0", "uid": "", **body["metadata"]}}, None).invalid


def _spoken(value: Any, schema: Schema | None) -> Any:
    """Return a value as the rules' language has it: moments and numbers by their type, and members by names that it can say."""
    if isinstance(value, dict):
        properties, each = (schema or {}).get("properties", {}), (schema or {}).get("additionalProperties")
        return {f"__{key}__" if key in _RESERVED else key: _spoken(child, properties.get(key, each)) for key, child in value.items()}
    if isinstance(value, list):
        return [_spoken(child, (schema or {}).get("items")) for child in value]
    if schema is not None and schema.get("format") in ("date-time", "date") and isinstance(value, str):
        moment = Timestamp()
        moment.FromDatetime(datetime.fromisoformat(value))
        return moment
    return float(value) if schema is not None and schema.get("type") == "number" else value


@cache
def _language() -> Any:
    """Return CEL as the API server has it: with the functions on texts, and the sum of a list."""
    summed = cel.Overload(id="list_sum", return_type=cel.Type.INT, parameters=[cel.Type.List(cel.Type.DYN)], is_member=True, impl=sum)
    variables = {_SELF: cel.Type.DYN, _OLD: cel.Type.DYN}
    return cel.NewEnv(variables=variables, extensions=[ext_strings.ExtStrings()], functions=[cel.FunctionDecl("sum", [summed])])


@cache
def _rule(text: str) -> Any:
    return _language().compile(text)
