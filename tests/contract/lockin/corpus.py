"""Manifests as departments write them, some of which lock in: every place that a rule looks at, with values that are found and values that are not."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from commonweal_api.lockin import ANNOTATION

NAMESPACE = "dept-tax"
Body = dict[str, Any]

KEYS = [
    *(
        "app.kubernetes.io/name",
        "example.org/team",
        "plain",
        "kubernetes.io/hostname",
        "topology.kubernetes.io/zone",
        "eks.amazonaws.com/role-arn",
    ),
    *(
        "iam.gke.io/gcp-service-account",
        "azure.workload.identity/use",
        "service.beta.kubernetes.io/aws-load-balancer-type",
        "cloud.google.com/neg",
    ),
    *(
        "metallb.io/pool",
        "eks.amazonaws.com",
        "xeks.amazonaws.com/role",
        "cloud.google.com/gke-nodepool",
        "kubernetes.azure.com/mode",
        "agentpool",
    ),
    *("karpenter.sh/nodepool", "node.kubernetes.io/instance-type", "topology.gke.io/zone", "nginx.ingress.kubernetes.io/rewrite-target"),
]
IMAGES = [
    *("nginx", "library/nginx:1.27", "localhost/commonweal/store:1", "localhost:5000/a", "registry.example.org/a/b@sha256:" + "0" * 64),
    *(
        "gcr.io/p/i:1",
        "GCR.io:443/p/i",
        "eu.gcr.io/p/i",
        "notgcr.io/p/i",
        "europe-west2-docker.pkg.dev/p/i",
        "quay.io/p/i",
        "index.docker.io/p/i",
    ),
    *(
        "123456789012.dkr.ecr.eu-west-2.amazonaws.com/i",
        "x.azurecr.io/i",
        "mcr.microsoft.com/i",
        "ghcr.io/p/i",
        "user/image",
        "10.0.0.1:5000/x",
    ),
]
CLASSES = ["std-rwo", "std-rwx", "gp3", "premium-rwo", "", None]
DRIVERS = [
    "ebs.csi.aws.com",
    "disk.csi.azure.com",
    "pd.csi.storage.gke.io",
    "secrets-store.csi.k8s.io",
    "csi.example.org",
    "notcsi.aws.com",
]
VOLUMES: list[Body] = [
    {"emptyDir": {}},
    {"configMap": {"name": "c"}},
    {"hostPath": {"path": "/srv"}},
    {"awsElasticBlockStore": {"volumeID": "v"}},
    {"azureDisk": {"diskName": "d", "diskURI": "https://a.blob.core.windows.net/c/d.vhd"}},
    {"azureFile": {"secretName": "s", "shareName": "h"}},
    {"gcePersistentDisk": {"pdName": "p"}},
    {"vsphereVolume": {"volumePath": "p"}},
    {"cinder": {"volumeID": "v"}},
    {"flexVolume": {"driver": "a/b"}},
    {"quobyte": {"registry": "h:1", "volume": "v"}},
]


def _some(values: list[Any], most: int = 2) -> st.SearchStrategy[list[Any]]:
    return st.lists(st.sampled_from(values), max_size=most, unique_by=repr)


def _keyed() -> st.SearchStrategy[Body]:
    return _some(KEYS).map(lambda keys: dict.fromkeys(keys, "v"))


def _maybe(strategy: st.SearchStrategy[Any], key: str) -> st.SearchStrategy[Body]:
    """Mostly nothing: so that most manifests have few findings, and messages are not cut off."""
    return st.one_of(st.just({}), st.just({}), strategy.map(lambda value: {key: value} if value not in ({}, []) else {}))


def _class_of(value: str | None) -> Body:
    spec: Body = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    return spec if value is None else spec | {"storageClassName": value}


def _volume(index: int, content: Body) -> Body:
    return {"name": f"v{index}", **content}


_volumes = st.lists(
    st.one_of(
        st.sampled_from(VOLUMES),
        st.sampled_from(DRIVERS).map(lambda driver: {"csi": {"driver": driver}}),
        st.sampled_from(CLASSES).map(lambda name: {"ephemeral": {"volumeClaimTemplate": {"spec": _class_of(name)}}}),
    ),
    max_size=2,
).map(lambda found: [_volume(i, content) for i, content in enumerate(found)])


def _expression(key: str) -> Body:
    return {"key": key, "operator": "Exists"}


def _node_affinity(required: list[str], preferred: list[str], fields: bool) -> Body:
    found: Body = {}
    if required:
        found["requiredDuringSchedulingIgnoredDuringExecution"] = {
            "nodeSelectorTerms": [{"matchExpressions": [_expression(k)]} for k in required]
        }
    elif fields:
        term = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n"]}]}
        found["requiredDuringSchedulingIgnoredDuringExecution"] = {"nodeSelectorTerms": [term]}
    if preferred:
        term = {"matchExpressions": [_expression(k) for k in preferred]}
        found["preferredDuringSchedulingIgnoredDuringExecution"] = [{"weight": 1, "preference": term}]
    return found


def _pod_affinity(required: list[str], preferred: list[str]) -> Body:
    found: Body = {}
    if required:
        found["requiredDuringSchedulingIgnoredDuringExecution"] = [{"topologyKey": k} for k in required]
    if preferred:
        found["preferredDuringSchedulingIgnoredDuringExecution"] = [{"weight": 1, "podAffinityTerm": {"topologyKey": k}} for k in preferred]
    return found


_affinity = st.fixed_dictionaries(
    {},
    optional={
        "nodeAffinity": st.builds(_node_affinity, _some(KEYS), _some(KEYS), st.booleans()),
        "podAffinity": st.builds(_pod_affinity, _some(KEYS, 1), _some(KEYS, 1)),
        "podAntiAffinity": st.builds(_pod_affinity, _some(KEYS, 1), _some(KEYS, 1)),
    },
)
_toleration = st.one_of(st.just({"operator": "Exists"}), st.sampled_from(KEYS).map(lambda key: {"key": key, "operator": "Exists"}))
_spread = _some(KEYS).map(lambda keys: [{"maxSkew": 1, "topologyKey": k, "whenUnsatisfiable": "ScheduleAnyway"} for k in keys])


def _merged(*parts: Body) -> Body:
    return {key: value for part in parts for key, value in part.items()}


def _containers(images: list[str], prefix: str) -> list[Body]:
    return [{"name": f"{prefix}{i}", "image": image} for i, image in enumerate(images)]


_containers_of = st.lists(st.sampled_from(IMAGES), min_size=1, max_size=2)
pod_specs: st.SearchStrategy[Body] = st.builds(
    _merged,
    _containers_of.map(lambda images: {"containers": _containers(images, "c")}),
    _maybe(_containers_of.map(lambda images: _containers(images, "i")), "initContainers"),
    _maybe(_keyed(), "nodeSelector"),
    _maybe(_affinity, "affinity"),
    _maybe(_spread, "topologySpreadConstraints"),
    _maybe(st.lists(_toleration, max_size=2), "tolerations"),
    _volumes.map(lambda found: {"volumes": found} if found else {}),
    _maybe(st.sampled_from(["own-scheduler", "default-scheduler"]), "schedulerName"),
)


def _metadata(annotations: Body, labels: Body) -> Body:
    # Never without labels: the API server gives a ReplicationController those of its template then.
    return {"name": "made", "namespace": NAMESPACE, "annotations": annotations, "labels": labels | {"app": "a"}}


_metadatas = st.one_of(st.just(_metadata({}, {})), st.builds(_metadata, _keyed(), _keyed()))
_template_metadata = st.builds(
    lambda annotations, labels: {"annotations": annotations, "labels": labels | {"app": "a"}}, _keyed(), _keyed()
)


def _object(api: str, kind: str) -> Callable[[Body, Body], Body]:
    return lambda metadata, content: {"apiVersion": api, "kind": kind, "metadata": metadata, **content}


def _of(api: str, kind: str, content: st.SearchStrategy[Body]) -> st.SearchStrategy[Body]:
    return st.builds(_object(api, kind), _metadatas, content)


_templates = st.builds(lambda metadata, spec: {"metadata": metadata, "spec": spec}, _template_metadata, pod_specs)
_selector = {"matchLabels": {"app": "a"}}


def _job(template: Body) -> Body:
    return {"template": template | {"spec": template["spec"] | {"restartPolicy": "Never"}}}


def _stateful(template: Body, classes: list[str | None]) -> Body:
    claims = [{"metadata": {"name": f"d{i}"}, "spec": _class_of(name)} for i, name in enumerate(classes)]
    return {"spec": {"serviceName": "s", "selector": _selector, "template": template, "volumeClaimTemplates": claims}}


def _service(balancer: str | None, external: str | None) -> Body:
    if external is not None:
        return {"spec": {"type": "ExternalName", "externalName": external}}
    return {"spec": {"type": "LoadBalancer", "ports": [{"port": 80}]} | ({"loadBalancerClass": balancer} if balancer else {})}


def _ingress(name: str | None) -> Body:
    backend = {"service": {"name": "s", "port": {"number": 80}}}
    return {"spec": {"defaultBackend": backend} | ({"ingressClassName": name} if name else {})}


INGRESSES = [None, "alb", "gce-internal", "std", "nginx"]
manifests: st.SearchStrategy[Body] = st.one_of(
    _of("v1", "Pod", pod_specs.map(lambda spec: {"spec": spec})),
    _of("v1", "PodTemplate", _templates.map(lambda template: {"template": template})),
    _of("v1", "ReplicationController", _templates.map(lambda template: {"spec": {"selector": {"app": "a"}, "template": template}})),
    *(
        _of("apps/v1", kind, _templates.map(lambda template: {"spec": {"selector": _selector, "template": template}}))
        for kind in ("Deployment", "DaemonSet", "ReplicaSet")
    ),
    _of("apps/v1", "StatefulSet", st.builds(_stateful, _templates, _some(CLASSES))),
    _of("batch/v1", "Job", _templates.map(lambda template: {"spec": _job(template)})),
    _of("batch/v1", "CronJob", _templates.map(lambda t: {"spec": {"schedule": "0 3 * * *", "jobTemplate": {"spec": _job(t)}}})),
    _of("v1", "PersistentVolumeClaim", st.sampled_from(CLASSES).map(lambda name: {"spec": _class_of(name)})),
    _of(
        "v1",
        "Service",
        st.builds(
            _service, st.sampled_from([None, "service.k8s.aws/nlb"]), st.sampled_from([None, "db.rds.amazonaws.com", "db.example.org"])
        ),
    ),
    _of("networking.k8s.io/v1", "Ingress", st.sampled_from(INGRESSES).map(_ingress)),
    _of(
        "gateway.networking.k8s.io/v1", "Gateway", st.sampled_from(INGRESSES).map(lambda n: {"spec": {"gatewayClassName": n} if n else {}})
    ),
    _of("v1", "ServiceAccount", st.just({})),
    _of("v1", "ConfigMap", st.just({"data": {"image": "gcr.io/x/y"}})),
    _of("sqs.services.k8s.aws/v1", "Queue", st.just({"spec": {"template": "a text, where others have a pod"}})),
    _of("things.example.org/v1", "Thing", st.sampled_from([{"spec": {"template": {"spec": {"nodeSelector": {"agentpool": "x"}}}}}, {}])),
)


def deployment(image: str = "gcr.io/p/i", *, name: str = "app", namespace: str = NAMESPACE, exempt: str = "") -> Body:
    spec = {"containers": [{"name": "c", "image": image}]}
    metadata = {"name": name, "namespace": namespace, "annotations": {ANNOTATION: exempt} if exempt else {}}
    labels = {"app": name}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata,
        "spec": {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": spec}},
    }


def exempted(days: int, rule: str = "cloud-images", reason: str = "the mirror comes in January") -> str:
    """An exemption whose last day is so many days from today."""
    return f"{rule} until {(datetime.now(UTC).date() + timedelta(days=days)).isoformat()}: {reason}"
