"""The typed configuration of a site: what a stack file may say, checked before anything is created."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from commonweal_stacks import blueprint
from commonweal_stacks.blueprint.model import SizeName
from commonweal_stacks.exceptions import SiteConfigError
from commonweal_stacks.site_kinds import BLOCKS, Aws, Azure, BareMetal, Cidr, Gcp, Kind, Local, Part, Vsphere

SITE_KEY, IMAGES_KEY, MASTER_KEY = "commonweal:site", "commonweal:images", "commonweal:sectorsMaster"
SIGNING_KEY, ENCRYPTION_KEY, AUTHORITY_KEY = "commonweal:siteKey", "commonweal:encryptionKey", "commonweal:siteAuthority"
IMAGE_NAMES = ("operator", "runtime", "store", "portal")
HEX = re.compile(r"[0-9a-f]{64}")

SiteName = Annotated[str, StringConstraints(pattern=r"^[a-z]([a-z0-9-]{0,38}[a-z0-9])?$")]
ObjectName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$")]


# In the chart's schema every value that has a default is required, for Helm fills it in; only one that somebody set to null is missing.
NONE_LEFT_OUT = ConfigDict(json_schema_serialization_defaults_required=True)


class Storage(Part):
    """What stands behind the StorageClass `std-rwo`, whose name is the same on every site."""

    provisioner: Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?(/[A-Za-z0-9._-]+)?$", max_length=253)] = Field(
        description="Who makes the volumes of the StorageClass `std-rwo`."
    )
    parameters: dict[str, str] = Field(default_factory=dict, description="What that provisioner is told.")


class Provider(Part):
    """How tokens of people are read that an issuer of the site's own makes; the issuer that comes with Commonweal needs none of it."""

    model_config = NONE_LEFT_OUT

    audience: Annotated[str, StringConstraints(pattern=r"^(\S+)?$", max_length=500)] = Field(
        default="", description="Audiences that such a token may carry, separated by commas. Empty: that of each department."
    )
    claim: Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_:./-]{0,99}$")] = Field(
        default="sub", description="The claim that says who the person is."
    )
    subject: Literal["Pairwise", "Source"] = Field(
        default="Pairwise",
        description="What that claim holds. Pairwise: the department's pairwise id. Source: the identifier of the sources, from which the id is made.",
    )
    skew_seconds: int = Field(default=30, ge=0, le=300, description="By how many seconds the issuer's clock may be ahead.")


class SignInWith(Part):
    """An OpenID provider at which people sign in, in place of the accounts of the small issuer, which keeps the links and makes the tokens."""

    model_config = NONE_LEFT_OUT

    issuer: Annotated[str, StringConstraints(pattern=r"^(https://[^\s/?#]+(/[^\s?#]*)?)?$")] = Field(
        default="", description="The provider's address (its `iss`). Empty: people sign in at the small issuer itself."
    )
    client_id: Annotated[str, StringConstraints(pattern=r"^[^\s\"\\]*$", max_length=200)] = Field(
        default="",
        description="What the small issuer is called there. Its redirect address is `identity.issuer` with `/provider` behind it.",
    )
    secret: ObjectName = Field(
        default="commonweal-identity-provider",
        description="Secret with what the small issuer proves itself by to the provider, key `provider-secret`. Without it, it proves itself by PKCE alone.",
    )

    @model_validator(mode="after")
    def _both_or_neither(self) -> Self:
        if bool(self.issuer) != bool(self.client_id):
            raise ValueError("issuer and clientId belong together: set both, or neither")
        return self


class Identity(Part):
    """The issuer of people's tokens: one that the site has, or the small one that comes with Commonweal. With neither, nobody can sign in."""

    model_config = NONE_LEFT_OUT

    enabled: bool = Field(
        default=False,
        description="Run the small OIDC issuer that comes with Commonweal, for trials. Leave it off where the site has an issuer, and name that one.",
    )
    issuer: Annotated[str, StringConstraints(pattern=r"^(https?://[^\s/?#]+(/[^\s?#]*)?)?$")] = Field(
        default="",
        description="The issuer of people's tokens (their `iss`). Empty: the small issuer's address in the cluster; while that is off, no person can sign in.",
    )
    jwks: Annotated[str, StringConstraints(pattern=r"^(https://\S+)?$")] = Field(
        default="",
        description="Where pods fetch the issuer's keys. Empty: the operator knows the small issuer's; another one's are found by its discovery document.",
    )
    provider: Provider = Field(default_factory=Provider, description="How tokens of people are read that another issuer made.")
    sign_in_with: SignInWith = Field(
        default_factory=SignInWith, description="The OpenID provider in front of the small issuer, where the site has one."
    )
    people: ObjectName = Field(
        default="commonweal-people",
        description="Secret with the people who may sign in at the small issuer, key people.json. Without it no person can.",
    )
    replicas: int = Field(default=2, ge=1, le=5, description="Pods of the small issuer. With two, people sign in while one is away.")
    store_size: Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]*[MGT]i$")] = Field(
        default="1Gi",
        description="Size of the volume of the small issuer's store. A volume that is there is not changed by it; grow its PersistentVolumeClaim instead.",
    )

    @model_validator(mode="after")
    def _keys_have_an_issuer(self) -> Self:
        if self.jwks and not (self.issuer or self.enabled):
            raise ValueError("jwks says where keys are, but not whose: set issuer, or set enabled for the small issuer")
        if self.issuer and not self.enabled and not self.jwks and not self.issuer.startswith("https://"):
            raise ValueError(
                "issuer is not https, so whoever answers there could name its own keys: use https, or set jwks to an https address"
            )
        return self


class Portal(Part):
    """The pages on which people see who uses their information, and decide. They run where the small issuer does, which keeps the links."""

    model_config = NONE_LEFT_OUT

    enabled: bool = Field(default=True, description="Run the pages for people, where the small issuer runs (`identity.enabled`).")
    url: Annotated[str, StringConstraints(pattern=r"^(https://[^\s/?#]+)?$")] = Field(
        default="",
        description="The address under which people know the pages, without a path. Empty: their address in the cluster, which `commonweal local open portal` leads a browser to.",
    )
    replicas: int = Field(default=2, ge=1, le=5, description="Pods of the pages. With two, they answer while one is away.")
    site_cidrs: tuple[Cidr, ...] = Field(
        default=(),
        max_length=50,
        description="Networks in which other sites' data APIs answer: the pages follow a department that has moved there. Empty: they show that it has moved.",
    )


class IssuerRef(Part):
    """An issuer of cert-manager."""

    model_config = NONE_LEFT_OUT

    name: Annotated[str, StringConstraints(pattern=r"^([a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?)?$")] = Field(
        default="", description="The issuer's name. Empty: the site's own authority issues, whose key is `commonweal:siteAuthority`."
    )
    kind: Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Za-z]{0,62}$")] = Field(
        default="ClusterIssuer", description="The issuer's kind. An `Issuer` would have to be in each namespace."
    )
    group: Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$")] = Field(
        default="cert-manager.io", description="The API group of that kind."
    )


class Certificates(Part):
    """Who issues the workloads' certificates, and which authority everybody trusts."""

    model_config = NONE_LEFT_OUT

    issuer_ref: IssuerRef = Field(
        default_factory=IssuerRef, description="The issuer that cert-manager takes, where the site has cert-manager."
    )
    authority: Annotated[str, StringConstraints(pattern=r"^(-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s-]+)?$", max_length=20000)] = Field(
        default="",
        description="Certificates of further authorities to believe, as PEM: with an issuer its own, which is needed, and two while it changes it; else those of sites with another key of their own. The site's own authority is believed without being named.",
    )

    @model_validator(mode="after")
    def _somebody_is_believed(self) -> Self:
        if self.issuer_ref.name and not self.authority:
            raise ValueError(
                "issuerRef names an issuer, and authority does not say which one to trust: set authority to the PEM certificate of its authority"
            )
        if self.authority and not self.issuer_ref.name:
            raise ValueError("authority is that of an issuer, and issuerRef names none: name it, or leave authority out")
        return self


def _known(name: str) -> str:
    return blueprint.revision(name).revision


class Networks(Part):
    """The networks inside a cluster that somebody else made. Of every other kind they are the blueprint's."""

    pods: tuple[Cidr, ...] = Field(
        default=(),
        max_length=50,
        description="Of kind adopted: the cluster's networks of pods; none: what our pods reach cannot leave them out.",
    )
    services: tuple[Cidr, ...] = Field(default=(), max_length=50, description="Of kind adopted: the cluster's networks of services.")


class SiteConfig(Part):
    """One site. Everything here may differ between sites; everything else may not.

    Of the blocks named as kinds, `aws` to `local`, exactly that of the site's kind may be given; for `local` it may be left out.
    """

    name: SiteName = Field(description="The site's name, which is the stack's.")
    kind: Kind = Field(description="How its cluster is made.")
    size: SizeName = Field(default="small", description="How many machines, and which: small, medium or large.")
    blueprint: Annotated[str, AfterValidator(_known)] = Field(
        default=blueprint.CURRENT, description="The revision of the blueprint; another one upgrades the site, or takes it back."
    )
    kubeconfig: Path | None = Field(default=None, description="Of kind adopted: the path of the cluster's kubeconfig.")
    aws: Aws | None = None
    azure: Azure | None = None
    gcp: Gcp | None = None
    vsphere: Vsphere | None = None
    metal3: BareMetal | None = None
    edge_k3s: BareMetal | None = Field(default=None, alias="edgeK3s")
    local: Local | None = None
    client_cidrs: tuple[Cidr, ...] = Field(max_length=50, description="Networks outside the cluster that may call; none: only from inside.")
    networks: Networks = Field(default_factory=Networks)
    trusted_proxies: tuple[Cidr, ...] = Field(
        default=(),
        max_length=50,
        description="Networks of proxies outside the pods, such as an ingress, whose X-Forwarded-For is believed. Empty: none is believed; who calls is who connects.",
    )
    storage: Storage
    expose: Literal["LoadBalancer", "ClusterIP"] = Field(
        default="ClusterIP", description="How data APIs and model runtimes are reached: `LoadBalancer` or `ClusterIP`."
    )
    identity: Identity = Field(default_factory=Identity)
    portal: Portal = Field(default_factory=Portal)
    certificates: Certificates = Field(default_factory=Certificates)

    @model_validator(mode="after")
    def _kubeconfig_fits(self) -> Self:
        if self.kind == "adopted" and self.kubeconfig is None:
            raise ValueError("kind adopted needs kubeconfig: the path of the cluster's kubeconfig file")
        if self.kind != "adopted" and self.kubeconfig is not None:
            owner = "the local site" if self.kind == "local" else "the cluster that Cluster API makes"
            raise ValueError(f"kind {self.kind} takes no kubeconfig: it is that of {owner}; leave it out, or use kind adopted")
        if self.kind != "adopted" and self.networks != Networks():
            raise ValueError(f"kind {self.kind} takes no networks: they are the blueprint's; leave them out")
        return self

    @model_validator(mode="after")
    def _blocks_fit(self) -> Self:
        for kind, attribute in BLOCKS.items():
            given, key = getattr(self, attribute) is not None, to_key(attribute)
            if given and kind != self.kind:
                raise ValueError(f"{key} belongs to kind {kind}, and the site is of kind {self.kind}; take {key} out, or correct kind")
            if not given and kind == self.kind and kind != "local":
                raise ValueError(f"kind {kind} needs {key}: the block with its addresses (docs/reference/site-kinds.md lists the keys)")
        return self

    @model_validator(mode="after")
    def _nodes_are_apart(self) -> Self:
        block = getattr(self, BLOCKS[self.kind]) if self.kind in BLOCKS else None
        nodes = getattr(block, "nodes", None)
        taken = blueprint.revision(self.blueprint).network.collision(nodes) if nodes else None
        if taken:
            key = to_key(BLOCKS[self.kind])
            raise ValueError(f"{key}.nodes {nodes} overlaps {taken}, which the blueprint uses inside the cluster; choose another network")
        return self


def to_key(attribute: str) -> str:
    """Return the stack file's key of an attribute."""
    alias = SiteConfig.model_fields[attribute].alias
    return alias or attribute


def stack_file(stack: str) -> str:
    """Return the name of a stack's file."""
    return f"Pulumi.{stack}.yaml"


def parse_site(value: Any, *, stack: str) -> SiteConfig:
    """Return the site of the value under `commonweal:site`. Raises SiteConfigError."""
    file = stack_file(stack)
    if not isinstance(value, Mapping):
        raise SiteConfigError(
            f"{SITE_KEY} in {file}: expected a mapping, found {_described(value)}. Copy it from the file of another site."
        )
    try:
        site = SiteConfig.model_validate(value)
    except ValidationError as error:
        raise SiteConfigError("\n".join(_line(problem, file) for problem in error.errors(include_url=False))) from error
    if site.name != stack:
        raise SiteConfigError(f"{SITE_KEY}.name in {file}: is {site.name!r}, but the stack is {stack!r}. Name the site as its stack.")
    return site


def _described(value: Any) -> str:
    return "nothing" if value is None else type(value).__name__


def _line(problem: Mapping[str, Any], file: str) -> str:
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in problem["loc"])
    text = str(problem["msg"]).removeprefix("Value error, ")
    remedy = {"extra_forbidden": "Take it out, or correct its spelling.", "missing": "Add it."}.get(problem["type"], "Correct it.")
    return f"{SITE_KEY}{path} in {file}: {text}. {remedy}"


def parse_master(value: str | None, *, stack: str, secret: bool) -> str:
    """Return the master of the sector keys: 64 hexadecimal characters, kept as a secret of the stack. Raises SiteConfigError."""
    return _parse_secret(MASTER_KEY, value, stack=stack, secret=secret)


def parse_authority(value: str | None, *, stack: str, secret: bool) -> str:
    """Return the key of the site's authority: 64 hexadecimal characters, kept as a secret of the stack. Raises SiteConfigError."""
    return _parse_secret(AUTHORITY_KEY, value, stack=stack, secret=secret)


def parse_signing_key(value: str | None, *, stack: str, secret: bool) -> str:
    """Return the seed with which the site signs its statements: 64 hexadecimal characters, kept as a secret of the stack. Raises SiteConfigError."""
    return _parse_secret(SIGNING_KEY, value, stack=stack, secret=secret)


def parse_encryption_key(value: str | None, *, stack: str, secret: bool) -> str:
    """Return the key with which the site's API servers encrypt what they store: 64 hexadecimal characters, a secret of the stack. Raises SiteConfigError."""
    return _parse_secret(ENCRYPTION_KEY, value, stack=stack, secret=secret)


def _parse_secret(key: str, value: str | None, *, stack: str, secret: bool) -> str:
    remedy = f"Set it with `pulumi config set --secret {key}` (`openssl rand -hex 32` makes one)."
    if not value:
        raise SiteConfigError(f"{key} in {stack_file(stack)}: is not set. {remedy}")
    if not secret:
        raise SiteConfigError(f"{key} in {stack_file(stack)}: stands there in clear text. {remedy}")
    if not HEX.fullmatch(value):
        raise SiteConfigError(f"{key} in {stack_file(stack)}: is not 64 hexadecimal characters in lower case. {remedy}")
    return value


def home() -> Path:
    """Return the directory of this machine's state: `$COMMONWEAL_HOME`, else `~/.local/share/commonweal`."""
    return Path(os.environ.get("COMMONWEAL_HOME") or "~/.local/share/commonweal").expanduser()


def load_images(value: str | None, *, stack: str) -> dict[str, str]:
    """Return the image references of a file (default `$COMMONWEAL_HOME/images.json`). Raises SiteConfigError."""
    path = Path(value).expanduser() if value else home() / "images.json"
    where = f"{IMAGES_KEY} in {stack_file(stack)}"
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SiteConfigError(
            f"{where}: cannot read {path}: {error.strerror}. Build the images, or name the file that lists them."
        ) from error
    except ValueError as error:
        raise SiteConfigError(f"{where}: {path} is not JSON: {error}. Build the images again.") from error
    missing = [name for name in IMAGE_NAMES if not isinstance(found, Mapping) or not found.get(name)]
    if missing:
        raise SiteConfigError(f"{where}: {path} names no image for {', '.join(missing)}. Build the images again.")
    return {name: str(found[name]) for name in IMAGE_NAMES}
