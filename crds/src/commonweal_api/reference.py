"""The reference pages, made from the same schemas and the same table of reasons that the code uses."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from commonweal_api.common import GROUP, VERSION, Kind
from commonweal_api.reasons import CONDITIONS_OF, REASONS, ConditionType, Reason
from commonweal_api.rights import RIGHTS, Erasure
from commonweal_api.schema import RULES, Schema, root

NOTE = "<!-- Made by `python -m commonweal_api.generate`; change the models, not this page. -->\n"


def api_page(kinds: Iterable[type[Kind]]) -> str:
    """Return the page on every kind: its fields with type, bounds, default and meaning, and the rules that span fields."""
    parts = [
        NOTE,
        "# The API\n",
        f"Four kinds in `{GROUP}/{VERSION}`. `kubectl explain` says the same on a cluster; `kubectl get commonweal -A` lists all objects.",
        "A manifest that breaks a rule is refused when it is applied, by the API server itself, with a message that names the field and the remedy.\n",
    ]
    return "\n".join([*parts, *(_kind(kind) for kind in kinds)])


def reasons_page() -> str:
    """Return the page on conditions and their reasons."""
    parts = [
        NOTE,
        "# Conditions and their reasons\n",
        "Every object reports conditions in `.status.conditions`. `Ready` is True with reason `AllReady` when all others are; else it carries status,",
        "reason and message of the first condition in the order below that is False, or if none is, of the first that is Unknown. Reasons are stable: scripts may match on them.\n",
    ]
    for kind, types in CONDITIONS_OF.items():
        parts += [f"## {kind}\n", "| condition | reason | status | what it says | what to do |", "|---|---|---|---|---|"]
        parts += [
            _reason_row(type_, reason)
            for type_ in types
            for reason, entry in REASONS.items()
            if type_ in entry.types and not _common(reason)
        ]
        parts.append("")
    parts += ["## Reasons that any condition may carry\n", "| reason | status | what it says | what to do |", "|---|---|---|---|"]
    parts += [f"| `{r}` | {e.status} | {e.sentence} | {e.remedy} |" for r, e in REASONS.items() if _common(r)]
    return "\n".join(parts) + "\n"


def rights_page() -> str:
    """Return the page on the lawful bases and what each leaves to the person."""
    erasure = {Erasure.ON_REQUEST: "yes", Erasure.WHEN_ENDED: "when the agreement has ended", Erasure.NONE: "no"}
    parts = [
        NOTE,
        "# Lawful bases and the person's rights\n",
        "`spec.basis.type` of a ConsentPolicy decides all of this; nothing else does. The schema refuses an agreement that says otherwise, and the store enforces it.\n",
        "| basis | nothing before consent | objection closes the record | erasure | portability | longest agreement | needs |",
        "|---|---|---|---|---|---|---|",
    ]
    for basis, rights in RIGHTS.items():
        needs = ["`legalPower`"] * (not rights.grant) + ["`consentValidityDays`"] * rights.grant + ["`condition`"] * rights.condition
        longest = f"{rights.most_days} days" if rights.most_days else "five years"
        marked = "; each use is flagged in the audit" if rights.flagged else ""
        parts.append(
            f"| `{basis}` | {_yes_no(rights.grant)} | {_yes_no(rights.objection)} | {erasure[rights.erasure]} | {_yes_no(rights.portability)} "
            f"| {longest}{marked} | {', '.join(needs)} |"
        )
    return "\n".join(parts) + "\n"


def _yes_no(holds: bool) -> str:
    return "yes" if holds else "no"


def _common(reason: Reason) -> bool:
    return len(REASONS[reason].types) == len(ConditionType) - 1


def _reason_row(type_: ConditionType, reason: Reason) -> str:
    entry = REASONS[reason]
    return f"| `{type_}` | `{reason}` | {entry.status} | {entry.sentence} | {entry.remedy or '-'} |"


def _kind(kind: type[Kind]) -> str:
    schema = root(kind)
    scope = "in the department's namespace" if kind.namespaced else "cluster-scoped"
    lines = [
        f"## {kind.__name__}\n",
        f"{schema['description']} {scope.capitalize()}. Short name `{kind.short_names[0]}`.\n",
        "| field | type | bounds | meaning |",
        "|---|---|---|---|",
        *(_row(*found) for part in ("spec", "status") for found in _fields(schema["properties"][part], part)),
        "\nRules:\n",
        *(f"- {message}" for message in dict.fromkeys(_messages(schema))),
    ]
    return "\n".join(lines) + "\n"


def _fields(schema: Schema, path: str) -> Iterator[tuple[str, Schema, bool]]:
    """Yield path, schema and whether it is required, of everything below; conditions are described on their own page."""
    for name, child in schema.get("properties", {}).items():
        here = f"{path}.{name}"
        required = name in schema.get("required", ())
        if child["type"] == "array":
            yield f"{here}[]", child, required
            if here != "status.conditions":
                yield from _fields(child["items"], f"{here}[]")
        else:
            yield here, child, required
            yield from _fields(child, here)


def _row(path: str, schema: Schema, required: bool) -> str:
    item = schema.get("items", schema)
    kind = f"list of {item['type']}" if "items" in schema else schema["type"]
    described = schema.get("description") or item.get("description", "")
    if path == "status.conditions[]":
        described = "See [the reasons](reasons.md)."
    return f"| `{path}`{' *' if required else ''} | {kind} | {_bounds(schema, item)} | {described.replace('|', chr(92) + '|')} |"


def _bounds(schema: Schema, item: Schema) -> str:
    parts = [_span(schema, "minItems", "maxItems", "items")] if "items" in schema else []
    parts += [_span(item, "minLength", "maxLength", "characters"), _span(item, "minimum", "maximum", "")]
    if "enum" in item:
        parts.append(", ".join(f"`{value}`" for value in item["enum"]))
    if "pattern" in item:
        parts.append(f"`{item['pattern']}`".replace("|", "\\|"))
    if "default" in schema and schema["type"] != "object":
        parts.append(f"default `{schema['default']}`" if schema["default"] != "" else "")
    return "; ".join(part for part in parts if part)


def _span(schema: Schema, low: str, high: str, unit: str) -> str:
    ends: list[Any] = [schema.get(low), schema.get(high)]
    if ends == [None, None]:
        return ""
    text = (
        f"{_number(ends[0])} to {_number(ends[1])}"
        if None not in ends
        else f"at least {_number(ends[0])}"
        if ends[1] is None
        else f"at most {ends[1]}"
    )
    return f"{text} {unit}".strip()


def _number(value: float | None) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _messages(schema: Schema) -> Iterator[str]:
    yield from (rule["message"] for rule in schema.get(RULES, ()))
    for child in [*schema.get("properties", {}).values(), *([schema["items"]] if "items" in schema else [])]:
        yield from _messages(child)
