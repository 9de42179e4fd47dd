"""A real site taken down again: its platform, then its cluster. Named so that it runs after whatever else needs the two sites."""

from __future__ import annotations

import pytest

from commonweal_cli.demo import bring_up
from commonweal_cli.site import operations
from commonweal_local import sites
from commonweal_stacks.clusters import running_version

pytestmark = pytest.mark.sites


def test_destroy_ends_the_site_and_leaves_nothing_of_it(brought: bring_up.Brought) -> None:
    onprem, cloud = brought.clusters
    said: list[str] = []
    operations.destroy("cloud", delete_departments=True, say=said.append)
    assert said.index("deleted Namespace/commonweal-system") < said.index("deleted Cluster.cluster.x-k8s.io/commonweal-fleet/cloud")
    assert running_version("cloud") is None
    assert "cloud" not in [status.name for status in sites.status()]
    assert not cloud.kubeconfig.parent.exists()
    assert onprem.run("get", "namespace", bring_up.SYSTEM, "-o", "name").strip() == f"namespace/{bring_up.SYSTEM}"
