"""One ServiceAccount per component. None mounts a token by itself: pods that need the API server mount one, in the container that needs it."""

from __future__ import annotations

from commonweal_operator.desired.manifest import Child, Owner, child

COMPONENTS = ("store", "data-api", "models")


def accounts(owner: Owner) -> list[Child]:
    """Return the ServiceAccounts of the three components."""
    return [child("ServiceAccount", owner.metadata(name, name), automountServiceAccountToken=False) for name in COMPONENTS]
