"""The engine's events, as lines for a person."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pulumi.automation.events import DiagnosticEvent, EngineEvent, PolicyEvent, StepEventMetadata

NOISE = ("using pulumi-language-python from $PATH", "using pulumi-resource-kubernetes from $PATH")
DONE = {
    "create": "created",
    "create-replacement": "created again",
    "update": "updated",
    "replace": "replaced",
    "delete": "deleted",
    "delete-replaced": "deleted for its replacement",
    "import": "imported",
}
UNTOLD = {"same", "refresh", "read", "create-replacement", "delete-replaced"}  # a replacement is told once, as such


@dataclass
class Listener:
    """Turns events into lines for a person, and keeps the counts and the errors."""

    say: Callable[[str], None]
    dry_run: bool = False
    counts: dict[str, int] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    outputs: Mapping[str, Any] = field(default_factory=dict)

    def hear(self, event: EngineEvent) -> None:
        """Take one event."""
        if event.summary_event:
            told = event.summary_event.resource_changes or {}
            # What a program only looks up, as it does the site's kubeconfig, is read in every run and changed in none.
            self.counts = {_plain(key): int(value) for key, value in told.items() if key != "read"}
        elif event.diagnostic_event:
            self._diagnostic(event.diagnostic_event)
        elif event.policy_event:
            self._policy(event.policy_event)
        elif self.dry_run and event.resource_pre_event:
            self._would(event.resource_pre_event.metadata)
        elif event.res_outputs_event:
            self._did(event.res_outputs_event.metadata)

    def _diagnostic(self, event: DiagnosticEvent) -> None:
        text = event.message.strip()
        if not text or event.severity == "debug" or any(noise in text for noise in NOISE):
            return
        if event.severity == "error":
            self.errors.append(f"{_short(event.urn)}: {text}" if event.urn else text)
        self.say(text if event.severity != "warning" else f"warning: {text}")

    def _policy(self, event: PolicyEvent) -> None:
        line = f"{_short(event.resource_urn or '')}: {event.message.strip()}"
        if event.enforcement_level == "mandatory":
            self.errors.append(line)
            self.say(line)
        else:
            self.say(f"warning: {line}")

    def _would(self, step: StepEventMetadata) -> None:
        if step.op in UNTOLD:
            return
        fields = ", ".join(sorted(step.detailed_diff or step.diffs or ()))
        self._tell(f"{_plain(step.op)} {_short(step.urn)}" + (f": {fields}" if fields and step.op != "create" else ""))

    def _did(self, step: StepEventMetadata) -> None:
        if step.type == "pulumi:pulumi:Stack" and step.new:
            self.outputs = step.new.outputs or {}
        if not self.dry_run and step.op in DONE:
            self._tell(f"{DONE[step.op]} {_short(step.urn)}")

    def _tell(self, line: str) -> None:
        self.changed.append(line)
        self.say(line)


def _plain(operation: str) -> str:
    """Return the word for an operation without the engine's finer distinctions."""
    return {"create-replacement": "replace", "delete-replaced": "replace"}.get(operation, str(getattr(operation, "value", operation)))


def _short(urn: str) -> str:
    """Return the name of a URN's resource, with its type when it is not one of Kubernetes'."""
    kind, name = urn.split("::")[-2:] if urn.count("::") >= 3 else ("", urn)
    own_type = kind.rpartition("$")[2]
    return name if own_type.startswith("kubernetes:") else f"{own_type} {name}".strip()
