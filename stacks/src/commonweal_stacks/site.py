"""The typed configuration of a site: what a stack file may say, checked before anything is created."""

from __future__ import annotations

import ipaddress
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, field_validator, model_validator
from pydantic.alias_generators import to_camel

SITE_KEY, IMAGES_KEY, MASTER_KEY = "commonweal:site", "commonweal:images", "commonweal:sectorsMaster"
SIGNING_KEY = "commonweal:siteKey"
IMAGE_NAMES = ("operator", "runtime", "store")
HEX = re.compile(r"[0-9a-f]{64}")

SiteName = Annotated[str, StringConstraints(pattern=r"^[a-z]([a-z0-9-]{0,38}[a-z0-9])?$")]
ObjectName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")]


class SiteConfigError(ValueError):
    """A site that cannot be built as configured; each line names the key, the file and the remedy."""


class Part(BaseModel):
    """Frozen, camelCase as in the stack file, and an unknown key is an error."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True)


class Storage(Part):
    """What stands behind the StorageClass `std-rwo`, whose name is the same on every site."""

    provisioner: Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?(/[A-Za-z0-9._-]+)?$", max_length=253)]
    parameters: dict[str, str] = Field(default_factory=dict)


class Provider(Part):
    """How tokens of people are read that an issuer of the site's own makes; the issuer that comes with Commonweal needs none of it."""

    audience: Annotated[str, StringConstraints(pattern=r"^(\S+)?$", max_length=500)] = ""
    claim: Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_:./-]{0,99}$")] = "sub"
    subject: Literal["Pairwise", "Source"] = "Pairwise"
    skew_seconds: int = Field(default=30, ge=0, le=300)


class Identity(Part):
    """The issuer of people's tokens. Disabled where the site has one of its own; `issuer` then names that one."""

    enabled: bool = True
    issuer: Annotated[str, StringConstraints(pattern=r"^https?://[^\s/]+(/[^\s?#]*)?$")] = (
        "http://identity.commonweal-system.svc.cluster.local"
    )
    jwks: Annotated[str, StringConstraints(pattern=r"^(https?://\S+)?$")] = ""
    people: ObjectName = "commonweal-people"
    provider: Provider = Field(default_factory=Provider)


class SiteConfig(Part):
    """One site. Everything here may differ between sites; everything else may not."""

    name: SiteName
    kind: Literal["adopted", "local"]
    kubeconfig: Path | None = None
    client_cidrs: tuple[str, ...] = Field(max_length=50, description="Networks outside the cluster that may call; none: only from inside.")
    storage: Storage
    expose: Literal["LoadBalancer", "ClusterIP"] = "ClusterIP"
    identity: Identity = Field(default_factory=Identity)

    @field_validator("client_cidrs")
    @classmethod
    def _networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for text in value:
            try:
                ipaddress.ip_network(text)
            except ValueError as error:
                raise ValueError(f"{error}; write a network such as 10.1.0.0/16, with no host bits set") from error
        return value

    @model_validator(mode="after")
    def _kubeconfig_fits(self) -> Self:
        if self.kind == "adopted" and self.kubeconfig is None:
            raise ValueError("kind adopted needs kubeconfig: the path of the cluster's kubeconfig file")
        if self.kind == "local" and self.kubeconfig is not None:
            raise ValueError("kind local takes no kubeconfig: it is that of the local site; leave it out, or use kind adopted")
        return self


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


def parse_signing_key(value: str | None, *, stack: str, secret: bool) -> str:
    """Return the seed with which the site signs its statements: 64 hexadecimal characters, kept as a secret of the stack. Raises SiteConfigError."""
    return _parse_secret(SIGNING_KEY, value, stack=stack, secret=secret)


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
        raise SiteConfigError(f"{where}: {path} is not JSON: {error}. Build the images anew.") from error
    missing = [name for name in IMAGE_NAMES if not isinstance(found, Mapping) or not found.get(name)]
    if missing:
        raise SiteConfigError(f"{where}: {path} names no image for {', '.join(missing)}. Build the images anew.")
    return {name: str(found[name]) for name in IMAGE_NAMES}
