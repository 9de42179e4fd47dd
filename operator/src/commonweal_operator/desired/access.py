"""Who may do what in the department's namespace: the operator with Secrets, the keeper and the model runtime with their plans and reports."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from commonweal_api.closings import STORE_CLOSINGS
from commonweal_api.plan import MODEL_PLAN, MODEL_REPORT, STORE_PLAN, STORE_REPORT
from commonweal_operator.desired.manifest import Child, Owner, Stage, child
from commonweal_operator.desired.platform import DEPARTMENT_SECRETS_ROLE, PlatformConfig

_RBAC = "rbac.authorization.k8s.io"


def operator_secrets(owner: Owner, platform: PlatformConfig) -> Child:
    """Return the binding that lets the operator make and read Secrets in this namespace; it has no such right anywhere else."""
    subject = {"kind": "ServiceAccount", "name": platform.service_account, "namespace": platform.system_namespace}
    return _binding(owner, "commonweal-operator", ("ClusterRole", DEPARTMENT_SECRETS_ROLE), subject, Stage.ACCESS)


def component_roles(owner: Owner, credentials: Iterable[str]) -> list[Child]:
    """Return roles and bindings of keeper and model runtime. `credentials` names the Secrets that the keeper may read, and no other."""
    secrets = sorted(set(credentials))
    readable = [_rule("secrets", secrets, "get")] if secrets else []
    return [
        *_grant(owner, "store", [*_plan_and_report(STORE_REPORT, STORE_PLAN, STORE_CLOSINGS), *readable]),
        *_grant(owner, "models", _plan_and_report(MODEL_REPORT, MODEL_PLAN)),
    ]


def _plan_and_report(report: str, *plans: str) -> list[dict[str, Any]]:
    # `list` is allowed by name too: a watch of one object is a list with a field selector on its name.
    return [_rule("configmaps", sorted(plans), "get", "list", "watch"), _rule("configmaps", [report], "get", "patch")]


def _rule(resource: str, names: list[str], *verbs: str) -> dict[str, Any]:
    return {"apiGroups": [""], "resources": [resource], "resourceNames": names, "verbs": list(verbs)}


def _grant(owner: Owner, component: str, rules: list[dict[str, Any]]) -> list[Child]:
    subject = {"kind": "ServiceAccount", "name": component, "namespace": owner.namespace}
    role = child("Role", owner.metadata(component, component), rules=rules)
    return [role, _binding(owner, component, ("Role", component), subject, Stage.REST)]


def _binding(owner: Owner, name: str, role: tuple[str, str], subject: dict[str, Any], stage: Stage) -> Child:
    reference = {"apiGroup": _RBAC, "kind": role[0], "name": role[1]}
    return child("RoleBinding", owner.metadata(name), stage=stage, roleRef=reference, subjects=[subject])
