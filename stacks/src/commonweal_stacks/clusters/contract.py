"""What an adapter must answer, and the whole list of what may differ between two sites."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


class Cluster(Protocol):
    """A cluster that is there."""

    @property
    def name(self) -> str:
        """The site's name."""

    def kubeconfig(self) -> str:
        """Return the contents of an administrator's kubeconfig. Raises SiteConfigError with the remedy when there is none."""


@dataclass(frozen=True)
class Difference:
    """One place in the platform's objects that may differ between sites, and why.

    `path` is a JSON pointer without its first slash (a slash inside a step is `~1`); `*` stands for any one step, and what lies under the
    path may differ, too. Items of lists that have names are reached by name. An empty `name` stands for every object of the kind.
    """

    kind: str
    path: str
    why: str
    name: str = ""


CONFIG = "commonweal-operator"

ALLOWED_DIFFERENCES: tuple[Difference, ...] = (
    Difference("StorageClass", "provisioner", "each site has its own storage; only the class's name is promised", "std-rwo"),
    Difference("StorageClass", "parameters", "each provisioner has its own parameters", "std-rwo"),
    Difference("NetworkPolicy", "spec/ingress/*/from/*/ipBlock", "each site has its own client networks"),
    Difference("Service", "spec/type", "a site without load balancers exposes inside the cluster only"),
    Difference("Service", "spec/allocateLoadBalancerNodePorts", "set by the server with the type"),
    Difference("Service", "spec/externalTrafficPolicy", "set by the server with the type"),
    Difference("ConfigMap", "data/config.yaml/site", "each site has its own name", CONFIG),
    Difference("ConfigMap", "data/config.yaml/expose", "the same choice, as the operator reads it", CONFIG),
    Difference("ConfigMap", "data/config.yaml/clientCidrs", "the same networks, as the operator reads them", CONFIG),
    Difference("ConfigMap", "data/config.yaml/personIssuer", "a site may have a people's issuer of its own", CONFIG),
    Difference("ConfigMap", "data/config.yaml/personJwks", "the keys of that issuer", CONFIG),
    *(
        Difference("ConfigMap", f"data/config.yaml/{key}", "how that issuer's tokens are read", CONFIG)
        for key in ("personAudience", "personClaim", "personSubject", "personSkewSeconds")
    ),
    Difference("Deployment", "spec/template/metadata/annotations/commonweal.dev~1config-digest", "follows from those above", CONFIG),
    Difference("Deployment", "spec/template/spec/containers/identity/env/COMMONWEAL_ISSUER/value", "the issuer's own name", "identity"),
)
