"""What a refused manifest is: the mistake, the field and the remedy, as the API server and the models put it."""

from __future__ import annotations

from dataclasses import dataclass

from support.manifests import Body


@dataclass(frozen=True, slots=True)
class Words:
    """The remedy, as the API server puts it and as the models do."""

    server: str
    model: str


REQUIRED = Words("Required value", "Field required")
UNKNOWN = Words("field not declared in schema", "Extra inputs are not permitted")
PATTERN = Words("should match", "should match pattern")
ONE_OF = Words("supported values:", "Input should be")
TOO_LONG = Words("may not be more than", "should have at most")
TOO_SHORT = Words("should be at least", "should have at least")
EMPTY = Words("should have at least 1 items", "should have at least 1 item")
TOO_LOW = Words("should be greater than or equal to", "should be greater than or equal to")
TOO_HIGH = Words("should be less than or equal to", "should be less than or equal to")


@dataclass(frozen=True, slots=True)
class Bad:
    """One mistake: what it is, the field as the API server writes it, and the remedy."""

    what: str
    manifest: Body
    field: str
    remedy: Words


def bad(what: str, manifest: Body, field: str, remedy: Words | str) -> Bad:
    """Return a mistake; a remedy given once is in the same words on both sides."""
    return Bad(what, manifest, field, Words(remedy, remedy) if isinstance(remedy, str) else remedy)
