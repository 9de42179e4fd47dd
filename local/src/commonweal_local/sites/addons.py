"""What every site runs besides Kubernetes itself: names, enforced network policies, volumes. All as pods.

The pods run a 2 MB image and mount their program from the host, so nothing is imported per site, and all sites share one copy
in memory.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from commonweal_local.images.base import BASE_IMAGE
from commonweal_local.sites.policy import QUEUE
from commonweal_local.sites.site import DOMAIN, Site

Manifest = dict[str, Any]

SYSTEM = "kube-system"
STORAGE = "local-path-storage"
NAMESPACES = (SYSTEM, STORAGE)
PROGRAMS = ("coredns", "kube-network-policies", "local-path-provisioner")
RBAC = "rbac.authorization.k8s.io"
SEE = ("get", "list", "watch")


def manifests(site: Site, hosts: str) -> list[Manifest]:
    """Every object of the add-ons, in the order in which they can be applied; `hosts` names the sites for the name service."""
    return [*_names(site, hosts), *_policies(site), *_volumes(site), _proxy_binding()]


def hosts_patch(hosts: str) -> Manifest:
    """The change that tells a running name service about other sites; it reads it again within seconds."""
    return {"data": {"hosts": hosts}}


def _rule(groups: str, resources: str, verbs: Sequence[str]) -> Manifest:
    return {"apiGroups": groups.split(","), "resources": resources.split(","), "verbs": list(verbs)}


def _account(namespace: str, name: str, rules: list[Manifest]) -> list[Manifest]:
    """A service account and what it may do in the whole cluster."""
    meta = {"name": f"local-site:{name}"}
    subject = {"kind": "ServiceAccount", "name": name, "namespace": namespace}
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": namespace}},
        {"apiVersion": f"{RBAC}/v1", "kind": "ClusterRole", "metadata": meta, "rules": rules},
        {
            "apiVersion": f"{RBAC}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": meta,
            "subjects": [subject],
            "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": meta["name"]},
        },
    ]


def _pod(site: Site, program: str, arguments: Sequence[str], account: str, *, config: str | None = None, **container: Any) -> Manifest:
    """A pod that runs one program of the host; `config` names a ConfigMap mounted at /etc/config."""
    mounts = [{"name": "program", "mountPath": f"/opt/bin/{program}", "readOnly": True}]
    volumes: list[Manifest] = [{"name": "program", "hostPath": {"path": site.programs[program], "type": "File"}}]
    if config:
        mounts.append({"name": "config", "mountPath": "/etc/config"})
        volumes.append({"name": "config", "configMap": {"name": config}})
    main = {
        "name": program,
        "image": BASE_IMAGE,
        "imagePullPolicy": "Never",
        "command": [f"/opt/bin/{program}", *arguments],
        "volumeMounts": mounts,
        **container,
    }
    return {
        "serviceAccountName": account,
        "terminationGracePeriodSeconds": 2,
        "tolerations": [{"operator": "Exists"}],
        "priorityClassName": "system-cluster-critical",
        "containers": [main],
        "volumes": volumes,
    }


def _workload(kind: str, namespace: str, name: str, pod: Manifest, labels: Mapping[str, str]) -> Manifest:
    spec: Manifest = {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": pod}}
    if kind == "Deployment":
        spec["replicas"] = 1
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name, "namespace": namespace, "labels": labels}, "spec": spec}


def _config(namespace: str, name: str, data: Mapping[str, str]) -> Manifest:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": namespace}, "data": data}


def _corefile(site: Site) -> str:
    return f"""{DOMAIN}:53 {{
    errors
    reload 5s
    hosts /etc/config/hosts {DOMAIN}
}}
.:53 {{
    errors
    health
    ready
    kubernetes {site.network.domain} in-addr.arpa ip6.arpa {{
        pods insecure
        ttl 5
    }}
    cache 5
    reload 5s
}}
"""


def _names(site: Site, hosts: str) -> list[Manifest]:
    labels = {"k8s-app": "kube-dns"}
    pod = _pod(
        site,
        "coredns",
        ["-conf", "/etc/config/Corefile"],
        "coredns",
        config="coredns",
        readinessProbe={"httpGet": {"path": "/ready", "port": 8181}, "periodSeconds": 2},
        resources={"requests": {"cpu": "20m", "memory": "40Mi"}},
    )
    pod["dnsPolicy"] = "Default"
    ports = [
        {"name": "dns", "port": 53, "protocol": "UDP", "targetPort": 53},
        {"name": "dns-tcp", "port": 53, "protocol": "TCP", "targetPort": 53},
    ]
    return [
        *_account(SYSTEM, "coredns", [_rule(",discovery.k8s.io", "endpoints,services,pods,namespaces,endpointslices", SEE)]),
        _config(SYSTEM, "coredns", {"Corefile": _corefile(site), "hosts": hosts}),
        _workload("Deployment", SYSTEM, "coredns", pod, labels),
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "kube-dns", "namespace": SYSTEM, "labels": labels},
            "spec": {"clusterIP": site.network.dns, "selector": labels, "ports": ports},
        },
    ]


def _policies(site: Site) -> list[Manifest]:
    name = "kube-network-policies"
    arguments = [
        f"--hostname-override={site.node}",
        f"--nfqueue-id={QUEUE}",
        "--disable-nri=true",
        "--metrics-bind-address=127.0.0.1:9080",
        "--v=2",
    ]
    pod = _pod(site, name, arguments, name, securityContext={"privileged": True})
    pod["hostNetwork"] = True
    rules = [_rule("", "pods,namespaces,nodes", SEE), _rule("networking.k8s.io", "networkpolicies", SEE)]
    return [*_account(SYSTEM, name, rules), _workload("DaemonSet", SYSTEM, name, pod, {"app": name})]


def _volumes(site: Site) -> list[Manifest]:
    account = "local-path"
    rules = [
        _rule("", "nodes,persistentvolumeclaims,configmaps,pods,pods/log", SEE),
        _rule("", "persistentvolumes,endpoints,configmaps", ["*"]),
        _rule("", "pods", [*SEE, "create", "patch", "update", "delete"]),
        _rule("", "events", ["create", "patch"]),
        _rule("storage.k8s.io", "storageclasses", SEE),
        _rule("coordination.k8s.io", "leases", ["*"]),
    ]
    arguments = ["start", "--config", "/etc/config/config.json", "--helper-image", BASE_IMAGE, "--service-account-name", account]
    environment = [{"name": "POD_NAMESPACE", "value": STORAGE}, {"name": "CONFIG_MOUNT_PATH", "value": "/etc/config/"}]
    pod = _pod(site, "local-path-provisioner", arguments, account, config="local-path-config", env=environment)
    storage_class = {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": "local-path", "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
        "provisioner": "rancher.io/local-path",
        "volumeBindingMode": "WaitForFirstConsumer",
        "reclaimPolicy": "Delete",
    }
    return [
        # What makes volumes mounts directories of the node; what the blueprint holds other namespaces to would refuse it.
        {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": STORAGE, "labels": {"pod-security.kubernetes.io/enforce": "privileged"}},
        },
        *_account(STORAGE, account, rules),
        _config(STORAGE, "local-path-config", _volume_settings(site)),
        storage_class,
        _workload("Deployment", STORAGE, "local-path-provisioner", pod, {"app": "local-path-provisioner"}),
    ]


def _volume_settings(site: Site) -> Mapping[str, str]:
    paths = [{"node": "DEFAULT_PATH_FOR_NON_LISTED_NODES", "paths": [str(site.directory / "volumes")]}]
    helper = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "helper-pod"},
        "spec": {"containers": [{"name": "helper-pod", "image": BASE_IMAGE, "imagePullPolicy": "Never"}]},
    }
    return {
        "config.json": json.dumps({"nodePathMap": paths}),
        "setup": '#!/bin/sh\nset -eu\nmkdir -m 0777 -p "$VOL_DIR"\n',
        "teardown": '#!/bin/sh\nset -eu\nrm -rf "$VOL_DIR"\n',
        "helperPod.yaml": json.dumps(helper),
    }


def _proxy_binding() -> Manifest:
    """kube-proxy's certificate has no built-in binding, unlike the others'."""
    return {
        "apiVersion": f"{RBAC}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "local-site:kube-proxy"},
        "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": "system:node-proxier"},
        "subjects": [{"kind": "User", "name": "system:kube-proxy", "apiGroup": RBAC}],
    }
