"""One site, examined: its digest, and what its probes found."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from commonweal_stacks import blueprint
from commonweal_stacks.api import Api
from commonweal_stacks.checkout import source
from commonweal_stacks.clusters import cluster_of
from commonweal_stacks.conformity.gather import gather
from commonweal_stacks.conformity.probes import Verdict, leaves_of, probe
from commonweal_stacks.conformity.probes.verdicts import not_probed
from commonweal_stacks.conformity.tree import Digest
from commonweal_stacks.exceptions import SiteConfigError
from commonweal_stacks.platform.layer import Keys, build_layer
from commonweal_stacks.site import IMAGES_KEY, SITE_KEY, SiteConfig, load_images, parse_site, stack_file

Say = Callable[[str], None]
NOT_ASKED: Mapping[str, Verdict] = {"all": not_probed("not asked for")}


@dataclass(frozen=True)
class Examined:
    """What was found on one site. `kubeconfig` is that by which it was read."""

    site: str
    digest: Digest
    verdicts: Mapping[str, Verdict]
    kubeconfig: str

    @property
    def unknown(self) -> list[str]:
        """The promises that could not be tried."""
        return sorted(name for name, verdict in self.verdicts.items() if not verdict.known)


def stack_directory() -> Path:
    """Return the directory of the stack files that come with the checkout."""
    return source() / "stacks" / "site"


def configuration(stack: str, directory: Path) -> tuple[SiteConfig, Mapping[str, Any]]:
    """Return the site of a stack file, and the file's whole configuration. Raises SiteConfigError."""
    file = directory / stack_file(stack)
    try:
        config = yaml.safe_load(file.read_text(encoding="utf-8")).get("config", {})
    except (OSError, yaml.YAMLError, AttributeError) as error:
        raise SiteConfigError(f"{file} cannot be read: {error}. Give the name of a site that has a stack file.") from error
    return parse_site(config.get(SITE_KEY), stack=stack), config


def examine(stack: str, directory: Path, *, probing: bool = True, say: Say) -> Examined:
    """Read the site that a stack file names, and try what it promises. Raises SiteConfigError or ChartError.

    Without `probing` nothing is written to the site, and its digest says that nobody tried.
    """
    site, config = configuration(stack, directory)
    images = load_images(config.get(IMAGES_KEY), stack=stack)
    layer = build_layer(site, images, Keys("(secret)", "(secret)", "(secret)"))
    kubeconfig = cluster_of(site).kubeconfig()
    api = Api(kubeconfig, site=stack)
    meant = blueprint.revision(site.blueprint)
    verdicts = probe(api, images["runtime"], meant, say=say, ours=site.kind != "adopted") if probing else NOT_ASKED
    say("reading what is there")
    return Examined(stack, gather(layer, meant, api, leaves_of(verdicts)), verdicts, kubeconfig)
