"""Who may do what in a department's two namespaces: the operator with what it makes, keeper and model runtime with plans and reports, stewards with the signing key."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from commonweal_api.closings import STORE_CLOSINGS
from commonweal_api.department import Steward
from commonweal_api.plan import MODEL_PLAN, MODEL_REPORT, STORE_PLAN, STORE_REPORT
from commonweal_operator.desired.keys import SIGNING
from commonweal_operator.desired.manifest import Child, Manifest, Owner, Stage, child
from commonweal_operator.desired.platform import OPERATOR_DEPARTMENT_ROLE, OPERATOR_PLATFORM_ROLE, STEWARD_ROLE, PlatformConfig

_RBAC = "rbac.authorization.k8s.io"
# Not a name that an earlier release bound under: what a binding refers to cannot be changed.
OPERATOR_ACCESS = "commonweal-operator-access"
SOURCES, STEWARDS, STEWARD_SIGNING = "sources", "commonweal-stewards", "commonweal-steward-signing"


def operator_access(owner: Owner, platform: PlatformConfig) -> Child:
    """Return the binding by which the operator may write in the owner's namespace, and nowhere else: made before anything else there.

    In the department's own it may read Secrets. It looks at none; but Kubernetes lets nobody pass on a right that he does not hold, and the keeper gets its logins by name.
    """
    subject = {"kind": "ServiceAccount", "name": platform.service_account, "namespace": platform.system_namespace}
    role = OPERATOR_PLATFORM_ROLE if owner.platform else OPERATOR_DEPARTMENT_ROLE
    return _binding(owner, OPERATOR_ACCESS, ("ClusterRole", role), [subject], Stage.GRANT)


def component_roles(owner: Owner, credentials: Iterable[str]) -> list[Child]:
    """Return roles and bindings of keeper and model runtime. `credentials` names the Secrets of the department that the keeper may read, and no other."""
    secrets = sorted(set(credentials))
    readable = [_rule("secrets", secrets, "get")] if secrets else []
    return [
        *_grant(owner.ours, "store", _plan_and_report(STORE_REPORT, STORE_PLAN, STORE_CLOSINGS), _account(owner.ours, "store")),
        *_grant(owner.ours, "models", _plan_and_report(MODEL_REPORT, MODEL_PLAN), _account(owner.ours, "models")),
        *_grant(owner.own, SOURCES, readable, _account(owner.ours, "store")),
    ]


def stewards(owner: Owner, named: Sequence[Steward]) -> list[Child]:
    """Return what those who sign for the department may do: the shipped role in its namespace, and `get` of the one signing Secret in the platform's."""
    subjects = [_subject(owner, steward) for steward in named]
    return [
        _binding(owner.own, STEWARDS, ("ClusterRole", STEWARD_ROLE), subjects, Stage.ACCESS),
        child("Role", owner.ours.metadata(STEWARD_SIGNING), stage=Stage.ACCESS, rules=[_rule("secrets", [SIGNING], "get")]),
        _binding(owner.ours, STEWARD_SIGNING, ("Role", STEWARD_SIGNING), subjects, Stage.ACCESS),
    ]


def _subject(owner: Owner, steward: Steward) -> Manifest:
    if steward.kind == "ServiceAccount":
        return {"kind": steward.kind, "name": steward.name, "namespace": steward.namespace or owner.own.namespace}
    return {"apiGroup": _RBAC, "kind": steward.kind, "name": steward.name}


def _plan_and_report(report: str, *plans: str) -> list[dict[str, Any]]:
    # `list` is allowed by name too: a watch of one object is a list with a field selector on its name.
    return [_rule("configmaps", sorted(plans), "get", "list", "watch"), _rule("configmaps", [report], "get", "patch")]


def _rule(resource: str, names: list[str], *verbs: str) -> dict[str, Any]:
    return {"apiGroups": [""], "resources": [resource], "resourceNames": names, "verbs": list(verbs)}


def _account(owner: Owner, component: str) -> Manifest:
    return {"kind": "ServiceAccount", "name": component, "namespace": owner.namespace}


def _grant(owner: Owner, name: str, rules: list[dict[str, Any]], subject: Manifest) -> list[Child]:
    role = child("Role", owner.metadata(name), rules=rules)
    return [role, _binding(owner, name, ("Role", name), [subject], Stage.REST)]


def _binding(owner: Owner, name: str, role: tuple[str, str], subjects: Sequence[Manifest], stage: Stage) -> Child:
    reference = {"apiGroup": _RBAC, "kind": role[0], "name": role[1]}
    # Without subjects the field is left out: the API server keeps no empty list, and the binding would look altered for ever.
    content: Manifest = {"roleRef": reference, **({"subjects": list(subjects)} if subjects else {})}
    return child("RoleBinding", owner.metadata(name), stage=stage, **content)
