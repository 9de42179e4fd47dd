"""What a pod's probes amount to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

START_SECONDS, SILENCE_SECONDS = 600, 90


def hasty(container: Mapping[str, Any]) -> list[str]:
    """Return what would end a container for being late on a busy node: less than ten minutes to start, or than a minute and a half of silence."""
    found = []
    live, start = container.get("livenessProbe"), container.get("startupProbe")
    if live is not None and (live["periodSeconds"] * live["failureThreshold"] < SILENCE_SECONDS or live["timeoutSeconds"] < 10):
        found.append(f"{container['name']}: livenessProbe")
    if live is not None and (start is None or start["periodSeconds"] * start["failureThreshold"] < START_SECONDS):
        found.append(f"{container['name']}: startupProbe")
    return found
