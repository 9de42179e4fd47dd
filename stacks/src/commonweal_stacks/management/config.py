"""What the stack file of a management cluster may say, checked before anything is created."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import Field, ValidationError, model_validator

from commonweal_stacks.exceptions import SiteConfigError
from commonweal_stacks.site import stack_file
from commonweal_stacks.site_kinds import Kind, Part

MANAGEMENT_KEY, SEED_KEY = "commonweal:management", "commonweal:webhookSeed"
SEED = re.compile(r"[0-9a-f]{64}")
WITHOUT_MACHINES = ("adopted", "local")


class ManagementConfig(Part):
    """One management cluster: how its controllers run, and for which kinds of site.

    `Processes`: beside an embedded API server (`commonweal management up`). `Deployments`: as pods, on a cluster that has nodes.
    """

    controllers: Literal["Processes", "Deployments"] = Field(
        description="`Processes`: beside an embedded API server. `Deployments`: as pods, on a cluster that has nodes."
    )
    kinds: tuple[Kind, ...] = Field(min_length=1, description="For which kinds of site.")

    @model_validator(mode="after")
    def _machines_need_pods(self) -> Self:
        machines = [kind for kind in self.kinds if kind not in WITHOUT_MACHINES]
        if self.controllers == "Processes" and machines:
            raise ValueError(f"kinds with machines ({', '.join(machines)}) need the kubeadm controllers, which run as Deployments only")
        if self.controllers == "Deployments" and "local" in self.kinds:
            raise ValueError("kind local starts its sites on the machine that the controllers run on, so it needs controllers: Processes")
        return self

    @property
    def has_machines(self) -> bool:
        return any(kind not in WITHOUT_MACHINES for kind in self.kinds)


def parse_management(value: Any, *, stack: str) -> ManagementConfig:
    """Return the configuration under `commonweal:management`. Raises SiteConfigError; each line names the key, the file and the remedy."""
    file = stack_file(stack)
    if not isinstance(value, Mapping):
        raise SiteConfigError(f"{MANAGEMENT_KEY} in {file}: expected a mapping. Copy it from stacks/management/Pulumi.management.yaml.")
    try:
        return ManagementConfig.model_validate(value)
    except ValidationError as error:
        raise SiteConfigError("\n".join(_line(problem, file) for problem in error.errors(include_url=False))) from error


def parse_seed(value: str | None, *, stack: str, secret: bool) -> bytes:
    """Return what the webhooks' certificates are derived from: 32 bytes, a secret of the stack. Raises SiteConfigError."""
    where, remedy = f"{SEED_KEY} in {stack_file(stack)}", f"Set it with `openssl rand -hex 32 | pulumi config set --secret {SEED_KEY}`."
    if not value:
        raise SiteConfigError(f"{where}: is not set. {remedy}")
    if not secret:
        raise SiteConfigError(f"{where}: stands there in clear text. {remedy}")
    if not SEED.fullmatch(value):
        raise SiteConfigError(f"{where}: is not 64 hexadecimal characters in lower case. {remedy}")
    return bytes.fromhex(value)


def _line(problem: Mapping[str, Any], file: str) -> str:
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in problem["loc"])
    text = str(problem["msg"]).removeprefix("Value error, ")
    remedy = {"extra_forbidden": "Take it out, or correct its spelling.", "missing": "Add it."}.get(problem["type"], "Correct it.")
    return f"{MANAGEMENT_KEY}{path} in {file}: {text}. {remedy}"
