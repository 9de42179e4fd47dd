"""The embedded management cluster: a real API server with Cluster API's core and our provider of local sites, as plain processes.

`up` starts the processes; `commonweal management up` puts the stack `stacks/management` on it as well. Sites outlive it: when it is lost,
`up` and the stacks make it again, and the provider adopts the sites that run.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from commonweal_local import paths
from commonweal_local.progress import Progress

if TYPE_CHECKING:
    from commonweal_local.management.host import Status
    from commonweal_cli.site.stack import Outcome

__all__ = ["Management", "apply", "down", "main", "status", "up"]


@dataclass(frozen=True)
class Management:
    """A management cluster that answers."""

    kubeconfig: Path


def up(progress: Progress | None = None) -> Management:
    """Start the management cluster of this home, or leave it running. Raises LocalError, which says what to do."""
    from commonweal_local.management import host  # noqa: PLC0415 - slow, and only needed here

    return Management(host.start(paths.home(), progress or Progress()).kubeconfig)


def apply(say: Callable[[str], None] = print, *, refresh: bool = False) -> Outcome:
    """`pulumi up` of `stacks/management`: Cluster API, our providers and the classes of their kinds. Raises LocalError."""
    from commonweal_cli.management import stack  # noqa: PLC0415 - pulumi's packages are slow to import

    return stack.up(say, refresh=refresh)


def down(*, keep: bool = False) -> list[str]:
    """End it and remove its files, unless they are kept; returns what would not go, normally nothing. Sites go on."""
    from commonweal_local.management import host  # noqa: PLC0415

    return host.stop(paths.home(), keep=keep)


def status() -> Status:
    """How the management cluster of this home is; `running` is False when there is none."""
    from commonweal_local.management import host  # noqa: PLC0415

    return host.status_of(paths.home())


def main(argv: Sequence[str]) -> int:
    """`commonweal management up|down|status`."""
    from commonweal_cli.management import command  # noqa: PLC0415

    return command.main(argv)
