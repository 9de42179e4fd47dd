"""An API server with the lock-in policies, a department's namespace, and kinds of other vendors."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from commonweal_api.lockin import admission
from contract.lockin.corpus import NAMESPACE
from support.control_plane import ControlPlane, User
from support.kube_api import Refused
from support.waiting import wait_for

OTHERS = {
    "queues.sqs.services.k8s.aws": "Queue",
    "things.things.example.org": "Thing",
    "gateways.gateway.networking.k8s.io": "Gateway",
}
EDIT = ["get", "list", "create", "update", "patch", "delete"]


def _definition(name: str, kind: str) -> dict[str, Any]:
    plural, _, group = name.partition(".")
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": name, "annotations": {"api-approved.kubernetes.io": "unapproved, a test's own"}},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"plural": plural, "singular": kind.lower(), "kind": kind},
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": schema}],
        },
    }


@pytest.fixture(scope="package")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """The policies as they are, in the department's namespace and the platform's; in `dept-shown` they only warn, each of them."""
    users = {"editor": User("editor"), "lead": User("lead"), "cluster": User("system:serviceaccount:kube-system:replicaset-controller")}
    with ControlPlane(tmp_path_factory.mktemp("lock-in"), users=users) as made:
        for name in (NAMESPACE, "dept-shown"):
            made.apply(
                {
                    "apiVersion": "v1",
                    "kind": "Namespace",
                    "metadata": {"name": name, "labels": {"commonweal.dev/department": name[5:], "t": name}},
                }
            )
            made.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": name}})
        for name in ("commonweal-system", "elsewhere"):
            made.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        for name, kind in OTHERS.items():
            made.apply(_definition(name, kind))
        _may_edit(made)
        _show_everything(made)
        for manifest in admission.manifests():
            made.apply(_elsewhere(manifest) if manifest["kind"] == "ValidatingAdmissionPolicyBinding" else manifest)
        wait_for("the policies to act", partial(_acts, made))
        yield made


def _elsewhere(binding: dict[str, Any]) -> dict[str, Any]:
    """A binding as it is, but without the namespace in which everything is only shown."""
    changed = copy.deepcopy(binding)
    selector = changed["spec"]["matchResources"]["namespaceSelector"]
    if "matchExpressions" in selector:
        selector["matchExpressions"].append({"key": "t", "operator": "NotIn", "values": ["dept-shown"]})
    return changed


def _may_edit(made: ControlPlane) -> None:
    rbac = "rbac.authorization.k8s.io/v1"
    everything = {"apiGroups": ["*"], "resources": ["*"], "verbs": EDIT}
    exempt = {"apiGroups": ["commonweal.dev"], "resources": ["departments"], "resourceNames": ["tax"], "verbs": ["exempt"]}
    for name, rules in (("everything", [everything]), ("exempt-tax", [exempt])):
        made.apply({"apiVersion": rbac, "kind": "ClusterRole", "metadata": {"name": name}, "rules": rules})
    for user in ("editor", "lead", "cluster"):
        made.allow(user, "everything")
    made.allow("lead", "exempt-tax")


def _show_everything(made: ControlPlane) -> None:
    """Bind both policies once more, so that each finding in `dept-shown` is a warning and nothing is refused."""
    for policy in (admission.REFUSING, admission.WARNING):
        shown = {
            "policyName": policy,
            "validationActions": ["Warn"],
            "matchResources": {"namespaceSelector": {"matchLabels": {"t": "dept-shown"}}},
        }
        made.apply(
            {
                "apiVersion": admission.API,
                "kind": "ValidatingAdmissionPolicyBinding",
                "metadata": {"name": f"shown-{policy}"},
                "spec": shown,
            }
        )


def _acts(made: ControlPlane) -> bool | None:
    """Whether the first policy refuses, and the last one."""
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "p", "namespace": NAMESPACE},
        "spec": {"containers": [{"name": "c", "image": "gcr.io/x"}]},
    }
    exempt = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "p", "namespace": NAMESPACE, "annotations": {"commonweal.dev/lock-in-exempt": "x"}},
    }
    for manifest in (pod, exempt):
        try:
            made.api("editor").create(manifest, dry_run=True)
        except Refused as refusal:
            if "commonweal-lock-in" not in refusal.message:
                return None
        else:
            return None
    return True
