"""Encoder: named features become phi, a vector of grid values with declared slots, hashed names and hashed crosses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from commonweal_runtime.models.learning.grid import PHI, Array, Ints, Words, hash64, snap
from commonweal_runtime.models.learning.space import Space


class Part(NamedTuple):
    """The features of one namespace, hashed once and used for every action of an offer."""

    labels: tuple[str, ...]
    words: Words
    slots: Ints
    signs: Array
    values: Array


class Encoder:
    """Turns parts into phi. A pure function of the space: the same in every process, for ever."""

    def __init__(self, space: Space) -> None:
        self.space = space
        self._declared = {n: i for i, n in enumerate(space.names)}
        self._room = space.dim - len(space.names)

    def part(self, namespace: str, features: Mapping[str, float]) -> Part:
        """Hash the features of one namespace; raises ValueError for a value that is not finite."""
        labels = tuple(f"{namespace}^{name}" for name in features)
        values = np.fromiter(features.values(), np.float64, len(labels))
        if not np.isfinite(values).all():
            raise ValueError("a feature is not a finite number")
        words = np.array([hash64(f"{self.space.seed}|{label}") for label in labels], dtype=np.uint64)
        known = np.array([self._declared.get(label, -1) for label in labels], dtype=np.int64)
        if (known >= 0).all():
            return Part(labels, words, known, np.ones(len(labels)), values)
        slots, signs = self._place(words)
        return Part(labels, words, np.where(known < 0, slots, known), np.where(known < 0, signs, 1.0), values)

    def phi(self, parts: Mapping[str, Part]) -> Array:
        """Return the vector that these parts make."""
        slots, values = self.terms(parts)
        return np.bincount(slots, weights=values, minlength=self.space.dim).astype(np.float64)

    def terms(self, parts: Mapping[str, Part]) -> tuple[Ints, Array]:
        """Return slots and signed grid values: features in the order given, then crosses. A slot repeats where hashes meet."""
        slots = [p.slots for p in parts.values()]
        values = [p.signs * p.values for p in parts.values()]
        for x, y in self._crosses(parts):
            keep = _pairs(len(parts[x].labels), len(parts[y].labels), same=x == y)
            at, sign = self._place(_mix(parts[x].words, parts[y].words)[keep])
            slots.append(at)
            values.append(sign * (parts[x].values[:, None] * parts[y].values[None])[keep] * self.space.cross_scale)
        where, value = np.concatenate([np.zeros(0, np.int64), *slots]), np.concatenate([np.zeros(0), *values])
        whole = np.bincount(where, weights=value, minlength=self.space.dim)
        norm = float(np.sqrt((whole * whole).sum()))
        return where, snap(value * min(1.0, self.space.radius / (norm + 1e-12)), PHI)

    def labels(self, parts: Mapping[str, Part]) -> list[str]:
        """Return the name of each of `terms`, in the same order."""
        out = [label for p in parts.values() for label in p.labels]
        for x, y in self._crosses(parts):
            pairs = np.argwhere(_pairs(len(parts[x].labels), len(parts[y].labels), same=x == y))
            out += [f"{parts[x].labels[i]}*{parts[y].labels[j]}" for i, j in pairs]
        return out

    def _crosses(self, parts: Mapping[str, Part]) -> list[tuple[str, str]]:
        return [(x, y) for x, y in self.space.cross if x in parts and y in parts]

    def _place(self, words: Words) -> tuple[Ints, Array]:
        if not self._room:
            raise ValueError("dim leaves no slots for undeclared features")
        slots = ((words >> np.uint64(8)) % np.uint64(self._room)).astype(np.int64) + len(self._declared)
        return slots, np.where(words & np.uint64(1), 1.0, -1.0)


def _mix(x: Words, y: Words) -> Words:
    h = (x[:, None] * np.uint64(0x9E3779B97F4A7C15)) ^ (y[None] * np.uint64(0xC2B2AE3D27D4EB4F))
    mixed: Words = (h ^ (h >> np.uint64(29))) * np.uint64(0xBF58476D1CE4E5B9)
    return mixed


def _pairs(x: int, y: int, *, same: bool) -> np.ndarray[tuple[int, int], np.dtype[np.bool_]]:
    """Return which pairs to keep: all, or each unordered pair once when a namespace meets itself."""
    return np.tri(y, x, dtype=bool).T if same else np.ones((x, y), dtype=bool)
