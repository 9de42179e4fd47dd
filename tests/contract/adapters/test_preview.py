"""What `pulumi preview` says of a cloud's site before anything changes: the real CLI against the real definitions and the real Cluster API."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

from contract.pulumi.conftest import Project
from support.cluster_api import ClusterApi
from support.sites import described

# As the site's program registers them, but for waiting until the Cluster is Available: no provider will ever make one here.
PROGRAM = """
import json
from commonweal_stacks import blueprint, clusters
from commonweal_stacks.components.cluster import classed
from commonweal_stacks.resources import SKIP_AWAIT, KubernetesObject
from commonweal_stacks.site import parse_site

value = json.load(open("site.json"))
site = parse_site(value, stack=value["name"])
earlier, classes = [], {}
for obj in clusters.site_objects(site, blueprint.revision(site.blueprint)):
    if obj["kind"] == "Cluster":
        obj["metadata"]["annotations"] = {SKIP_AWAIT: "true"}
    made = KubernetesObject(classed(obj, classes), pulumi.ResourceOptions(provider=provider, depends_on=[*earlier]))
    earlier.append(made)
    if obj["kind"] == "ClusterClass":
        classes[obj["metadata"]["name"]] = made
"""


def steps(changed: list[str]) -> Counter[str]:
    """Return how often a run does what to which kind: `create ClusterClass`."""
    return Counter(line.partition(".")[0] for line in changed)


def test_a_preview_shows_the_whole_effect_of_a_change(management: ClusterApi, tmp_path: Path) -> None:
    name = "seen-aws"
    project = Project(tmp_path, str(management.kubeconfig()))
    project.program(PROGRAM)

    def say(**changes: Any) -> None:
        (project.directory / "site.json").write_text(json.dumps(described("aws", name=name, **changes)))

    say()
    assert project.ok("up").counts == {"create": 9}  # the stack, its provider, and seven objects
    assert project.ok("up").changes == 0

    say(size="medium")
    larger = project.ok("preview")
    # Another machine for the control plane; the workers' stays, there is only one more of it.
    assert steps(larger.changed) == Counter(
        {"create AWSMachineTemplate": 1, "delete AWSMachineTemplate": 1, "update ClusterClass": 1, "update Cluster": 1}
    )

    say(blueprint="r3")
    upgraded = steps(project.ok("preview").changed)
    assert (upgraded["create ClusterClass"], upgraded["update Cluster"], upgraded["delete ClusterClass"]) == (1, 1, 1)
    cluster = management.found("cluster.x-k8s.io/v1beta2", "Cluster", name)
    assert cluster
    assert cluster["spec"]["topology"]["version"] == "v1.36.3"
