"""The command line of each program of a site: what the blueprint says, and what is the site's own."""

from __future__ import annotations

import shutil
from collections.abc import Mapping

from commonweal_local.sites import settings
from commonweal_local.sites.data_guard import guarded
from commonweal_local.sites.pki import SIGNER
from commonweal_local.sites.settings import Flags
from commonweal_local.sites.site import Site

FIRST = ("etcd", "containerd", "kube-apiserver")
CONTROL_PLANE = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")


def command_lines(site: Site) -> Mapping[str, list[str]]:
    """Program -> argv, in the order in which they are started."""
    lines = dict(control_plane_lines(site))
    if site.runs_pods:
        lines["containerd"] = [shutil.which("containerd") or "containerd", "--config", str(site.etc / "containerd.toml")]
        lines["kubelet"] = _flagged(site)["kubelet"]
        lines["kube-proxy"] = [site.programs["kube-proxy"], f"--config={site.etc / 'kube-proxy.json'}"]
    else:
        lines["kwok"] = _kwok(site)
    return lines


def control_plane_lines(site: Site) -> Mapping[str, list[str]]:
    """The same for its control plane alone, which is all that a cluster without nodes has."""
    flagged = _flagged(site)
    return {"etcd": _etcd(site), **{name: flagged[name] for name in CONTROL_PLANE[1:]}}


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


def own_flags(site: Site) -> Mapping[str, Flags]:
    """Program -> the flags that it has here and nowhere else; each is listed with its reason in `clusters.local_programs`."""
    found = {"kube-apiserver": _apiserver(site), "kube-controller-manager": _controller_manager(site), "kube-scheduler": _scheduler(site)}
    return found | ({"kubelet": _kubelet(site)} if site.runs_pods else {})


def _flagged(site: Site) -> Mapping[str, list[str]]:
    """The command lines of the programs that the blueprint speaks of."""
    alike = settings.flags(site)
    lines = {name: {**alike[name], **own} for name, own in own_flags(site).items()}
    return {name: [site.programs[name], *(f"--{flag}={value}" for flag, value in line.items())] for name, line in lines.items()}


def _apiserver(site: Site) -> Flags:
    pki = site.pki
    return {
        "bind-address": site.listen,
        "secure-port": str(site.ports.api),
        "advertise-address": site.address,
        "etcd-servers": f"https://127.0.0.1:{site.ports.etcd}",
        "etcd-cafile": f"{pki / 'etcd-ca.crt'}",
        "etcd-certfile": f"{pki / 'etcd-client.crt'}",
        "etcd-keyfile": f"{pki / 'etcd-client.key'}",
        "client-ca-file": f"{pki / 'ca.crt'}",
        "tls-cert-file": f"{pki / 'apiserver.crt'}",
        "tls-private-key-file": f"{pki / 'apiserver.key'}",
        "service-account-key-file": f"{pki / 'sa.pub'}",
        "service-account-signing-key-file": f"{pki / 'sa.key'}",
        "kubelet-client-certificate": f"{pki / 'apiserver-kubelet.crt'}",
        "kubelet-client-key": f"{pki / 'apiserver-kubelet.key'}",
        "kubelet-certificate-authority": f"{pki / 'ca.crt'}",
        "requestheader-client-ca-file": f"{pki / 'front-ca.crt'}",
        "proxy-client-cert-file": f"{pki / 'front.crt'}",
        "proxy-client-key-file": f"{pki / 'front.key'}",
        **({} if site.runs_pods else {"endpoint-reconciler-type": "none"}),
    }


def _kubeconfigs(site: Site, who: str) -> Flags:
    file = site.pki / f"{who}.conf"
    return {use: str(file) for use in ("kubeconfig", "authentication-kubeconfig", "authorization-kubeconfig")}


def _controller_manager(site: Site) -> Flags:
    pki = site.pki
    return {
        **_kubeconfigs(site, "kcm"),
        "secure-port": str(site.ports.controllers),
        "leader-elect": "false",
        "root-ca-file": f"{pki / 'ca.crt'}",
        "service-account-private-key-file": f"{pki / 'sa.key'}",
        "cluster-signing-cert-file": f"{pki / SIGNER}",
        "cluster-signing-key-file": f"{pki / 'ca.key'}",
        "requestheader-client-ca-file": f"{pki / 'front-ca.crt'}",
    }


def _scheduler(site: Site) -> Flags:
    return {**_kubeconfigs(site, "scheduler"), "secure-port": str(site.ports.scheduler), "leader-elect": "false"}


def _kubelet(site: Site) -> Flags:
    return {
        "config": f"{site.etc / 'kubelet.json'}",
        "kubeconfig": f"{site.pki / 'kubelet.conf'}",
        "hostname-override": site.node,
        "node-ip": site.address,
        "cgroup-root": f"/{site.cgroup}",
        "node-labels": f"topology.kubernetes.io/region={site.name},topology.kubernetes.io/zone={site.name}",
    }


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
