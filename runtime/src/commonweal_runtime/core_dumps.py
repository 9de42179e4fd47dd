"""No copy of a process's memory is written when it dies: keys and people's data are in it, and where a node puts such a file is beyond us."""

from __future__ import annotations

import resource

# One byte, and not none: a kernel that pipes core dumps to a program of the node's asks for no limit but this one.
_NOTHING = 1


def forbid() -> None:
    """Have neither this process nor what it starts leave a core dump, whatever its container allows."""
    _, most = resource.getrlimit(resource.RLIMIT_CORE)
    least = 0 if most == 0 else _NOTHING  # a limit is only ever lowered
    resource.setrlimit(resource.RLIMIT_CORE, (least, least))
