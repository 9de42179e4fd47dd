"""The two namespaces of a department, with the strictest Pod Security level."""

from __future__ import annotations

from commonweal_operator.desired.manifest import SCOPE_LABEL, Child, Owner, Stage, child

POD_SECURITY = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "audit", "warn")}


def namespace(owner: Owner) -> Child:
    """Return the namespace; it belongs to the Department, so that deleting the Department deletes all."""
    scope = {SCOPE_LABEL: "platform" if owner.platform else "department"}
    return child("Namespace", owner.metadata(owner.namespace, **POD_SECURITY, **scope), stage=Stage.NAMESPACE)
