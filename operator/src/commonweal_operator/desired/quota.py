"""What the department's own workloads may use of the site, what the platform's may for it, and what a container gets that asks for nothing.

Everything that can be counted is: what has no bound in a namespace has none on the site, and the control plane is everybody's.
"""

from __future__ import annotations

from commonweal_api import GROUP, DataProduct
from commonweal_api.consent_policy import ConsentPolicy
from commonweal_api.department import Quota
from commonweal_api.model_service import ModelService
from commonweal_operator.desired.manifest import Child, Manifest, Owner, Stage, child

NAME = "department"
KINDS = tuple(f"count/{kind.plural}.{GROUP}" for kind in (DataProduct, ConsentPolicy, ModelService))
# Of the kinds that tenants write, by the names under which a quota counts them. What only the cluster's controllers make follows from these.
COUNTED = (
    "configmaps",
    "count/cronjobs.batch",
    "count/daemonsets.apps",
    "count/deployments.apps",
    "count/horizontalpodautoscalers.autoscaling",
    "count/ingresses.networking.k8s.io",
    "count/jobs.batch",
    "count/leases.coordination.k8s.io",
    "count/networkpolicies.networking.k8s.io",
    "count/poddisruptionbudgets.policy",
    "count/podtemplates",
    "count/replicasets.apps",
    "count/resourceclaims.resource.k8s.io",
    "count/resourceclaimtemplates.resource.k8s.io",
    "count/rolebindings.rbac.authorization.k8s.io",
    "count/roles.rbac.authorization.k8s.io",
    "count/serviceaccounts",
    "count/statefulsets.apps",
    "persistentvolumeclaims",
    "replicationcontrollers",
    "secrets",
    "services",
)
# A Deployment keeps its earlier ReplicaSets, ten unless it says otherwise.
_SEVERAL = {"count/replicasets.apps": 11}
# Objects of each kind that the operator and the cluster's controllers make for a department beside what its own objects bring.
_OURS = 20
# The data API and the models, reached from outside where the site exposes them.
_ADDRESSES = 2
# Store, data API and models ask for 175m, 2176Mi and 2Gi of disk together; of memory and disk that is all they may take.
_PLATFORM: Manifest = {"requests.cpu": "1", "limits.memory": "8Gi", "limits.ephemeral-storage": "24Gi", "pods": "20"}


def quota(owner: Owner, spec: Quota) -> Child:
    """Return the ResourceQuota of the department's namespace: CPU counts by request, memory by limit, for memory cannot be taken back and CPU can."""
    hard = {
        "requests.cpu": spec.cpu,
        "limits.memory": spec.memory,
        "requests.storage": spec.storage,
        "limits.ephemeral-storage": spec.ephemeral_storage,
        "pods": str(spec.pods),
        "services.loadbalancers": "0",
        "services.nodeports": "0",
    }
    return _quota(owner, hard | {kind: str(spec.objects) for kind in KINDS} | _counts(spec.objects))


def platform_quota(owner: Owner) -> Child:
    """Return the ResourceQuota of the platform's namespace: well above what the operator makes there, two of each pod at once included.

    Volume space is not in it: a store's volume is grown on its claim, by the platform team.
    """
    # A Service with an address of a load balancer takes a port of the nodes for each of its own; both have one.
    addresses = {"services.loadbalancers": str(_ADDRESSES), "services.nodeports": str(_ADDRESSES)}
    return _quota(owner, _PLATFORM | addresses | _counts(0) | {"persistentvolumeclaims": "4"})


def limits(owner: Owner) -> Child:
    """Return the defaults for containers that say nothing, without which the quota would refuse such a pod; the least that each is counted for; and the most."""
    container = {
        "type": "Container",
        "default": {"memory": "256Mi", "ephemeral-storage": "512Mi"},
        "defaultRequest": {"cpu": "25m", "memory": "64Mi", "ephemeral-storage": "0"},
        "min": {"cpu": "5m", "memory": "16Mi"},
        "max": {"ephemeral-storage": "8Gi"},
    }
    claim = {"type": "PersistentVolumeClaim", "min": {"storage": "1Mi"}}
    return child("LimitRange", owner.metadata(NAME), spec={"limits": [container, claim]})


def _counts(objects: int) -> Manifest:
    """Return the bounds by number. A product and an agreement have a ConfigMap of documents each."""
    documents = {"configmaps": 2 * objects}
    return {name: str((objects + _OURS) * _SEVERAL.get(name, 1) + documents.get(name, 0)) for name in COUNTED}


def _quota(owner: Owner, hard: Manifest) -> Child:
    # Last: what a quota counts is refused from its making until its first count.
    return child("ResourceQuota", owner.metadata(NAME), stage=Stage.BOUNDS, spec={"hard": hard})
