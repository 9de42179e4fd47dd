"""The embedded management cluster: a real API server with Cluster API's core and our provider of local sites, as plain processes.

`up` starts the processes; `commonweal management up` puts the stack `stacks/management` on it as well. Sites outlive it: when it is lost,
`up` and the stacks make it again, and the provider adopts the sites that run.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from commonweal_local import paths
from commonweal_local.progress import Progress

if TYPE_CHECKING:
    from commonweal_local.management.host import Status

__all__ = ["Management", "down", "status", "up"]


@dataclass(frozen=True)
class Management:
    """A management cluster that answers."""

    kubeconfig: Path


def up(progress: Progress | None = None) -> Management:
    """Start the management cluster of this home, or leave it running. Raises LocalError, which says what to do."""
    from commonweal_local.management import host  # noqa: PLC0415 - slow, and only needed here

    return Management(host.start(paths.home(), progress or Progress()).kubeconfig)


def down(*, keep: bool = False) -> list[str]:
    """End it and remove its files, unless they are kept; returns what would not go, normally nothing. Sites go on."""
    from commonweal_local.management import host  # noqa: PLC0415

    return host.stop(paths.home(), keep=keep)


def status() -> Status:
    """How the management cluster of this home is; `running` is False when there is none."""
    from commonweal_local.management import host  # noqa: PLC0415

    return host.status_of(paths.home())
