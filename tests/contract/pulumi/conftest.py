"""The real `pulumi` CLI, the stand-ins, and an API server with the controllers that their behaviour rests on."""

from __future__ import annotations

import json
import os
import subprocess
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from commonweal_local.pulumi_cli import stack as stacks
from commonweal_local.pulumi_cli.events import Listener, follow
from commonweal_local.pulumi_cli.plugins import STAND_INS, find_pulumi, stand_in_directory
from support.control_plane import ControlPlane
from support.kube_api import KubeApi

CONTROLLERS = (
    "namespace-controller",
    "garbage-collector-controller",
    "deployment-controller",
    "replicaset-controller",
    "serviceaccount-controller",
)
PROVIDER = """
import os, pulumi, pulumi_kubernetes
def obj(token, manifest, name=None, **opts):
    return pulumi.CustomResource(
        f"kubernetes:{token}", name or manifest["metadata"]["name"], manifest, pulumi.ResourceOptions(provider=provider, **opts)
    )
provider = pulumi_kubernetes.Provider("cluster", kubeconfig=os.environ["TEST_KUBECONFIG"], cluster_identifier="one")
"""


@dataclass
class Ran:
    """What one run of the CLI said: exit code, counts, one line per change, errors, everything printed."""

    status: int
    counts: dict[str, int]
    changed: list[str]
    errors: str
    output: str
    lines: list[str] = field(default_factory=list)

    @property
    def changes(self) -> int:
        return sum(number for kind, number in self.counts.items() if kind != "same")


class Project:
    """A Pulumi project in a directory of its own; `program` replaces what it runs."""

    def __init__(self, directory: Path, environment: dict[str, str], kubeconfig: str) -> None:
        self.directory, self.environment = directory, environment
        directory.mkdir(parents=True)
        (directory / "Pulumi.yaml").write_text("name: test\nruntime: python\n")
        self.kubeconfig(kubeconfig)
        self.cli("stack", "init", "dev")

    def kubeconfig(self, contents: str) -> None:
        """Give the program another kubeconfig: contents, or a path."""
        self.environment["TEST_KUBECONFIG"] = contents

    def program(self, body: str, *, provider: bool = True) -> None:
        (self.directory / "__main__.py").write_text((PROVIDER if provider else "") + textwrap.dedent(body))

    def cli(self, *arguments: str) -> str:
        done = subprocess.run(
            [find_pulumi(), *arguments, "--non-interactive"],
            cwd=self.directory,
            env=self.environment,
            text=True,
            capture_output=True,
            stdin=subprocess.DEVNULL,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def run(self, operation: str, *flags: str) -> Ran:
        """Run an operation to its end, without judging it."""
        log, said = self.directory / "events.json", self.directory / "output.txt"
        log.write_text("")
        fixed = [] if operation == "preview" else ["--yes", "--skip-preview"]
        command = [find_pulumi(), operation, *fixed, *flags, "--non-interactive", "--color", "never", "--event-log", log, "--stack", "dev"]
        with said.open("w") as output:
            status = subprocess.run(
                command, cwd=self.directory, env=self.environment, stdout=output, stderr=output, stdin=subprocess.DEVNULL, check=False
            ).returncode
        lines: list[str] = []
        listener = Listener(lines.append, dry_run=operation == "preview")
        for event in follow(log, lambda: True):
            listener.hear(event)
        return Ran(status, listener.counts, listener.changed, "\n".join(listener.errors), said.read_text(), lines)

    def ok(self, operation: str, *flags: str) -> Ran:
        """Run an operation that must succeed."""
        ran = self.run(operation, *flags)
        assert ran.status == 0, ran.output
        return ran

    def state(self) -> str:
        return "".join(path.read_text() for path in (self.directory.parent / "state").rglob("*.json"))


@pytest.fixture(scope="package")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """An API server whose namespaces, owners and deployments are really looked after."""
    with ControlPlane(tmp_path_factory.mktemp("pulumi-plane"), controllers=CONTROLLERS) as started:
        yield started


@pytest.fixture
def api(plane: ControlPlane) -> KubeApi:
    return plane.api()


def environment_for(directory: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Return an environment in which everything of Pulumi's lies in `directory`, and only the stand-ins are found."""
    monkeypatch.setenv("COMMONWEAL_HOME", str(directory / "home"))
    state = directory / "state"
    state.mkdir(parents=True, exist_ok=True)
    base = dict(os.environ) | {"PULUMI_HOME": str(directory / "pulumi-home"), "PULUMI_BACKEND_URL": f"file://{state}"}
    found = stacks.environment(find_pulumi(), base | {"PULUMI_CONFIG_PASSPHRASE": "for tests"})
    return found | {"PATH": os.pathsep.join([str(stand_in_directory(list(STAND_INS))), found["PATH"]])}


@pytest.fixture
def project(tmp_path: Path, plane: ControlPlane, monkeypatch: pytest.MonkeyPatch) -> Project:
    return Project(tmp_path / "project", environment_for(tmp_path, monkeypatch), str(plane.kubeconfig()))


@pytest.fixture
def namespace(plane: ControlPlane, request: pytest.FixtureRequest) -> str:
    """A namespace of the test's own."""
    name = "t-" + request.node.name.replace("_", "-").replace("[", "-").strip("]-")[:50].rstrip("-")
    plane.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    return name


@pytest.fixture
def get(api: KubeApi) -> Callable[[str], dict[str, Any]]:
    """Read any path of the API."""
    return lambda path: json.loads(json.dumps(api.request("GET", path)))
