"""Neither PostgreSQL nor what it starts leaves a copy of its memory where a node keeps such files."""

from __future__ import annotations

import re
from pathlib import Path

from support.postgres import StoreServer


def test_the_servers_memory_is_never_written_out(store: StoreServer) -> None:
    postmaster = int((store.data / "postmaster.pid").read_text().splitlines()[0])
    workers = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split()
    assert workers
    for process in (str(postmaster), *workers):
        limit = re.search(r"Max core file size +(\d+) +(\d+) ", Path(f"/proc/{process}/limits").read_text())
        assert limit, f"{process} has no limit"
        assert max(map(int, limit.groups())) <= 1
