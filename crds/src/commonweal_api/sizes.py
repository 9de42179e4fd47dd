"""How large a product may be: all its names, texts and expressions together, so that none is large however many parts it has.

Each part has a bound of its own, and a product of nothing but largest parts would be larger than a plan. The measure counts bytes of UTF-8, and for each
part what its keys take; as JSON a product is at most twice as large, for a text of nothing but quotation marks.
"""

from __future__ import annotations

from collections.abc import Iterable

from commonweal_api.common import cel
from commonweal_api.offer import Offer
from commonweal_api.quality import QualityCheck
from commonweal_api.welsh import FieldInWelsh

MOST_BYTES = 65_536
_FIELD, _ANSWER, _CHECK, _VALUE = 160, 64, 200, 4


def _sum(of: str, variable: str, keys: int, *parts: str) -> str:
    return f"{of}.map({variable}, {' + '.join((str(keys), *parts))}).sum()"


def _bytes(path: str) -> str:
    return f"size(bytes({path}))"


def _optional(path: str, then: str) -> str:
    return f"(has({path}) ? {then} : 0)"


def _welsh(part: str) -> list[str]:
    return [f"(has({part}.cy) && has({part}.cy.{name}) ? {_bytes(f'{part}.cy.{name}')} : 0)" for name in ("label", "description")]


def _offer(at: str) -> str:
    texts = [_optional(f"f.{name}", _bytes(f"f.{name}")) for name in ("column", "from", "semantic", "description", "label")]
    fields = _sum(f"{at}.fields", "f", _FIELD, _bytes("f.name"), *texts, *_welsh("f"), _optional("f.mask", _bytes("f.mask.of")))
    answers = _sum(
        f"{at}.answers",
        "a",
        _ANSWER,
        *(_bytes(f"a.{name}") for name in ("name", "expression", "description")),
        _optional("a.label", _bytes("a.label")),
        *_welsh("a"),
    )
    return f"{fields} + {_optional(f'{at}.answers', answers)}"


_VALUES = _optional("q.validValues", _sum("q.validValues", "v", _VALUE, _bytes("v")))
_QUALITY = _sum("self.quality", "q", _CHECK, _bytes("q.name"), _VALUES)
_EARLIER = f"self.earlier.map(e, {_offer('e')}).sum()"
SIZE = cel(
    f"{_offer('self')} + {_optional('self.earlier', _EARLIER)} + {_optional('self.quality', _QUALITY)} <= {MOST_BYTES}",
    f"spec: names, texts and expressions of fields, answers, checks and earlier versions take more than {MOST_BYTES} bytes together;"
    " shorten descriptions and lists of values, end an earlier version, or publish a second product.",
)


def size_of(offer: Offer, earlier: Iterable[Offer] = (), quality: Iterable[QualityCheck] = ()) -> int:
    """Return the measure that `SIZE` holds to its bound."""
    checks = sum(_CHECK + _length(q.name) + sum(_VALUE + _length(v) for v in q.valid_values or ()) for q in quality)
    return checks + sum(_size_of_offer(one) for one in (offer, *earlier))


def _size_of_offer(offer: Offer) -> int:
    fields = sum(
        _FIELD + _length(f.name, f.column, f.from_, f.semantic, f.description, f.label, *_in_welsh(f.cy), f.mask.of if f.mask else None)
        for f in offer.fields
    )
    return fields + sum(_ANSWER + _length(a.name, a.expression, a.description, a.label, *_in_welsh(a.cy)) for a in offer.answers)


def _in_welsh(block: FieldInWelsh | None) -> tuple[str | None, ...]:
    return (block.label, block.description) if block is not None else ()


def _length(*texts: str | None) -> int:
    return sum(len(text.encode()) for text in texts if text is not None)
