"""What must hold before a site can start; each failure says what to do."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path

from commonweal_local import debian, machine
from commonweal_local.exceptions import LocalError
from commonweal_local.shell import run
from commonweal_local.sites import cgroups
from commonweal_local.sites.site import HIDDEN_IN_SITES, Mode

SIMULATED = "add `--mode control-plane`: real objects, simulated pods"


def default_mode() -> Mode:
    return Mode.PODS if os.geteuid() == 0 else Mode.CONTROL_PLANE


def before_any(root: Path, mode: Mode) -> None:
    """Checks that concern the machine; raises LocalError."""
    ground(root, mode)
    if mode is Mode.PODS:
        _programs()


def ground(root: Path, mode: Mode) -> None:
    """Those of the checks that no package mends; raises LocalError."""
    machine.require_space(root)
    if mode is Mode.PODS:
        _root()
        hidden_places((root, Path(sys.prefix), Path(__file__)))
        _control_groups()


def hidden_places(paths: Iterable[Path]) -> None:
    for path in paths:
        for hidden in HIDDEN_IN_SITES:
            if path.resolve().is_relative_to(hidden):
                raise LocalError(
                    f"{path} lies under {hidden}, which a site cannot see: it has its own {hidden}",
                    "Put the checkout, COMMONWEAL_HOME and COMMONWEAL_CACHE somewhere else, such as under your home directory.",
                )


def forwards_by_default() -> bool:
    """Whether the machine's own firewall lets forwarded packets through; without iptables there is none that filters bridged packets."""
    return machine.program("iptables") is None or "-P FORWARD DROP" not in run("iptables", "-S", "FORWARD", check=False)


def _root() -> None:
    if os.geteuid() != 0:
        raise LocalError("Sites that run pods need root", f"Run this with sudo, or {SIMULATED}.")


def _control_groups() -> None:
    lacking = cgroups.lacking()
    if lacking:
        raise LocalError(
            f"The control groups at {cgroups.MOUNTED} lack {', '.join(lacking)}, with which pods are bounded",
            f"{cgroups.REMEDY}, or {SIMULATED}.",
        )


def _programs() -> None:
    missing = debian.missing(debian.SITE_PACKAGES)
    if missing:
        raise LocalError(f"Not installed: {debian.named(missing)}", "`commonweal doctor --install` installs these Debian packages.")
