"""The command line of each program of a site."""

from __future__ import annotations

import shutil
from collections.abc import Mapping

from commonweal_local.sites import encryption
from commonweal_local.sites.pki import SIGNER
from commonweal_local.sites.site import Site
from commonweal_local.sites.stock import guarded

ISSUER = "https://kubernetes.default.svc.cluster.local"
FIRST = ("etcd", "containerd", "kube-apiserver")
CONTROL_PLANE = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")


def command_lines(site: Site) -> Mapping[str, list[str]]:
    """Program -> argv, in the order in which they are started."""
    lines = {
        "etcd": _etcd(site),
        "kube-apiserver": _apiserver(site),
        "kube-controller-manager": _controller_manager(site),
        "kube-scheduler": _scheduler(site),
    }
    if site.runs_pods:
        lines["containerd"] = [shutil.which("containerd") or "containerd", "--config", str(site.etc / "containerd.toml")]
        lines["kubelet"] = _kubelet(site)
        lines["kube-proxy"] = [site.programs["kube-proxy"], f"--config={site.etc / 'kube-proxy.json'}"]
    else:
        lines["kwok"] = _kwok(site)
    return lines


def _etcd(site: Site) -> list[str]:
    clients = f"https://127.0.0.1:{site.ports.etcd}"
    return [
        *guarded(site),
        site.programs["etcd"],
        f"--name={site.name}",
        f"--data-dir={site.directory / 'etcd'}",
        # A local site may lose its last writes when the power goes: fast, and not for real data.
        "--unsafe-no-fsync",
        f"--listen-client-urls={clients}",
        f"--advertise-client-urls={clients}",
        f"--listen-peer-urls={peers(site)}",
        f"--initial-advertise-peer-urls={peers(site)}",
        f"--initial-cluster={site.name}={peers(site)}",
        f"--cert-file={site.pki / 'etcd.crt'}",
        f"--key-file={site.pki / 'etcd.key'}",
        f"--trusted-ca-file={site.pki / 'etcd-ca.crt'}",
        "--client-cert-auth",
        "--log-level=warn",
    ]


def peers(site: Site) -> str:
    """Where the site's etcd, which is its only member, would listen to others."""
    return f"http://127.0.0.1:{site.ports.etcd + 1}"


def _apiserver(site: Site) -> list[str]:
    pki = site.pki
    return [
        site.programs["kube-apiserver"],
        f"--bind-address={site.listen}",
        f"--secure-port={site.ports.api}",
        f"--advertise-address={site.address}",
        f"--etcd-servers=https://127.0.0.1:{site.ports.etcd}",
        f"--etcd-cafile={pki / 'etcd-ca.crt'}",
        f"--etcd-certfile={pki / 'etcd-client.crt'}",
        f"--etcd-keyfile={pki / 'etcd-client.key'}",
        f"--client-ca-file={pki / 'ca.crt'}",
        f"--tls-cert-file={pki / 'apiserver.crt'}",
        f"--tls-private-key-file={pki / 'apiserver.key'}",
        f"--service-account-issuer={ISSUER}",
        f"--service-account-key-file={pki / 'sa.pub'}",
        f"--service-account-signing-key-file={pki / 'sa.key'}",
        f"--encryption-provider-config={pki / encryption.FILE}",
        f"--service-cluster-ip-range={site.services}",
        "--authorization-mode=Node,RBAC",
        # On top of the default set, which holds PodSecurity and ValidatingAdmissionPolicy.
        "--enable-admission-plugins=NodeRestriction",
        "--allow-privileged=true",
        "--profiling=false",
        # Without it a server that is to be replaced waits a minute for watches that never end by themselves, and answers nobody meanwhile.
        "--shutdown-watch-termination-grace-period=2s",
        *_apiserver_to_kubelet(site),
        *_apiserver_as_front(site),
        *([] if site.runs_pods else ["--endpoint-reconciler-type=none"]),
    ]


def _apiserver_to_kubelet(site: Site) -> list[str]:
    return [
        f"--kubelet-client-certificate={site.pki / 'apiserver-kubelet.crt'}",
        f"--kubelet-client-key={site.pki / 'apiserver-kubelet.key'}",
        f"--kubelet-certificate-authority={site.pki / 'ca.crt'}",
        "--kubelet-preferred-address-types=InternalIP",
    ]


def _apiserver_as_front(site: Site) -> list[str]:
    return [
        f"--requestheader-client-ca-file={site.pki / 'front-ca.crt'}",
        "--requestheader-allowed-names=front-proxy-client",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-",
        "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-username-headers=X-Remote-User",
        f"--proxy-client-cert-file={site.pki / 'front.crt'}",
        f"--proxy-client-key-file={site.pki / 'front.key'}",
    ]


def _kubeconfigs(site: Site, who: str) -> list[str]:
    file = site.pki / f"{who}.conf"
    return [f"--{use}={file}" for use in ("kubeconfig", "authentication-kubeconfig", "authorization-kubeconfig")]


def _controller_manager(site: Site) -> list[str]:
    pki = site.pki
    return [
        site.programs["kube-controller-manager"],
        *_kubeconfigs(site, "kcm"),
        "--bind-address=127.0.0.1",
        f"--secure-port={site.ports.controllers}",
        "--leader-elect=false",
        "--use-service-account-credentials=true",
        f"--root-ca-file={pki / 'ca.crt'}",
        f"--service-account-private-key-file={pki / 'sa.key'}",
        f"--cluster-signing-cert-file={pki / SIGNER}",
        f"--cluster-signing-key-file={pki / 'ca.key'}",
        f"--requestheader-client-ca-file={pki / 'front-ca.crt'}",
        "--allocate-node-cidrs=true",
        f"--cluster-cidr={site.pods}",
        f"--service-cluster-ip-range={site.services}",
        # A quota that counts a kind younger than half a minute stays uncounted until the next round, by default five minutes later,
        # and nothing of that kind is admitted meanwhile.
        "--resource-quota-sync-period=10s",
        "--profiling=false",
    ]


def _scheduler(site: Site) -> list[str]:
    return [
        site.programs["kube-scheduler"],
        *_kubeconfigs(site, "scheduler"),
        "--bind-address=127.0.0.1",
        f"--secure-port={site.ports.scheduler}",
        "--leader-elect=false",
        "--profiling=false",
    ]


def _kubelet(site: Site) -> list[str]:
    return [
        site.programs["kubelet"],
        f"--config={site.etc / 'kubelet.json'}",
        f"--kubeconfig={site.pki / 'kubelet.conf'}",
        f"--hostname-override={site.node}",
        f"--node-ip={site.address}",
        f"--cgroup-root=/{site.cgroup}",
        f"--node-labels=topology.kubernetes.io/region={site.name},topology.kubernetes.io/zone={site.name}",
    ]


def _kwok(site: Site) -> list[str]:
    return [
        site.programs["kwok"],
        f"--kubeconfig={site.pki / 'kwok.conf'}",
        "--manage-all-nodes=true",
        # Without leases a node says nothing for longer than the controller manager waits (50 s), which makes its pods unready for ever. A KWOK that
        # was started anew takes a lease over once it has run out, and that must be sooner, too.
        "--node-lease-duration-seconds=20",
        f"--node-ip={site.address}",
        f"--server-address=127.0.0.1:{site.ports.kwok}",
        f"--cidr={site.node_pods}",
    ]
