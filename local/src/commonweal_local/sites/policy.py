"""Bringing packets to kube-network-policies, on kernels with and without nftables' own queue."""

from __future__ import annotations

from commonweal_local.shell import run, succeeds
from commonweal_local.sites.site import Site

QUEUE = 98
PROBE = f"table inet siteprobe {{ chain c {{ type filter hook postrouting priority 95; queue num {QUEUE}; }}; }}"
CHAIN = "SITE-NETPOL"


def nftables_has_queues() -> bool:
    """Whether the kernel has CONFIG_NFT_QUEUE, which the rules that kube-network-policies writes itself need."""
    return succeeds("nft", "-c", "-f", "-", stdin=PROBE)


def prepare(site: Site) -> str:
    """Make sure that new connections of pods reach the queue; returns the way that was taken.

    Without CONFIG_NFT_QUEUE kube-network-policies keeps running and enforces nothing, so five rules with the older NFQUEUE
    target do the same here. `--queue-bypass` lets packets through while nobody listens yet.
    """
    if nftables_has_queues():
        return "nftables queue"
    table = ["iptables", "-w", "-t", "mangle"]
    queue = ["-j", "NFQUEUE", "--queue-num", str(QUEUE), "--queue-bypass"]
    run(*table, "-N", CHAIN)
    for rule in (
        ["-m", "conntrack", "--ctstate", "ESTABLISHED,RELATED", "-j", "RETURN"],
        ["-m", "owner", "--uid-owner", "0", "-j", "RETURN"],  # kubelet probes and node daemons
        ["-s", site.network.pods, *queue],
        ["-d", site.network.pods, *queue],
    ):
        run(*table, "-A", CHAIN, *rule)
    run(*table, "-A", "POSTROUTING", "-j", CHAIN)
    return "iptables NFQUEUE"
