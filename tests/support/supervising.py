"""A supervisor of programs, running in a thread of the test."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from commonweal_local.sites.site import Mode, Site
from commonweal_local.sites.state import recorded
from commonweal_local.sites.supervisor import Supervisor


@contextmanager
def supervised(directory: Path) -> Iterator[Supervisor]:
    """Supervise in a directory, and end every program at the end."""
    supervisor = Supervisor(directory, directory / "logs")
    thread = threading.Thread(target=supervisor.loop)
    thread.start()
    try:
        yield supervisor
    finally:
        supervisor.stop()
        thread.join()


def component(directory: Path, name: str) -> dict[str, int]:
    """Return what the supervisor has recorded of a program; nothing before it recorded anything."""
    found: dict[str, int] = recorded(Site(directory.name, 0, Mode.PODS, directory.parent, {}))["components"].get(name, {})
    return found
