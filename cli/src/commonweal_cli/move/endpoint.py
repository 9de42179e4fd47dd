"""The two ends of a move: a site's objects through kubectl, and the steps in the department's store by `kubectl exec`."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from commonweal_api import namespace_of, platform_namespace_of
from commonweal_api.move import ARRIVING
from commonweal_cli.kubectl import Kubectl
from commonweal_local.exceptions import LocalError

STEP_SECONDS = 900.0
POD = ("-c", "postgres", "store-0", "--", "python3", "-m", "commonweal_runtime.migration")
AGAIN = "The old site serves unless it says that it has moved. Run the command again; it goes on where it can."


@dataclass(frozen=True)
class End:
    """A department at one site."""

    department: str
    cluster: Kubectl
    unsplit: bool = False  # its store lies in its own namespace, as it did before there was one for the platform
    running: set[subprocess.Popen[bytes]] = field(default_factory=set, compare=False, repr=False)

    @property
    def site(self) -> str:
        """The site's name."""
        return self.cluster.name

    @property
    def namespace(self) -> str:
        """The department's own namespace, with what it wrote."""
        return namespace_of(self.department)

    @property
    def home(self) -> str:
        """The namespace in which its store and its keys lie."""
        return self.namespace if self.unsplit else platform_namespace_of(self.department)

    def object(self) -> dict[str, Any] | None:
        """Return the Department, or None. Raises KubectlError when the site does not answer."""
        text = self.cluster.run("get", "departments.commonweal.dev", self.department, "-o", "json", "--ignore-not-found")
        found: dict[str, Any] | None = json.loads(text) if text.strip() else None
        return found

    def namespaces(self) -> list[str]:
        """Return which of its namespaces exist, be they going away."""
        found = self.cluster.run("get", "namespace", self.namespace, self.home, "-o", "name", "--ignore-not-found")
        return [line.rpartition("/")[2] for line in found.split()]

    def namespaces_there(self) -> bool:
        """Return whether both namespaces exist."""
        return set(self.namespaces()) == {self.namespace, self.home}

    def arriving(self) -> str:
        """Return the move that brings the department, or an empty string."""
        found = self.object()
        return str((found or {}).get("metadata", {}).get("annotations", {}).get(ARRIVING, ""))

    def ready(self) -> bool:
        """Return whether the store's pod is ready."""
        text = self.cluster.run("get", "pod", "store-0", "-n", self.home, "-o", "json", "--ignore-not-found")
        conditions = json.loads(text).get("status", {}).get("conditions", []) if text.strip() else []
        return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)

    def start(self, verb: str, *words: str) -> subprocess.Popen[bytes]:
        """Start a step in the store's pod, with pipes."""
        command = [*self.cluster.command, "exec", "-i", "-n", self.home, *POD, verb, *words]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.running.difference_update([p for p in self.running if p.poll() is not None])
        self.running.add(process)
        return process

    def end_all(self) -> None:
        """End every step that runs, as when a link is gone and nobody would ever answer."""
        for process in tuple(self.running):
            if process.poll() is None:
                process.kill()

    def step(self, verb: str, *words: str, asked: Any = None, seconds: float = STEP_SECONDS) -> Any:
        """Run a step and return the JSON that it says. Raises LocalError in its own words."""
        process = self.start(verb, *words)
        try:
            out, error = process.communicate(json.dumps(asked).encode(), timeout=seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise LocalError(f"{self.site}: the step `{verb}` did not end within {seconds:.0f} s", AGAIN) from None
        except BaseException:
            process.kill()
            process.communicate()
            raise
        if process.returncode:
            raise self.fault(verb, error)
        text = out.decode().strip()
        return json.loads(text.splitlines()[-1]) if text else None

    def fault(self, verb: str, error: bytes) -> LocalError:
        """Return what a step's standard error means."""
        lines = [line for line in error.decode(errors="replace").splitlines() if not line.startswith("command terminated")]
        return LocalError(f"{self.site}: the step `{verb}` failed: {' '.join(lines[-3:]) or 'it gave no output'}", AGAIN)

    @contextmanager
    def frozen(self, move: str) -> Iterator[subprocess.Popen[bytes]]:
        """Keep the department frozen while the block runs: people's words are taken, uses are not. It serves again afterwards, unless it has gone.

        When this program dies the process in the pod sees the end of its input; when the link is cut, its lease runs out.
        """
        process = self.start("hold", move)
        assert process.stdout is not None
        try:
            line = process.stdout.readline()
            if not json.loads(line or b"{}").get("frozen"):
                error = process.communicate(timeout=30)[1]
                raise LocalError(f"{self.site}: the department could not be frozen: {(line + error).decode().strip()}", AGAIN)
            yield process
        finally:
            try:
                process.communicate(timeout=20)
            except (subprocess.TimeoutExpired, OSError):
                process.kill()
                process.communicate()


@contextmanager
def within_reason(seconds: float, *ends: End) -> Iterator[None]:
    """End every step of both sites when the block has taken so long: no department stays frozen because a link is cut."""

    def end_all() -> None:
        for end in ends:
            end.end_all()

    timer = threading.Timer(seconds, end_all)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def gone(end: End) -> bool:
    """Return whether neither the Department nor a namespace of it is there any more."""
    return end.object() is None and not end.namespaces()
