"""The stack of one site: where its clusters are now, and what of its state still holds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import yaml

from commonweal_cli.site.stack import Outcome, Say, Stack
from commonweal_local import paths, sites
from commonweal_local.exceptions import LocalError
from commonweal_stacks.clusters import adapter_of, cluster_of, running_version
from commonweal_stacks.clusters.identity import cluster_uid
from commonweal_stacks.exceptions import SiteConfigError
from commonweal_stacks.management_access import management_if_any, management_kubeconfig
from commonweal_stacks.site import AUTHORITY_KEY, ENCRYPTION_KEY, MASTER_KEY, SIGNING_KEY, SITE_KEY, SiteConfig, parse_site

PLATFORM, ENTRY = "commonweal:platform:Platform", "commonweal:cluster:FleetEntry"
MANAGEMENT = "the management cluster"
Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Facts:
    """What was found before a run. Identities are uids of `kube-system`, empty where there is none or nobody answers.

    `declared`: the site's Cluster is on the management cluster. `cluster` is the site's own identity now, `was` that of the last run. `lost`:
    it was a site of this machine, which holds none of that name any more.
    """

    cluster: str
    was: str
    adopted: bool = False
    declared: bool = False
    management: str = ""
    management_was: str = ""
    lost: bool = False

    @property
    def moved(self) -> bool:
        """Whether the management cluster is another than before: what was declared on it has to be declared again."""
        return bool(self.management_was and self.management) and self.management != self.management_was


@dataclass(frozen=True)
class Validity:
    """What of a stack's state holds. `look_first`: what it says of the management cluster does not; a refresh finds out.

    `platform`: what it says of the site does; else the site's objects went with a cluster that is gone. `entry`: so does an adopted site's entry in
    the fleet; else it went with a management cluster that this machine has no more.
    """

    platform: bool
    look_first: bool
    entry: bool = True


def validity(facts: Facts) -> Validity:
    """Return what of the state holds. Pure.

    A site outlives its management cluster: when that was made anew, the site is taken to be there unless it is known to be another.
    """
    entry = bool(facts.management) or not (facts.adopted and facts.management_was)
    platform = True
    if facts.was and facts.cluster:
        platform = facts.cluster == facts.was
    elif facts.was:
        platform = facts.adopted or facts.declared or (facts.moved and not facts.lost)
    return Validity(platform=platform, look_first=facts.moved, entry=entry)


def without(part: str, resources: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return a state's resources without a component of that type, its provider and its objects. Pure."""
    return [resource for resource in resources if part not in str(resource["urn"]).split("::")[-2].split("$")]


class SiteStack(Stack):
    """The stack of a site, whose cluster a run makes unless the site is an adopted one."""

    def __init__(self, site: str, project: Path | None = None) -> None:
        stacks = paths.source() / "stacks"
        super().__init__(site, project or stacks / "site", directory=f"sites/{site}", title=f"site {site}", packs=[stacks / "policy"])

    def secrets(self) -> Mapping[str, str]:
        """Two are one for all sites of this machine: the sectors' master, so that people keep their ids when a department moves, and the authority's, so that sites believe one another."""
        own = {SIGNING_KEY: f"site-key-{self.name}"}
        if adapter_of(self.config.kind).declaration.encrypted:
            own[ENCRYPTION_KEY] = f"encryption-key-{self.name}"
        return {MASTER_KEY: "sectors-master", AUTHORITY_KEY: "site-authority", **own}

    @cached_property
    def config(self) -> SiteConfig:
        """The site as its committed file describes it. Raises LocalError."""
        return self._asked(lambda: parse_site(self.committed().get(SITE_KEY), stack=self.name))

    @property
    def adopted(self) -> bool:
        """Whether the site's cluster is somebody else's: no run makes it, and none takes it down."""
        return self.config.kind == "adopted"

    def make_ready(self, say: Say) -> dict[str, bool]:
        """Make the stack ready for a run and return the options that the run needs. Raises LocalError.

        What the state says of a cluster that is gone is forgotten: its objects went with it.
        """
        facts = self.facts()
        holds = validity(facts)
        self.prepare(say)
        if not holds.platform:
            say(f"the cluster of {self.title} is another than before: forgetting the platform on the old one")
            self._forget_part(PLATFORM)
        if not holds.entry:
            say(f"this machine has no management cluster any more: forgetting the entry of {self.title} on it")
            self._forget_part(ENTRY)
        if holds.look_first:
            say("the management cluster is another than before: looking first at what it holds")
        self.record("cluster", facts.cluster or (facts.was if holds.platform else ""))
        return {"refresh": True, "run_program": True} if holds.look_first else {}

    def note(self, outcome: Outcome) -> None:
        """Remember on which clusters, and with which settings, a run worked that went well."""
        self.record("settings", yaml.safe_dump(self.committed(), sort_keys=False))
        self.record("cluster", str(outcome.outputs.get("clusterIdentifier", "")))
        self.record("management", self._management())

    def facts(self) -> Facts:
        """Look at the clusters. Raises LocalError when the management cluster does not answer; what is wrong with the site the run itself says."""
        try:
            cluster = self.identity(self.kubeconfig())
        except LocalError:  # not made yet, or down
            cluster = ""
        return Facts(
            cluster,
            was=self.recorded("cluster"),
            adopted=self.adopted,
            declared=not self.adopted and self._asked(lambda: running_version(self.name)) is not None,
            management=self._management(),
            management_was=self.recorded("management"),
            lost=self.config.kind == "local" and self.name not in {one.name for one in sites.status()},
        )

    def _management(self) -> str:
        """Return the management cluster's identity; empty where an adopted site does without. Raises LocalError."""
        if self.adopted and self._asked(management_if_any) is None:
            return ""
        return self._asked(lambda: cluster_uid(management_kubeconfig(), site=MANAGEMENT))

    def kubeconfig(self) -> str:
        """Return the site's kubeconfig. Raises LocalError when there is none, or none yet."""
        return self._asked(cluster_of(self.config).kubeconfig)

    def is_there(self) -> bool:
        """Return whether the site has a cluster. Raises LocalError when it has one that does not answer: nobody knows then what it holds."""
        if not self.adopted and self._asked(lambda: running_version(self.name)) is None and not self.recorded("cluster"):
            return False
        return bool(self.identity(self.kubeconfig()))

    def identity(self, kubeconfig: str) -> str:
        """Return the uid of the site's kube-system. Raises LocalError when it does not answer."""
        return self._asked(lambda: cluster_uid(kubeconfig, site=self.name))

    def _asked(self, question: Callable[[], Answer]) -> Answer:
        try:
            return question()
        except SiteConfigError as error:
            raise LocalError(f"{self.title} cannot be used", str(error)) from error

    def _forget_part(self, part: str) -> None:
        checkpoint = self.checkpoint()
        deployment = checkpoint["deployment"]
        kept = without(part, deployment.get("resources") or ())
        self.restore({**checkpoint, "deployment": {**deployment, "resources": kept}})
