"""Kopf, configured to listen and to write nothing. Each setting has its reason in docs/explanation/operator.md."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import kopf

from commonweal_api import GROUP


class NoDiffBase(kopf.DiffBaseStorage):
    """Kopf keeps no copy of the spec: there are no change handlers to compare for."""

    def build(self, *, body: Any, extra_fields: Any = None) -> Any:  # noqa: ARG002 - the base class's signature
        """Return nothing to compare."""
        return {}

    def fetch(self, *, body: Any) -> Any:  # noqa: ARG002
        """Return no stored copy."""
        return

    def store(self, *, body: Any, patch: Any, essence: Any) -> None:
        """Store nothing."""


class NoProgress(kopf.ProgressStorage):
    """Kopf keeps no progress of handlers: retries are the engine's own."""

    def fetch(self, *, key: Any, body: Any) -> Any:  # noqa: ARG002
        """Return no progress."""
        return

    def store(self, *, key: Any, record: Any, body: Any, patch: Any) -> None:
        """Store nothing."""

    def purge(self, *, key: Any, body: Any, patch: Any) -> None:
        """Purge nothing."""

    def touch(self, *, body: Any, patch: Any, value: Any) -> None:
        """Touch nothing."""

    def clear(self, *, essence: Any) -> Any:
        """Return the essence as it is."""
        return essence


class Backoffs:
    """A fresh run of delays with jitter for each use; about ten minutes in all, then kopf gives up and the process ends."""

    def __iter__(self) -> Iterator[float]:
        for delay in [0.2] * 5 + [1.0] * 5 + [2.0] * 300:
            yield delay * random.uniform(0.8, 1.2)  # noqa: S311 - jitter, not a secret


def quiet_settings() -> kopf.OperatorSettings:
    """Return settings with which kopf only watches."""
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False
    settings.posting.loggers = False
    settings.persistence.diffbase_storage = NoDiffBase()
    settings.persistence.progress_storage = NoProgress()
    settings.persistence.finalizer = f"{GROUP}/unused-by-kopf"
    settings.persistence.consistency_timeout = 0
    settings.queueing.worker_limit = None
    settings.queueing.idle_timeout = 1
    settings.queueing.exit_timeout = 5
    settings.queueing.error_delays = (0.2, 0.5, 1, 2, 5, 10)
    settings.scanning.disabled = True
    settings.peering.standalone = True
    settings.watching.inactivity_timeout = 70
    settings.watching.server_timeout = 300
    settings.networking.request_timeout = 30
    settings.networking.connect_timeout = 5
    settings.networking.enforce_retry_after = True
    settings.networking.error_backoffs = Backoffs()
    settings.process.ultimate_exiting_timeout = 25
    return settings
