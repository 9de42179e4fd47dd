"""What must hold before a site can start; each failure says what to do."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path

from commonweal_local import machine
from commonweal_local.failure import LocalError
from commonweal_local.shell import run
from commonweal_local.sites.site import HIDDEN_IN_SITES, Mode

NODE_PROGRAMS = ("containerd", "runc", "ctr", "iptables", "nft", "ip", "unshare", "nsenter", "busybox")


def default_mode() -> Mode:
    return Mode.PODS if os.geteuid() == 0 else Mode.CONTROL_PLANE


def before_any(root: Path, mode: Mode) -> None:
    """Checks that concern the machine; raises LocalError."""
    machine.require_space(root)
    if mode is Mode.PODS:
        _root()
        hidden_places((root, Path(sys.prefix), Path(__file__)))
        _programs()


def hidden_places(paths: Iterable[Path]) -> None:
    for path in paths:
        for hidden in HIDDEN_IN_SITES:
            if path.resolve().is_relative_to(hidden):
                raise LocalError(
                    f"{path} lies under {hidden}, which a site cannot see: it has its own {hidden}",
                    "Put the checkout, COMMONWEAL_HOME and COMMONWEAL_CACHE somewhere else, such as under your home directory.",
                )


def missing_programs() -> list[str]:
    """Programs of the node that are not installed."""
    return [name for name in NODE_PROGRAMS if machine.program(name) is None]


def forwards_by_default() -> bool:
    """Whether the machine's own firewall lets forwarded packets through."""
    return "-P FORWARD DROP" not in run("iptables", "-S", "FORWARD", check=False)


def _root() -> None:
    if os.geteuid() != 0:
        raise LocalError(
            "Sites that run pods need root", "Run this with sudo, or add `--mode control-plane`: real objects, simulated pods."
        )


def _programs() -> None:
    missing = missing_programs()
    if missing:
        raise LocalError(f"Not installed: {', '.join(missing)}", "`commonweal doctor --install` installs the Debian packages they come in.")
