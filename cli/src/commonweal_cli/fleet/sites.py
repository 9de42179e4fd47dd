"""What a roll-out does to one site: bring it up, examine it, have it sign; and remember how it was."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import yaml

from commonweal_api.signatures import public_key
from commonweal_cli.fleet.state import Before
from commonweal_cli.site import operations
from commonweal_cli.site.site_stack import SiteStack
from commonweal_cli.site.stack import PROJECT_FILES
from commonweal_local import paths
from commonweal_local.exceptions import LocalError
from commonweal_stacks.api import Api
from commonweal_stacks.clusters import cluster_of
from commonweal_stacks.conformity.examine import Examined, Say, configuration, examine
from commonweal_stacks.conformity.record import enter, expected_of, publish, published, statement_of
from commonweal_stacks.conformity.site_key import public_jwk, site_seed
from commonweal_stacks.conformity.tree import Digest
from commonweal_stacks.exceptions import ChartError, SiteConfigError, StatementError
from commonweal_stacks.site import stack_file


class Sites(Protocol):
    """The sites of a fleet. Every call may raise LocalError, SiteConfigError or ChartError, which say what is wrong and what to do."""

    def before(self, name: str) -> Before:
        """Return how a site is now, as far as is known."""

    def up(self, name: str, say: Say, *, config: Mapping[str, Any] | None = None) -> None:
        """Bring a site to its stack file, or to the settings given instead."""

    def examine(self, name: str, say: Say, *, config: Mapping[str, Any] | None = None) -> Examined:
        """Return what a site is and does, measured against its stack file or the settings given instead."""

    def sign(self, found: Examined) -> None:
        """Have the site sign what was found, and keep it there."""

    def signed(self, name: str) -> Digest | None:
        """Return the digest that a site has signed of itself, checked against its own key; None when it keeps none that can be believed."""


@dataclass(frozen=True)
class RealSites:
    """The sites whose stack files lie in a project, through `pulumi up`. `scratch` is where copies of the project with other settings go."""

    project: Path
    scratch: Path

    def before(self, name: str) -> Before:
        settings = yaml.safe_load(SiteStack(name, self.project).recorded("settings"))
        signed = self.signed(name)
        return Before(settings, signed.root if signed else "")

    def up(self, name: str, say: Say, *, config: Mapping[str, Any] | None = None) -> None:
        operations.up(name, refresh=True, say=say, project=self._project(name, config))

    def examine(self, name: str, say: Say, *, config: Mapping[str, Any] | None = None) -> Examined:
        return examine(name, self._project(name, config), say=say)

    def sign(self, found: Examined) -> None:
        at = datetime.now(UTC)
        seed = site_seed(found.kubeconfig, site=found.site)
        envelope = statement_of(found, seed=seed, at=at)
        publish(Api(found.kubeconfig, site=found.site), envelope, found.digest, public_jwk(seed.hex()))
        enter(found.site, found.digest.root, at)

    def signed(self, name: str) -> Digest | None:
        try:
            kubeconfig = cluster_of(configuration(name, self.project)[0]).kubeconfig()
            envelope, leaves = published(Api(kubeconfig, site=name))
            return expected_of(envelope, [public_key(site_seed(kubeconfig, site=name))], leaves).digest
        except (SiteConfigError, StatementError):  # not made yet, or it never signed
            return None

    def _project(self, name: str, config: Mapping[str, Any] | None) -> Path:
        if config is None:
            return self.project
        copy = self.scratch / name
        copy.mkdir(parents=True, exist_ok=True, mode=0o700)
        for file in PROJECT_FILES:
            shutil.copy(self.project / file, copy / file)
        paths.write(copy / stack_file(name), yaml.safe_dump({"config": dict(config)}, sort_keys=False))
        return copy


def every_site(project: Path) -> list[str]:
    """Return the sites that have a stack file, by name. Raises LocalError when there is none."""
    prefix, suffix = stack_file("").split(".", 1)[0] + ".", ".yaml"
    found = sorted(file.name.removeprefix(prefix).removesuffix(suffix) for file in project.glob(f"{prefix}*{suffix}"))
    if not found:
        raise LocalError(f"{project} holds no stack file", f"Write {stack_file('SITE')} there, or give --stacks.")
    return found


EXPECTED_FAILURES = (LocalError, SiteConfigError, ChartError)
