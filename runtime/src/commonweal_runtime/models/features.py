"""From a ModelService and what may be read of a person to the numbers that the learner sees."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from commonweal_api.model_service import Feature, ModelServiceSpec
from commonweal_runtime.models.learning import Space

PERSON, CONTEXT, ACTION = "person", "context", "action"
Product = tuple[str, str]
Record = Mapping[str, Any]
Free = Mapping[str, float | str | bool]


def name_of(feature: Feature) -> str:
    """Return `department/product/field`, the name under which a feature is withheld, explained and reported."""
    return f"{feature.department}/{feature.product}/{feature.field}"


def space_of(spec: ModelServiceSpec) -> Space:
    """Return the feature space that a ModelService declares.

    Numbers get a slot each while they fill at most half of the slots; all else is hashed. In the Shared shape what is known of the person
    and of the context is multiplied with each action's features: only so can it change the order of actions.
    """
    learning = spec.learning
    numbers = tuple(f"{PERSON}^{name_of(f)}" for f in spec.features if f.encoding == "Number")
    names = numbers if len(numbers) * 2 <= learning.slots else ()
    if learning.shape == "PerAction":
        return Space(dim=learning.slots, names=names, lam=0.1, mu=1.0, base=0.25)
    return Space(dim=learning.slots, names=names, cross=((PERSON, ACTION), (CONTEXT, ACTION)), per_action=False, lam=1.0, mu=3.0, base=0.5)


def person_features(features: Sequence[Feature], records: Mapping[Product, Sequence[Record]]) -> dict[str, float]:
    """Encode the declared fields of what was read; a field that is empty, or not a number where one is declared, says nothing.

    Of a product with many records per person, a Category becomes the share of each value, and a Number its mean.
    """
    out: dict[str, float] = {}
    for feature in features:
        values = [r[feature.field] for r in records.get((feature.department, feature.product), ()) if r.get(feature.field) is not None]
        if values:
            out |= _number(feature, values) if feature.encoding == "Number" else _category(feature, values)
    return out


def free_features(values: Free) -> dict[str, float]:
    """Encode what the caller adds: a text or a truth becomes a category; a number keeps its value up to 1 and is bent towards 2 beyond."""
    return {(k if _is_number(v) else f"{k}={text(v)}"): (_bend(float(v)) if _is_number(v) else 1.0) for k, v in values.items()}


def text(value: Any) -> str:
    """Return a category's value as JSON would spell it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _category(feature: Feature, values: Sequence[Any]) -> dict[str, float]:
    name = name_of(feature)
    return {f"{name}={value}": n / len(values) for value, n in sorted(Counter(map(text, values)).items())}


def _number(feature: Feature, values: Sequence[Any]) -> dict[str, float]:
    low, high = feature.min, feature.max
    numbers = [n for n in map(_as_number, values) if n is not None]
    if low is None or high is None or not numbers:
        return {}
    mean = math.fsum(numbers) / len(numbers)
    return {name_of(feature): min(max((mean - low) / (high - low), 0.0), 1.0)}


def _as_number(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _bend(x: float) -> float:
    return x if abs(x) <= 1.0 else math.copysign(2.0 - 1.0 / abs(x), x)
