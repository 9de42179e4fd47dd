"""Fields made by an expression over columns of the source, and what a field's `semantic` promises."""

from __future__ import annotations

from collections.abc import Mapping

from commonweal_api import datamodel
from commonweal_api.data_product import DataProductSpec, FieldType, ProductField
from commonweal_runtime.exceptions import MappingInvalidError
from commonweal_runtime.store.expressions import Expression, compile_expression

_AS_TYPE = {
    FieldType.STRING: "({})::text",
    FieldType.INTEGER: "({})::bigint",
    FieldType.NUMBER: "mapping.finite(({})::numeric)",
    FieldType.BOOLEAN: "({})::boolean",
    FieldType.DATE: "mapping.day({})",
    FieldType.TIMESTAMP: "mapping.moment({})",
}

_DATES = (
    "mapping.to_date(",
    "mapping.make_date(",
)  # whole expressions, for parts of one stand in parentheses; they see to what `mapping.day` does


def source_columns(spec: DataProductSpec) -> tuple[str, ...]:
    """Return the source columns that the expressions read, each once, in order of first use; MappingInvalidError names a bad expression."""
    found: dict[str, None] = {}
    for field in spec.fields:
        if field.from_ is not None:
            found.update(dict.fromkeys(reads(field)))
    return tuple(found)


def expression(spec: DataProductSpec, name: str) -> str:
    """Return the PostgreSQL text of a field's expression over quoted source columns, cast to the field's type.

    A value that cannot become that type makes it raise an error of class 22 (or 23) when the row is read; one of class 42 means that the expression
    fits no row at all.
    """
    field = next((f for f in spec.fields if f.name == name and f.from_ is not None), None)
    if field is None or field.type is None:
        raise MappingInvalidError(f"spec.fields {name}: has no expression; set from and type.")
    text = _compiled(field).text
    return text if field.type is FieldType.DATE and text.startswith(_DATES) else _AS_TYPE[field.type].format(text)


def reads(field: ProductField) -> tuple[str, ...]:
    """Return the source columns that a field's expression reads, each once; MappingInvalidError says what is wrong with it."""
    return _compiled(field).columns


def check(spec: DataProductSpec) -> None:
    """Raise MappingInvalidError for the first expression that is not allowed."""
    source_columns(spec)


def check_semantics(spec: DataProductSpec, types: Mapping[str, FieldType]) -> None:
    """Raise MappingInvalidError for the first field that is not the property of the common data model that it says it is."""
    for field in spec.fields:
        refused = datamodel.refusal(field.semantic, types[field.name]) if field.semantic is not None else None
        if refused is not None:
            raise MappingInvalidError(f"spec.fields {field.name}.semantic: {refused}")


def _compiled(field: ProductField) -> Expression:
    compiled = compile_expression(f"spec.fields {field.name}.from", field.from_ or "")
    if not compiled.columns:
        raise MappingInvalidError(f"spec.fields {field.name}.from: reads no column of the source; name one.")
    return compiled
