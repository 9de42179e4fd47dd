"""Learner: serves weights that are a pure function of the sums."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from commonweal_runtime.models.learning.encoder import Encoder, Part
from commonweal_runtime.models.learning.grid import SPAN, THETA, Array, snap
from commonweal_runtime.models.learning.policy import Decision, Exploration, draw
from commonweal_runtime.models.learning.space import Space
from commonweal_runtime.models.learning.sums import Row, Sums


class Learner:
    """Learns rows one by one and decides from what it learnt.

    Weights are solved from the sums when they are next needed, only for blocks that changed, and never updated in place.
    So a decision depends on the sums alone, not on the order in which they grew: a restarted process, a replica and a
    replay serve the same weights. On the machine this was written on a solve takes 65 us with 64 slots, 1 ms with 256.
    """

    def __init__(self, space: Space, exploration: Exploration | None = None, sums: Sums | None = None) -> None:
        if sums is not None and sums.space != space:
            raise ValueError("the sums belong to another feature space")
        self.space, self.encoder = space, Encoder(space)
        self.exploration, self.sums = exploration or Exploration(), sums or Sums(space)
        self._served: dict[str, tuple[Array, float]] = {}

    @property
    def rows(self) -> int:
        """How many rows have been learnt and not forgotten."""
        return self.sums.rows

    def digest(self) -> str:
        """Return the digest of the sums."""
        return self.sums.digest()

    def learn(self, rows: Iterable[Row]) -> None:
        """Fold rows in; the next score uses them."""
        self._fold(rows, 1)

    def unlearn(self, rows: Iterable[Row]) -> None:
        """Take rows out again, exactly: the sums are then those of a model that never saw them."""
        self._fold(rows, -1)

    def score(self, actions: Sequence[str], phis: Array) -> Array:
        """Return the expected reward of each action; phis is (dim,) for all actions alike, or (actions, dim)."""
        theta, bias = self.weights(actions)
        total: Array = self.space.base + bias + (theta * phis).sum(1)
        return total

    def decide(self, event: str, actions: Sequence[str], phis: Array) -> Decision:
        """Choose an action: a pure function of the sums, the event id and the offer."""
        return draw(event, actions, self.score(actions, phis), self.rows, self.exploration, self.space.seed)

    def weights(self, actions: Sequence[str]) -> tuple[Array, Array]:
        """Return the served weights and intercept of each action, on the grid; an action never tried has zeros."""
        served = [self._weights(a) for a in actions]
        return np.stack([t for t, _ in served]), np.array([b for _, b in served])

    def explain(self, action: str, parts: Mapping[str, Part]) -> list[tuple[str, float]]:
        """Return named terms, largest first, that add up to the score bit for bit; a cross is one term."""
        theta, bias = self._weights(action)
        slots, values = self.encoder.terms(parts)
        terms = zip(self.encoder.labels(parts), (theta[slots] * values).tolist(), strict=True)
        return [("base", self.space.base), (f"action {action}", bias), *sorted(terms, key=lambda t: -abs(t[1]))]

    def _fold(self, rows: Iterable[Row], sign: int) -> None:
        for row in rows:
            self.sums.add(row, sign)
            if self.space.per_action:
                self._served.pop(row.action, None)
            else:
                self._served.clear()

    def _weights(self, action: str) -> tuple[Array, float]:
        if action in self._served:
            return self._served[action]
        k = self.sums.place(action)
        if k is None:
            return (np.zeros(self.space.dim) if self.space.per_action else self._shared_theta()), 0.0
        theta = self._theta(k) if self.space.per_action else self._shared_theta()
        self._served[action] = theta, self._intercept(k, theta)
        return self._served[action]

    def _theta(self, k: int) -> Array:
        """Solve one action's block with its intercept projected out."""
        s, m = self.sums, self.sums.count[k] + self.space.mu
        return self._solve(s.gram[k] - np.outer(s.centre[k], s.centre[k]) / m, s.moment[k] - s.centre[k] * (s.total[k] / m))

    def _shared_theta(self) -> Array:
        """Solve the one block of all actions with every action's intercept projected out; solved once per change."""
        if "" not in self._served:
            s, m = self.sums, self.sums.count + self.space.mu
            scaled = s.centre / np.sqrt(m)[:, None]  # one product of a matrix with itself stays exactly symmetric
            self._served[""] = self._solve(s.gram[0] - scaled.T @ scaled, s.moment[0] - (s.centre * (s.total / m)[:, None]).sum(0)), 0.0
        return self._served[""][0]

    def _solve(self, matrix: Array, right: Array) -> Array:
        theta = np.linalg.solve(matrix + self.space.lam * np.eye(self.space.dim), right)
        out: Array = snap(np.clip(theta, -SPAN, SPAN), THETA)
        return out

    def _intercept(self, k: int, theta: Array) -> float:
        s = self.sums
        return float(snap((s.total[k] - (s.centre[k] * theta).sum()) / (s.count[k] + self.space.mu), THETA))
