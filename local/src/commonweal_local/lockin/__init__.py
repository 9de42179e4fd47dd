"""`commonweal lint FILE...` and `commonweal score DEPARTMENT`."""

from __future__ import annotations

from commonweal_local.lockin.command import lint_main, score_main

__all__ = ["lint_main", "score_main"]
