"""The configuration files of a node: containerd, the pod network, kubelet and kube-proxy."""

from __future__ import annotations

from pathlib import Path

from commonweal_local import machine
from commonweal_local.images.base import BASE_IMAGE
from commonweal_local.paths import write
from commonweal_local.sites.site import Site
from commonweal_stacks.blueprint import standard

SOCKET = "/run/containerd/containerd.sock"
# On a new node until all of the site is there: pods that need images, volumes or enforced policies are not placed before.
STARTING = {"key": "local.commonweal.dev/starting", "effect": "NoSchedule"}
IMAGES = Path("/var/lib/containerd")


def write_files(site: Site) -> None:
    """Write every file of the node; called by the site's first process, so that a new version takes effect at the next start."""
    write(site.etc / "containerd.toml", _containerd(site))
    write(site.etc / "cni" / "10-site.conflist", _pod_network(site))
    write(site.etc / "resolv.conf", f"nameserver {site.network.dns}\n")
    write(site.etc / "kubelet.json", _kubelet(site))
    write(site.etc / "kube-proxy.json", _kube_proxy(site))


def reserved_mib(wanted_gib: int, machine_mib: int) -> int:
    """How much of the machine the kubelet keeps from the pods, so that these have `wanted_gib`; 0 GiB, or more than there is, means all of it."""
    return max(0, machine_mib - wanted_gib * 1024) if wanted_gib else 0


def _containerd(site: Site) -> str:
    # restrict_oom_score_adj: without CAP_SYS_RESOURCE a process may not lower its score.
    return f"""version = 2
root = "{IMAGES}"
state = "/run/containerd"
oom_score = 0
[grpc]
  address = "{SOCKET}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{BASE_IMAGE}"
  disable_apparmor = true
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{site.cni}"
    conf_dir = "{site.etc / "cni"}"
"""


def _pod_network(site: Site) -> dict[str, object]:
    bridge = {
        "type": "bridge",
        "bridge": "cni0",
        "isGateway": True,
        "ipMasq": True,
        "hairpinMode": True,
        "ipam": {"type": "host-local", "ranges": [[{"subnet": site.node_pods}]], "routes": [{"dst": "0.0.0.0/0"}]},
    }
    return {"cniVersion": "1.0.0", "name": "site", "plugins": [bridge, {"type": "portmap", "capabilities": {"portMappings": True}}]}


def _kubelet(site: Site) -> dict[str, object]:
    """Its file; what the blueprint says of a kubelet are flags, which go before the file."""
    alike = standard.kubelet_settings(site.network)
    return {
        **alike,
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "cgroupDriver": "cgroupfs",
        "failSwapOn": False,
        "failCgroupV1": False,
        "containerRuntimeEndpoint": f"unix://{SOCKET}",
        "resolvConf": str(site.etc / "resolv.conf"),
        "enforceNodeAllocatable": ["pods"],
        # What the pods may not use: the kernel holds the group of all pods to the rest.
        "systemReserved": {"memory": f"{reserved_mib(site.memory_gib, machine.memory_mib())}Mi"},
        "oomScoreAdj": 0,
        "makeIPTablesUtilChains": False,
        "evictionHard": {"memory.available": "50Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
        # Imported images cannot be pulled again: never collect them.
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
        "authentication": {**alike["authentication"], "x509": {"clientCAFile": str(site.pki / "ca.crt")}},
        "tlsCertFile": str(site.pki / "kubelet.crt"),
        "tlsPrivateKeyFile": str(site.pki / "kubelet.key"),
        "registerWithTaints": [STARTING],
        "nodeStatusUpdateFrequency": "5s",
        "fileCheckFrequency": "60s",
        # A Secret that changed reaches its pods within this; few pods run here, and somebody waits in front of the screen.
        "syncFrequency": "10s",
    }


def _kube_proxy(site: Site) -> dict[str, object]:
    sync = {"syncPeriod": "30s", "minSyncPeriod": "0s"}
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": site.proxy,
        "clusterCIDR": site.network.pods,
        "hostnameOverride": site.node,
        "clientConnection": {"kubeconfig": str(site.pki / "proxy.conf")},
        "oomScoreAdj": 0,
        "nftables": sync,
        "iptables": sync,
        # The connection table's size belongs to the host; a namespace may not change it.
        "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
        "metricsBindAddress": "127.0.0.1:10249",
        "healthzBindAddress": "127.0.0.1:10256",
    }
