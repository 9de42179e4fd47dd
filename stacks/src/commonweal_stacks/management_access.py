"""Which management cluster the programs on this machine use."""

from __future__ import annotations

import os
from pathlib import Path

from commonweal_stacks.exceptions import SiteConfigError
from commonweal_stacks.site import home

VARIABLE = "COMMONWEAL_MANAGEMENT_KUBECONFIG"


def management_file() -> Path:
    """Return the path of the kubeconfig: what the variable says, else that of this home's embedded management cluster."""
    named = os.environ.get(VARIABLE)
    return Path(named).expanduser() if named else home() / "management" / "kubeconfig"


def management_kubeconfig() -> str:
    """Return the contents of an administrator's kubeconfig of the management cluster. Raises SiteConfigError with the remedy."""
    path = management_file()
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise SiteConfigError(
            f"There is no management cluster: {path}: {error.strerror}. Start one with `commonweal management up`, "
            f"or name the kubeconfig of yours in {VARIABLE}."
        ) from error


def management_if_any() -> Path | None:
    """Return the path of the kubeconfig, None when this machine has no management cluster. Raises SiteConfigError when one is named and not there."""
    path = management_file()
    if not path.exists() and VARIABLE not in os.environ:
        return None
    management_kubeconfig()
    return path
