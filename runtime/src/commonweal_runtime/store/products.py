"""A DataProduct as a table: pure functions from its specification to columns and to the statements that make or change it."""

from __future__ import annotations

from dataclasses import dataclass

from commonweal_api.data_product import MASK_INPUT, Answer, DataProductSpec, FieldType, Mask, MaskKind, ProductField
from commonweal_api.plan import ProductPlan
from commonweal_api.signatures import digest
from commonweal_runtime.exceptions import MappingInvalidError, PlanRefusedError
from commonweal_runtime.store import mapping
from commonweal_runtime.store.expressions import DAY, Expression, compile_expression
from commonweal_runtime.store.names import column_of, identifier, literal, table

SQL_TYPE = {
    FieldType.STRING: "text",
    FieldType.INTEGER: "bigint",
    FieldType.NUMBER: "numeric",
    FieldType.BOOLEAN: "boolean",
    FieldType.DATE: "date",
    FieldType.TIMESTAMP: "timestamptz",
}
_NOT_BROUGHT = "current_setting('commonweal.standings', true) is distinct from 'brought'"
# Immutable expressions only: what depends on today cannot be a generated column. {} is the raw column.
_MASKS: dict[MaskKind, tuple[FieldType, str]] = {
    MaskKind.YEAR: (FieldType.INTEGER, "(extract(year from {}))::bigint"),
    MaskKind.FIRST_WORD: (FieldType.STRING, "split_part(btrim({}), ' ', 1)"),
    MaskKind.FIRST_THREE: (FieldType.STRING, "left({}, 3)"),
    MaskKind.PRESENT: (FieldType.BOOLEAN, "({} is not null)"),
}
_DECADE = {
    FieldType.DATE: "(extract(decade from {}) * 10)::bigint",
    FieldType.INTEGER: "(floor({} / 10.0) * 10)::bigint",
}


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a product's table: filled by loads, generated (`expression`) or an answer. Equal columns differ in neither meaning nor values."""

    field: str
    type_: FieldType
    origin: str
    expression: str | None = None
    raw: str | None = None
    answer: Expression | None = None

    @property
    def name(self) -> str:
        """The quoted column name."""
        return identifier(column_of(self.field))

    @property
    def definition(self) -> str:
        """The column as CREATE TABLE and ADD COLUMN want it."""
        stored = f" generated always as ({self.expression}) stored" if self.expression else ""
        return f"{self.name} {SQL_TYPE[self.type_]}{stored}"


@dataclass(frozen=True, slots=True)
class Shape:
    """The columns of a product, raw before masks, and whether a subject has several records."""

    many: bool
    columns: tuple[Column, ...]

    @property
    def raw(self) -> tuple[Column, ...]:
        """The columns that a load fills."""
        return tuple(c for c in self.columns if c.expression is None and c.answer is None)

    @property
    def answers(self) -> tuple[Column, ...]:
        """The columns that `answers` keeps."""
        return tuple(c for c in self.columns if c.answer is not None)

    @property
    def key(self) -> tuple[str, ...]:
        """The columns of the primary key."""
        return ("subject", "record") if self.many else ("subject",)

    def of(self, field: str) -> Column | None:
        """Return the column of a field, or None."""
        return next((c for c in self.columns if c.field == field), None)


def shape_of(spec: DataProductSpec) -> Shape:
    """Return the shape of a product; refuse a mask that does not fit the type it masks, and an expression that is not allowed."""
    mapping.check(spec)
    raw = {f.name: _raw(f) for f in spec.fields if f.mask is None}
    masks = [_masked(f, f.mask, raw) for f in spec.fields if f.mask is not None]
    mapping.check_semantics(spec, {c.field: c.type_ for c in (*raw.values(), *masks)})
    answers = [_answered(a, raw) for a in spec.answers]
    return Shape(spec.subject.records == "Many", (*raw.values(), *masks, *answers))


def _raw(field: ProductField) -> Column:
    origin = field.column or field.from_
    if field.type is None or origin is None:
        raise PlanRefusedError(f"spec.fields {field.name}: a field with a column or an expression needs a type; set it.")
    # the author's own text: what a person was told must not change with the way we write it for PostgreSQL
    return Column(field.name, field.type, f"{field.type} {origin}" if field.column else f"{field.type} from {origin}")


def _answered(answer: Answer, raw: dict[str, Column]) -> Column:
    compiled = compile_expression(f"spec.answers {answer.name}.expression", answer.expression, names=raw, today=DAY)
    if not compiled.columns:
        raise MappingInvalidError(f"spec.answers {answer.name}.expression: reads no field of the product; name one.")
    read = "; ".join(f"{name}: {raw[name].origin}" for name in compiled.columns)
    return Column(answer.name, FieldType.BOOLEAN, f"whether {answer.expression} ({read})", answer=compiled)


def _masked(field: ProductField, mask: Mask, raw: dict[str, Column]) -> Column:
    source = raw.get(mask.of)
    if source is None:
        raise PlanRefusedError(f"spec.fields {field.name}: masks «{mask.of}», which is no raw field of this product; name one.")
    if source.type_ not in MASK_INPUT[mask.kind]:
        fits = ", ".join(sorted(MASK_INPUT[mask.kind]))
        raise PlanRefusedError(
            f"spec.fields {field.name}: mask {mask.kind} fits {fits}, and «{mask.of}» is {source.type_}; choose another kind."
        )
    if mask.kind is MaskKind.DECADE:
        type_, template = FieldType.INTEGER, _DECADE[source.type_]
    else:
        type_, template = _MASKS[mask.kind]
    return Column(field.name, type_, f"{mask.kind} of {source.origin}", template.format(source.name), mask.of)


def create(relation: str, uid: str, shape: Shape) -> list[str]:
    """Return the statements that make an empty product table, closed to everybody."""
    t = table(relation)
    keys = ["subject uuid not null", *(["record text not null"] if shape.many else [])]
    kept = [
        "_consent smallint[] not null default '{}'",
        "_objection smallint[] not null default '{}'",
        "_lapse timestamptz not null default 'infinity'",
    ]
    columns = ", ".join([*keys, *(c.definition for c in shape.columns), *kept, f"primary key ({', '.join(shape.key)})"])
    return [
        f"create table {t} ({columns}) with (fillfactor = 85)",  # room for HOT updates: a consent must not touch an index
        f"alter table {t} owner to cw_owner",
        f"alter table {t} enable row level security",
        f"alter table {t} force row level security",
        f"revoke all on {t} from public",
        f"grant select (subject, _consent, _objection, _lapse), update (_consent, _objection, _lapse) on {t} to cw_keeper",
        f"create policy keeper on {t} to cw_keeper using (true) with check (true)",
        f"grant select (subject) on {t} to cw_clerk",
        f"create policy clerk on {t} for select to cw_clerk using (true)",
        f"grant select, delete on {t} to cw_scribe",  # export and erasure of one person
        f"create policy scribe on {t} to cw_scribe using (true)",
        # the function asks this too; not calling it saves a merge of many rows a call for each
        f"create trigger arrival before insert on {t} for each row when ({_NOT_BROUGHT}) execute function consent.on_arrival({literal(uid)})",
    ]


def change(relation: str, old: Shape, new: Shape) -> list[str]:
    """Return the statements that turn a table of shape `old` into `new`; columns that stay keep their values."""
    if old.many != new.many:
        raise PlanRefusedError("spec.subject.records: cannot be changed; publish a new product instead.")
    t, keep = table(relation), set(old.columns) & set(new.columns)
    gone = [c for c in old.columns if c not in keep]
    come = [c for c in new.columns if c not in keep]
    # masks hang on raw columns: they go first and come last; what keeps the answers must be gone while columns go
    drops = [f"alter table {t} drop column {c.name}" for c in sorted(gone, key=lambda c: c.expression is None)]
    return drops + [f"alter table {t} add column {c.definition}" for c in come]


def unfilled_after(unfilled: list[str], old: Shape, new: Shape) -> list[str]:
    """Return the fields that hold no values after `change`: those that were empty and stay, and those that come."""
    keep = {c.field for c in set(old.columns) & set(new.columns)}
    return sorted({f for f in unfilled if f in keep} | {c.field for c in new.columns if c.field not in keep})


def contract_of(product: ProductPlan) -> str:
    """Return the digest of what consumers are promised: everything but where the data comes from, how often, and what else is served beside it."""
    promised = {k: v for k, v in product.spec.wire().items() if k not in {"source", "serve", "earlier"}}
    promised["fields"] = [{k: v for k, v in f.items() if k != "column"} for f in promised["fields"]]
    return digest([product.name, promised])
