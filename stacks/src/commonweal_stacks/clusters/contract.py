"""What an adapter must answer, and the whole list of what may differ between two sites."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from commonweal_stacks.blueprint import Blueprint
from commonweal_stacks.manifests import Manifest
from commonweal_stacks.site import SiteConfig
from commonweal_stacks.site_kinds import Kind


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


Evidence = Literal["run", "expanded", "rendered", "given"]
"""How far an adapter was checked. `run`: real clusters are made with it in every test run. `expanded`: a real API server accepted every object
strictly against the provider's real definitions, and Cluster API's own controller expanded a Cluster of it; no cloud was called. `rendered`:
its objects are rendered and compared with those of the other adapters, and checked against no schema of the provider's. `given`: it renders
no cluster."""

# What several adapters say of how they were checked, word for word.
EXPANDED = "every template against the provider's real definitions, and a Cluster expanded by Cluster API core v1.14.2; no cloud was called"
UNCHECKED = "rendered and compared with the other kinds; against no definitions of the provider's, which no package registry we may use has"


@dataclass(frozen=True)
class Provider:
    """A Cluster API provider, as an adapter was written for it.

    `contract` is what the labels of its definitions say (`cluster.x-k8s.io/<contract>`), not what its API versions are called. `api` maps each
    API group that the adapter's templates use to the version that they are written in. `upstream` is its name in `management.upstream`, where
    its real definitions can be had.
    """

    name: str
    version: str
    contract: str
    api: Mapping[str, str]
    upstream: str = ""


@dataclass(frozen=True)
class Declaration:
    """What an adapter says of itself; docs/reference/site-kinds.md is made from it.

    `kubeadm`: its machines are set up by kubeadm, so that its objects agree with those of every other such kind but in `differences`.
    `differences` are places in its rendered objects; objects of the provider's own kinds may differ altogether, which `infrastructure` names.
    `programs` are settings that its programs of Kubernetes have for themselves, over what the blueprint and kubeadm give everywhere: the program's
    name, and the flag or the field of its file.
    `encrypted`: its clusters read the Secret of `secret_objects`. `variables` are those of its ClusterClass. `needs` is what must be there
    before, on the management cluster and where the machines come from.
    """

    kind: Kind
    summary: str
    evidence: Evidence
    checked: str
    provider: Provider | None = None
    kubeadm: bool = False
    encrypted: bool = False
    infrastructure: tuple[str, ...] = ()
    differences: tuple[Difference, ...] = ()
    programs: tuple[Difference, ...] = ()
    variables: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()


class Adapter(Protocol):
    """A kind of site. Pure: renders objects, talks to nobody. Every object it renders has an explicit name, and our labels.

    Class objects come before the Cluster that uses them; templates before the class.
    """

    @property
    def declaration(self) -> Declaration:
        """What the adapter says of itself."""

    def class_objects(self, blueprint: Blueprint) -> list[Manifest]:
        """Return the class that all sites of the kind share, templates first; none where each site has a class of its own."""

    def site_objects(self, site: SiteConfig, blueprint: Blueprint) -> list[Manifest]:
        """Return the objects of one site, its Cluster last; none for a kind that makes no cluster."""

    def secret_objects(self, site: SiteConfig, blueprint: Blueprint, text: Any) -> list[Manifest]:
        """Return the Secrets that must be there before the Cluster. `text` is what `blueprint.files.encryption` returns, or a Pulumi output of it."""


CONFIG = "commonweal-operator"

ALLOWED_DIFFERENCES: tuple[Difference, ...] = (
    Difference("StorageClass", "provisioner", "each site has its own storage; only the class's name is promised", "std-rwo"),
    Difference("StorageClass", "parameters", "each provisioner has its own parameters", "std-rwo"),
    Difference("NetworkPolicy", "spec/ingress/*/from/*/ipBlock", "each site has its own client networks"),
    Difference("NetworkPolicy", "spec/egress/*/to", "each cluster has its own networks of pods and services"),
    Difference("Service", "spec/type", "a site without load balancers exposes inside the cluster only"),
    Difference("Service", "spec/allocateLoadBalancerNodePorts", "set by the server with the type"),
    Difference("Service", "spec/externalTrafficPolicy", "goes with the type: a load balancer keeps the client's address"),
    Difference("Service", "spec/healthCheckNodePort", "set by the server with the type"),
    Difference("ConfigMap", "data/config.yaml/site", "each site has its own name", CONFIG),
    Difference("ConfigMap", "data/config.yaml/expose", "the same choice, as the operator reads it", CONFIG),
    Difference("ConfigMap", "data/config.yaml/clientCidrs", "the same networks, as the operator reads them", CONFIG),
    *(
        Difference("ConfigMap", f"data/config.yaml/{key}", "the cluster's own networks", CONFIG)
        for key in ("podCidrs", "serviceCidrs", "apiServers")
    ),
    Difference("ConfigMap", "data/config.yaml/trustedProxies", "each site has its own ingress", CONFIG),
    Difference("ConfigMap", "data/config.yaml/personIssuer", "a site may have a people's issuer of its own", CONFIG),
    Difference("ConfigMap", "data/config.yaml/personJwks", "the keys of that issuer", CONFIG),
    Difference("ConfigMap", "data/config.yaml/personEmbedded", "whether the operator knows the keys of that issuer", CONFIG),
    *(
        Difference("ConfigMap", f"data/config.yaml/{key}", "how that issuer's tokens are read", CONFIG)
        for key in ("personAudience", "personClaim", "personSubject", "personSkewSeconds")
    ),
    Difference("Deployment", "spec/template/metadata/annotations/commonweal.dev~1config-digest", "follows from those above", CONFIG),
    Difference("Deployment", "spec/template/spec/containers/identity/env/COMMONWEAL_ISSUER/value", "the issuer's own name", "identity"),
    *(
        Difference("Deployment", f"spec/template/spec/containers/{name}/env/{key}/value", reason, name)
        for name, key, reason in (
            ("identity", "COMMONWEAL_PORTAL_URL", "the portal's own name"),
            ("portal", "COMMONWEAL_PORTAL_URL", "the portal's own name"),
            ("portal", "COMMONWEAL_ISSUER", "the issuer's own name"),
            ("identity", "COMMONWEAL_PROVIDER_ISSUER", "a site may have a provider in front of the issuer"),
            ("identity", "COMMONWEAL_PROVIDER_CLIENT_ID", "what the issuer is called at that provider"),
            ("identity", "COMMONWEAL_TRUSTED_PROXIES", "each site has its own ingress"),
            ("portal", "COMMONWEAL_TRUSTED_PROXIES", "each site has its own ingress"),
        )
    ),
    *(Difference("Deployment", "spec/replicas", "a small site may run one pod of it", name) for name in ("identity", "portal")),
    Difference("ConfigMap", "data/config.yaml/portal", "the portal's own name, as the operator reads it", CONFIG),
    Difference("StatefulSet", "spec/volumeClaimTemplates/data/spec/resources", "each site has its own number of people", "identity-store"),
)
