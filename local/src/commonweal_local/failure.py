"""The one exception that a person is meant to read."""

from __future__ import annotations


class LocalError(RuntimeError):
    """Something expected went wrong; the text says what, and the remedy says what to do next."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(f"{what.rstrip('.')}. {remedy}")
        self.what = what
        self.remedy = remedy
