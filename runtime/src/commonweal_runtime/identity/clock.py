"""What time it is, as an argument: tests move it."""

from __future__ import annotations

from collections.abc import Callable

Clock = Callable[[], float]
