"""A real API server with the whole platform layer on it, applied as the stack would, and the operator running beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import yaml

from commonweal_stacks.api import Api
from commonweal_stacks.platform.layer import Keys, Layer, build_layer
from commonweal_stacks.site import parse_site
from contract.operator.stage import IMAGES, Operator, running_operator
from support.control_plane import REPOSITORY, ControlPlane
from support.waiting import wait_for

CONTROLLERS = (
    "namespace-controller",
    "garbage-collector-controller",
    "resourcequota-controller",
    "serviceaccount-controller",
    "persistentvolumeclaim-protection-controller",
    "clusterrole-aggregation-controller",
)
SEED = "5e" * 32


@pytest.fixture(scope="package")
def layer() -> Layer:
    config = yaml.safe_load((REPOSITORY / "stacks" / "site" / "Pulumi.onprem.yaml").read_text())["config"]["commonweal:site"]
    return build_layer(parse_site(config | {"expose": "ClusterIP"}, stack="onprem"), IMAGES, Keys("5ec7" * 16, "5ec8" * 16, SEED))


@pytest.fixture(scope="package")
def plane(tmp_path_factory: pytest.TempPathFactory, layer: Layer) -> Iterator[ControlPlane]:
    with ControlPlane(tmp_path_factory.mktemp("conformity-plane"), controllers=CONTROLLERS) as started:
        apply(started, layer)
        yield started


@pytest.fixture(scope="package")
def operator(plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    with running_operator(plane, tmp_path_factory.mktemp("operator")) as process:
        yield process


@pytest.fixture
def api(plane: ControlPlane) -> Api:
    return Api(plane.kubeconfig().read_text(), site="onprem")


@pytest.fixture
def kubeconfig(plane: ControlPlane) -> str:
    return plane.kubeconfig().read_text()


def apply(plane: ControlPlane, layer: Layer) -> None:
    """Bring a cluster to the layer, as `pulumi up --refresh` does: what is missing comes back, what was changed is set right."""
    for stage in layer.stages:
        for obj in stage.objects:
            plane.apply(obj)
        for obj in stage.objects:
            if obj["kind"] == "CustomResourceDefinition":
                wait_for(f"{obj['metadata']['name']} to be served", _served(plane, obj["spec"]["names"]["plural"]))


def _served(plane: ControlPlane, plural: str) -> Callable[[], bool | None]:
    def look() -> bool | None:
        groups = plane.api().request("GET", "/apis")["groups"]
        if not any(group["name"] == "commonweal.dev" for group in groups):
            return None
        return any(r["name"] == plural for r in plane.api().request("GET", "/apis/commonweal.dev/v1alpha1")["resources"]) or None

    return look
