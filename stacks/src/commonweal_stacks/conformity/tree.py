"""A Merkle tree over named values. Pure.

Leaves are hashed as canonical JSON of [path, value]; leaves, nodes, layers and roots are hashed with prefixes of their own, so that no value
can stand for a node. Two trees are equal exactly when their roots are.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from commonweal_api.signatures import canonical

LEAF: Final = b"\x00commonweal.leaf\x00"
NODE: Final = b"\x01commonweal.node\x00"
LAYER: Final = b"\x02commonweal.layer\x00"
ROOT: Final = b"\x03commonweal.root\x00"
ABSENT: Final = "(absent)"

Leaves = Mapping[str, Any]


def leaf_hash(path: str, value: Any) -> bytes:
    return hashlib.sha256(LEAF + canonical([path, value])).digest()


def merkle(hashes: Sequence[bytes]) -> bytes:
    """Return the root over leaf hashes in their order; as in RFC 6962, the left half is the largest power of two below the number."""
    if not hashes:
        return hashlib.sha256(NODE).digest()
    if len(hashes) == 1:
        return hashes[0]
    half = 1 << ((len(hashes) - 1).bit_length() - 1)
    return hashlib.sha256(NODE + merkle(hashes[:half]) + merkle(hashes[half:])).digest()


def layer_root(name: str, leaves: Leaves) -> bytes:
    """Return the root of a layer; the order in which leaves were found makes no difference."""
    return hashlib.sha256(
        LAYER + canonical([name, len(leaves)]) + merkle([leaf_hash(path, leaves[path]) for path in sorted(leaves)])
    ).digest()


@dataclass(frozen=True)
class Digest:
    """What was found on one site, layer by layer."""

    layers: Mapping[str, Leaves]

    @property
    def roots(self) -> dict[str, str]:
        """The root of each layer, in hexadecimal."""
        return {name: layer_root(name, leaves).hex() for name, leaves in sorted(self.layers.items())}

    @property
    def root(self) -> str:
        """The root over all layers, in hexadecimal."""
        return hashlib.sha256(ROOT + merkle([layer_root(name, leaves) for name, leaves in sorted(self.layers.items())])).hexdigest()


@dataclass(frozen=True)
class LeafDifference:
    """One leaf that two sites do not share; `ABSENT` stands for a leaf that one of them lacks."""

    layer: str
    path: str
    left: Any
    right: Any

    def __str__(self) -> str:
        return f"{self.layer}: {self.path}: {_shown(self.left)} | {_shown(self.right)}"


def _shown(value: Any) -> str:
    return value if value == ABSENT else json.dumps(value, ensure_ascii=False)


def differences(left: Digest, right: Digest) -> list[LeafDifference]:
    """Return the leaves that differ, by layer and path; empty exactly when the roots are equal."""
    found = []
    for layer in sorted({*left.layers, *right.layers}):
        ours, theirs = left.layers.get(layer, {}), right.layers.get(layer, {})
        for path in sorted({*ours, *theirs}):
            one, other = ours.get(path, ABSENT), theirs.get(path, ABSENT)
            if (path in ours) is not (path in theirs) or canonical(one) != canonical(other):
                found.append(LeafDifference(layer, path, one, other))
        if (layer in left.layers) is not (layer in right.layers) and not ours and not theirs:
            found.append(LeafDifference(layer, "", layer if layer in left.layers else ABSENT, layer if layer in right.layers else ABSENT))
    return found


def flatten(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield every scalar (and every empty list or mapping) with the steps that lead to it.

    The items of a list that all have names of their own are reached by name instead of by number: an item put in front moves no other.
    """
    if isinstance(value, Mapping) and value:
        for key, item in value.items():
            yield from flatten(item, (*path, str(key)))
    elif isinstance(value, list | tuple) and value:
        names = _names(value)
        for index, item in enumerate(value):
            yield from flatten(item, (*path, names[index] if names else str(index)))
    else:
        yield path, [] if isinstance(value, tuple) else value


def _names(items: Sequence[Any]) -> list[str]:
    names = [item["name"] for item in items if isinstance(item, Mapping) and isinstance(item.get("name"), str)]
    return names if len(names) == len(items) == len(set(names)) else []


def spelled(steps: Sequence[str]) -> str:
    """Return a leaf's path as text; steps that hold a dot are quoted, so that no two paths are spelled alike."""
    return ".".join(json.dumps(step, ensure_ascii=False) if not step or set(step) & set('."') else step for step in steps)
