"""A cluster as the caller may see it: kubectl with the caller's own kubeconfig, and no right more."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from commonweal_api.common import AUTHORITY, AUTHORITY_KEY
from commonweal_cli.exceptions import KubectlConflictError, KubectlError, KubectlForbiddenError
from commonweal_cli.kubectl_watch import Watch

Say = Callable[[str], None]
Lacking = Callable[[dict[str, Any]], str | None]  # what an object waits for; None: nothing
SECONDS = 60.0
# What the API server says between the making of a quota and its first count by the controller manager.
NOT_COUNTED = "status unknown for quota"
QUOTA_SECONDS = 90.0  # the controller looks for new kinds each half minute, and our sites' counts again each ten seconds


class Cluster(Protocol):
    """What signing, checking and the journey ask of whatever runs departments: a site through kubectl, or a stack of `commonweal dev`. All raise KubectlError."""

    @property
    def name(self) -> str: ...
    def get(self, kind: str, name: str, namespace: str | None = None) -> dict[str, Any]: ...
    def items(self, kind: str, name: str = "") -> list[dict[str, Any]]: ...
    def patch(self, kind: str, name: str, namespace: str, patch: dict[str, Any]) -> None: ...
    def apply_object(self, manifest: dict[str, Any]) -> None: ...
    def delete(self, kind: str, name: str, namespace: str) -> None: ...
    def token(self, namespace: str, account: str, audience: str) -> str: ...
    def authority(self, namespace: str) -> str: ...


@dataclass(frozen=True)
class Kubectl:
    """One cluster; without `kubeconfig` the one that kubectl itself would take. A `name` begins every message."""

    program: Path
    kubeconfig: Path | None = None
    name: str = ""

    @property
    def command(self) -> list[str]:
        """The command line up to kubectl's own words."""
        return [str(self.program), *(["--kubeconfig", str(self.kubeconfig)] if self.kubeconfig else [])]

    def login(self) -> str:
        """Return the kubeconfig's contents."""
        return self.run("config", "view", "--raw", "--flatten") if self.kubeconfig is None else self.kubeconfig.read_text(encoding="utf-8")

    def run(self, *words: str, stdin: str | None = None, seconds: float | None = None) -> str:
        """Run kubectl and return what it printed. Raises KubectlError in its own words when it fails or takes longer than `seconds`."""
        try:
            done = subprocess.run([*self.command, *words], input=stdin, capture_output=True, text=True, check=False, timeout=seconds)
        except subprocess.TimeoutExpired:
            what = f"The cluster did not answer within {seconds:.0f} s"
            raise KubectlError(self._named(what), "Check the kubeconfig, and repeat the command.") from None
        if done.returncode:
            raise self._failure(words, done.stderr.strip())
        return done.stdout

    def get(self, kind: str, name: str, namespace: str | None = None) -> dict[str, Any]:
        """Return one object. Raises KubectlError in the words of the API server."""
        found: dict[str, Any] = json.loads(self.run("get", kind, name, *_in(namespace), "-o", "json", seconds=SECONDS))
        return found

    def items(self, kind: str, name: str = "") -> list[dict[str, Any]]:
        """Return a kind's objects in all namespaces, or only those of that name."""
        named = ["--field-selector", f"metadata.name={name}"] if name else []
        found: list[dict[str, Any]] = json.loads(self.run("get", kind, "-A", *named, "-o", "json", seconds=SECONDS))["items"]
        return found

    def patch(self, kind: str, name: str, namespace: str, patch: dict[str, Any]) -> None:
        """Merge the patch into the object. Raises KubectlConflictError when `metadata.resourceVersion` in it is no longer the object's, KubectlForbiddenError without the right."""
        self.run("patch", kind, name, *_in(namespace), "--type", "merge", "--patch", json.dumps(patch), seconds=SECONDS)

    def token(self, namespace: str, account: str, audience: str) -> str:
        """Return an hour's token of a ServiceAccount for one audience. Raises KubectlForbiddenError without the right to make one."""
        return self.run("create", "token", account, *_in(namespace), "--audience", audience, "--duration", "1h", seconds=SECONDS).strip()

    def authority(self, namespace: str) -> str:
        """Return the certificate of the authority to trust, as the operator publishes it in that namespace; empty where it does not, such as at an earlier release."""
        text = self.run("get", "configmap", AUTHORITY, *_in(namespace), "-o", "json", "--ignore-not-found", seconds=SECONDS)
        return str(json.loads(text)["data"][AUTHORITY_KEY]) if text.strip() else ""

    def apply(self, *files: Path, seconds: float = QUOTA_SECONDS) -> None:
        """Apply manifest files; again while a new namespace's quota has not been counted yet, for at most `seconds`."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                self.run("apply", *(word for file in files for word in ("-f", str(file))))
            except KubectlError as failure:
                if NOT_COUNTED not in str(failure) or time.monotonic() > deadline:
                    raise
                time.sleep(0.3)
            else:
                return

    def apply_object(self, manifest: dict[str, Any]) -> None:
        """Apply one manifest."""
        self.run("apply", "-f", "-", stdin=json.dumps(manifest))

    def delete(self, kind: str, name: str, namespace: str) -> None:
        """Begin to delete one object; what holds it is not waited for."""
        self.run("delete", kind, name, *_in(namespace), "--wait=false")

    def wait_for(self, plurals: Sequence[str], condition: str | Lacking, seconds: float, say: Say) -> None:
        """Wait until each object of these kinds says so for its present generation, or lacks nothing; say what is waited for when that changes."""
        lacks = condition if callable(condition) else partial(lacking, condition=condition)
        deadline, said = time.monotonic() + seconds, ""
        with Watch(self.command, plurals) as watch:
            while True:
                items = watch.objects()
                waiting = [w for w in (lacks(item) for item in items or ()) if w]
                if items is not None and not waiting:
                    return
                text = self._named(f"waits for {summed_up(waiting) or 'an answer'}")
                if text != said:
                    say(text)
                    said = text
                if not watch.changed(deadline - time.monotonic()):
                    missing = "\n  ".join(waiting or ["the API server does not answer"])
                    raise KubectlError(
                        self._named(f"not ready after {seconds:.0f} s:\n  {missing}"),
                        f"Look with `kubectl --kubeconfig {self.kubeconfig} get commonweal -A -o wide`.",
                    )

    def _failure(self, words: Sequence[str], text: str) -> KubectlError:
        what = self._named(f"`kubectl {' '.join(words)}` was refused: {text}") if self.name else text or f"kubectl {words[0]} failed"
        if "(Forbidden)" in text:
            return KubectlForbiddenError(what, "Ask a steward of that department.")
        if "(Conflict)" in text:
            return KubectlConflictError(what, "Repeat the command.")
        who = "that the site answers, and that you are its administrator" if self.name else "name, namespace (-n) and --kubeconfig"
        return KubectlError(what, f"Check {who}.")

    def _named(self, what: str) -> str:
        return f"{self.name}: {what}" if self.name else what


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


def _in(namespace: str | None) -> list[str]:
    return ["-n", namespace] if namespace else []
