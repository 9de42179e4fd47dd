"""Asking again and again while something else happens, to see whether anybody was ever refused."""

from __future__ import annotations

import threading
from collections.abc import Callable
from http.client import HTTPException
from typing import Self

from commonweal_kube.protocol import ApiError, Unavailable

EVERY = 0.1


class Asking:
    """Asks ten times a second for as long as the block runs: how often it was answered, and what went wrong.

    `ask` raises OSError, HTTPException, or what the clients of API servers raise, when it is not answered.
    """

    def __init__(self, ask: Callable[[], object]) -> None:
        self._ask, self._stop = ask, threading.Event()
        self.answered, self.wrong = 0, list[str]()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(EVERY):
            try:
                self._ask()
                self.answered += 1
            except (ApiError, Unavailable, OSError, HTTPException) as error:
                self.wrong.append(str(error))
