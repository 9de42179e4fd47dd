"""Sums: all that a model knows, exactly additive; and the rows they are made of."""

from __future__ import annotations

import hashlib
import io
import json
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from commonweal_runtime.models.learning.grid import LIMIT, PHI, WEIGHT, Array, snap
from commonweal_runtime.models.learning.space import Space

_PER_ACTION, _PER_BLOCK = ("count", "total", "centre"), ("gram", "moment")
_ARRAYS = (*_PER_ACTION, *_PER_BLOCK)


class Row(NamedTuple):
    """One rewarded decision, reduced to what is learnt: enough to learn it, and to forget it. Values lie on the grids."""

    action: str
    phi: Array
    reward: float
    weight: float = 1.0

    @classmethod
    def of(cls, space: Space, action: str, phi: Array, reward: float, propensity: float) -> Row:
        """Return the row of a decision taken with `propensity` that earned `reward`, which is clipped to [0, 1]."""
        weight = min(1.0 / propensity, space.weight_cap)
        return cls(action, phi, float(snap(min(max(reward, 0.0), 1.0), PHI)), float(snap(weight, WEIGHT)))


class Sums:
    """Additive sums per action, actions in name order. Equal multisets of rows give equal bits and equal digests."""

    count: Array
    total: Array
    centre: Array
    gram: Array
    moment: Array

    def __init__(self, space: Space) -> None:
        d, blocks = space.dim, 0 if space.per_action else 1
        self.space, self.rows, self.actions = space, 0, list[str]()
        self.count, self.total, self.centre = np.zeros(0), np.zeros(0), np.zeros((0, d))
        self.gram, self.moment = np.zeros((blocks, d, d)), np.zeros((blocks, d))
        self._digests: dict[str, bytes] = {}
        self._digest: str | None = None

    def place(self, action: str) -> int | None:
        """Return the index of an action, or None if no row of it was ever learnt."""
        k = bisect_left(self.actions, action)
        return k if k < len(self.actions) and self.actions[k] == action else None

    def add(self, row: Row, sign: int = 1) -> None:
        """Add a row (`sign=-1`: subtract it). Raises OverflowError when a row is taken out twice, or exactness would end."""
        known, w, y = self.place(row.action), sign * row.weight, row.reward - self.space.base
        if not 0 <= (0.0 if known is None else self.count[known]) + w <= LIMIT:
            raise OverflowError("a row was taken out twice, or the sums are too large to stay exact")
        k = self._open(row.action)
        j = k if self.space.per_action else 0
        self.gram[j] += np.outer(w * row.phi, row.phi)
        self.moment[j] += w * y * row.phi
        self.centre[k] += w * row.phi
        self.count[k], self.total[k], self.rows = self.count[k] + w, self.total[k] + w * y, self.rows + sign
        self._digests.pop(row.action, None)
        self._digests.pop("", None)
        self._digest = None
        if not self.count[k]:
            self._close(k)

    def copy(self) -> Sums:
        """Return sums that can change without changing these."""
        out = Sums(self.space)
        out.rows, out.actions, out._digests = self.rows, list(self.actions), dict(self._digests)
        for name in _ARRAYS:
            setattr(out, name, getattr(self, name).copy())
        return out

    @classmethod
    def merge(cls, sites: Sequence[Sums]) -> Sums:
        """Return the sums of all rows of all sites, as if one site had seen them. Raises ValueError when spaces differ."""
        if len({s.space for s in sites}) != 1:
            raise ValueError("sites with different feature spaces cannot be merged")
        out = cls(sites[0].space)
        for site in sites:
            for action in site.actions:
                out._open(action)
        for site in sites:
            into = [out.actions.index(a) for a in site.actions]
            for name in _ARRAYS:
                where = into if name in _PER_ACTION or out.space.per_action else [0]
                getattr(out, name)[where] += getattr(site, name)
            out.rows += site.rows
        return out

    def digest(self) -> str:
        """Return the hex SHA-256 over space, actions, number of rows and every sum. Only what changed is hashed again."""
        self._digest = self._digest or self._hashed()
        return self._digest

    def _hashed(self) -> str:
        h = hashlib.sha256(json.dumps([self.space.wire(), self.actions, self.rows], sort_keys=True).encode())
        for k, action in enumerate(self.actions):
            if action not in self._digests:
                own = [self.count[k], self.total[k], self.centre[k]]
                self._digests[action] = _hash([*own, self.gram[k], self.moment[k]] if self.space.per_action else own)
            h.update(self._digests[action])
        if not self.space.per_action:
            if "" not in self._digests:
                self._digests[""] = _hash([self.gram, self.moment])
            h.update(self._digests[""])
        return h.hexdigest()

    def dump(self) -> bytes:
        """Return the sums as a compressed NPZ of plain arrays and one JSON text; it names no person and no event."""
        meta = json.dumps({"space": self.space.wire(), "actions": self.actions, "rows": self.rows, "digest": self.digest()})
        out = io.BytesIO()
        np.savez_compressed(out, meta=np.frombuffer(meta.encode(), np.uint8), **{n: getattr(self, n) for n in _ARRAYS})
        return out.getvalue()

    @classmethod
    def load(cls, data: bytes) -> Sums:
        """Return what `dump` wrote. Raises ValueError when the digest does not match; never runs code found in the data."""
        with np.load(io.BytesIO(data), allow_pickle=False) as z:
            meta, arrays = json.loads(z["meta"].tobytes()), {n: z[n] for n in _ARRAYS}
        out = cls(Space.of(meta["space"]))
        out.rows, out.actions = meta["rows"], meta["actions"]
        for name, array in arrays.items():
            setattr(out, name, array)
        if out.digest() != meta["digest"]:
            raise ValueError("the digest does not match: the sums were changed or damaged")
        return out

    def _open(self, action: str) -> int:
        k = bisect_left(self.actions, action)
        if k == len(self.actions) or self.actions[k] != action:
            self.actions.insert(k, action)
            for name in self._arrays_by_action():
                setattr(self, name, np.insert(getattr(self, name), k, 0.0, axis=0))
        return k

    def _close(self, k: int) -> None:
        """Drop an action whose last row was taken out, so that it leaves no trace; its sums are exactly zero by now."""
        del self.actions[k]
        for name in self._arrays_by_action():
            setattr(self, name, np.delete(getattr(self, name), k, axis=0))

    def _arrays_by_action(self) -> Iterable[str]:
        return _ARRAYS if self.space.per_action else _PER_ACTION


def _hash(arrays: Iterable[Array | np.float64]) -> bytes:
    """Hash arrays by their bytes; adding 0.0 turns -0.0, which a subtraction may leave, into 0.0."""
    h = hashlib.sha256()
    for a in arrays:
        h.update(np.ascontiguousarray(np.asarray(a) + 0.0).tobytes())
    return h.digest()
