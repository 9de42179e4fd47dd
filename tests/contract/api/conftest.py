"""What the contract tests of the API share."""

from __future__ import annotations

import pytest

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
