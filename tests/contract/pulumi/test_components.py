"""Our components as another Pulumi program uses them: name, arguments, options; outputs that it can build on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from support.kube_api import KubeApi

Get = Callable[[str], dict[str, Any]]
PROGRAM = """
import os
from pathlib import Path
import pulumi
from commonweal_stacks.components.platform import Platform, PlatformArgs
from commonweal_stacks.platform.layer import Layer, Stage
from commonweal_stacks.manifests import manifest

limits = manifest("v1", "LimitRange", "mine", namespace="{0}", spec={{"limits": [{{"type": "Container", "default": {{"memory": "1Gi"}}}}]}})
desk = manifest("v1", "Service", "desk", namespace="{0}", spec={{"ports": [{{"port": 80}}], "selector": {{"app": "desk"}}}})
team = pulumi.ComponentResource("example:index:Team", "team")
mine = Platform(
    "mine",
    PlatformArgs(
        layer=Layer((Stage("first", (limits,)), Stage("second", (desk,)))),
        kubeconfig=pulumi.Output.from_input(Path(os.environ["TEST_KUBECONFIG"]).read_text()),
        cluster_identifier=pulumi.Output.from_input("one"),
    ),
    pulumi.ResourceOptions(parent=team),
)
pulumi.export("said", pulumi.Output.concat(mine.namespace, " of ", mine.cluster_identifier))
pulumi.export("desk", mine.endpoints["desk"])
pulumi.export("digest", mine.digest)
"""
ENTRY = """
import os
from pathlib import Path
import pulumi
from commonweal_stacks.components.cluster import FleetEntry, FleetEntryArgs

file = Path(os.environ["TEST_KUBECONFIG"])
entry = FleetEntry("elsewhere", FleetEntryArgs(kubeconfig=file.read_text(), management=file))
pulumi.export("secret", entry.kubeconfig_secret)
pulumi.export("profile", entry.profile)
"""


def outputs(project: Any) -> dict[str, Any]:
    return {name: output.value for name, output in project.stack.outputs().items()}


def test_another_program_puts_a_platform_of_its_own_on_a_cluster(project: Any, namespace: str, get: Get) -> None:
    project.program(PROGRAM.format(namespace), provider=False)

    project.ok("preview")
    made = project.ok("up")
    assert made.counts == {"create": 6}  # the stack, the team, the platform, its provider, two objects
    said = outputs(project)
    assert (said["said"], said["desk"]) == ("commonweal-system of one", "desk.commonweal-system.svc.cluster.local")
    assert len(said["digest"]) == 64
    assert get(f"/api/v1/namespaces/{namespace}/limitranges/mine")["spec"]["limits"][0]["default"]["memory"] == "1Gi"
    urns = [one["urn"] for one in project.resources()]
    assert "urn:pulumi:dev::test::example:index:Team$commonweal:platform:Platform::mine" in urns
    assert project.ok("up").changes == 0
    project.ok("destroy")


def test_another_program_enters_a_cluster_of_its_own_in_the_fleet(project: Any, api: KubeApi, fleet: None) -> None:
    project.program(ENTRY, provider=False)

    project.ok("up")
    found = outputs(project)
    assert found == {"secret": "commonweal-fleet/elsewhere-kubeconfig", "profile": "commonweal-fleet/elsewhere"}
    assert api.request("GET", "/api/v1/namespaces/commonweal-fleet/secrets/elsewhere-kubeconfig")["type"] == "cluster.x-k8s.io/secret"
    project.ok("destroy")
