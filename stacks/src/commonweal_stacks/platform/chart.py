"""The operator's manifests, from the one place where they are written: the chart, rendered by helm."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from commonweal_stacks import blueprint
from commonweal_stacks.exceptions import ChartError
from commonweal_stacks.manifests import NAMESPACE, Manifest, documents
from commonweal_stacks.platform.values import Images, Values
from commonweal_stacks.site import Networks, SiteConfig

RELEASE = "commonweal"
SECONDS = 60.0


def values(site: SiteConfig, images: Mapping[str, str]) -> dict[str, Any]:
    """Return the chart's values for a site. Pure."""
    networks = _networks(site)
    chosen = Values(
        images=Images(**images),
        site=site.name,
        expose=site.expose,
        client_cidrs=site.client_cidrs,
        pod_cidrs=networks.pods,
        service_cidrs=networks.services,
        trusted_proxies=site.trusted_proxies,
        identity=site.identity,
        portal=site.portal,
        certificates=site.certificates,
    )
    return chosen.for_helm()


def _networks(site: SiteConfig) -> Networks:
    """Return the networks inside the site's cluster: the blueprint's, and of a cluster that somebody else made what the site says."""
    if site.kind == "adopted":
        return site.networks
    network = blueprint.revision(site.blueprint).network
    return Networks(pods=(network.pods,), services=(network.services,))


def find_helm() -> str:
    """Return helm's path: from PATH, else from the cache of built tools. Raises ChartError."""
    cache = Path(os.environ.get("COMMONWEAL_CACHE") or "~/.cache/commonweal").expanduser() / "bin"
    found = shutil.which("helm") or shutil.which("helm", path=str(cache))
    if not found:
        raise ChartError(f"helm is neither on PATH nor in {cache}: build the tools (`make tools`), or install helm.")
    return found


def render(chart: Path, chart_values: Mapping[str, Any]) -> list[Manifest]:
    """Return the chart's objects in the order of its templates; hooks are left out, since nothing here runs them. Raises ChartError."""
    command = [find_helm(), "template", RELEASE, str(chart), "--namespace", NAMESPACE, "--no-hooks", "--values", "-"]
    done = subprocess.run(command, input=yaml.safe_dump(dict(chart_values)), capture_output=True, text=True, timeout=SECONDS, check=False)
    if done.returncode != 0:
        raise ChartError(f"helm could not render {chart}: {done.stderr.strip()}. Correct the chart or its values.")
    return list(documents(done.stdout))
