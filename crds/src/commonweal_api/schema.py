"""From a Pydantic model to the structural OpenAPI v3 schema that a CustomResourceDefinition holds.

The reduction refuses what it cannot carry over in full, naming the path: a keyword it does not know, a union other than «or null», and any list, map or
string without a bound (the API server budgets the cost of CEL rules, and a store should never be handed a megabyte where a name was meant).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, NoDefault
from pydantic_core import PydanticUndefined, core_schema

from commonweal_api.common import GROUP, VERSION, Kind
from commonweal_api.exceptions import StructuralSchemaError

Schema = dict[str, Any]
RULES = "x-kubernetes-validations"
_KEPT = (
    "type", "format", "description", "enum", "pattern", "minLength", "maxLength", "minimum", "maximum", "multipleOf",
    "minItems", "maxItems", "minProperties", "maxProperties", "required",
)  # fmt: skip
_ORDER = ("description", "type", "default", *_KEPT[3:])
_EXCLUSIVE = {"exclusiveMinimum": "minimum", "exclusiveMaximum": "maximum"}
_ELSEWHERE = ("title", "$defs", "default", "const", "additionalProperties", "properties", "items")


class _WithFactoryDefaults(GenerateJsonSchema):
    """Pydantic leaves out defaults that come from a factory; the API server has to know them."""

    def get_default_value(self, schema: core_schema.WithDefaultSchema) -> Any:
        factory = schema.get("default_factory", PydanticUndefined)
        if factory is PydanticUndefined:
            return super().get_default_value(schema)
        value = factory()  # type: ignore[call-arg,operator] # none of our factories takes the validated data
        return value.wire() if hasattr(value, "wire") else value or NoDefault


def structural(model: type[BaseModel], root: str = "spec") -> Schema:
    """Return the structural schema of a model that lies under `root`; StructuralSchemaError names the path of what cannot be carried over."""
    full = model.model_json_schema(by_alias=True, schema_generator=_WithFactoryDefaults)
    return _Reduction(full.get("$defs", {})).node(full, f"{model.__name__}.{root}")


class _Reduction:
    """Turns one JSON Schema into a structural one, definitions inlined."""

    def __init__(self, definitions: Mapping[str, Schema]) -> None:
        self._definitions = definitions
        self._open: list[str] = []

    def node(self, source: Schema, path: str) -> Schema:
        if "$ref" in source:
            return self._referred(source, path)
        if "anyOf" in source:
            return self._or_null(source, path)
        result = _keywords(source, path) | self._children(source, path)
        _fractional_bounds(result, path)
        _bounded(result, path)
        return {key: result[key] for key in _ORDER if key in result} | result

    def _children(self, source: Schema, path: str) -> Schema:
        result: Schema = {}
        if "properties" in source:
            result["properties"] = {name: self.node(child, f"{path}.{name}") for name, child in source["properties"].items()}
        if isinstance(source.get("additionalProperties"), dict):
            result["additionalProperties"] = self.node(source["additionalProperties"], f"{path}.*")
        if "items" in source:
            result["items"] = self.node(source["items"], f"{path}[]")
        return result

    def _referred(self, source: Schema, path: str) -> Schema:
        name = source["$ref"].rpartition("/")[2]
        if name in self._open:
            raise StructuralSchemaError(
                f"{path}: {name} contains itself; a structural schema cannot, so cap the depth with types of their own"
            )
        self._open.append(name)
        beside = {k: v for k, v in source.items() if k != "$ref"}
        result = self.node({**self._definitions[name], **beside}, path)
        self._open.pop()
        return result

    def _or_null(self, source: Schema, path: str) -> Schema:
        branches = [branch for branch in source["anyOf"] if branch.get("type") != "null"]
        if len(branches) != 1:
            raise StructuralSchemaError(f"{path}: a union of {len(branches)} types; give each its own optional field")
        return self.node({**branches[0], **{k: v for k, v in source.items() if k != "anyOf"}}, path)


def _keywords(source: Schema, path: str) -> Schema:
    """Return what a node says of itself, in the words of a structural schema."""
    result: Schema = {key: value for key, value in source.items() if key in _KEPT or key.startswith("x-kubernetes-")}
    for key in source.keys() - result.keys() - set(_ELSEWHERE):
        if key not in _EXCLUSIVE:
            raise StructuralSchemaError(f"{path}: a structural schema has no place for {key!r}; describe the field otherwise")
        result |= {_EXCLUSIVE[key]: source[key], key: True}
    if "const" in source:
        result["enum"] = [source["const"]]
    if source.get("default") is not None:
        result["default"] = source["default"]
    if "description" in result:
        result["description"] = " ".join(result["description"].split())
    if RULES in result:
        result[RULES] = [{key: rule[key] for key in ("rule", "message")} for rule in result[RULES]]
    return result


def _fractional_bounds(node: Schema, path: str) -> None:
    """Say a bound that is no whole number in CEL too: against a value written without a point, the API server compares it cut to an integer."""
    for key, sign, word in (("minimum", ">", "greater"), ("maximum", "<", "less")):
        bound = node.get(key)
        if bound is None or bound == int(bound):
            continue
        outside = node.get(f"exclusive{key.capitalize()}", False)
        sentence = f"should be {word} than {bound!r}" if outside else f"should be {word} than or equal to {bound!r}"
        rule = {"rule": f"self {sign if outside else sign + '='} {bound!r}", "message": f"{path.partition('.')[2]}: {sentence}."}
        node[RULES] = [*node.get(RULES, []), rule]


def _bounded(node: Schema, path: str) -> None:
    """Refuse what has no upper bound."""
    kind = node.get("type")
    if kind is None:
        raise StructuralSchemaError(f"{path}: any type at all is allowed; give it one")
    if kind == "string" and not ({"maxLength", "enum"} & set(node) or node.get("format") == "date-time"):
        raise StructuralSchemaError(f"{path}: a string without an upper bound; give it max_length")
    if kind == "array" and "maxItems" not in node:
        raise StructuralSchemaError(f"{path}: a list without an upper bound; give it max_length")
    if kind == "object" and "properties" not in node and not {"additionalProperties", "maxProperties"} <= set(node):
        raise StructuralSchemaError(f"{path}: a map without an upper bound or without a type; give it max_length and typed values")


def crd(kind: type[Kind]) -> Schema:
    """Return the CustomResourceDefinition of a kind: one version, status apart, columns that answer «is it working?»."""
    names = {
        "kind": kind.__name__,
        "listKind": f"{kind.__name__}List",
        "plural": kind.plural,
        "singular": kind.singular,
        "shortNames": list(kind.short_names),
        "categories": ["commonweal"],
    }
    version = {
        "name": VERSION,
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": root(kind)},
        "subresources": {"status": {}},
        "additionalPrinterColumns": [dict(column) for column in kind.columns],
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{kind.plural}.{GROUP}", "labels": {"app.kubernetes.io/part-of": "commonweal"}},
        "spec": {"group": GROUP, "names": names, "scope": "Namespaced" if kind.namespaced else "Cluster", "versions": [version]},
    }


def root(kind: type[Kind]) -> Schema:
    """Return the schema of a whole object. `metadata` is the API server's own; only the name gets a rule."""
    spec, status = kind.model_fields["spec"].annotation, kind.model_fields["status"].annotation
    if not (isinstance(spec, type) and issubclass(spec, BaseModel) and isinstance(status, type) and issubclass(status, BaseModel)):
        raise StructuralSchemaError(f"{kind.__name__}: spec and status must be models")
    return {
        "description": " ".join((kind.__doc__ or "").split()),
        "type": "object",
        "required": ["metadata", "spec"],
        RULES: [dict(rule) for rule in kind.root_rules],
        "properties": {
            "apiVersion": {"type": "string", "maxLength": 64},
            "kind": {"type": "string", "maxLength": 64},
            "metadata": {"type": "object", "properties": {"name": {"type": "string", "maxLength": 253}}},
            "spec": structural(spec),
            "status": structural(status, "status"),
        },
    }
