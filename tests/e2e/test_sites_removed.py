"""The platform taken off a real site again. Named so that it runs after whatever else needs the two sites."""

from __future__ import annotations

import pytest

from commonweal_local import pulumi
from commonweal_local.demo import bring_up

pytestmark = pytest.mark.sites


def test_destroy_leaves_nothing_of_ours_on_the_site(brought: bring_up.Brought) -> None:
    cloud = brought.clusters[1]
    pulumi.destroy("cloud", delete_departments=True, say=lambda _: None)
    kinds = "crd,clusterrole,clusterrolebinding,validatingadmissionpolicy,validatingadmissionpolicybinding,storageclass,namespace"
    names = cloud.run("get", kinds, "-o", "name").split()
    ours = [name for name in names if "commonweal" in name or "/dept-" in name or name.endswith("/std-rwo")]
    assert ours == []
