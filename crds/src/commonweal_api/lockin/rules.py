"""The rule file and what may stand in it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Annotated, Literal, Self

import yaml
from pydantic import Field, StringConstraints, model_validator

from commonweal_api.common import Strict
from commonweal_api.lockin.places import PLACES

FILE = Path(__file__).parent / "rules.yaml"

RuleId = Annotated[str, StringConstraints(pattern=r"^[a-z]+(-[a-z]+)*$", max_length=40)]
# What a policy's text can carry: one line, without what Helm would read as a template.
Text = Annotated[str, StringConstraints(pattern=r"^[^\n{}]+$", min_length=3, max_length=200)]
Word = Annotated[str, StringConstraints(pattern=r"^[^\s{}]+$", max_length=120)]


class Rule(Strict):
    """One way of being bound to a provider. A value is found when any of `equals`, `prefixes`, `domains` fits, or when it is not `allowed`."""

    id: RuleId
    what: Text
    why: Text
    remedy: Text
    action: Literal["Deny", "Warn"]
    weight: int = Field(ge=1, le=50, strict=True)
    look: list[Word] = Field(min_length=1)
    equals: list[Word] = Field(default_factory=list)
    prefixes: list[Word] = Field(default_factory=list)
    domains: list[Word] = Field(default_factory=list)
    allowed: list[Word] | None = None

    @model_validator(mode="after")
    def _can_find(self) -> Self:
        if strange := [name for name in self.look if name not in PLACES]:
            raise ValueError(f"rule {self.id}, look: {', '.join(strange)} is no place; there are {', '.join(PLACES)}")
        if bool(self.equals or self.prefixes or self.domains) == (self.allowed is not None):
            raise ValueError(f"rule {self.id}: give either what is found (equals, prefixes, domains) or what is allowed")
        return self

    def finds(self, value: str) -> bool:
        """Return whether the value is one that locks in."""
        if self.allowed is not None:
            return value not in self.allowed
        host = value.split("/", maxsplit=1)[0]
        return (
            value in self.equals
            or any(map(value.startswith, self.prefixes))
            or any(host == d or host.endswith(f".{d}") for d in self.domains)
        )


class RuleFile(Strict):
    """The whole file."""

    rules: list[Rule] = Field(min_length=1)

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        names = [rule.id for rule in self.rules]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"rules: the id {', '.join(twice)} is given twice; rename one")
        return self


@cache
def rules() -> Sequence[Rule]:
    """Return the rules in the order of the file."""
    return tuple(RuleFile.model_validate(yaml.safe_load(FILE.read_text(encoding="utf-8"))).rules)
