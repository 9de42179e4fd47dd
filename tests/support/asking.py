"""Asking again and again while something else happens, to see whether anybody was ever refused."""

from __future__ import annotations

from collections.abc import Callable
from http.client import HTTPException

from commonweal_kube.exceptions import ApiError, ApiServerUnavailableError
from support.repeating import Repeating

EVERY = 0.1


class Asking(Repeating):
    """Asks ten times a second for as long as the block runs: how often it was answered, and what went wrong.

    `ask` raises OSError, HTTPException, or what the clients of API servers raise, when it is not answered.
    """

    def __init__(self, ask: Callable[[], object]) -> None:
        super().__init__(EVERY, self._once)
        self._ask = ask
        self.answered, self.wrong = 0, list[str]()

    def _once(self) -> None:
        try:
            self._ask()
            self.answered += 1
        except (ApiError, ApiServerUnavailableError, OSError, HTTPException) as error:
            self.wrong.append(str(error))
