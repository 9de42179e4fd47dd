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

    `path` is a field path; `*` stands for any one step. `name` empty stands for every object of the kind.
    """

    kind: str
    path: str
    why: str
    name: str = ""


ALLOWED_DIFFERENCES: tuple[Difference, ...] = (
    Difference("StorageClass", "provisioner", "each site has its own storage; only the class's name is promised", name="std-rwo"),
    Difference("StorageClass", "parameters", "each provisioner has its own parameters", name="std-rwo"),
    Difference("NetworkPolicy", "spec.ingress.*.from.*.ipBlock.cidr", "each site has its own client networks"),
    Difference("NetworkPolicy", "spec.ingress.*.from", "a site may have more client networks than another", name="identity-clients"),
    Difference("Service", "spec.type", "a site without load balancers exposes inside the cluster"),
    Difference("Deployment", "spec.template.spec.containers.*.env.COMMONWEAL_EXPOSE", "the same choice, as the operator passes it on"),
    Difference(
        "Deployment", "spec.template.spec.containers.*.env.COMMONWEAL_CLIENT_CIDRS", "the same networks, as the operator passes them on"
    ),
    Difference(
        "Deployment", "spec.template.spec.containers.*.env.COMMONWEAL_PERSON_ISSUER", "a site may have a people's issuer of its own"
    ),
)
