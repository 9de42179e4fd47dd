"""How long the long steps usually take: as they took on this machine the last time, else as they were measured on two idle processors."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from commonweal_local import paths

# Seconds on two idle processors with empty caches; `bench/demo_cold.py` measures them.
MEASURED: Mapping[str, float] = {
    "building site-kube, helm, cluster-api, coredns, kube-network-policies": 345.0,
    "building pulumi, pulumi-resource-kubernetes": 325.0,
    "the demonstration (pods)": 140.0,
    "the demonstration (pods), its programs built first": 840.0,
}


class Durations:
    """Seconds by the name of a step, kept in the cache: what they say of a machine is true only there."""

    def usual(self, name: str) -> float:
        """The seconds to expect; 0 when the step was never measured."""
        return self._kept().get(name, MEASURED.get(name, 0.0))

    def keep(self, name: str, seconds: float) -> None:
        """Remember how long a step took. A cache that cannot be written to costs the memory, not the step."""
        with suppress(OSError):
            paths.write(self._file(), {**self._kept(), name: round(seconds, 1)})

    def _kept(self) -> dict[str, float]:
        try:
            return {str(name): float(seconds) for name, seconds in json.loads(self._file().read_text(encoding="utf-8")).items()}
        except (OSError, ValueError):
            return {}

    def _file(self) -> Path:
        return paths.cache() / "durations.json"
