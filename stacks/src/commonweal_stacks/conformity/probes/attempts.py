"""What an attacker with each role would ask for in a scratch department: requests that must be refused, each beside one of the same account that must not. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from commonweal_api import namespace_of, platform_namespace_of
from commonweal_kube.protocol import MERGE
from commonweal_stacks.conformity.probes.scratch import DEPARTMENTS, REGISTRAR, A, B, meta, platform_space, space
from commonweal_stacks.conformity.probes.server import agreement, intruder

Body = dict[str, Any]
OWN, PLATFORM = namespace_of(A), platform_namespace_of(A)
# Bound to the role that the chart has for it; to Kubernetes' `edit`, in both namespaces, by mistake; and to everything in both, by a greater one.
EDITOR: Final = f"system:serviceaccount:{OWN}:default"
WRONGLY: Final = f"system:serviceaccount:{OWN}:wrongly-bound"
OWNER: Final = f"system:serviceaccount:{OWN}:everything"
STORE: Final = f"system:serviceaccount:{PLATFORM}:store"
OPERATOR: Final = "system:serviceaccount:commonweal-system:commonweal-operator"
# Of every cluster; writes Departments, and is nobody's steward.
COLLECTOR: Final = "system:serviceaccount:kube-system:generic-garbage-collector"
APPLICATION, PRODUCT, AGREED = "application", "commonweal-probe", "probe"
KINDS: Final = f"/apis/commonweal.dev/v1alpha1/namespaces/{OWN}"
DEPLOYMENTS: Final = f"/apis/apps/v1/namespaces/{OWN}/deployments"
CONFIGS: Final = f"/api/v1/namespaces/{OWN}/configmaps"
RBAC: Final = "/apis/rbac.authorization.k8s.io/v1"
STORE_SET: Final = f"/apis/apps/v1/namespaces/{PLATFORM}/statefulsets/store"


@dataclass(frozen=True, slots=True)
class Request:
    """One request to an API server."""

    method: str
    path: str
    body: Body | None = None

    @property
    def content(self) -> str:
        return MERGE if self.method == "PATCH" else "application/json"

    @property
    def writes(self) -> bool:
        """A read is none, and a connection neither: no server takes one as a dry run, and there is no such pod."""
        return self.method != "GET" and not self.path.endswith(("/exec", "/portforward"))


@dataclass(frozen=True, slots=True)
class Attempt:
    """What is asked as whom, with which words it must be refused, and what the same account may do."""

    user: str
    denied: Request
    words: str
    allowed: Request


def _object(version: str, kind: str, name: str = "commonweal-probe", **content: Any) -> Body:
    return {"apiVersion": version, "kind": kind, "metadata": meta(name), **content}


def _service(**spec: Any) -> Request:
    return Request("POST", f"{space(A)}/services", _object("v1", "Service", spec={"ports": [{"port": 80}], **spec}))


def _template(labels: Mapping[str, str] | None = None, **spec: Any) -> Body:
    locked = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    container = {"name": "probe", "image": "localhost/none", "securityContext": locked}
    who = {"runAsNonRoot": True, "runAsUser": 10001, "seccompProfile": {"type": "RuntimeDefault"}}
    return {"metadata": {"labels": {"app": "probe", **(labels or {})}}, "spec": {"securityContext": who, "containers": [container], **spec}}


def deployment(path: str = DEPLOYMENTS, labels: Mapping[str, str] | None = None, **spec: Any) -> Request:
    """Return the request for a workload whose pods have these labels and this more in their spec."""
    wanted = {"selector": {"matchLabels": {"app": "probe"}}, "template": _template(labels, **spec)}
    return Request("POST", path, _object("apps/v1", "Deployment", spec=wanted))


def product(name: str, host: str = "heritage.invalid") -> Body:
    """Return a product that the API takes."""
    source = {"postgres": {"host": host, "database": "probe", "table": "probe", "credentials": {"name": "probe"}}}
    fields = [{"name": "probe", "column": "probe", "type": "String"}]
    spec = {"title": "Probe", "version": "1.0.0", "class": "Person", "source": source, "subject": {"column": "person"}, "fields": fields}
    return _object("commonweal.dev/v1alpha1", "DataProduct", name, spec=spec)


def made() -> list[Request]:
    """Return what must be there before anything is tried: accounts, a product, and an agreement that names another."""
    accounts = [Request("POST", f"{space(A)}/serviceaccounts", _object("v1", "ServiceAccount", name)) for name in (APPLICATION, REGISTRAR)]
    products = Request("POST", f"{KINDS}/dataproducts", product(PRODUCT))
    return [*accounts, products, Request("POST", f"{KINDS}/consentpolicies", agreement())]


def _token(account: str) -> Request:
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"audiences": ["probe"]}}
    return Request("POST", f"{space(A)}/serviceaccounts/{account}/token", body)


def _config(labels: Mapping[str, str] | None = None, name: str = "probe", **more: Any) -> Request:
    body = _object("v1", "ConfigMap", name)
    body["metadata"] = {**body["metadata"], "labels": {**body["metadata"]["labels"], **(labels or {})}, **more}
    return Request("POST", f"{space(A)}/configmaps", body)


def _claimed(**volume: Any) -> Request:
    return deployment(volumes=[{"name": "taken", **volume}])


def _evicted(path: str, name: str, **options: int) -> Request:
    told = {"deleteOptions": options} if options else {}
    return Request("POST", f"{path}/pods/{name}/eviction", _object("policy/v1", "Eviction", name, **told))


def _scaled(path: str) -> Request:
    return Request("PATCH", f"{path}/scale", {"spec": {"replicas": 0}})


def _opening() -> Request:
    spec = {"podSelector": {}, "ingress": [{"from": [{"ipBlock": {"cidr": "0.0.0.0/0"}}]}], "policyTypes": ["Ingress"]}
    path = f"/apis/networking.k8s.io/v1/namespaces/{OWN}/networkpolicies"
    return Request("POST", path, _object("networking.k8s.io/v1", "NetworkPolicy", "probe", spec=spec))


def _endpoints() -> Request:
    body = _object("discovery.k8s.io/v1", "EndpointSlice", "probe", addressType="IPv4", endpoints=[{"addresses": ["192.0.2.1"]}])
    return Request("POST", f"/apis/discovery.k8s.io/v1/namespaces/{OWN}/endpointslices", body)


def _beside(user: str, allowed: Request, denied: Mapping[str, tuple[Request, str]]) -> dict[str, Attempt]:
    """Return attempts of one account that have their neighbour in common."""
    return {f"admission.{name}": Attempt(user, request, words, allowed) for name, (request, words) in denied.items()}


def of_an_editor() -> dict[str, Attempt]:
    """Return what the chart's own role must not get past admission."""
    return _objects() | _workloads() | _tokens() | _products()


def _objects() -> dict[str, Attempt]:
    services = {
        "load-balancer": (_service(type="LoadBalancer"), "spec.type: LoadBalancer"),
        "node-port": (_service(type="NodePort"), "spec.type: NodePort"),
    }
    exempt = {"commonweal.dev/lock-in-exempt": "host-path until 2027-01-01: probe"}
    configs = {
        "platform-label": (_config({"commonweal.dev/scope": "platform"}), "marks what is Commonweal's own"),
        "lock-in": (_config(annotations={"eks.amazonaws.com/probe": "probe"}), "rule cloud-identity"),
        "lock-in-exemption": (_config(annotations=exempt), "who may exempt"),
    }
    return _beside(EDITOR, _service(), services) | _beside(EDITOR, _config(), configs)


def _workloads() -> dict[str, Attempt]:
    label = {"app.kubernetes.io/component": "store"}
    denied = {
        "component-label": (deployment(labels=label), "marks the platform's own pods"),
        "borrowed-account": (deployment(serviceAccountName="store"), "are the platform's own"),
        "store-claim": (_claimed(persistentVolumeClaim={"claimName": "data-store-0"}), "is the store's"),
        "platform-secret": (_claimed(secret={"secretName": "commonweal-keys"}), "is the platform's and mounted by its own pods only"),
    }
    return _beside(EDITOR, deployment(), denied)


def _tokens() -> dict[str, Attempt]:
    secrets = f"{space(A)}/secrets"
    endless = _object("v1", "Secret", "probe", type="kubernetes.io/service-account-token")
    endless["metadata"]["annotations"] = {"kubernetes.io/service-account.name": APPLICATION}
    minted = {
        "borrowed-token": (_token("volumes"), "is the platform's own"),
        "registrar-token": (_token(REGISTRAR), f"{REGISTRAR} is a registrar of"),
    }
    kept = {"endless-token": (Request("POST", secrets, endless), "a token that never ends")}
    plain = Request("POST", secrets, _object("v1", "Secret", "probe"))
    return _beside(EDITOR, _token(APPLICATION), minted) | _beside(EDITOR, plain, kept)


def _products() -> dict[str, Attempt]:
    kinds = f"{KINDS}/dataproducts"
    one = f"{kinds}/{PRODUCT}"
    changes = {
        "agreed-source": (Request("PATCH", one, {"spec": {"source": {"postgres": {"table": "another"}}}}), "what leaves through"),
    }
    # As the one who may all else: an editor is refused any finalizer, whosesoever, by another policy.
    held = {
        "finalizers": (
            Request("PATCH", one, {"metadata": {"finalizers": ["commonweal.dev/probe"]}}),
            "metadata.finalizers: those of commonweal.dev",
        )
    }
    drafts = {
        "agreed-product": (Request("POST", kinds, product(AGREED)), "so making it opens it"),
        "foreign-source": (
            Request("POST", kinds, product("probe-more", f"store.dept-{B}.svc")),
            "lies in another namespace of this site",
        ),
    }
    retitled = Request("PATCH", one, {"spec": {"title": "Another"}})
    another = Request("POST", kinds, product("probe-more"))
    return _beside(EDITOR, retitled, changes) | _beside(OWNER, retitled, held) | _beside(EDITOR, another, drafts)


def of_one_wrongly_bound() -> dict[str, Attempt]:
    """Return what must be refused to one who has Kubernetes' `edit`, or all there is, in both namespaces of a department."""
    pods, twin = f"{space(A)}/pods", f"{platform_space(A)}/pods"
    here, there = _config(), Request("GET", f"{platform_space(A)}/configmaps")
    ours, theirs, held = "belongs to Commonweal", "is the platform's, and", "holds the department's data"
    volumes = "volumes-5d9c8b7f6d-abcde"
    labelled = Request("PATCH", f"/api/v1/namespaces/{OWN}", {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "privileged"}}})
    return {
        "admission.network-policy": Attempt(WRONGLY, _opening(), "only add to what is let through", here),
        "admission.endpoints": Attempt(OWNER, _endpoints(), "by hand they could lead to any address", here),
        "admission.namespace": Attempt(OWNER, labelled, "belongs to Commonweal (namespaces", here),
        "admission.scale": Attempt(WRONGLY, _scaled(f"{DEPLOYMENTS}/volumes"), ours, here),
        "admission.eviction": Attempt(WRONGLY, _evicted(space(A), volumes), ours, here),
        "admission.leaving": Attempt(WRONGLY, _evicted(space(A), "probe", gracePeriodSeconds=86_400), "keeps its room from whoever", here),
        "admission.port-forward": Attempt(WRONGLY, Request("POST", f"{pods}/{volumes}/portforward"), held, here),
        "admission.exec": Attempt(WRONGLY, Request("POST", f"{pods}/{volumes}/exec"), held, here),
        "platform.scale": Attempt(WRONGLY, _scaled(STORE_SET), theirs, there),
        "platform.eviction": Attempt(WRONGLY, _evicted(platform_space(A), "store-0"), theirs, there),
        "platform.port-forward": Attempt(WRONGLY, Request("POST", f"{twin}/store-0/portforward"), theirs, there),
        "platform.exec": Attempt(WRONGLY, Request("POST", f"{twin}/store-0/exec"), theirs, there),
        "platform.pods": Attempt(WRONGLY, Request("POST", twin, _object("v1", "Pod", spec=_template()["spec"])), theirs, there),
        "platform.report": Attempt(
            STORE,
            _report("commonweal-model-report"),
            theirs,
            Request("PATCH", f"{platform_space(A)}/configmaps/commonweal-store-report", {}),
        ),
    }


def _report(name: str) -> Request:
    return Request("POST", f"{platform_space(A)}/configmaps", _object("v1", "ConfigMap", name))


def of_who_writes_departments() -> dict[str, Attempt]:
    """Return what must be refused to one who may write Departments and is nobody's steward."""
    department = f"{DEPARTMENTS}/{A}"
    return {
        "admission.registrars": Attempt(
            COLLECTOR,
            Request("PATCH", department, {"spec": {"registrars": [REGISTRAR, "another"]}}),
            "spec.registrars: another",
            Request("PATCH", department, {"spec": {"registrars": [REGISTRAR]}}),
        ),
    }


def of_the_operator() -> dict[str, Attempt]:
    """Return what must be refused to the operator: by the policies on its name, and by access rules, which an API server asks first."""
    own = f"/api/v1/namespaces/{OWN}"
    untouched = Request("PATCH", own, {})
    level = {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "privileged"}}}
    owner = {"apiVersion": "commonweal.dev/v1alpha1", "kind": "Department", "name": A, "uid": "00000000-0000-4000-8000-000000000000"}
    foreign = Request("PATCH", f"/apis/apps/v1/namespaces/{PLATFORM}/deployments/data-api", {"spec": {"template": _template()}})
    marked = {"metadata": {"labels": {"commonweal.dev/probe": "true"}}}
    elsewhere = Request("PATCH", f"{RBAC}/namespaces/commonweal-system/rolebindings/commonweal-operator-access", marked)
    return _by_access_rules(untouched) | {
        "operator.adoption": Attempt(
            OPERATOR, Request("PATCH", own, {"metadata": {"ownerReferences": [owner]}}), "this namespace was there before", untouched
        ),
        "operator.pod-security": Attempt(OPERATOR, Request("PATCH", own, level), "Pod Security restricted", untouched),
        "operator.elsewhere": Attempt(OPERATOR, elsewhere, "in commonweal-system; it writes the kinds", untouched),
        "operator.image": Attempt(OPERATOR, foreign, "from the images that the chart names", Request("PATCH", STORE_SET, {})),
    }


def _by_access_rules(untouched: Request) -> dict[str, Attempt]:
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"}
    subject = {"kind": "ServiceAccount", "name": "commonweal-operator", "namespace": "commonweal-system"}
    itself = _object("rbac.authorization.k8s.io/v1", "ClusterRoleBinding", roleRef=reference, subjects=[subject])
    bindings = Request("POST", f"{RBAC}/clusterrolebindings", itself)
    another = Request("PATCH", f"{RBAC}/namespaces/{OWN}/rolebindings/probe", {})
    return {
        "operator.pods": Attempt(
            OPERATOR,
            Request("POST", "/api/v1/namespaces/kube-system/pods", intruder({"privileged": True})),
            'cannot create resource "pods"',
            untouched,
        ),
        "operator.workload": Attempt(
            OPERATOR, deployment("/apis/apps/v1/namespaces/kube-system/deployments"), 'cannot create resource "deployments"', untouched
        ),
        "operator.reading": Attempt(
            OPERATOR,
            Request("GET", "/api/v1/namespaces/kube-system/configmaps"),
            'cannot list resource "configmaps"',
            Request("GET", CONFIGS),
        ),
        "operator.another-binding": Attempt(OPERATOR, another, 'cannot patch resource "rolebindings"', untouched),
        "operator.binding": Attempt(OPERATOR, bindings, 'cannot create resource "clusterrolebindings"', untouched),
    }


NAMES: Final = tuple(sorted({**of_an_editor(), **of_one_wrongly_bound(), **of_who_writes_departments(), **of_the_operator()}))
