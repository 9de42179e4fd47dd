"""What a department may not do in its own namespace, with the role `edit` or with every right that access rules can give: denied by default.

The letters are those of the attacks that each test is: a (addresses of others), d (priority), g (the store's volume), h (keys), l (what carries no labels).
"""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from commonweal_api.department import Quota
from commonweal_operator.desired.manifest import Owner
from commonweal_operator.desired.quota import quota
from contract.api.tenancy import (
    ACCOUNT,
    CLAIM,
    OURS,
    POD,
    SERVICE,
    SETS,
    TOKEN,
    annotated,
    deployment,
    made,
    platform_twin,
    pod_spec,
    refused,
    says,
    template,
)
from support.control_plane import ControlPlane
from support.kube_api import MERGE, KubeApi, Refused
from support.manifests import Body

PORTS = [{"port": 80}]
CLASS = {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": "eager"}, "value": 1000}
EVICTION = {"apiVersion": "policy/v1", "kind": "Eviction"}
SCALE = {"apiVersion": "autoscaling/v1", "kind": "Scale", "spec": {"replicas": 0}}


def service(**spec: Any) -> Body:
    """Return a Service of the department's own."""
    return made("Service", "mine", spec={"selector": {"app": "a"}, "ports": PORTS, **spec})


def policy(**spec: Any) -> Body:
    """Return a network policy of the department's own."""
    return made("NetworkPolicy", "mine", spec={"podSelector": {"matchLabels": {"app": "a"}}, **spec})


def claim(name: str = "mine", **spec: Any) -> Body:
    """Return a volume claim."""
    asked = {"accessModes": ["ReadWriteOnce"], "storageClassName": "std-rwo", "resources": {"requests": {"storage": "1Gi"}}}
    return made("PersistentVolumeClaim", name, spec=asked | spec)


def cron(template_: Body) -> Body:
    """Return a cron job of that template."""
    template_["spec"]["restartPolicy"] = "Never"
    return made("CronJob", "nightly", spec={"schedule": "0 3 * * *", "jobTemplate": {"spec": {"template": template_}}})


SLICE = made("EndpointSlice", "mine", addressType="IPv4", endpoints=[{"addresses": ["10.96.0.7"]}], ports=[])
COPIED = {"dataSource": {"kind": "PersistentVolumeClaim", "name": "data-store-0"}}
KEYS = {"name": "k", "secret": {"secretName": "commonweal-keys"}}
OPEN = {"from": [{"podSelector": {}}]}

REFUSALS: dict[str, tuple[Body, tuple[str, ...]]] = {
    "a: addresses of others": (service(externalIPs=["10.96.0.7"]), ("spec.externalIPs", "ask the platform team")),
    "a: endpoints by hand": (made("Endpoints", "mine", subsets=[]), ("endpoints are written by the cluster", "spec.selector")),
    "a: slices by hand": (SLICE, ("endpointslices are written by the cluster",)),
    "a: another name of a department's": (
        service(type="ExternalName", externalName="store.dept-benefits.svc.cluster.local"),
        ("spec.type: ExternalName", "use the host's own name"),
    ),
    "l: a load balancer's address": (service(type="LoadBalancer"), ("spec.type: LoadBalancer", "use ClusterIP")),
    "l: ports of every node": (service(type="NodePort"), ("spec.type: NodePort", "use ClusterIP")),
    "d: a class for critical pods": (
        made("Pod", "mine", spec=pod_spec(priorityClassName="system-node-critical")),
        ("priority", "spec.quota"),
    ),
    "d: any other class": (made("Pod", "mine", spec=pod_spec(priorityClassName="eager")), ("spec.priorityClassName",)),
    "d: a class in a template": (
        deployment(template({"app": "a"}, priorityClassName="system-node-critical")),
        ("spec.template.spec.priorityClassName",),
    ),
    "d: a class in a template of a template": (
        cron(template({}, priorityClassName="commonweal-platform")),
        ("spec.jobTemplate.spec.template.spec.priorityClassName",),
    ),
    "d: a pod that keeps its room for a day after it was told to end": (
        made("Pod", "mine", spec=pod_spec(terminationGracePeriodSeconds=86_400)),
        ("spec.terminationGracePeriodSeconds", "60"),
    ),
    "d: such a pod in a template": (
        deployment(template({"app": "a"}, terminationGracePeriodSeconds=61)),
        ("spec.template.spec.terminationGracePeriodSeconds",),
    ),
    "g: the store's volume": (
        deployment(template({"app": "a"}, volumes=[{"name": "v", "persistentVolumeClaim": {"claimName": "data-store-0"}}])),
        ("spec.template.spec.volumes", "data-store-"),
    ),
    "g: a copy of the store's volume": (claim(**COPIED), ("copy the store's volume",)),
    "g: a copy for a pod": (
        deployment(
            template({"app": "a"}, volumes=[{"name": "v", "ephemeral": {"volumeClaimTemplate": {"spec": claim(**COPIED)["spec"]}}}])
        ),
        ("spec.template.spec.volumes",),
    ),
    "g: a copy for a set": (
        made(
            "StatefulSet",
            "mine",
            spec={
                "serviceName": "mine",
                "selector": {"matchLabels": {"app": "a"}},
                "template": template({"app": "a"}),
                "volumeClaimTemplates": [{"metadata": {"name": "d"}, "spec": claim(**COPIED)["spec"]}],
            },
        ),
        ("data-store-",),
    ),
    "g: a volume by its name": (claim(volumeName="pv-7"), ("spec.volumeName", "leave it out")),
    "g: a claim that the store will take": (claim("data-store-0"), ("belongs to Commonweal",)),
    "h: the keys as files": (deployment(template({"app": "a"}, volumes=[KEYS])), ("begins with commonweal-", "Secret of your own")),
    "h: the keys among others": (
        deployment(template({"app": "a"}, volumes=[{"name": "v", "projected": {"sources": [{"secret": {"name": "commonweal-signing"}}]}}])),
        ("begins with commonweal-",),
    ),
    "h: the keys as variables": (
        made("Pod", "mine", spec=pod_spec(container={"envFrom": [{"secretRef": {"name": "commonweal-keys"}}]})),
        ("begins with commonweal-",),
    ),
    "h: one key as a variable": (
        made(
            "Pod",
            "mine",
            spec=pod_spec(container={"env": [{"name": "K", "valueFrom": {"secretKeyRef": {"name": "commonweal-keys", "key": "sector"}}}]}),
        ),
        ("begins with commonweal-",),
    ),
    "h: a component's label": (
        made("Pod", "mine", {"app.kubernetes.io/component": "data-api"}, spec=pod_spec()),
        ("app.kubernetes.io/component",),
    ),
    "h: a component's label in a template": (
        deployment(template({"app": "a", "app.kubernetes.io/component": "models"})),
        ("spec.template.metadata.labels", "leave that label off"),
    ),
    "i: a token without an end": (
        TOKEN,
        ("never ends", "kubectl create token"),
    ),
    "l: a policy on our pods": (
        made("NetworkPolicy", "mine", spec={"podSelector": {}, "ingress": [OPEN]}),
        ("spec.podSelector", "DoesNotExist"),
    ),
    "l: a policy on our pods by our labels": (
        made("NetworkPolicy", "mine", spec={"podSelector": {"matchLabels": {"app.kubernetes.io/component": "store"}}, "ingress": [OPEN]}),
        ("spec.podSelector",),
    ),
    "l: a policy that lets out": (policy(policyTypes=["Egress"], egress=[{}]), ("spec.egress", "ask the platform team")),
    "l: a policy that lets everybody in": (policy(ingress=[{}]), ("spec.ingress", "dept-tax or dept-tax-platform")),
    "l: a policy that lets addresses in": (policy(ingress=[{"from": [{"ipBlock": {"cidr": "0.0.0.0/0"}}]}]), ("spec.ingress",)),
    "l: a policy that lets departments in": (
        policy(ingress=[{"from": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "dept-benefits"}}}]}]),
        ("spec.ingress",),
    ),
    "l: a policy that lets namespaces in": (policy(ingress=[{"from": [{"namespaceSelector": {}}]}]), ("spec.ingress",)),
    "a name that is kept: Secret": (made("Secret", "commonweal-signing"), ("belongs to Commonweal", "another name")),
    "a name that is kept: report": (made("ConfigMap", "commonweal-model-report-2"), ("belongs to Commonweal",)),
    "a name that is kept: account": (made("ServiceAccount", "models"), ("belongs to Commonweal",)),
    "a name that is kept: pod": (made("Pod", "store-1", spec=pod_spec()), ("belongs to Commonweal",)),
    "a label of ours": (made("ConfigMap", "mine", {"commonweal.dev/report": "true"}), ("commonweal.dev/report", "leave those labels off")),
}


@pytest.fixture(scope="module", autouse=True)
def _a_class(plane: ControlPlane) -> None:
    plane.apply(CLASS)


@pytest.mark.parametrize(("body", "words"), REFUSALS.values(), ids=REFUSALS)
def test_a_tenant_is_refused(plane: ControlPlane, body: Body, words: tuple[str, ...]) -> None:
    refused(plane, "tenant", body, *words)
    # What departments may not do, others may: the policies hold in departments' namespaces only.
    if body["kind"] not in ("Pod", "Deployment", "CronJob", "StatefulSet"):
        plane.api("tenant").apply(_in(body, "attic"), dry_run=True)


ALLOWED: dict[str, Body] = {
    "a Service of one's own": service(),
    "a workload with what restricted pods may have": deployment(template({"app": "a"}, volumes=[{"name": "t", "emptyDir": {}}])),
    "a pod": made("Pod", "mine", spec=pod_spec()),
    "a component of one's own": deployment(template({"app": "a", "app.kubernetes.io/component": "web"})),
    "a cron job": cron(template({"app": "a"})),
    "a Secret": made("Secret", "heritage-login", type="Opaque"),
    "a claim": claim(),
    "a claim that is open to the store": claim() | {"metadata": claim()["metadata"] | {"labels": {"commonweal.dev/source": "true"}}},
    "a copy of one's own claim": claim(dataSource={"kind": "PersistentVolumeClaim", "name": "archive"}),
    "a policy among one's own pods": policy(ingress=[OPEN]),
    "a policy for the store that reads": policy(
        ingress=[{"from": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "dept-tax-platform"}}}]}]
    ),
    "a policy on what is not ours": made(
        "NetworkPolicy",
        "mine",
        spec={"podSelector": {"matchExpressions": [{"key": "commonweal.dev/department", "operator": "DoesNotExist"}]}, "ingress": [OPEN]},
    ),
    "a policy that closes": policy(policyTypes=["Ingress", "Egress"]),
}


@pytest.mark.parametrize("user", ["editor", "tenant"])
@pytest.mark.parametrize("body", ALLOWED.values(), ids=ALLOWED)
def test_a_tenant_may(plane: ControlPlane, user: str, body: Body) -> None:
    plane.api(user).apply(body, dry_run=True)


NODES: dict[str, Body] = {
    "the node's network": {"hostNetwork": True},
    "the node's processes": {"hostPID": True},
    "the node's memory": {"hostIPC": True},
    "the node's disk": {"volumes": [{"name": "v", "hostPath": {"path": "/"}}]},
    "the node's ports": {"container": {"ports": [{"containerPort": 80, "hostPort": 80}]}},
    "the node's rights": {"container": {"securityContext": {"privileged": True}}},
}


@pytest.mark.parametrize("spec", NODES.values(), ids=NODES)
def test_pod_security_keeps_pods_from_the_node(tenant: KubeApi, spec: Body) -> None:
    """No policy of ours says it again: the namespace's own label does."""
    with pytest.raises(Refused, match=r"violates PodSecurity|disallowed by cluster policy"):
        tenant.apply(
            made("Pod", "mine", spec=pod_spec(**{k: dict(v) if isinstance(v, dict) else v for k, v in spec.items()})), dry_run=True
        )


SPACES = ("dept-tax", "dept-tax-platform")


def _in(body: Body, space: str) -> Body:
    return body | {"metadata": body["metadata"] | {"namespace": space}}


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("user", ["editor", "tenant", "stranger", "provisioner"])
def test_what_carries_no_labels_is_known_by_its_place(plane: ControlPlane, user: str, space: str) -> None:
    """l: `scale` and `eviction` of the store, h: its ports and its proxies."""
    api = plane.api(user)
    pod, owned = api.path_of(_in(POD, space)), api.path_of(_in(SETS[0], space))
    meta = {"metadata": {"name": "store-0", "namespace": space}}
    attempts: list[tuple[str, str, Any]] = [
        ("POST", f"{pod}/eviction", EVICTION | meta),
        ("POST", f"{pod}/exec", None),
        ("POST", f"{pod}/attach", None),
        ("POST", f"{pod}/portforward", None),
        ("GET", f"{pod}/proxy/", None),
        ("GET", f"{pod.rpartition('/')[0]}/http:store-0:8080/proxy/", None),
        ("GET", f"{api.path_of(_in(SERVICE, space))}/proxy/", None),
        ("GET", f"{api.path_of(_in(SERVICE, space)).rpartition('/')[0]}/http:store:5432/proxy/", None),
        ("PUT", f"{owned}/scale", SCALE | {"metadata": {"name": "store", "namespace": space}}),
        (
            "POST",
            f"{api.path_of(_in(ACCOUNT, space))}/token",
            {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}},
        ),
    ]
    # The others have every right that access rules can give, and so may patch nodes: see below.
    for method, path, body in attempts if user == "editor" else attempts[1:]:
        with pytest.raises(Refused) as refusal:
            api.request(method, path, body, **({"dryRun": "All"} if body else {}))  # a connection has no dry run
        assert "ValidatingAdmissionPolicy" in refusal.value.message, path


def test_a_container_is_put_into_no_pod_of_ours(plane: ControlPlane, tenant: KubeApi) -> None:
    body = {
        "spec": {
            "ephemeralContainers": [{"name": "e", "image": "tools:1", "securityContext": pod_spec()["containers"][0]["securityContext"]}]
        }
    }
    for space in SPACES:
        path = f"{tenant.path_of(_in(POD, space))}/ephemeralcontainers"
        with pytest.raises(Refused) as refusal:
            tenant.request("PATCH", path, body, content_type="application/strategic-merge-patch+json", dryRun="All")
        assert "ValidatingAdmissionPolicy" in refusal.value.message


def test_who_may_patch_nodes_may_drain_them(plane: ControlPlane) -> None:
    """The platform team moves our pods off a node; it needs no more than the right to do that."""
    for space in SPACES:
        body = EVICTION | {"metadata": {"name": "store-0", "namespace": space}}
        plane.api("drainer").request("POST", f"{plane.api().path_of(_in(POD, space))}/eviction", body, dryRun="All")


def test_nobody_writes_in_the_platforms_namespace(plane: ControlPlane, tenant: KubeApi) -> None:
    words = ("metadata.namespace: dept-tax-platform is the platform's", "change the Department")
    for body in (*map(platform_twin, map(annotated, OURS)), _in(made("ConfigMap", "mine"), SPACES[1]), _in(service(), SPACES[1])):
        refused(plane, "tenant", body, *words)
        refused(plane, "keeper", body, *words)
        plane.api("operator").apply(body, dry_run=True)
        plane.api("replicas").apply(body, dry_run=True)
    for body in map(platform_twin, OURS):
        with pytest.raises(Refused) as refusal:
            tenant.delete(body, dry_run=True)
        says(refusal.value, *words)
    with pytest.raises(Refused) as refusal:
        tenant.request("DELETE", "/api/v1/namespaces/dept-tax-platform/configmaps")
    says(refusal.value, words[0])


def test_each_report_is_its_own_components(plane: ControlPlane) -> None:
    """l: the published seal key comes from the store's report, and the models' account must not write that."""
    filled = {"data": {"report.json": "{}"}}
    store, models = (OURS[1] | filled, OURS[2] | filled)
    plane.api("keeper").apply(store, dry_run=True)
    plane.api("learner").apply(models, dry_run=True)
    plane.api("platform-keeper").apply(platform_twin(store), dry_run=True)
    for user, body in (("keeper", models), ("learner", store), ("stranger", store), ("platform-keeper", store)):
        refused(plane, user, body, "belongs to Commonweal")
    for user, body in (("keeper", store), ("platform-keeper", models)):
        refused(plane, user, platform_twin(body), "is the platform's")


def test_controllers_of_the_site_report_on_claims_and_do_no_more(plane: ControlPlane) -> None:
    selected = CLAIM | {"metadata": CLAIM["metadata"] | {"annotations": {"volume.kubernetes.io/selected-node": "n1"}}}
    for body in (selected, platform_twin(selected)):
        plane.api("provisioner").apply(body, dry_run=True)
        with pytest.raises(Refused) as refusal:
            plane.api("provisioner").delete(body, dry_run=True)
        assert "ValidatingAdmissionPolicy" in refusal.value.message


def test_a_departments_namespace_keeps_its_labels(plane: ControlPlane, tenant: KubeApi) -> None:
    """Every policy here finds its namespaces by these labels."""
    for name, labels in (
        ("dept-tax", {"commonweal.dev/department": None}),
        ("dept-tax", {"commonweal.dev/scope": "platform"}),
        ("dept-tax-platform", {"commonweal.dev/scope": "department"}),
        ("dept-tax", {"pod-security.kubernetes.io/enforce": "privileged"}),
        ("attic", {"commonweal.dev/department": "tax"}),
    ):
        with pytest.raises(Refused) as refusal:
            tenant.request("PATCH", f"/api/v1/namespaces/{name}", {"metadata": {"labels": labels}}, content_type=MERGE, dryRun="All")
        says(refusal.value, f"namespaces {name} belongs to Commonweal")
    tenant.request("PATCH", "/api/v1/namespaces/attic", {"metadata": {"labels": {"team": "a"}}}, content_type=MERGE, dryRun="All")


def test_nothing_of_a_tenant_holds_up_the_end_of_a_department(plane: ControlPlane, tenant: KubeApi) -> None:
    uid = tenant.request("GET", "/apis/commonweal.dev/v1alpha1/departments/tax")["metadata"]["uid"]
    body = made("ConfigMap", "mine")
    owner = {"apiVersion": "commonweal.dev/v1alpha1", "kind": "Department", "name": "tax", "uid": uid, "blockOwnerDeletion": True}
    body["metadata"]["ownerReferences"] = [owner]
    refused(plane, "tenant", body, "metadata.ownerReferences", "leave that owner out")


def test_a_claim_is_given_no_volume_by_name_later(plane: ControlPlane, tenant: KubeApi) -> None:
    plane.apply(claim("empty"))
    with pytest.raises(Refused) as refusal:
        tenant.request("PATCH", tenant.path_of(claim("empty")), {"spec": {"volumeName": "pv-7"}}, content_type=MERGE, dryRun="All")
    says(refusal.value, "spec.volumeName")


# Nothing of the first is kept; the second end after an hour, and a quota does not count them.
_UNCOUNTED = {"bindings", "events"}


def test_every_kind_that_an_editor_may_make_is_counted(plane: ControlPlane) -> None:
    """l: ConfigMaps, pods and addresses without a bound filled the site."""
    hard = orjson.loads(quota(Owner("tax", "u"), Quota()).body)["spec"]["hard"]
    review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectRulesReview", "spec": {"namespace": "dept-tax"}}
    rules = plane.api("editor").request("POST", "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews", review)["status"]["resourceRules"]
    made_by_editor = {
        (group, resource)
        for rule in rules
        if "create" in rule["verbs"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        if "/" not in resource
        and (group, resource) not in {("extensions", resource), ("authorization.k8s.io", resource), ("authentication.k8s.io", resource)}
    }
    assert ("", "configmaps") in made_by_editor
    keys = {
        (group, resource): {resource, f"count/{resource}.{group}" if group else f"count/{resource}"} for group, resource in made_by_editor
    }
    uncounted = [resource for (_, resource), names in keys.items() if not names & hard.keys()]
    assert set(uncounted) <= _UNCOUNTED, uncounted
    plane.apply(made("ResourceQuota", "tried", spec={"hard": hard}))
    plane.api().delete(made("ResourceQuota", "tried"))
