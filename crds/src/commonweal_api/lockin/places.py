"""Where a rule may look, each place written twice side by side: in CEL for admission, in Python for everything else. A test holds the two together.

A place gives texts: keys, names, hosts. Of a manifest that the API server would refuse anyway (a list where a mapping belongs), Python gives nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

Manifest = Mapping[str, Any]
UNSET = "(not set)"
CLASS_ANNOTATION = "kubernetes.io/ingress.class"
STORAGE_ANNOTATION = "volume.beta.kubernetes.io/storage-class"
# Kinds with a pod template, by «group/Kind», and the path to it. A Pod is its own template.
TEMPLATES: Mapping[str, str] = {
    "/Pod": "",
    "/PodTemplate": "template.",
    "/ReplicationController": "spec.template.",
    "apps/DaemonSet": "spec.template.",
    "apps/Deployment": "spec.template.",
    "apps/ReplicaSet": "spec.template.",
    "apps/StatefulSet": "spec.template.",
    "batch/CronJob": "spec.jobTemplate.spec.template.",
    "batch/Job": "spec.template.",
}
# Types of volume that a rule may name: those that bind to a cloud or to a node.
VOLUME_TYPES = (
    "awsElasticBlockStore", "azureDisk", "azureFile", "cinder", "flexVolume", "gcePersistentDisk", "hostPath", "photonPersistentDisk", "portworxVolume",
    "quobyte", "scaleIO", "storageos", "vsphereVolume",
)  # fmt: skip
AFFINITIES = ("podAffinity", "podAntiAffinity")


class View:
    """One object, read without ever failing."""

    def __init__(self, obj: Manifest) -> None:
        self.obj = obj
        version = str(obj.get("apiVersion") or "")
        self.group = version.split("/", maxsplit=1)[0] if "/" in version else ""
        self.kind = f"{self.group}/{obj.get('kind') or ''}"
        self.at = TEMPLATES.get(self.kind, "")

    @cached_property
    def template(self) -> Manifest:
        """The pod template; of a Pod the object itself, of a kind without pods nothing."""
        return self.at_path(self.at.rstrip(".")) if self.kind in TEMPLATES else {}

    @cached_property
    def pod(self) -> Manifest:
        return mapping(self.template.get("spec"))

    @cached_property
    def volumes(self) -> list[Manifest]:
        return mappings(self.pod.get("volumes"))

    def at_path(self, path: str) -> Manifest:
        """Return the mapping at a dotted path, or an empty one."""
        found = self.obj
        for step in path.split(".") if path else ():
            found = mapping(found.get(step))
        return found


def mapping(value: Any) -> Manifest:
    return value if isinstance(value, Mapping) else {}


def mappings(value: Any) -> list[Manifest]:
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []


def texts(*values: Any) -> list[str]:
    """Return those values that are texts with something in them."""
    return [value for value in values if isinstance(value, str) and value]


@dataclass(frozen=True)
class Place:
    """`path` is shown to people, below the template's own path when `pod` is set; `cel` and `read` both give the texts found there."""

    path: str
    cel: str
    read: Callable[[View], Sequence[str]]
    pod: bool = False


def host_of(image: str) -> str:
    """Return the registry's host, without its port, as container engines read the name: without one it is docker.io."""
    first, slash, _ = image.partition("/")
    names_host = bool(slash) and ("." in first or ":" in first or first == "localhost")
    host = "".join(c.lower() if c.isascii() else c for c in first.split(":")[0]) if names_host else "docker.io"
    return "docker.io" if host in ("index.docker.io", "registry-1.docker.io") else host


def _flat(lists: str) -> str:
    """Return CEL for a list of lists of texts as one list; none of the texts holds a line break."""
    return f"({lists}).map(l, l.join('\\n')).join('\\n').split('\\n').filter(v, v != '')"


def _keys(of: str) -> str:
    return f"(has({of}) ? {of}.map(k, k) : [])"


def _optional(of: str) -> str:
    return f"(has({of}) && {of} != '' ? [string({of})] : [])"


def _of_kind(kinds: str, cel: str) -> str:
    return f"(variables.kind in [{kinds}] && has(object.spec) ? {cel} : [])"


def _each(items: str, wanted: str, value: str) -> str:
    """Return CEL for one text of each item that has it."""
    return f"{items}.filter(i, {wanted}).map(i, string({value}))"


def _field(kind: str, field: str) -> Callable[[View], list[str]]:
    return lambda view: texts(view.at_path("spec").get(field)) if view.kind == kind else []


def _claim_class(spec: Manifest) -> str:
    value = spec.get("storageClassName")
    return value if isinstance(value, str) else UNSET


def _claim_cel(spec: str) -> str:
    return f"(has({spec}.storageClassName) ? string({spec}.storageClassName) : '{UNSET}')"


def _claims(view: View) -> list[str]:
    return [_claim_class(view.at_path("spec"))] if view.kind == "/PersistentVolumeClaim" else []


def _claim_templates(view: View) -> list[str]:
    templates = mappings(view.at_path("spec").get("volumeClaimTemplates")) if view.kind == "apps/StatefulSet" else []
    return [_claim_class(mapping(template.get("spec"))) for template in templates]


def _ephemeral(view: View) -> list[str]:
    found = [mapping(mapping(volume.get("ephemeral")).get("volumeClaimTemplate")) for volume in view.volumes]
    return [_claim_class(mapping(template.get("spec"))) for template in found if template]


def _annotation(kind: str, name: str) -> Callable[[View], list[str]]:
    return lambda view: texts(mapping(mapping(view.obj.get("metadata")).get("annotations")).get(name)) if view.kind == kind else []


def _annotation_cel(kind: str, name: str) -> str:
    held = "object.metadata.annotations"
    return f"(variables.kind == '{kind}' && has({held}) && '{name}' in {held} && {held}['{name}'] != '' ? [string({held}['{name}'])] : [])"


def _node_affinity(view: View) -> list[str]:
    affinity = mapping(mapping(view.pod.get("affinity")).get("nodeAffinity"))
    required = mappings(mapping(affinity.get("requiredDuringSchedulingIgnoredDuringExecution")).get("nodeSelectorTerms"))
    preferred = [mapping(term.get("preference")) for term in mappings(affinity.get("preferredDuringSchedulingIgnoredDuringExecution"))]
    return [key for term in (*required, *preferred) for e in mappings(term.get("matchExpressions")) for key in texts(e.get("key"))]


def _node_affinity_cel() -> str:
    node, required, preferred = (
        "variables.affinity.nodeAffinity",
        "requiredDuringSchedulingIgnoredDuringExecution",
        "preferredDuringSchedulingIgnoredDuringExecution",
    )
    keys = "has(t.matchExpressions) ? t.matchExpressions.map(e, string(e.key)) : []"
    terms = f"(has({node}.{required}) ? {node}.{required}.nodeSelectorTerms.map(t, {keys}) : [])"
    wishes = f"(has({node}.{preferred}) ? {node}.{preferred}.map(p, p.preference).map(t, {keys}) : [])"
    return f"(has({node}) ? {_flat(f'{terms} + {wishes}')} : [])"


def _pod_topology(view: View) -> Iterator[str]:
    for name in AFFINITIES:
        affinity = mapping(mapping(view.pod.get("affinity")).get(name))
        wishes = mappings(affinity.get("preferredDuringSchedulingIgnoredDuringExecution"))
        required = mappings(affinity.get("requiredDuringSchedulingIgnoredDuringExecution"))
        for term in (*required, *(mapping(wish.get("podAffinityTerm")) for wish in wishes)):
            yield from texts(term.get("topologyKey"))


def _pod_topology_cel() -> str:
    parts = []
    for name in AFFINITIES:
        held = f"variables.affinity.{name}"
        required, preferred = (f"{held}.{kind}DuringSchedulingIgnoredDuringExecution" for kind in ("required", "preferred"))
        parts.append(f"(has({held}) && has({required}) ? {required}.map(t, string(t.topologyKey)) : [])")
        parts.append(f"(has({held}) && has({preferred}) ? {preferred}.map(t, string(t.podAffinityTerm.topologyKey)) : [])")
    return " + ".join(parts)


def _pod_list(name: str, key: str) -> Callable[[View], list[str]]:
    return lambda view: [value for item in mappings(view.pod.get(name)) for value in texts(item.get(key))]


def _pod_list_cel(name: str, key: str) -> str:
    return f"(has(variables.pod.{name}) ? {_each(f'variables.pod.{name}', f'has(i.{key}) && i.{key} != {chr(39) * 2}', f'i.{key}')} : [])"


def _images(view: View) -> list[str]:
    containers = [c for name in ("containers", "initContainers", "ephemeralContainers") for c in mappings(view.pod.get(name))]
    volumes = [mapping(volume.get("image")).get("reference") for volume in view.volumes]
    return [host_of(image) for image in texts(*(c.get("image") for c in containers), *volumes)]


def _images_cel() -> str:
    lists = [_pod_list_cel(name, "image") for name in ("containers", "initContainers", "ephemeralContainers")]
    mounted = _each("variables.volumes", "has(i.image) && has(i.image.reference) && i.image.reference != ''", "i.image.reference")
    first = "i.split('/')[0]"
    names_host = f"i.contains('/') && ({first}.contains('.') || {first}.contains(':') || {first} == 'localhost')"
    host = f"({names_host} ? {first}.split(':')[0].lowerAscii() : 'docker.io')"
    return f"({' + '.join(lists)} + {mounted}).map(i, {host}).map(h, h in ['index.docker.io', 'registry-1.docker.io'] ? 'docker.io' : h)"


def _volume_types_cel() -> str:
    return " + ".join(f"(variables.volumes.exists(v, has(v.{name})) ? ['{name}'] : [])" for name in VOLUME_TYPES)


def _volume_types(view: View) -> list[str]:
    return [name for name in VOLUME_TYPES if any(volume.get(name) is not None for volume in view.volumes)]


def _metadata(field: str) -> Callable[[View], list[str]]:
    return lambda view: list(mapping(mapping(view.obj.get("metadata")).get(field)))


def _of_template(field: str) -> Callable[[View], list[str]]:
    return lambda view: list(mapping(mapping(view.template.get("metadata")).get(field))) if view.at else []


def _of_template_cel(field: str) -> str:
    held = "variables.template.metadata"
    return f"(variables.at != '' && has({held}) && has({held}.{field}) ? {held}.{field}.map(k, k) : [])"


_SELECTOR, _STATEFUL = "variables.pod.nodeSelector", "object.spec.volumeClaimTemplates"
_EPHEMERAL = "variables.volumes.filter(v, has(v.ephemeral) && has(v.ephemeral.volumeClaimTemplate))"
PLACES: Mapping[str, Place] = {
    "apiGroup": Place("apiVersion", "[variables.group]", lambda view: [view.group]),
    "annotations": Place("metadata.annotations", _keys("object.metadata.annotations"), _metadata("annotations")),
    "labels": Place("metadata.labels", _keys("object.metadata.labels"), _metadata("labels")),
    "templateAnnotations": Place("metadata.annotations", _of_template_cel("annotations"), _of_template("annotations"), pod=True),
    "templateLabels": Place("metadata.labels", _of_template_cel("labels"), _of_template("labels"), pod=True),
    "balancerClass": Place(
        "spec.loadBalancerClass",
        _of_kind("'/Service'", _optional("object.spec.loadBalancerClass")),
        _field("/Service", "loadBalancerClass"),
    ),
    "externalName": Place(
        "spec.externalName", _of_kind("'/Service'", _optional("object.spec.externalName")), _field("/Service", "externalName")
    ),
    "ingressClass": Place(
        "spec.ingressClassName",
        _of_kind("'networking.k8s.io/Ingress'", _optional("object.spec.ingressClassName")),
        _field("networking.k8s.io/Ingress", "ingressClassName"),
    ),
    "ingressAnnotation": Place(
        f"metadata.annotations[{CLASS_ANNOTATION}]",
        _annotation_cel("networking.k8s.io/Ingress", CLASS_ANNOTATION),
        _annotation("networking.k8s.io/Ingress", CLASS_ANNOTATION),
    ),
    "gatewayClass": Place(
        "spec.gatewayClassName",
        _of_kind("'gateway.networking.k8s.io/Gateway'", _optional("object.spec.gatewayClassName")),
        _field("gateway.networking.k8s.io/Gateway", "gatewayClassName"),
    ),
    "claimClass": Place("spec.storageClassName", _of_kind("'/PersistentVolumeClaim'", f"[{_claim_cel('object.spec')}]"), _claims),
    "storageAnnotation": Place(
        f"metadata.annotations[{STORAGE_ANNOTATION}]",
        _annotation_cel("/PersistentVolumeClaim", STORAGE_ANNOTATION),
        _annotation("/PersistentVolumeClaim", STORAGE_ANNOTATION),
    ),
    "claimTemplateClasses": Place(
        "spec.volumeClaimTemplates[].spec.storageClassName",
        _of_kind("'apps/StatefulSet'", f"(has({_STATEFUL}) ? {_STATEFUL}.map(t, {_claim_cel('t.spec')}) : [])"),
        _claim_templates,
    ),
    "ephemeralClasses": Place(
        "spec.volumes[].ephemeral.volumeClaimTemplate.spec.storageClassName",
        f"{_EPHEMERAL}.map(v, v.ephemeral.volumeClaimTemplate).map(t, {_claim_cel('t.spec')})",
        _ephemeral,
        pod=True,
    ),
    "nodeSelector": Place("spec.nodeSelector", _keys(_SELECTOR), lambda view: list(mapping(view.pod.get("nodeSelector"))), pod=True),
    "nodeAffinity": Place("spec.affinity.nodeAffinity", _node_affinity_cel(), _node_affinity, pod=True),
    "podTopology": Place("spec.affinity.*.topologyKey", _pod_topology_cel(), lambda view: list(_pod_topology(view)), pod=True),
    "spreadTopology": Place(
        "spec.topologySpreadConstraints[].topologyKey",
        _pod_list_cel("topologySpreadConstraints", "topologyKey"),
        _pod_list("topologySpreadConstraints", "topologyKey"),
        pod=True,
    ),
    "tolerations": Place("spec.tolerations[].key", _pod_list_cel("tolerations", "key"), _pod_list("tolerations", "key"), pod=True),
    "images": Place("spec.containers[].image", _images_cel(), _images, pod=True),
    "csiDrivers": Place(
        "spec.volumes[].csi.driver",
        _each("variables.volumes", "has(i.csi) && has(i.csi.driver) && i.csi.driver != ''", "i.csi.driver"),
        lambda view: [driver for volume in view.volumes for driver in texts(mapping(volume.get("csi")).get("driver"))],
        pod=True,
    ),
    "volumeTypes": Place("spec.volumes[]", _volume_types_cel(), _volume_types, pod=True),
    "runtimeClass": Place(
        "spec.runtimeClassName", _optional("variables.pod.runtimeClassName"), lambda view: texts(view.pod.get("runtimeClassName")), pod=True
    ),
    "scheduler": Place(
        "spec.schedulerName", _optional("variables.pod.schedulerName"), lambda view: texts(view.pod.get("schedulerName")), pod=True
    ),
}
