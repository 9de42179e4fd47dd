"""The admission policies, with real users on a real API server: who may write what, and what a refusal says."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from contract.api.tenancy import (
    ACCOUNT,
    CLAIM,
    OWNED,
    PLAN,
    POD,
    POLICIES,
    REPORT,
    annotated,
    deployment,
    made,
    pod_spec,
    refused,
    says,
    template,
)
from support.control_plane import ControlPlane
from support.kube_api import MERGE, KubeApi, Refused, manifests_in
from support.manifests import Body, consent_policy, data_product, department, model_service, namespace, put
from support.signing import signed
from support.waiting import wait_for


@pytest.mark.parametrize("make", [data_product, consent_policy, model_service])
def test_our_kinds_live_in_a_departments_namespace_only(plane: ControlPlane, make: Any) -> None:
    refused(
        plane,
        "tenant",
        make(put("metadata.namespace", "attic")),
        "metadata.namespace: attic belongs to no department",
        "create the Department",
    )
    plane.api("tenant").apply(make(), dry_run=True)


@pytest.mark.parametrize("owned", [PLAN, REPORT, ACCOUNT, CLAIM], ids=lambda m: m["metadata"]["name"])
def test_what_the_operator_made_is_changed_by_nobody_else(plane: ControlPlane, owned: Body) -> None:
    changed = annotated(owned)
    refused(plane, "tenant", changed, "metadata.labels", "belongs to Commonweal", "change the Department")
    refused(plane, "stranger", changed, "belongs to Commonweal")
    for allowed in ("operator", "admin", "replicas"):
        plane.api(allowed).apply(changed, dry_run=True)


def test_a_pod_of_the_platform_is_changed_by_nobody_else(plane: ControlPlane) -> None:
    """Two policies refuse it, and an API server names only one of them, now this one, now that."""
    changed = POD | {"metadata": POD["metadata"] | {"annotations": {"a": "b"}}}
    for user in ("tenant", "stranger"):
        with pytest.raises(Refused) as refusal:
            plane.api(user).apply(changed, dry_run=True)
        said = refusal.value.message
        assert ("belongs to Commonweal" in said and "change the Department" in said) or "leave that label off" in said
    for allowed in ("operator", "admin", "replicas"):
        plane.api(allowed).apply(changed, dry_run=True)


def test_what_the_operator_made_is_deleted_by_nobody_else(plane: ControlPlane, tenant: KubeApi) -> None:
    for owned in (PLAN, POD, namespace("tax")):
        with pytest.raises(Refused) as refusal:
            tenant.delete(owned, dry_run=True)
        says(refusal.value, f"{owned['metadata']['name']} belongs to Commonweal")
    plane.api("operator").delete(PLAN, dry_run=True)


def test_the_labels_cannot_be_put_on_or_taken_off(plane: ControlPlane, tenant: KubeApi) -> None:
    for key, value in OWNED.items():
        refused(plane, "tenant", made("ConfigMap", "mine", {key: value}), "leave those labels off")
    with pytest.raises(Refused) as refusal:
        tenant.request("PATCH", tenant.path_of(PLAN), {"metadata": {"labels": dict.fromkeys(OWNED)}}, content_type=MERGE)
    says(refusal.value, "belongs to Commonweal")
    tenant.apply(made("ConfigMap", "mine"), dry_run=True)


def test_no_namespace_is_made_a_departments_by_hand(plane: ControlPlane) -> None:
    refused(plane, "tenant", namespace("fake"), "namespaces dept-fake belongs to Commonweal")
    plane.api("operator").apply(namespace("health"), dry_run=True)


def test_a_departments_own_accounts_write_the_reports_and_nothing_else(plane: ControlPlane) -> None:
    plane.api("keeper").apply(REPORT | {"data": {"report.json": "{}"}}, dry_run=True)
    refused(plane, "keeper", PLAN | {"data": {"plan.json": '{"all": "mine"}'}}, "commonweal-store-plan belongs to Commonweal")
    refused(plane, "stranger", REPORT | {"data": {"report.json": "{}"}}, "commonweal-store-report belongs to Commonweal")
    with pytest.raises(Refused) as refusal:
        plane.api("keeper").delete(REPORT, dry_run=True)
    says(refusal.value, "belongs to Commonweal")


def test_storage_controllers_may_bind_claims_wherever_they_run(plane: ControlPlane) -> None:
    selected = CLAIM | {"metadata": CLAIM["metadata"] | {"annotations": {"volume.kubernetes.io/selected-node": "n1"}}}
    plane.api("provisioner").apply(selected, dry_run=True)
    refused(plane, "provisioner", PLAN | {"data": {}}, "belongs to Commonweal")


def test_a_department_is_deleted_in_two_steps_by_everybody(plane: ControlPlane) -> None:
    command = "kubectl annotate department doomed commonweal.dev/confirm-delete=doomed --overwrite"
    doomed = department(name="doomed")
    plane.apply(doomed)
    for user in ("admin", "operator", "tenant"):
        with pytest.raises(Refused) as refusal:
            plane.api(user).delete(doomed, dry_run=True)
        says(refusal.value, "metadata.annotations", command)
    plane.apply(department(put(("metadata", "annotations", "commonweal.dev/confirm-delete"), "another"), name="doomed"))
    with pytest.raises(Refused):
        plane.api().delete(doomed)
    with pytest.raises(Refused):
        plane.api().request("DELETE", "/apis/commonweal.dev/v1alpha1/departments", dryRun="All")
    plane.apply(department(put(("metadata", "annotations", "commonweal.dev/confirm-delete"), "doomed"), name="doomed"))
    plane.api("tenant").delete(doomed)


def test_the_definition_itself_can_still_be_removed_by_the_cluster(plane: ControlPlane) -> None:
    """The garbage collector, which acts as a service account of kube-system, is not asked to confirm."""
    collector = plane.api("replicas")
    collector.delete(department(), dry_run=True)


def test_only_the_operator_reports_status(plane: ControlPlane) -> None:
    plane.apply(data_product(name="reported"))
    path, body = f"{plane.api().path_of(data_product(name='reported'))}/status", {"status": {"observedGeneration": 1}}
    for user in ("tenant", "keeper"):
        with pytest.raises(Refused) as refusal:
            plane.api(user).request("PATCH", path, body, content_type=MERGE)
        says(refusal.value, "status: only the operator reports it", "change spec")
    assert plane.api("operator").request("PATCH", path, body, content_type=MERGE)["status"] == body["status"]


def test_only_the_operator_takes_its_finalizers_off(plane: ControlPlane, tenant: KubeApi) -> None:
    held = data_product(name="held")
    plane.apply(held)
    path = tenant.path_of(held)
    plane.api("operator").request("PATCH", path, {"metadata": {"finalizers": ["commonweal.dev/revoke", "other.dev/x"]}}, content_type=MERGE)
    with pytest.raises(Refused) as refusal:
        tenant.request("PATCH", path, {"metadata": {"finalizers": []}}, content_type=MERGE)
    says(refusal.value, "metadata.finalizers", "delete the object and wait")
    tenant.request("PATCH", path, {"metadata": {"finalizers": ["commonweal.dev/revoke"]}}, content_type=MERGE)
    plane.api("operator").request("PATCH", path, {"metadata": {"finalizers": []}}, content_type=MERGE)


def test_editing_is_not_granting(plane: ControlPlane) -> None:
    """An editor may publish; only who holds `consent` on the product, as a steward does, may write the agreement."""
    wait_for("the roles to be known", lambda: _may(plane, "steward", consent_policy()))
    plane.api("editor").apply(data_product(name="draft"), dry_run=True)
    refused(
        plane,
        "editor",
        consent_policy(),
        "spec.product.name: editor may not grant access to the DataProduct people",
        "commonweal-department-steward",
    )


def _may(plane: ControlPlane, user: str, manifest: Body) -> bool | None:
    try:
        return bool(plane.api(user).apply(manifest, dry_run=True))
    except Refused:
        return None


def test_signatures_are_put_in_and_taken_out_by_the_steward_only(plane: ControlPlane) -> None:
    """A signature under the provider's name opens data: changing it is granting."""
    unsigned, agreed = consent_policy(name="signed"), signed(consent_policy(name="signed"))
    wait_for("the roles to be known", lambda: _may(plane, "steward", consent_policy()))
    plane.apply(unsigned)
    refused(plane, "editor", agreed, "editor may not grant access to the DataProduct people")
    plane.apply(agreed, user="steward")
    path = plane.api().path_of(agreed)
    for signatures in ([], agreed["spec"]["signatures"][:1]):
        with pytest.raises(Refused) as refusal:
            plane.api("editor").request("PATCH", path, {"spec": {"signatures": signatures}}, content_type=MERGE)
        says(refusal.value, "may not grant access")
    note = {"metadata": {"annotations": {"note": "read"}}}
    with pytest.raises(Refused) as refusal:  # what the last apply was stands there, too
        plane.api("editor").request("PATCH", path, note, content_type=MERGE)
    says(refusal.value, "may not grant access")
    plane.api("steward").request("PATCH", path, note, content_type=MERGE)
    plane.api("steward").request("PATCH", path, {"spec": {"signatures": []}}, content_type=MERGE)


def _lying(kind: str, host: str) -> Body:
    """Return a product whose source is of that kind and lies on that host."""
    login = {"credentials": {"name": "login"}}
    source = {
        "postgres": {"host": host, "database": "d", "table": "t", **login},
        "mysql": {"host": host, "database": "d", "table": "t", **login},
        "parquet": {"location": "s3://bucket/prefix", "endpoint": f"https://{host}:9000/objects", **login},
        "excel": {"location": "s3://bucket/prefix", "endpoint": f"https://{host}:9000/objects", **login},
        "csv": {"location": "s3://bucket/prefix", "endpoint": f"https://{host}:9000/objects", **login},
        "http": {"url": f"https://{host}:9000/people"},
        "tokens": {"url": "https://a.example", "auth": {"by": "ClientCredentials", "tokenUrl": f"https://{host}/token"}, **login},
    }[kind]
    return data_product(put("spec.source", {"http" if kind == "tokens" else kind: source}))


PLACES = [
    ("postgres", "postgres.host"),
    ("mysql", "mysql.host"),
    ("parquet", "parquet.endpoint"),
    ("csv", "csv.endpoint"),
    ("excel", "excel.endpoint"),
    ("http", "http.url"),
    ("tokens", "http.auth.tokenUrl"),
]


@pytest.mark.parametrize(("kind", "field"), PLACES)
@pytest.mark.parametrize("host", ["store.dept-benefits", "store.DEPT-benefits.svc.cluster.local", "x.commonweal-system.svc"])
def test_no_department_publishes_anothers_store(plane: ControlPlane, kind: str, field: str, host: str) -> None:
    refused(plane, "tenant", _lying(kind, host), f"spec.source.{field}: {host} lies in another namespace")


@pytest.mark.parametrize("kind", [kind for kind, _ in PLACES])
@pytest.mark.parametrize("host", ["heritage.dept-tax.svc", "db.tax.example", "heritage.sites.internal", "10.0.0.7"])
def test_its_own_databases_it_may_publish(plane: ControlPlane, kind: str, host: str) -> None:
    plane.api("tenant").apply(_lying(kind, host), dry_run=True)


def test_its_own_volumes_it_may_publish(plane: ControlPlane) -> None:
    plane.api("tenant").apply(data_product(put("spec.source", {"parquet": {"location": "volume://archive/people"}})), dry_run=True)


def test_no_shell_in_the_pods_that_hold_data(plane: ControlPlane, tenant: KubeApi) -> None:
    with pytest.raises(Refused) as refusal:
        tenant.request("POST", f"{tenant.path_of(POD)}/exec", command="sh", container="c")
    says(refusal.value, "pods/exec: store-0 holds the department's data", "data API")


def test_no_token_of_the_platforms_accounts(plane: ControlPlane, tenant: KubeApi) -> None:
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    with pytest.raises(Refused) as refusal:
        tenant.request("POST", f"{tenant.path_of(ACCOUNT)}/token", body)
    says(refusal.value, "serviceaccounts/token: store is the platform's own", "spec.consumer.clients")
    assert tenant.request("POST", f"{tenant.path_of(made('ServiceAccount', 'app'))}/token", body)["status"]["token"]
    assert plane.api().request("POST", f"{tenant.path_of(ACCOUNT)}/token", body)["status"]["token"]


def test_no_workload_runs_or_poses_as_the_platform(plane: ControlPlane, tenant: KubeApi) -> None:
    cron = made(
        "CronJob",
        "nightly",
        spec={"schedule": "0 3 * * *", "jobTemplate": {"spec": {"template": template({}, serviceAccountName="models")}}},
    )
    cron["spec"]["jobTemplate"]["spec"]["template"]["spec"]["restartPolicy"] = "Never"
    refused(
        plane, "tenant", deployment(template({"app": "a"}, serviceAccountName="store")), "spec.serviceAccountName", "make a ServiceAccount"
    )
    refused(plane, "tenant", cron, "spec.serviceAccountName")
    refused(plane, "tenant", made("Pod", "p", spec=pod_spec(serviceAccountName="store")), "spec.serviceAccountName")
    refused(plane, "tenant", deployment(template({"app": "a", "commonweal.dev/department": "tax"})), "leave that label off")
    tenant.apply(deployment(template({"app": "a"})), dry_run=True)


def test_every_policy_fails_closed_is_bound_and_is_typed_well(plane: ControlPlane) -> None:
    manifests = manifests_in(POLICIES)
    bound = {m["spec"]["policyName"] for m in manifests if m["kind"] == "ValidatingAdmissionPolicyBinding"}
    policies = [m for m in manifests if m["kind"] == "ValidatingAdmissionPolicy"]
    assert {p["metadata"]["name"] for p in policies} == bound
    for policy in policies:
        assert policy["spec"]["failurePolicy"] == "Fail"
        status = wait_for(f"the types of {policy['metadata']['name']}", partial(_checked, plane, policy))
        assert status.get("expressionWarnings", []) == []


def _checked(plane: ControlPlane, policy: Body) -> dict[str, Any] | None:
    status = plane.api().get(policy).get("status", {})
    found: dict[str, Any] | None = status.get("typeChecking", {}) if status.get("observedGeneration") else None
    return found
