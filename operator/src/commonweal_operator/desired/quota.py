"""What the department's own workloads may use of the site, what the platform's may for it, and what a container gets that asks for nothing."""

from __future__ import annotations

from commonweal_api import GROUP, DataProduct
from commonweal_api.consent_policy import ConsentPolicy
from commonweal_api.department import Quota
from commonweal_api.model_service import ModelService
from commonweal_operator.desired.manifest import Child, Owner, child

NAME = "department"
# Store, data API and models ask for 175m and may take 2176Mi together.
_PLATFORM = {"requests.cpu": "1", "limits.memory": "8Gi", "pods": "20", "persistentvolumeclaims": "4"}


def quota(owner: Owner, spec: Quota) -> Child:
    """Return the ResourceQuota: CPU counts by request, memory by limit, for memory cannot be taken back and CPU can."""
    counts = {f"count/{kind.plural}.{GROUP}": str(spec.objects) for kind in (DataProduct, ConsentPolicy, ModelService)}
    hard = {"requests.cpu": spec.cpu, "limits.memory": spec.memory, "requests.storage": spec.storage} | counts
    return child("ResourceQuota", owner.metadata(NAME), spec={"hard": hard})


def platform_quota(owner: Owner) -> Child:
    """Return the ResourceQuota of the platform's namespace: well above what the operator makes there, two of each pod at once included.

    Volume space is not in it: a store's volume is grown on its claim, by the platform team.
    """
    return child("ResourceQuota", owner.metadata(NAME), spec={"hard": dict(_PLATFORM)})


def limits(owner: Owner) -> Child:
    """Return the defaults for containers that say nothing; without them the quota would refuse such a pod."""
    defaults = {"type": "Container", "default": {"memory": "256Mi"}, "defaultRequest": {"cpu": "25m", "memory": "64Mi"}}
    return child("LimitRange", owner.metadata(NAME), spec={"limits": [defaults]})
