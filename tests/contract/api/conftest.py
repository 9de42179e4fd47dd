"""What the contract tests of the API share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from contract.api.tenancy import site
from support.control_plane import ControlPlane
from support.kube_api import KubeApi
from support.manifests import namespace


@pytest.fixture(scope="package")
def api(control_plane: ControlPlane) -> KubeApi:
    """An administrator's client of an API server that serves our kinds, with the namespaces of tax and benefits."""
    control_plane.install_crds()
    for department in ("tax", "benefits"):
        control_plane.apply(namespace(department))
    return control_plane.api()


@pytest.fixture(scope="package")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A site with our kinds, roles and policies, the departments' namespaces, and what the operator made in both of tax."""
    with site(tmp_path_factory.mktemp("admission")) as plane:
        yield plane


@pytest.fixture
def tenant(plane: ControlPlane) -> KubeApi:
    """Somebody whom access rules allow everything, and who is yet neither operator nor system:masters."""
    return plane.api("tenant")
