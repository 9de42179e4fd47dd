"""A site with the roles and the policies, two departments, and one account for each role, with a real token each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from contract.roles.expected import ROLES
from support.control_plane import REPOSITORY, ControlPlane, User
from support.kube_api import KubeApi, Refused
from support.manifests import Body, data_product, department, namespace, put
from support.waiting import wait_for

TEMPLATES = REPOSITORY / "charts" / "commonweal" / "templates"
NAMESPACES = {"dept-tax": "tax", "dept-tax-platform": "tax", "dept-benefits": "benefits"}
TOKEN = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
USERS = {
    "clerk": User("clerk"),
    "replicas": User("system:serviceaccount:kube-system:replicaset-controller", ("system:serviceaccounts",)),
}
# Who stands in which namespace, and which roles are bound there.
PEOPLE: Mapping[str, tuple[str, tuple[str, ...]]] = {
    **{role: ("dept-tax", (role,)) for role in ROLES},
    "court-team": ("dept-tax", ("editor", "registrar")),
    "nobody": ("dept-tax", ()),
    "neighbour": ("dept-benefits", ROLES),
}


def account(name: str, where: str = "dept-tax") -> Body:
    """Return a ServiceAccount."""
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": where}}


def binding(role: str, name: str, where: str) -> Body:
    """Return a binding of one of the shipped roles to an account of the same namespace."""
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": f"{name}-{role}", "namespace": where},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": f"commonweal-department-{role}"},
        "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": where}],
    }


def minted(api: KubeApi, name: str, where: str = "dept-tax") -> str:
    """Return a token of the account; Refused when whoever asks may not have it."""
    return str(api.request("POST", f"/api/v1/namespaces/{where}/serviceaccounts/{name}/token", TOKEN)["status"]["token"])


def pod(run_as: str, where: str = "dept-tax", **more: Any) -> Body:
    """Return a pod that runs as the account."""
    spec = {"serviceAccountName": run_as, "containers": [{"name": "c", "image": "app:1"}], **more}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": f"runs-as-{run_as}", "namespace": where}, "spec": spec}


def said(api: KubeApi, manifest: Body) -> str:
    """Return the policy's words in which the manifest is refused, or nothing when it may be applied; any other refusal is raised."""
    try:
        api.apply(manifest, dry_run=True)
    except Refused as refused:
        if "ValidatingAdmissionPolicy" not in refused.message:
            raise
        return refused.message
    return ""


@pytest.fixture(scope="package")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """Tax, whose registrar is `court`, and benefits, which has an account of that name and no registrar."""
    with ControlPlane(tmp_path_factory.mktemp("roles"), users=USERS) as plane:
        plane.install_crds()
        plane.apply(department(put("spec.registrars", ["court"])))
        plane.apply(department(name="benefits"))
        for name, owner in NAMESPACES.items():
            scope = {"commonweal.dev/scope": "platform" if name.endswith("-platform") else "department"}
            labels = namespace(owner)["metadata"]["labels"] | scope
            plane.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
        for name, (where, roles) in PEOPLE.items():
            for manifest in (account(name, where), *(binding(role, name, where) for role in roles)):
                plane.apply(manifest)
        for where in NAMESPACES:
            for name in ("app", "court"):
                plane.apply(account(name, where))
        plane.allow("replicas", "cluster-admin")
        for folder in ("access", "admission"):
            plane.apply(TEMPLATES / folder)
        yield plane


@pytest.fixture(scope="package")
def people(plane: ControlPlane) -> Mapping[str, KubeApi]:
    """One client for each of them, once the policies are enforced."""
    clients = {name: KubeApi(plane.url, minted(plane.api(), name, where), plane.authority) for name, (where, _) in PEOPLE.items()}
    plane.apply(data_product(name="waited-for"))
    changed = data_product(put("spec.version", "1.0.1"), name="waited-for")
    for refused in (changed, pod("court"), data_product(put("spec.source.postgres.host", "store.dept-benefits"), name="elsewhere")):
        wait_for("the policies to be enforced", lambda refused=refused: _refused(clients["editor"], refused))  # type: ignore[misc]
    return clients


def _refused(api: KubeApi, manifest: Body) -> str | None:
    """Whether a policy says no; that the role's binding is not known yet is no answer."""
    try:
        return said(api, manifest) or None
    except Refused:
        return None
