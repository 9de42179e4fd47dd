"""`commonweal lint FILE...` and `commonweal score DEPARTMENT`."""

from __future__ import annotations

from commonweal_cli.lockin.command import lint_main, score_main

__all__ = ["lint_main", "score_main"]
