"""Every exception of this package: when it is raised, and who turns it into what. None is defined elsewhere."""

from __future__ import annotations


class LocalError(RuntimeError):
    """Something expected went wrong; the text says what, and the remedy says what to do next. The command prints both and ends."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(f"{what.rstrip('.')}. {remedy}")
        self.what = what
        self.remedy = remedy


class CommandFailedError(RuntimeError):
    """A program ended with a status other than 0; the text holds its own last words. Whoever started it adds a remedy, or the command prints it and ends."""

    def __init__(self, argv: list[str], status: int, said: str) -> None:
        super().__init__(f"`{' '.join(argv)}` ended with {status}: {said.strip() or 'it gave no output'}")
        self.status = status
