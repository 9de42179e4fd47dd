"""One ServiceAccount per component. None mounts a token by itself: pods that need the API server mount one, in the container that needs it."""

from __future__ import annotations

from commonweal_operator.desired.manifest import Child, Owner, child
from commonweal_operator.desired.volumes import COMPONENT as VOLUMES

COMPONENTS = ("store", "data-api", "models")


def accounts(owner: Owner) -> list[Child]:
    """Return the ServiceAccounts of the three components in the platform's namespace, and the one of the volumes' reader beside the volumes."""
    return [*(_account(owner.ours, name) for name in COMPONENTS), _account(owner.own, VOLUMES)]


def _account(owner: Owner, name: str) -> Child:
    return child("ServiceAccount", owner.metadata(name, name), automountServiceAccountToken=False)
