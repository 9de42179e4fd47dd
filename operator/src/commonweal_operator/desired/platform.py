"""What the site's platform layer tells the operator: images, exposure, storage class, issuers. The chart writes it, the operator reads it once."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from commonweal_api.common import Strict

SYSTEM_NAMESPACE = "commonweal-system"
OPERATOR_PLATFORM_ROLE = "commonweal-operator-platform"
PRIORITY_CLASS = "commonweal-platform"
OPERATOR_DEPARTMENT_ROLE = "commonweal-operator-department"
STEWARD_ROLE = "commonweal-department-steward"


class Images(Strict):
    """References of the two images that departments run."""

    runtime: str = Field(min_length=1)
    store: str = Field(min_length=1)


class IssuerRef(Strict):
    """The issuer that cert-manager is to take; without a name the site's own authority issues."""

    name: str = ""
    kind: str = "ClusterIssuer"
    group: str = "cert-manager.io"


class PlatformConfig(Strict):
    """The content of `/etc/commonweal/config.yaml`.

    `pod_cidrs` and `service_cidrs` are the site's own networks, in which nobody of ours reaches more than is named; `api_servers` where its API server answers (empty: anywhere outside those).
    `site` is the name by which consent feeds know this site. `client_issuer` empty means: ask the API server who issues its ServiceAccount tokens.
    `person_embedded`: the small issuer signs, and the operator makes `person_keys`, its public keys as a JSON Web Key Set, from the master key. Another issuer's keys
    are fetched from `person_jwks`; empty means: by its discovery document. `person_audience` empty: that of each department.
    `smtp` (smtp://host:port or smtps://host:port) is the mail server that data APIs send codes through, from the address `smtp_from`; empty: none is sent.
    `portal` is the address of the site's pages for people, which every data API here admits; empty where there are none.
    `authority` are the certificates of the authorities that all workloads trust, as PEM; without `issuer_ref` the operator puts that of the site's own before them. While that one is new,
    `authority_before` is the one whose certificates stay as they are, and `authority_since` says since when both are believed.
    """

    images: Images
    site: str = Field(default="", max_length=40)
    expose: Literal["LoadBalancer", "ClusterIP"] = "ClusterIP"
    client_cidrs: list[IPv4Network | IPv6Network] = Field(default_factory=list)
    pod_cidrs: list[IPv4Network | IPv6Network] = Field(default_factory=list)
    service_cidrs: list[IPv4Network | IPv6Network] = Field(default_factory=list)
    api_servers: list[IPv4Network | IPv6Network] = Field(default_factory=list)
    trusted_proxies: list[IPv4Network | IPv6Network] = Field(default_factory=list)
    storage_class: str = "std-rwo"
    client_issuer: str = ""
    person_issuer: str = ""
    portal: Annotated[str, StringConstraints(pattern=r"^(https?://\S+[^/\s])?$")] = ""
    person_embedded: bool = False
    person_keys: str = ""
    person_jwks: Annotated[str, StringConstraints(pattern=r"^(https://\S+)?$")] = ""
    person_audience: str = ""
    person_claim: str = "sub"
    person_subject: Literal["Pairwise", "Source"] = "Pairwise"
    person_skew_seconds: int = Field(default=30, ge=0, le=300)
    smtp: Annotated[str, StringConstraints(pattern=r"^(smtps?://[A-Za-z0-9.-]{1,253}:[1-9][0-9]{0,4})?$")] = ""
    smtp_from: Annotated[str, StringConstraints(pattern=r"^([!-?A-~]{1,64}@[A-Za-z0-9.-]{1,253})?$")] = ""
    issuer_ref: IssuerRef = Field(default_factory=IssuerRef)
    authority: str = ""
    authority_before: str = ""
    authority_since: str = ""
    authority_secret: str = "commonweal-authority"  # noqa: S105 - as below
    people_secret: str = "commonweal-people"  # noqa: S105 - as below
    sectors_secret: str = "commonweal-sectors"  # noqa: S105 - a name, not a secret
    system_namespace: str = SYSTEM_NAMESPACE
    service_account: str = "commonweal-operator"
