"""The department's namespace, with the strictest Pod Security level."""

from __future__ import annotations

from commonweal_operator.desired.manifest import Child, Owner, Stage, child

POD_SECURITY = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "audit", "warn")}


def namespace(owner: Owner) -> Child:
    """Return the namespace; it belongs to the Department, so that deleting the Department deletes all."""
    return child("Namespace", owner.metadata(owner.namespace, **POD_SECURITY), stage=Stage.NAMESPACE)
