"""The host's side of the network: the bridge that all sites hang on, their cables, and cutting them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from commonweal_local import machine
from commonweal_local.exceptions import LocalError
from commonweal_local.shell import run, succeeds
from commonweal_local.sites.balancer import UPLINK
from commonweal_local.sites.site import BRIDGE, HOST_ADDRESS, LINK, NETWORK, Site

TABLE = "localsite"
FILTER = Path("/proc/sys/net/bridge")
CUT_RULES = f"""add table bridge {TABLE}
add set bridge {TABLE} cut {{{{ type ifname; }}}}
add chain bridge {TABLE} between {{{{ type filter hook forward priority 0; }}}}
flush chain bridge {TABLE} between
add rule bridge {TABLE} between iifname @cut drop
add rule bridge {TABLE} between oifname @cut drop
{{verb}} element bridge {TABLE} cut {{{{ "{{link}}" }}}}
"""


def make() -> None:
    """Make the bridge and give it the host's address; both may be there already."""
    clash = conflicting_interface()
    if clash:
        raise LocalError(
            f"{clash} already has an address in {NETWORK}.0/24, which local sites use",
            f"Take that network down (`ip addr show {clash}`), or run the sites on another machine.",
        )
    if not FILTER.exists():
        succeeds(
            "modprobe", "br_netfilter"
        )  # else no policy sees packets between pods of one node; a kernel without modules has it built in
    if BRIDGE not in links():
        run("ip", "link", "add", BRIDGE, "type", "bridge")
    if HOST_ADDRESS not in run("ip", "-o", "-4", "addr", "show", "dev", BRIDGE).replace("/", " ").split():
        run("ip", "addr", "add", f"{HOST_ADDRESS}/24", "dev", BRIDGE)
    run("ip", "link", "set", BRIDGE, "up")


def remove_if_unused() -> None:
    """Take the bridge and its rules away once no cable is left on it; without the program that makes bridges there is none."""
    if machine.program("ip") and BRIDGE in links() and not run("ip", "-o", "link", "show", "master", BRIDGE).strip():
        run("ip", "link", "del", BRIDGE)
        run("nft", "delete", "table", "bridge", TABLE, check=False)


def conflicting_interface() -> str | None:
    """The first interface other than ours that has an address in the sites' network."""
    for interface in _json("ip", "-j", "-4", "addr"):
        in_network = any(str(address.get("local", "")).startswith(f"{NETWORK}.") for address in interface.get("addr_info", []))
        if in_network and interface["ifname"] != BRIDGE:
            return str(interface["ifname"])
    return None


def connect(site: Site, pid: int) -> None:
    """Lay a cable from the bridge into the network namespace of the site's first process."""
    disconnect(site)
    cable = ["ip", "link", "add", site.link, "type", "veth", "peer", "name", UPLINK, "address", site.hardware_address]
    run(*cable, "netns", str(pid))
    run("ip", "link", "set", site.link, "alias", _alias(site))
    run("ip", "link", "set", site.link, "master", BRIDGE, "up")


def disconnect(site: Site) -> None:
    """Remove the cable if it is (still) there; normally it goes with the namespace. One of another root's site of that name stays."""
    if is_connected(site):
        run("ip", "link", "del", site.link, check=False)


def is_connected(site: Site) -> bool:
    """Whether the site's cable is there; one of another root's site of that name does not count."""
    return site.link in links() and not is_foreign(site)


def is_foreign(site: Site) -> bool:
    """Whether a site of the same name runs from another root."""
    return _root_of(site.link) not in (None, str(site.root))


def foreign(root: Path) -> Mapping[int, str]:
    """Index -> whose it is, for sites of other roots that run on this machine, read from what their cables say."""
    return {
        int(words[1]): f"site {link.removeprefix(LINK)!r} of {Path(words[2]).parent}"
        for link, words in _aliases().items()
        if words[2] != str(root)
    }


def check_link_free(site: Site) -> None:
    """Raise when a site of the same name runs from another root: names are one per machine."""
    root = _root_of(site.link)
    if is_foreign(site):
        raise LocalError(
            f"A site named {site.name!r} already runs from {root}",
            f"Choose another name, or end that one: `COMMONWEAL_HOME={Path(str(root)).parent} commonweal local down {site.name}`.",
        )


def cut(site: Site, *, between: bool) -> None:
    """Cut the site off: from everything, or with `between` from the other sites only, while the host still reaches it."""
    if between:
        run("nft", "-f", "-", stdin=CUT_RULES.format(verb="add", link=site.link))
    else:
        run("ip", "link", "set", site.link, "down")


def restore(site: Site) -> None:
    """Undo `cut`, whichever kind it was."""
    run("ip", "link", "set", site.link, "up")
    if f'"{site.link}"' in run("nft", "list", "set", "bridge", TABLE, "cut", check=False):
        run("nft", "-f", "-", stdin=CUT_RULES.format(verb="delete", link=site.link))


def links() -> set[str]:
    """Names of all network interfaces of the host."""
    return {str(link["ifname"]) for link in _json("ip", "-j", "link")}


def _alias(site: Site) -> str:
    return f"commonweal {site.index} {site.root}"


def _root_of(link: str) -> str | None:
    """The root of the site whose cable this is; None when it is nobody's, or was not labelled yet."""
    words = _aliases().get(link)
    return words[2] if words else None


def _aliases() -> Mapping[str, list[str]]:
    """Cable -> the three words of its alias, for cables of this program."""
    found = {str(link["ifname"]): str(link.get("ifalias", "")).split(" ", 2) for link in _json("ip", "-j", "link")}
    return {name: words for name, words in found.items() if len(words) == 3 and words[0] == "commonweal"}


def _json(*argv: str) -> list[dict[str, Any]]:
    return list(json.loads(run(*argv) or "[]"))
