"""The addresses that a site of each kind needs: one block of the stack file per kind, and nothing in it that makes clusters unlike."""

from __future__ import annotations

import ipaddress
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel

Kind = Literal["aws", "azure", "gcp", "vsphere", "metal3", "edge-k3s", "adopted", "local"]
"""The kinds of site; each has an adapter of that name in `commonweal_stacks.clusters`."""


class Part(BaseModel):
    """Frozen, camelCase as in the stack file, and an unknown key is an error."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True)


def network(text: str) -> str:
    """Return the text of a network. Raises ValueError with what to write."""
    try:
        ipaddress.ip_network(text)
    except ValueError as error:
        raise ValueError(f"{error}; write a network such as 10.1.0.0/16, with no host bits set") from error
    return text


Cidr = Annotated[str, AfterValidator(network)]
Word = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]([A-Za-z0-9._-]{0,126}[A-Za-z0-9])?$")]
Label = Annotated[str, StringConstraints(pattern=r"^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$")]
Path = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f]+$", max_length=400)]
Host = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]([A-Za-z0-9.:-]{0,251}[A-Za-z0-9])?$")]
Folder = Annotated[str, StringConstraints(pattern=r"^https?://[^\s?#]+[^\s/?#]$", max_length=400)]


class Aws(Part):
    """Kind aws. `image_account` owns the machine images; none: that of the provider's community."""

    region: Annotated[str, StringConstraints(pattern=r"^[a-z]{2}(-[a-z]+)+-\d$")]
    nodes: Cidr = Field(default="10.0.0.0/16", description="The network of the machines; the provider makes it and its subnets.")
    image_account: Annotated[str, StringConstraints(pattern=r"^\d{12}$")] | None = None
    ssh_key_name: Word | None = None


class Azure(Part):
    """Kind azure. `identity` is an AzureClusterIdentity in the fleet's namespace; `image_gallery` a community gallery."""

    subscription_id: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]
    location: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9]{1,39}$")]
    identity: Label
    image_gallery: Word
    nodes: Cidr = "10.0.0.0/16"


class Gcp(Part):
    """Kind gcp. `image_project` owns the machine images; none: the site's own project."""

    project: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{4,28}[a-z0-9]$")]
    region: Annotated[str, StringConstraints(pattern=r"^[a-z]+-[a-z]+\d+$")]
    nodes: Cidr = "10.0.0.0/16"
    image_project: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{4,28}[a-z0-9]$")] | None = None


class Vsphere(Part):
    """Kind vsphere. `endpoint` reaches the API servers; `identity` a Secret with the credentials."""

    server: Host
    thumbprint: Annotated[str, StringConstraints(pattern=r"^([0-9A-F]{2}:){19,31}[0-9A-F]{2}$")]
    datacenter: Path
    datastore: Path
    folder: Path
    resource_pool: Path
    network: Path
    nodes: Cidr
    endpoint: Host
    identity: Label


class BareMetal(Part):
    """Kinds metal3 and edge-k3s. `images` is a folder that holds the machine image and its checksum; `endpoint` reaches the API servers."""

    endpoint: Host
    nodes: Cidr
    images: Folder


class Local(Part):
    """Kind local. `mode`: Pods needs root; ControlPlane and Shared do not. None: what the provider thinks best."""

    mode: Literal["Pods", "ControlPlane", "Shared"] | None = None


BLOCKS: dict[Kind, str] = {
    "aws": "aws",
    "azure": "azure",
    "gcp": "gcp",
    "vsphere": "vsphere",
    "metal3": "metal3",
    "edge-k3s": "edge_k3s",
    "local": "local",
}
"""The attribute of SiteConfig that holds each kind's block; adopted has `kubeconfig` in its place."""
