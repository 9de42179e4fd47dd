"""kubectl against one site: what a department's team types, and nothing that it could not."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from commonweal_cli.agreements import sign_all
from commonweal_cli.kubectl_watch import Watch

Say = Callable[[str], None]
# What the API server says between the making of a quota and its first count by the controller manager.
NOT_COUNTED = "status unknown for quota"
QUOTA_SECONDS = 90.0  # the controller looks for new kinds each half minute, and our sites' counts again each ten seconds


class ClusterError(RuntimeError):
    """kubectl refused, or a wait ran out; the message says what to look at."""


@dataclass(frozen=True)
class Cluster:
    """One site, through its kubeconfig."""

    name: str
    kubectl: Path
    kubeconfig: Path

    def run(self, *words: str, stdin: str | None = None) -> str:
        """Run kubectl and return what it printed; raise with its own words when it refuses."""
        done = subprocess.run(
            [str(self.kubectl), "--kubeconfig", str(self.kubeconfig), *words], input=stdin, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise ClusterError(f"{self.name}: `kubectl {' '.join(words)}` was refused: {done.stderr.strip()}")
        return done.stdout

    def apply(self, *files: Path, seconds: float = QUOTA_SECONDS) -> None:
        """Apply manifest files; again while a new namespace's quota has not been counted yet, for at most `seconds`."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                self.run("apply", *(word for file in files for word in ("-f", str(file))))
            except ClusterError as refusal:
                if NOT_COUNTED not in str(refusal) or time.monotonic() > deadline:
                    raise
                time.sleep(0.3)
            else:
                return

    def apply_object(self, manifest: dict[str, Any]) -> None:
        """Apply one manifest."""
        self.run("apply", "-f", "-", stdin=json.dumps(manifest))

    def sign(self, *namespaces: str) -> list[str]:
        """Sign what the departments of these namespaces (of all, when none is named) offer, for both parties; return which were not signed yet."""
        return sign_all(self.kubectl, self.kubeconfig, namespaces)

    def items(self, plural: str) -> list[dict[str, Any]]:
        """Return every object of a kind, in all namespaces."""
        items: list[dict[str, Any]] = json.loads(self.run("get", plural, "-A", "-o", "json"))["items"]
        return items

    def one(self, plural: str, name: str, namespace: str | None = None) -> dict[str, Any]:
        """Return one object."""
        scope = [] if namespace is None else ["-n", namespace]
        found: dict[str, Any] = json.loads(self.run("get", plural, name, *scope, "-o", "json"))
        return found

    def token(self, namespace: str, account: str, audience: str) -> str:
        """Return a short-lived token of a ServiceAccount, bound to one audience."""
        return self.run("create", "token", account, "-n", namespace, "--audience", audience, "--duration", "1h").strip()

    def wait_for(self, plurals: Sequence[str], condition: str, seconds: float, say: Say) -> None:
        """Wait until each object of these kinds says so for its present generation; say what is waited for when that changes."""
        deadline, said = time.monotonic() + seconds, ""
        with Watch([str(self.kubectl), "--kubeconfig", str(self.kubeconfig)], plurals) as watch:
            while True:
                items = watch.objects()
                waiting = [w for w in (lacking(item, condition) for item in items or ()) if w]
                if items is not None and not waiting:
                    return
                text = f"{self.name}: waits for {summed_up(waiting) or 'an answer'}"
                if text != said:
                    say(text)
                    said = text
                if not watch.changed(deadline - time.monotonic()):
                    raise ClusterError(
                        f"{self.name}: not ready after {seconds:.0f} s:\n  "
                        + "\n  ".join(waiting or ["the API server does not answer"])
                        + f"\nLook with `kubectl --kubeconfig {self.kubeconfig} get commonweal -A -o wide`."
                    )


def summed_up(waiting: Sequence[str]) -> str:
    """Return the first of what is waited for, and how many more there are."""
    return f"{waiting[0]} and {len(waiting) - 1} more" if len(waiting) > 1 else "".join(waiting)


def lacking(manifest: dict[str, Any], condition: str = "Ready") -> str | None:
    """Return what an object waits for, or None when the condition is True for its present generation."""
    meta = manifest["metadata"]
    found = next((c for c in manifest.get("status", {}).get("conditions", []) if c["type"] == condition), None)
    name = f"{manifest['kind']} {meta['name']}"
    if found is None:
        return f"{name} (no status yet)"
    if found["status"] != "True" or found.get("observedGeneration") != meta.get("generation"):
        return f"{name}: {found['reason']}: {found.get('message', '')}".rstrip(": ")
    return None
