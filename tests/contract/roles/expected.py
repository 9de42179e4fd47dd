"""What each role may do in its department's namespace, written by hand: the chart is held to this, and never the other way round."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

ROLES: Final = ("viewer", "editor", "steward", "registrar")
READ: Final = ("get", "list", "watch")
WRITE: Final = (*READ, "create", "update", "patch", "delete")
VERBS: Final = (*WRITE, "deletecollection")
OURS, APPS, BATCH, RBAC = "commonweal.dev", "apps", "batch", "rbac.authorization.k8s.io"
CONSENT, REGISTER = ("consent",), ("register",)

# (API group, resource): what viewer, editor, steward and registrar may do with it. What is not here, or left out of a row, nobody may.
ALLOWED: Final[Mapping[tuple[str, str], Mapping[str, tuple[str, ...]]]] = {
    (OURS, "dataproducts"): {"viewer": READ, "editor": WRITE, "steward": (*WRITE, *CONSENT)},
    (OURS, "consentpolicies"): {"viewer": READ, "editor": WRITE, "steward": WRITE},
    (OURS, "modelservices"): {"viewer": READ, "editor": WRITE, "steward": (*WRITE, *CONSENT)},
    (OURS, "departments"): {"steward": CONSENT, "registrar": REGISTER},
    ("", "pods"): {"viewer": READ, "editor": WRITE},
    ("", "pods/log"): {"viewer": ("get",), "editor": ("get",)},
    ("", "services"): {"viewer": READ, "editor": WRITE},
    ("", "endpoints"): {"viewer": READ, "editor": READ},
    ("discovery.k8s.io", "endpointslices"): {"viewer": READ, "editor": READ},
    ("", "configmaps"): {"viewer": READ, "editor": WRITE},
    ("", "persistentvolumeclaims"): {"viewer": READ, "editor": WRITE},
    ("", "secrets"): {"editor": ("create", "update", "delete")},
    ("", "serviceaccounts"): {"viewer": READ, "editor": WRITE},
    ("", "serviceaccounts/token"): {"editor": ("create",), "registrar": ("create",)},
    ("", "events"): {"viewer": READ, "editor": READ, "steward": READ},
    ("events.k8s.io", "events"): {"viewer": READ, "editor": READ, "steward": READ},
    ("", "resourcequotas"): {"viewer": READ, "editor": READ},
    ("", "limitranges"): {"viewer": READ, "editor": READ},
    (APPS, "deployments"): {"viewer": READ, "editor": WRITE},
    (APPS, "statefulsets"): {"viewer": READ, "editor": WRITE},
    (APPS, "replicasets"): {"viewer": READ, "editor": READ},
    (BATCH, "jobs"): {"viewer": READ, "editor": WRITE},
    (BATCH, "cronjobs"): {"viewer": READ, "editor": WRITE},
    ("networking.k8s.io", "networkpolicies"): {"viewer": READ, "editor": READ},
}
# What every account of a cluster may ask about itself.
EVERYBODY: Final = {
    ("authorization.k8s.io", "selfsubjectaccessreviews"): ("create",),
    ("authorization.k8s.io", "selfsubjectrulesreviews"): ("create",),
    ("authentication.k8s.io", "selfsubjectreviews"): ("create",),
}
# Verbs that no request has, by what they could be held on.
SPECIAL: Final[Mapping[tuple[str, str], tuple[str, ...]]] = {
    **{(OURS, kind): ("consent", "register", "exempt") for kind in ("departments", "dataproducts", "consentpolicies", "modelservices")},
    **{(RBAC, kind): ("bind", "escalate") for kind in ("roles", "clusterroles")},
    **{("", who): ("impersonate",) for who in ("users", "groups", "serviceaccounts")},
    ("", "nodes"): ("proxy",),
    ("certificates.k8s.io", "signers"): ("approve", "sign", "attest"),
}


def allowed(role: str) -> set[tuple[str, str, str]]:
    """Return each (group, resource, verb) that the role may in its namespace."""
    rows: Iterable[tuple[tuple[str, str], tuple[str, ...]]] = [(what, by_role.get(role, ())) for what, by_role in ALLOWED.items()]
    return {(group, resource, verb) for (group, resource), verbs in (*rows, *EVERYBODY.items()) for verb in verbs}
