from dataclasses import dataclass
from pathlib import Path

from commonweal_local import paths


@dataclass(frozen=True)
class Tool:
    name: str
    path: Path
def ensure(names, progress=None):
    return {n: Tool(n, paths.cache() / "trial-bin" / n) for n in names}
