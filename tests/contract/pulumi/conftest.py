"""Pulumi's own CLI and Kubernetes plug-in, our language host, and an API server with the controllers that their behaviour rests on."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from pulumi import automation
from pulumi.automation.errors import CommandError
from pulumi.automation.events import EngineEvent

from commonweal_cli.site import programs
from commonweal_cli.site.events import Listener
from commonweal_cli.site.stack import FORCED, SETTINGS
from commonweal_stacks import fleet_names as names
from support.control_plane import REPOSITORY, ControlPlane
from support.kube_api import KubeApi

CONTROLLERS = (
    "namespace-controller",
    "garbage-collector-controller",
    "deployment-controller",
    "replicaset-controller",
    "resourcequota-controller",
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
    """What one run said: whether it went well, counts, one line per change, errors, every line, and all that was printed or sent as an event."""

    well: bool
    counts: dict[str, int]
    changed: list[str]
    errors: str
    lines: list[str] = field(repr=False)
    output: str = field(repr=False)

    @property
    def changes(self) -> int:
        return sum(number for kind, number in self.counts.items() if kind != "same")


class Project:
    """A Pulumi project in a directory of its own; `program` replaces what it runs."""

    def __init__(self, directory: Path, kubeconfig: str) -> None:
        self.directory, self.home = directory / "project", directory
        self.directory.mkdir(parents=True)
        (self.home / "state").mkdir()
        (self.directory / "Pulumi.yaml").write_text("name: test\nruntime: python\n")
        self.kubeconfig(kubeconfig)

    def kubeconfig(self, contents: str) -> None:
        """Give the program another kubeconfig: contents, or a path."""
        self.environment = {
            **SETTINGS,
            "PULUMI_BACKEND_URL": f"file://{self.home / 'state'}",
            "PULUMI_CONFIG_PASSPHRASE": "for tests",
            "TEST_KUBECONFIG": contents,
        }

    def program(self, body: str, *, provider: bool = True) -> None:
        (self.directory / "__main__.py").write_text((PROVIDER if provider else "") + textwrap.dedent(body))

    @property
    def stack(self) -> automation.Stack:
        command = automation.PulumiCommand(root=str(programs.directory()))
        options = {"pulumi_home": str(self.home / "pulumi-home"), "env_vars": self.environment, "pulumi_command": command}
        return automation.Stack.create_or_select("dev", automation.LocalWorkspace(work_dir=str(self.directory), **options))

    def run(self, operation: str, **options: Any) -> Ran:
        """Run an operation to its end, without judging it."""
        lines: list[str] = []
        printed: list[str] = []
        listener = Listener(lines.append, dry_run=operation == "preview")

        def hear(event: EngineEvent) -> None:
            printed.append(json.dumps(event, default=lambda part: getattr(part, "__dict__", str(part))))
            listener.hear(event)

        stack = self.stack
        stack.workspace.env_vars = {**self.environment, **(FORCED if operation == "preview" else {})}
        call = getattr(stack, operation)
        try:
            call(on_event=hear, on_output=printed.append, on_error=printed.append, color="never", **options)
            well = True
        except CommandError:
            well = False
        return Ran(well, listener.counts, listener.changed, "\n".join(listener.errors), lines, "\n".join(printed))

    def ok(self, operation: str, **options: Any) -> Ran:
        """Run an operation that must succeed."""
        ran = self.run(operation, **options)
        assert ran.well, ran.errors
        return ran

    def state(self) -> str:
        return "".join(path.read_text() for path in (self.home / "state").rglob("*.json"))

    def resources(self) -> list[dict[str, Any]]:
        """Return the resources in the stack's state."""
        found: list[dict[str, Any]] = self.stack.export_stack().deployment["resources"]
        return found


@pytest.fixture(scope="package")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """An API server whose namespaces, owners, deployments and quotas are really looked after."""
    with ControlPlane(tmp_path_factory.mktemp("pulumi-plane"), controllers=CONTROLLERS) as started:
        yield started


@pytest.fixture
def api(plane: ControlPlane) -> KubeApi:
    return plane.api()


@pytest.fixture
def project(tmp_path: Path, plane: ControlPlane) -> Project:
    return Project(tmp_path, str(plane.kubeconfig()))


@pytest.fixture
def namespace(plane: ControlPlane, request: pytest.FixtureRequest) -> str:
    """A namespace of the test's own."""
    name = "t-" + request.node.name.replace("_", "-").replace("[", "-").strip("]-")[:50].rstrip("-")
    plane.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    return name


@pytest.fixture
def fleet(plane: ControlPlane) -> None:
    """What an entry in the fleet needs: its namespace, and the inventory's definition."""
    plane.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": names.FLEET}})
    plane.apply(REPOSITORY / "stacks" / "management" / "providers" / "inventory")


@pytest.fixture
def get(api: KubeApi) -> Callable[[str], dict[str, Any]]:
    """Read any path of the API."""
    return lambda path: json.loads(json.dumps(api.request("GET", path)))
