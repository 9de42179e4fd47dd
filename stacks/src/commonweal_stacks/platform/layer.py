"""The whole layer of a site, in the order in which it must come up. Pure but for reading `crds/` and rendering the chart."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from commonweal_stacks.checkout import source
from commonweal_stacks.exceptions import ChartError
from commonweal_stacks.manifests import NAMESPACE, Manifest, documents, key_of
from commonweal_stacks.platform import chart, foundation
from commonweal_stacks.site import SiteConfig

POLICY_GROUP = "admissionregistration.k8s.io"
# Kinds without a namespace that a chart of ours may hold; every other object gets the platform's namespace written out.
CLUSTER_SCOPED = frozenset(
    {
        "ClusterRole",
        "ClusterRoleBinding",
        "CustomResourceDefinition",
        "MutatingAdmissionPolicy",
        "MutatingAdmissionPolicyBinding",
        "Namespace",
        "PriorityClass",
        "StorageClass",
        "ValidatingAdmissionPolicy",
        "ValidatingAdmissionPolicyBinding",
    }
)


@dataclass(frozen=True)
class Stage:
    """Objects that may come up together; the next stage waits for all of them."""

    name: str
    objects: tuple[Manifest, ...]


@dataclass(frozen=True)
class Layer:
    """The platform layer of one site."""

    stages: tuple[Stage, ...]

    @property
    def objects(self) -> tuple[Manifest, ...]:
        return tuple(obj for stage in self.stages for obj in stage.objects)


@dataclass(frozen=True)
class Keys:
    """The secrets of a site, each 64 hexadecimal characters: the master of the sectors, its authority's, and the seed that it signs with. Each may be a Pulumi output."""

    master: Any = field(repr=False)
    authority: Any = field(repr=False)
    site: Any = field(repr=False)


def definitions(directory: Path) -> list[Manifest]:
    """Return the CustomResourceDefinitions of a directory, in the order of their names."""
    found = [obj for file in sorted(directory.glob("*.yaml")) for obj in documents(file.read_text(encoding="utf-8"))]
    return sorted(found, key=key_of)


def build_layer(site: SiteConfig, images: Mapping[str, str], keys: Keys, *, root: Path | None = None) -> Layer:
    """Return the layer of a site. Raises ChartError."""
    base = root or source()
    rendered = [_placed(obj) for obj in chart.render(base / "charts" / "commonweal", chart.values(site, images))]
    policies = [obj for obj in rendered if str(obj["apiVersion"]).startswith(f"{POLICY_GROUP}/")]
    secrets = (foundation.sectors(keys.master), foundation.site_authority(keys.authority), foundation.site_key(keys.site))
    limits = (foundation.quota(), foundation.limits(), foundation.default_deny())
    layer = Layer(
        (
            Stage("foundation", (foundation.namespace(), *definitions(base / "crds"))),
            Stage("guards", (*limits, foundation.storage_class(site.storage), *secrets, *policies)),
            Stage("operator", tuple(obj for obj in rendered if obj not in policies)),
        )
    )
    _refuse_twins(layer.objects)
    return layer


def _placed(obj: Manifest) -> Manifest:
    """Return the object with its namespace written out, as `helm install` would place it."""
    if obj["kind"] in CLUSTER_SCOPED:
        return obj
    return {**obj, "metadata": {"namespace": NAMESPACE, **obj["metadata"]}}


def _refuse_twins(objects: Iterable[Manifest]) -> None:
    seen: set[tuple[str, str, str]] = set()
    for key in map(key_of, objects):
        if key in seen:
            raise ChartError(f"{key[0]} {key[2]} comes from the chart and from the stack: take it out of charts/commonweal.")
        seen.add(key)
