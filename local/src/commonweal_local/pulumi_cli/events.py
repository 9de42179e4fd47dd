"""The engine's event log: lines of JSON, read while the engine writes them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

NOISE = ("using pulumi-language-python from $PATH", "using pulumi-resource-kubernetes from $PATH")
DONE = {
    "create": "created",
    "create-replacement": "created anew",
    "update": "updated",
    "replace": "replaced",
    "delete": "deleted",
    "delete-replaced": "deleted for its replacement",
    "refresh": "looked at",
    "import": "imported",
}


def follow(file: Path, ended: Callable[[], bool]) -> Iterator[Mapping[str, Any]]:
    """Yield the events of a log as they are written; `ended` waits a little and tells whether nothing more will come."""
    over, rest = False, ""
    with file.open(encoding="utf-8") as log:
        while True:
            rest += log.read()
            *lines, rest = rest.split("\n")
            yield from (json.loads(line) for line in lines if line.strip())
            if over:
                return
            over = ended()


@dataclass
class Listener:
    """Turns events into lines for a person, and keeps the counts and the errors."""

    say: Callable[[str], None]
    dry_run: bool = False
    counts: dict[str, int] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    outputs: Mapping[str, Any] = field(default_factory=dict)

    def hear(self, event: Mapping[str, Any]) -> None:
        """Take one event."""
        if summary := event.get("summaryEvent"):
            self.counts = {_plain(key): int(value) for key, value in (summary.get("resourceChanges") or {}).items()}
        elif diagnostic := event.get("diagnosticEvent"):
            self._diagnostic(diagnostic)
        elif self.dry_run and (step := event.get("resourcePreEvent")):
            self._would(step["metadata"])
        elif step := event.get("resOutputsEvent"):
            self._did(step["metadata"])

    def _diagnostic(self, event: Mapping[str, Any]) -> None:
        text, severity = str(event.get("message", "")).strip(), event.get("severity")
        if not text or severity == "debug" or any(noise in text for noise in NOISE):
            return
        if severity == "error":
            self.errors.append(f"{_short(event.get('urn', ''))}: {text}" if event.get("urn") else text)
        self.say(text if severity != "warning" else f"warning: {text}")

    def _would(self, step: Mapping[str, Any]) -> None:
        if step["op"] in {"same", "refresh", "read", "create-replacement", "delete-replaced"}:
            return  # a replacement is told once, as such
        fields = ", ".join(sorted(step.get("detailedDiff") or step.get("diffs") or ()))
        line = f"{_plain(step['op'])} {_short(step['urn'])}" + (f": {fields}" if fields and step["op"] != "create" else "")
        self.changed.append(line)
        self.say(line)

    def _did(self, step: Mapping[str, Any]) -> None:
        if step.get("type") == "pulumi:pulumi:Stack":
            self.outputs = (step.get("new") or {}).get("outputs") or {}
        if not self.dry_run and step["op"] in DONE and step["op"] != "refresh":
            line = f"{DONE[step['op']]} {_short(step['urn'])}"
            self.changed.append(line)
            self.say(line)


def _plain(operation: str) -> str:
    """Return the word for an operation without the engine's finer distinctions."""
    return {"create-replacement": "replace", "delete-replaced": "replace"}.get(operation, operation)


def _short(urn: str) -> str:
    """Return the name of a URN's resource, with its type when it is not one of Kubernetes'."""
    kind, name = urn.split("::")[-2:] if urn.count("::") >= 3 else ("", urn)
    own_type = kind.rpartition("$")[2]
    return name if own_type.startswith("kubernetes:") else f"{own_type} {name}".strip()
