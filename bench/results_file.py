"""The file that every bench writes: bench/results/<name>.json, in the shape of DESIGN section 9."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Figure:
    """One measured figure. `met` is None where there is no target; `rival` names what a ratio compares with; `runs` are the single readings."""

    figure: str
    value: float
    unit: str
    target: str | None = None
    met: bool | None = None
    rival: str | None = None
    runs: Sequence[float] = ()


def machine() -> str:
    """Say what it ran on."""
    pages, size = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    load = ", ".join(f"{x:.1f}" for x in os.getloadavg())
    return f"{platform.system()} {platform.release()}, {os.cpu_count()} cores, {pages * size / 2**30:.0f} GiB, load {load}"


def write(
    name: str, command: str, figures: Sequence[Figure], now: datetime, results: Path = RESULTS, series: Mapping[str, Any] | None = None
) -> Path:
    """Write the figures of one bench and return the file. `series` are the readings behind a picture."""
    results.mkdir(exist_ok=True)
    path = results / f"{name}.json"
    body = {"date": f"{now:%Y-%m-%d %H:%M}", "command": command, "machine": machine(), "figures": [asdict(f) for f in figures]}
    text = json.dumps(body, indent=1)
    if series is not None:  # in one line: readings by the hundred, which nobody reads in the file
        text = text.removesuffix("\n}") + f',\n "series": {json.dumps(series, separators=(",", ":"))}\n}}'
    path.write_text(text + "\n")
    return path
