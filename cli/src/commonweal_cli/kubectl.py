"""The cluster as the caller may see it: kubectl with the caller's own kubeconfig, and no right more."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from commonweal_local.failure import LocalError

SECONDS = 60


class RefusedError(LocalError):
    """The API server refused for want of rights."""


class ChangedError(LocalError):
    """Somebody else has changed the object since it was read."""


@dataclass(frozen=True)
class Kubectl:
    """One cluster; without `kubeconfig` the one that kubectl itself would take."""

    program: Path
    kubeconfig: Path | None = None

    def get(self, kind: str, name: str, namespace: str | None = None) -> dict[str, Any]:
        """Return one object. Raises LocalError in the words of the API server."""
        found: dict[str, Any] = json.loads(self._run("get", kind, name, *_in(namespace), "-o", "json"))
        return found

    def all(self, kind: str, namespace: str) -> list[dict[str, Any]]:
        """Return a kind's objects in a namespace."""
        found: list[dict[str, Any]] = json.loads(self._run("get", kind, *_in(namespace), "-o", "json"))["items"]
        return found

    def everywhere(self, kind: str, name: str = "") -> list[dict[str, Any]]:
        """Return a kind's objects in all namespaces, or only those of that name."""
        named = ["--field-selector", f"metadata.name={name}"] if name else []
        found: list[dict[str, Any]] = json.loads(self._run("get", kind, "-A", *named, "-o", "json"))["items"]
        return found

    def patch(self, kind: str, name: str, namespace: str, patch: dict[str, Any]) -> None:
        """Merge the patch into the object. Raises ChangedError when `metadata.resourceVersion` in it is no longer the object's, RefusedError without the right."""
        self._run("patch", kind, name, *_in(namespace), "--type", "merge", "--patch", json.dumps(patch))

    def token(self, account: str, namespace: str, audience: str) -> str:
        """Return an hour's token of a ServiceAccount for one audience. Raises RefusedError without the right to make one."""
        return self._run("create", "token", account, *_in(namespace), "--audience", audience, "--duration", "1h").strip()

    def _run(self, *words: str) -> str:
        login = ["--kubeconfig", str(self.kubeconfig)] if self.kubeconfig else []
        try:
            done = subprocess.run([str(self.program), *login, *words], capture_output=True, text=True, check=False, timeout=SECONDS)
        except subprocess.TimeoutExpired:
            raise LocalError(f"The cluster did not answer within {SECONDS} s", "Check the kubeconfig, and repeat the command.") from None
        if done.returncode == 0:
            return done.stdout
        text = done.stderr.strip()
        if "(Forbidden)" in text:
            raise RefusedError(text, "Ask a steward of that department.")
        if "(Conflict)" in text:
            raise ChangedError(text, "Repeat the command.")
        raise LocalError(text or f"kubectl {words[0]} failed", "Check name, namespace (-n) and --kubeconfig.")


def _in(namespace: str | None) -> list[str]:
    return ["-n", namespace] if namespace else []
