"""Space: what a model declares about its features. Sums can be added only if their spaces are equal."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any

from commonweal_runtime.models.learning.grid import PHI

MOST_DIM = 256


@dataclass(frozen=True)
class Space:
    """The feature space and the priors. Two sites may merge, and a log may be replayed, only within one Space."""

    dim: int = 64
    """Length of phi."""
    names: tuple[str, ...] = ()
    """Declared features `namespace^name`: a slot each. Crosses and all other names are hashed behind them."""
    cross: tuple[tuple[str, str], ...] = ()
    """Pairs of namespaces whose features are multiplied."""
    cross_scale: float = 1.0
    radius: float = 1.0
    """A longer phi is scaled down to this norm, so no row can move the sums by more than it."""
    per_action: bool = True
    """A block per action over the context, or one block over what context and action make together."""
    lam: float = 0.1
    """Ridge on weights."""
    mu: float = 1.0
    """Ridge on intercepts."""
    base: float = 0.25
    """Prior mean of the reward, and the score of an action never tried. A multiple of 2**-12."""
    weight_cap: float = 1.0
    """A row weighs min(1/propensity, cap); 1 is plain regression."""
    seed: int = 0

    def __post_init__(self) -> None:
        if not 1 <= self.dim <= MOST_DIM:
            raise ValueError(f"dim must be 1 to {MOST_DIM}, else scores are no longer exact")
        if self.base != round(self.base / PHI) * PHI or min(self.lam, self.mu) <= 0 or not 0 < self.radius <= 1:
            raise ValueError("base must be a multiple of 2**-12, lam and mu over 0, radius in (0, 1]")
        if len(self.names) > self.dim or (self.cross and len(self.names) == self.dim):
            raise ValueError("dim leaves no slots for crosses; declare fewer names or raise it")

    def wire(self) -> dict[str, Any]:
        """Return the JSON form that `of` reads back."""
        return asdict(self)

    @classmethod
    def of(cls, wire: dict[str, Any]) -> Space:
        """Return the space that `wire` describes."""
        return cls(**(wire | {"names": tuple(wire["names"]), "cross": tuple((str(x), str(y)) for x, y in wire["cross"])}))

    def digest(self) -> str:
        """Return the hex SHA-256 of the canonical JSON form."""
        return hashlib.sha256(json.dumps(self.wire(), sort_keys=True).encode()).hexdigest()
