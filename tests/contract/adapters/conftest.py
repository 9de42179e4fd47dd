"""One management cluster for the whole folder, without providers: what Cluster API makes of our classes is made there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from commonweal_stacks.blueprint import current
from commonweal_stacks.checkout import source
from commonweal_stacks.clusters import adapter_of, site_objects
from commonweal_stacks.site_kinds import Kind
from support.cluster_api import ClusterApi, open_definition
from support.kube_api import manifests_in
from support.sites import site

REAL: tuple[Kind, ...] = ("aws", "gcp")
OPEN: tuple[Kind, ...] = ("azure", "vsphere", "metal3", "edge-k3s")


def open_definitions() -> list[dict[str, Any]]:
    """Return definitions without schemas for the kinds of providers whose real ones are not to be had."""
    found = {}
    for kind in OPEN:
        declaration = adapter_of(kind).declaration
        assert declaration.provider
        for made in site_objects(site(kind), current()):
            if made["kind"] in declaration.infrastructure:
                for name in {made["kind"], made["kind"].removesuffix("Template")}:
                    found[name] = open_definition(made["apiVersion"], name, declaration.provider.contract)
    return list(found.values())


def local_definitions() -> list[dict[str, Any]]:
    folder = source() / "stacks" / "management" / "providers" / "local"
    return [each for each in manifests_in(folder) if each["kind"] == "CustomResourceDefinition"]


@pytest.fixture(scope="package")
def management(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClusterApi]:
    more = [*open_definitions(), *local_definitions()]
    with ClusterApi(tmp_path_factory.mktemp("management"), REAL, more) as running:
        yield running
