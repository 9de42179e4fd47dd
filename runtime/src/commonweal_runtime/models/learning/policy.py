"""How scores become a choice: SquareCB with a floor, and a draw that the event id alone decides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from commonweal_runtime.models.learning.grid import Array, hash64


@dataclass(frozen=True)
class Exploration:
    """How much is tried out. It never touches the sums, so it may change without losing what was learnt."""

    gamma: float = 100.0
    """SquareCB: an action that scores `gap` below the best gets about 1 / (K + gamma * t**power * gap)."""
    power: float = 0.5
    floor: float = 0.01
    """Least probability of each offered action."""


@dataclass(frozen=True)
class Decision:
    """One choice: `pick` is the place in the offer, `rows` the size of the model that made it."""

    event: str
    action: str
    pick: int
    probabilities: Array
    scores: Array
    rows: int

    @property
    def propensity(self) -> float:
        """Probability with which the chosen action was to be chosen."""
        return float(self.probabilities[self.pick])


def squarecb(scores: Array, gamma: float, floor: float) -> Array:
    """Return probabilities by inverse-gap weighting mixed with a floor; the leader takes what is left, so the sum is 1.

    Raises ValueError when the floor leaves nothing for the leader.
    """
    k, best = len(scores), int(scores.argmax())
    if floor * k > 1.0:
        raise ValueError(f"a floor of {floor} for {k} actions is over 1; offer fewer actions or lower the floor")
    p: Array = floor + (1.0 - k * floor) / (k + gamma * (scores[best] - scores))
    p[best] = 0.0
    p[best] = 1.0 - p.sum()
    return p


def probabilities(scores: Array, rows: int, exploration: Exploration) -> Array:
    """Return the probabilities with which a model of that many rows offers its actions."""
    return squarecb(scores, exploration.gamma * float(rows + 1) ** exploration.power, exploration.floor)


def draw(event: str, actions: Sequence[str], scores: Array, rows: int, exploration: Exploration, seed: int = 0) -> Decision:
    """Choose. A pure function of its arguments: the same event asked again gets the same answer."""
    p = probabilities(scores, rows, exploration)
    u = (hash64(f"{seed}|{event}") >> 11) * 2.0**-53
    pick = min(int(np.searchsorted(np.cumsum(p), u, side="right")), len(actions) - 1)
    return Decision(event, actions[pick], pick, p, scores, rows)
