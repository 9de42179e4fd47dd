"""Where the checkout is that this package runs from."""

from __future__ import annotations

from pathlib import Path


def source() -> Path:
    """Return the root of the checkout, in which `charts/` and `crds/` lie."""
    return Path(__file__).resolve().parents[3]
